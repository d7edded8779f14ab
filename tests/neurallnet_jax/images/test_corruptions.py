import io

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neurallnet_jax.images import corruptions, synthetic
from neurallnet_jax.images.corruptions import CORRUPTIONS, SEVERITIES, SIDE, corrupt

GREY = np.full((SIDE, SIDE, 3), 128, np.uint8)
EVERY = [(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def speckled(height: int = 40, width: int = 56, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def smears() -> np.ndarray:
    return synthetic.dataset(1, 3, (SIDE, SIDE))[0]


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(int) - second.astype(int)).mean())


# --- What all of them promise


@pytest.mark.parametrize(("name", "severity"), EVERY)
def test_an_image_stays_an_image_and_the_given_one_as_it_was(name: str, severity: int) -> None:
    image = speckled()
    before = image.copy()
    worse = corrupt(image, name, severity, key="a")
    assert (worse.dtype, worse.shape) == (np.uint8, image.shape)
    assert not np.array_equal(worse, image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(("name", "severity"), EVERY)
def test_key_corruption_severity_and_seed_decide_and_nothing_else(name: str, severity: int) -> None:
    image = speckled()
    once = corrupt(image, name, severity, key="a", seed=3)
    corrupt(speckled(seed=9), "gaussian-noise", 5, key="b")
    np.testing.assert_array_equal(corrupt(image, name, severity, key="a", seed=3), once)


@pytest.mark.parametrize("name", ["gaussian-noise", "salt-and-pepper", "occlusion"])
def test_another_key_or_seed_draws_otherwise(name: str) -> None:
    image = speckled()
    once = corrupt(image, name, 3, key="a", seed=0)
    assert not np.array_equal(corrupt(image, name, 3, key="b", seed=0), once)
    assert not np.array_equal(corrupt(image, name, 3, key="a", seed=1), once)


def test_two_directions_are_taken_about_equally_often() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[0, 3] = 200
    for name in ("rotation", "illumination"):
        found = {corrupt(np.maximum(image, 100), name, 5, key=str(key)).tobytes() for key in range(20)}
        assert len(found) == 2
    brighter = sum(corrupt(GREY[:4, :4], "illumination", 5, key=str(key)).mean() > 128 for key in range(400))
    assert scipy.stats.binomtest(brighter, 400).pvalue > 1e-3


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_severer_corruption_lies_farther_from_the_clean_image(name: str, smears: np.ndarray) -> None:
    distances = [
        np.mean([distance(corrupt(image, name, severity, key=str(place)), image) for place, image in enumerate(smears)])
        for severity in SEVERITIES
    ]
    assert distances[0] > 0
    assert (np.diff(distances) > 0).all(), distances


def test_levels_run_from_mild_to_severe() -> None:
    for name, chosen in CORRUPTIONS.items():
        steps = np.diff(chosen.levels)
        assert len(chosen.levels) == len(SEVERITIES)
        assert (steps < 0).all() if name == "jpeg" else (steps > 0).all()


# --- One by one, against a closed form or somebody else's program


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_on_mid_grey_has_the_deviation_that_is_stated(severity: int) -> None:
    """Rounded to whole levels (1/12 of variance) and clipped: the moments of a clipped normal, by summing its levels."""
    sigma = CORRUPTIONS["gaussian-noise"].levels[severity - 1]
    levels = np.arange(256)
    edges = np.concatenate([[-np.inf], levels[:-1] + 0.5, [np.inf]])
    mass = np.diff(scipy.stats.norm.cdf(edges, 128, sigma))
    mean = mass @ levels
    deviation = np.sqrt(mass @ (levels - mean) ** 2)
    worse = corrupt(GREY, "gaussian-noise", severity, key="a").astype(float)
    assert worse.std() == pytest.approx(deviation, rel=0.01)
    assert worse.mean() == pytest.approx(mean, abs=5 * deviation / np.sqrt(worse.size))
    if sigma <= 20:
        assert deviation == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=1e-3)


def test_noise_is_independent_between_channels_and_neighbours() -> None:
    off = corrupt(GREY, "gaussian-noise", 3, key="a").astype(float) - 128
    for first, second in ((off[..., 0], off[..., 1]), (off[1:], off[:-1]), (off[:, 1:], off[:, :-1])):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("severity", SEVERITIES)
def test_salt_and_pepper_replace_exactly_their_share_of_the_pixels(severity: int) -> None:
    worse = corrupt(GREY, "salt-and-pepper", severity, key="a")
    assert (worse == worse[..., :1]).all()
    values, counts = np.unique(worse[..., 0], return_counts=True)
    assert values.tolist() == [0, 128, 255]
    replaced = round(CORRUPTIONS["salt-and-pepper"].levels[severity - 1] / 100 * SIDE * SIDE)
    assert counts[0] + counts[2] == replaced
    assert scipy.stats.binomtest(int(counts[0]), replaced).pvalue > 1e-3


@pytest.mark.parametrize("severity", SEVERITIES)
def test_blur_is_that_of_scipy_border_and_all(severity: int) -> None:
    sigma = CORRUPTIONS["gaussian-blur"].levels[severity - 1]
    image = speckled(60, 43)
    expected = scipy.ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="reflect", truncate=4.0)
    assert np.abs(corrupt(image, "gaussian-blur", severity, key="a") - expected).max() < 0.5 + 1e-3


