import numpy as np
import pytest
import scipy.fft
from PIL import Image

from neurallnet_jax.images import near, registration
from neurallnet_jax.images.near import WINDOWS, blank, candidates, matches, thumbnail


def noise(count: int, seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 200, (count, 12, 12), np.uint8)
    return np.stack([np.asarray(Image.fromarray(i).resize((64, 64), Image.Resampling.BICUBIC)) for i in small])


def test_windows_cover_the_image_at_four_sizes():
    assert len(WINDOWS) == 1 + 9 + 16 + 36
    ends = WINDOWS[:, :2] + WINDOWS[:, 2:]
    assert WINDOWS.min() >= 0
    assert ends.max() <= 1 + 1e-6
    assert sorted({round(float(size), 2) for size in WINDOWS[:, 2]}) == [0.8, 0.87, 0.93, 1.0]


def test_a_thumbnail_is_the_darkest_channel():
    image = np.zeros((128, 128, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 200, 90, 140
    assert (thumbnail(image) == 90).all()


def test_candidates_are_those_of_a_double_loop_over_images_windows_and_orientations():
    """A separate DCT, a separate crop (of whole pixels' area), every pair, every window, every orientation."""
    images = noise(5)
    crop = Image.fromarray(images[1]).resize((64, 64), Image.Resampling.BILINEAR, box=(0, 0, 51.2, 51.2))
    images = np.concatenate([images, np.asarray(crop)[None, :, ::-1], np.rot90(images[2])[None]])

    def describe(image: np.ndarray) -> np.ndarray:
        bound = np.sort(image.reshape(-1))[int(0.4 * (image.size - 1))]
        return np.minimum(image.astype(np.float64), bound)

    def transform(image: np.ndarray, window: np.ndarray) -> np.ndarray:
        rows, columns = (registration.sampling(window[a : a + 1], window[a + 2 :][:1], 32)[0] for a in (0, 1))
        values = np.asarray(scipy.fft.dctn(rows @ image @ columns.T, type=2))[:10, :10]
        radius = np.hypot(*np.indices((10, 10)))
        values = values * np.where((radius > 0) & (radius <= 9.5), radius, 0) ** 0.75
        return values.ravel() / np.linalg.norm(values)

    best: dict[tuple[int, int], float] = {}
    for i, whole in enumerate(images):
        for place, window in enumerate(WINDOWS):
            mine = transform(describe(whole), window)
            for j, part in enumerate(images):
                for turn in range(8 if place == 0 else 4):
                    laid = registration.orient(describe(part)[None], turn)[0]
                    value = float(mine @ transform(laid, WINDOWS[0]))
                    if i != j and value > best.get((min(i, j), max(i, j)), near.MIN_SIMILARITY):
                        best[min(i, j), max(i, j)] = value
    found = candidates(images)
    pairs = zip(found.whole.tolist(), found.part.tolist(), strict=True)
    got = {(min(pair), max(pair)): value for pair, value in zip(pairs, found.similarity.tolist(), strict=True)}
    assert {(1, 5), (2, 6)} <= set(best) == set(got)
    for pair, value in best.items():
        assert got[pair] == pytest.approx(value, abs=2e-3)


def test_matches_say_how_the_twin_was_made():
    images = noise(12)
    crop = Image.fromarray(images[3]).resize((64, 64), Image.Resampling.BILINEAR, box=(6.4, 9.6, 57.6, 60.8))
    found = matches(np.concatenate([images, np.asarray(crop)[None, :, ::-1]]), least=0.9)
    assert (found.whole.tolist(), found.part.tolist()) == ([3], [12])
    assert registration.ORIENTATIONS[found.orientation[0]] == "mirror"
    np.testing.assert_allclose(found.window[0], [0.15, 0.1, 0.8, 0.8], atol=0.01)


def test_images_that_show_nothing_match_nothing():
    images = np.concatenate([np.full((3, 64, 64), 210, np.uint8), noise(3)])
    assert blank(images).tolist() == [True] * 3 + [False] * 3
    assert len(candidates(images).whole) == 0
    assert len(candidates(images[:0]).whole) == 0


def test_a_crowd_of_copies_keeps_no_quadratic_list(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(near, "CROWD", 3)
    monkeypatch.setattr(near, "WINDOWS", WINDOWS[:1])
    random = np.random.default_rng(4)
    copies = np.clip(noise(1)[[0] * 60].astype(int) + random.integers(-3, 4, (60, 64, 64)), 0, 255).astype(np.uint8)
    found = candidates(copies)
    assert 60 <= len(found.whole) <= 3 * 60
    assert set(np.concatenate([found.whole, found.part]).tolist()) == set(range(60))


def test_progress_names_both_steps():
    said: dict[str, tuple[int, int]] = {}
    images = noise(3)
    matches(
        np.concatenate([images, images[:1]]),
        least=0.9,
        progress=lambda step, done, total: said.update({step: (done, total)}),
    )
    assert said == {"comparing windows": (62, 62), "aligning pairs": (1, 1)}
