import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurallnet_jax.images import quality


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def blurred(pixels: np.ndarray) -> np.ndarray:
    wide = np.pad(pixels.astype(np.float32), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    size = pixels.shape[1]
    return (sum(wide[:, y : y + size, x : x + size] for y in range(3) for x in range(3)) / 9).round().astype(np.uint8)


def test_blur_makes_any_image_less_sharp(noise):
    assert (quality.unsharpness(blurred(noise)) > quality.unsharpness(noise) + 0.5).all()


@settings(max_examples=20, deadline=None)
@given(turn=st.integers(0, 3), mirror=st.booleans())
def test_nothing_depends_on_how_the_slide_lies(noise, turn, mirror):
    moved = np.rot90(noise, turn, axes=(1, 2))
    moved = moved[:, ::-1] if mirror else moved
    for measure in (quality.colour, quality.detail, quality.structure, quality.unsharpness):
        np.testing.assert_allclose(measure(moved), measure(noise), rtol=1e-4, atol=1e-4)


def test_colour_does_not_depend_on_where_the_pixels_lie(noise):
    flat = noise.reshape(3, -1, 3)
    mixed = flat[:, np.random.default_rng(1).permutation(flat.shape[1])].reshape(noise.shape)
    np.testing.assert_allclose(quality.colour(mixed), quality.colour(noise), rtol=1e-4, atol=1e-4)
    assert np.abs(quality.detail(mixed) - quality.detail(noise)).max() > 1e-3


def test_detail_of_a_checkerboard_by_hand():
    """Density alternates between 0 and ln 2; the Laplacian is +-4 ln 2 everywhere, and one halving leaves nothing."""
    board = np.where(np.indices((16, 16)).sum(axis=0) % 2, 255, 127).astype(np.uint8)
    found = quality.detail(np.repeat(board[None, :, :, None], 3, axis=3))[0]
    assert found[0] == pytest.approx(np.log((4 * np.log(2)) ** 2), abs=1e-3)
    assert found[1] == pytest.approx(np.log(1e-7), abs=0.1)


def test_amounts_of_stain_by_hand():
    """An even image of one colour: means and percentiles are d S^-1, spreads and correlations are zero."""
    even = np.broadcast_to(np.array([127, 63, 255], np.uint8), (1, 8, 8, 3))
    found = quality.colour(even)[0]
    amounts = np.log([2, 4, 1]) @ np.linalg.inv(quality.STAINS)
    np.testing.assert_allclose(found[:3], amounts, atol=1e-4)
    np.testing.assert_allclose(found[3:6], 0, atol=1e-4)
    np.testing.assert_allclose(found[6:21].reshape(5, 3), np.tile(amounts, (5, 1)), atol=1e-4)
    np.testing.assert_allclose(found[21:], 0, atol=1e-3)


@pytest.mark.parametrize("size", [8, 9, 24, 33, 64, 130])
def test_every_size_from_eight_pixels_gives_finite_numbers(size):
    pixels = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    for measure in (quality.colour, quality.detail, quality.structure, quality.unsharpness):
        for images in (pixels, np.zeros_like(pixels), np.full_like(pixels, 255), pixels[:0]):
            found = measure(images)
            assert found.dtype == np.float64
            assert len(found) == len(images)
            assert np.isfinite(found).all()


def test_many_images_are_measured_as_each_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), dtype=np.uint8)
    for measure in (quality.colour, quality.structure):
        np.testing.assert_allclose(measure(pixels)[66], measure(pixels[66:67])[0], rtol=1e-5, atol=1e-5)


def test_images_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"expected \(images, height, width, 3\)"):
        quality.colour(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="images are 7 x 8; statistics of detail need at least 8 x 8"):
        quality.detail(np.zeros((1, 7, 8, 3), np.uint8))