def test_an_impulse_becomes_the_gaussian_with_its_variance() -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[32, 32] = 255
    worse = corruptions.blur(image, 1.0, draw())[..., 0].astype(float)
    gaussian = 255 * np.outer(*2 * [scipy.stats.norm.pdf(np.arange(65), 32, 1.0)])
    assert np.abs(worse - gaussian).max() < 0.6


@pytest.mark.parametrize(("height", "width"), [(3, 5), (1, 9)])
def test_blur_mirrors_more_than_once_where_the_image_is_small(height: int, width: int) -> None:
    image = speckled(height, width)
    expected = scipy.ndimage.gaussian_filter(image.astype(float), (4, 4, 0), mode="reflect")
    assert np.abs(corruptions.blur(image, 4, draw()) - expected).max() < 0.5 + 1e-3


@given(height=st.integers(1, 40), width=st.integers(1, 40), percent=st.floats(0.1, 40), seed=st.integers(0, 99))
def test_exactly_the_stated_share_is_covered_by_one_grey_patch(
    height: int, width: int, percent: float, seed: int
) -> None:
    image = np.full((height, width, 3), 255, np.uint8)
    covered = (corruptions.occlude(image, percent, draw(seed)) == corruptions.FILL).all(axis=-1)
    count = round(percent * height * width / 100)
    assert covered.sum() == count
    if count:
        rows, columns = (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
        box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        # All rows are full but the last.
        assert box - count < columns[-1] - columns[0] + 1


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_patch_keeps_its_shape_and_takes_every_place(severity: int) -> None:
    image = np.full((SIDE, SIDE, 3), 255, np.uint8)
    ratios, tops = [], []
    for key in range(40):
        covered = (corrupt(image, "occlusion", severity, key=str(key)) == corruptions.FILL).all(axis=-1)
        rows, columns = covered.any(axis=1), covered.any(axis=0)
        ratios.append(rows.sum() / columns.sum())
        tops.append(int(np.flatnonzero(rows)[0]))
    assert 0.45 < min(ratios) < 0.8
    assert 1.3 < max(ratios) < 2.2
    assert len(set(tops)) > 10


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (270, 3), (0, 0)])
def test_quarter_turns_move_pixels_and_change_none(degrees: int, turns: int) -> None:
    image = speckled(31, 31)
    found = corruptions.rotate(image, degrees, draw())
    assert any(np.array_equal(found, np.rot90(image, sign * turns)) for sign in (1, -1))


@pytest.mark.parametrize("degrees", [5, 10, 20, 30, 45])
@pytest.mark.parametrize("shape", [(40, 40), (30, 57)])
def test_rotation_is_that_of_scipy_mirrored_at_the_border(degrees: int, shape: tuple[int, int]) -> None:
    image = speckled(*shape)

    def turned(angle: float) -> np.ndarray:
        matrix = np.eye(3)
        cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        matrix[:2, :2] = [[cosine, sine], [-sine, cosine]]
        centre = np.array([*(np.array(shape) - 1) / 2, 0])
        return scipy.ndimage.affine_transform(
            image.astype(float), matrix, centre - matrix @ centre, order=1, mode="reflect"
        )

    found = corruptions.rotate(image, degrees, draw())
    assert min(np.abs(found - turned(angle)).max() for angle in (degrees, -degrees)) < 0.5 + 1e-3


