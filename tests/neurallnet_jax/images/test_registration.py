import numpy as np
import pytest
from PIL import Image

from neurallnet_jax.images import registration
from neurallnet_jax.images.registration import GRID, ORIENTATIONS, SIDE, align, orient, sampling, without_light


def fields(count: int, seed: int = 0) -> np.ndarray:
    """Return smooth random thumbnails, much darker than white."""
    small = np.random.default_rng(seed).integers(0, 200, (count, 12, 12), np.uint8)
    return np.stack([np.asarray(Image.fromarray(i).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for i in small])


def test_orientations_are_the_eight_turns_and_mirrors_of_numpy():
    square = np.arange(9).reshape(1, 3, 3)
    expected = {
        "none": square[0],
        "mirror": np.fliplr(square[0]),
        "upside down": np.flipud(square[0]),
        "half turn": np.rot90(square[0], 2),
        "transpose": square[0].T,
        "quarter turn clockwise": np.rot90(square[0], -1),
        "quarter turn anticlockwise": np.rot90(square[0]),
        "transverse": np.rot90(square[0], 2).T,
    }
    assert list(expected) == list(ORIENTATIONS)
    for place, name in enumerate(ORIENTATIONS):
        np.testing.assert_array_equal(orient(square, place)[0], expected[name])


def test_sampling_averages_exactly_what_an_interval_covers():
    """Two intervals of 1.5 pixels from pixel 2: (p2 + p3 / 2) / 1.5 and (p3 / 2 + p4) / 1.5."""
    weights = sampling(np.array([2 / SIDE]), np.array([3 / SIDE]), 2)[0]
    np.testing.assert_allclose(weights[0, 1:6], [0, 2 / 3, 1 / 3, 0, 0], atol=1e-5)
    np.testing.assert_allclose(weights[1, 1:6], [0, 0, 1 / 3, 2 / 3, 0], atol=1e-5)


def test_only_what_is_brighter_than_the_quantile_changes():
    ramp = np.arange(16).reshape(1, 4, 4)
    np.testing.assert_array_equal(without_light(ramp, 0.5).reshape(-1), np.minimum(np.arange(16), 7))


@pytest.mark.parametrize("window", [(0.0, 0.0, 1.0, 1.0), (0.07, 0.12, 0.83, 0.83), (0.13, 0.02, 0.85, 0.9)])
def test_a_window_is_found_again_from_a_few_hundredths_away(window: tuple[float, float, float, float]):
    wholes = fields(6)
    rows, columns = (sampling(np.array([window[a]]), np.array([window[a + 2]]), SIDE)[0] for a in (0, 1))
    parts = np.rint(rows @ wholes.astype(np.float32) @ columns.T).astype(np.uint8)
    begin = np.tile(np.add(window, (0.015, -0.015, 0.0, 0.0)), (6, 1))
    found = align(wholes, np.arange(6), parts, begin)
    assert found.correlation.min() > 0.995
    np.testing.assert_allclose(found.window, np.tile(window, (6, 1)), atol=0.01)


def test_the_correlation_is_that_of_numpy_where_nothing_has_to_move():
    first, second = fields(2, 1)
    mixed = ((first.astype(int) * 3 + second) // 4).astype(np.uint8)
    found = align(first[None], np.array([0]), mixed[None], np.array([[0.0, 0.0, 1.0, 1.0]]))
    halves = [image.reshape(GRID, 2, GRID, 2).mean((1, 3)) for image in (first, mixed)]
    dark = [np.minimum(image, np.sort(image.reshape(-1))[int(0.5 * (GRID**2 - 1))]) for image in halves]
    assert found.correlation[0] >= np.corrcoef(dark[0].ravel(), dark[1].ravel())[0, 1] - 1e-4


def test_light_that_saturates_one_of_them_does_not_hide_a_twin():
    first = np.stack([np.clip(image.astype(int) + 40, 0, 255) for image in fields(5, 2)]).astype(np.uint8)
    bright = np.clip(first * 1.5, 0, 255).astype(np.uint8)
    whole = np.tile([0.0, 0.0, 1.0, 1.0], (5, 1))
    assert (bright >= 245).mean() > 0.2
    assert align(first, np.arange(5), bright, whole).correlation.min() > registration.MOST_LIGHT + 0.45


def test_strangers_do_not_fit_and_nothing_fits_nothing():
    images = fields(8, 3)
    whole = np.tile([0.0, 0.0, 1.0, 1.0], (4, 1))
    assert align(images, np.arange(4), images[4:], whole).correlation.max() < 0.7
    assert len(align(images, np.arange(0), images[:0], whole[:0]).correlation) == 0