def test_no_black_wedge_tells_the_angle() -> None:
    bright = np.random.default_rng(0).integers(180, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    for severity in SEVERITIES:
        assert corrupt(bright, "rotation", severity, key="a").min() >= 180


@pytest.mark.parametrize("severity", SEVERITIES)
def test_illumination_follows_gain_and_gamma(severity: int) -> None:
    factor = CORRUPTIONS["illumination"].levels[severity - 1]
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    found = corrupt(ramp, "illumination", severity, key="a")
    curves = [255 * gain * (ramp / 255.0) ** (1 / gain) for gain in (factor, 1 / factor)]
    assert min(np.abs(found - np.clip(curve, 0, 255)).max() for curve in curves) <= 0.5 + 1e-6
    assert (np.diff(found[..., 0].ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_jpeg_leaves_multiples_of_the_steps_of_its_quality(severity: int) -> None:
    """Of a grey image, every coefficient of an 8 x 8 block is a multiple of libjpeg's step, up to the final rounding."""
    quality = CORRUPTIONS["jpeg"].levels[severity - 1]
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    # The first row of the luminance table of ITU T.81, annex K.
    row = np.array([16, 11, 10, 16, 24, 40, 51, 61])
    steps = np.clip(np.floor((row * scale + 50) / 100), 1, 255)
    grey = speckled(64, 64)[..., :1].repeat(3, axis=2)
    found = corrupt(grey, "jpeg", severity, key="a")[..., 0].astype(float) - 128
    blocks = found.reshape(8, 8, 8, 8).transpose(0, 2, 1, 3)
    # Blocks without a clipped pixel alone hold the coefficients that were stored.
    whole = blocks[(np.abs(blocks + 0.5) < 127).all(axis=(2, 3))]
    if not len(whole):
        grey = (grey // 4 + 96).astype(np.uint8)
        found = corrupt(grey, "jpeg", severity, key="a")[..., 0].astype(float) - 128
        whole = found.reshape(8, 8, 8, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    coefficients = scipy.fft.dctn(whole, axes=(1, 2), norm="ortho")[:, 0]
    off = np.abs(coefficients - steps * np.round(coefficients / steps))
    assert np.median(off) < 0.5
    assert off.max() < 2.0


def test_jpeg_is_that_of_pillow(smears: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(smears[0]).save(buffer, "JPEG", quality=40)
    with Image.open(buffer) as stored:
        np.testing.assert_array_equal(corrupt(smears[0], "jpeg", 3, key="a"), np.asarray(stored))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_resampling_takes_block_means_and_draws_lines_between_them(factor: int) -> None:
    image = speckled(48, 64)
    small = image.reshape(48 // factor, factor, 64 // factor, factor, 3).mean(axis=(1, 3))

    def stretched(values: np.ndarray, axis: int) -> np.ndarray:
        length = values.shape[axis]
        at = (np.arange(length * factor) + 0.5) / factor - 0.5
        return np.apply_along_axis(lambda line: np.interp(at, np.arange(length), line), axis, values)

    expected = stretched(stretched(small, 0), 1)
    assert np.abs(corruptions.resample(image, factor, draw()) - expected).max() < 0.5 + 1e-3


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", ["gaussian-blur", "rotation", "resampling"])
def test_what_averages_leaves_an_even_image_as_it_is(name: str, severity: int) -> None:
    np.testing.assert_array_equal(corrupt(GREY, name, severity, key="a"), GREY)


# --- Refusals


def test_unknown_names_and_severities_are_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no corruption 'fog'; there are gaussian-noise, .*, resampling$"):
        corruptions.select(["jpeg", "fog"])
    for severity in (0, 6):
        with pytest.raises(ValueError, match=rf"no severity {severity}; expected 1 \(mild\) to 5 \(severe\)"):
            corruptions.select_severities([severity])
    with pytest.raises(ValueError, match="no corruption is named"):
        corruptions.select([])
    with pytest.raises(ValueError, match="no severity is named"):
        corruptions.select_severities([])


def test_a_choice_is_put_in_order_and_counted_once() -> None:
    assert corruptions.select(["jpeg", "rotation", "jpeg"]) == ("rotation", "jpeg")
    assert corruptions.select_severities([5, 1, 5]) == (1, 5)
    assert corruptions.select() == tuple(CORRUPTIONS)
    assert corruptions.select_severities() == SEVERITIES


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_rgb_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        corrupt(image, "jpeg", 1, key="a")
