import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neurallnet_jax.images import regions, statistics


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    levels=st.sampled_from([2, 256]),
)
def test_colour_statistics_are_numpy_s(seed, height, width, levels):
    pixels = np.random.default_rng(seed).integers(0, levels, (3, height, width, 3)).astype(np.uint8)
    flat = pixels.reshape(3, -1, 3).astype(np.float64)
    percentiles = [np.percentile(flat, level, axis=1) for level in statistics.COLOUR_LEVELS]
    expected = np.concatenate([flat.mean(axis=1), flat.std(axis=1), *percentiles], axis=1)
    found = statistics.colour_statistics(pixels)
    assert found.shape == (3, 18)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_colour_statistics_say_nothing_of_where_a_colour_is():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    shuffled = rng.permutation(pixels.reshape(64, 3)).reshape(pixels.shape)
    np.testing.assert_array_equal(statistics.colour_statistics(pixels), statistics.colour_statistics(shuffled))


def test_the_corner_is_the_lower_right_one():
    pixels = np.zeros((1, 100, 100, 3), np.uint8)
    pixels[0, 84:, 84:] = (10, 20, 30)
    assert statistics.corner_colours(pixels).tolist() == [[10, 20, 30, 0, 0, 0]]
    pixels[0, :84] = 255
    assert statistics.corner_colours(pixels).tolist() == [[10, 20, 30, 0, 0, 0]]


def test_a_bar_is_counted_by_hand():
    """A box of 4 rows and 6 columns with 3 red and 2 black pixels; without a bar all is zero."""
    pixels = np.full((2, 20, 20, 3), 255, np.uint8)
    masks = np.zeros((2, 20, 20), bool)
    masks[0, 12:16, 10:16] = True
    pixels[0, 13, 10:13] = (220, 20, 20)
    pixels[0, 14, 10:12] = 0
    assert statistics.bar_statistics(pixels, masks).tolist() == [[4, 6, 3, 2], [0, 0, 0, 0]]


def test_the_colour_of_cells_is_that_below_the_mask_or_of_the_darkest_pixels():
    pixels = np.full((2, 10, 10, 3), 200, np.uint8)
    masks = np.zeros((2, 10, 10), bool)
    pixels[0, 2:4, 2:4], masks[0, 2:4, 2:4] = (90, 40, 160), True
    pixels[1, 5, 5] = (10, 11, 12)
    assert statistics.cell_colours(pixels, masks).tolist() == [[90, 40, 160], [10, 11, 12]]


def test_image_statistics_know_no_colour_and_fall_with_focus():
    rng = np.random.default_rng(1)
    sharp = rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(sharp[0]).resize((8, 8)).resize((32, 32)))[None]
    found = statistics.image_statistics(np.concatenate([sharp, soft, regions.without_colour(sharp)]))
    assert (found[1, 1:] < found[0, 1:]).all()
    np.testing.assert_allclose(found[0, :3], found[2, :3], rtol=0.01)
    encoded = io.BytesIO()
    Image.fromarray(sharp[0]).save(encoded, "JPEG", quality=75)
    assert found[0, 3] == len(encoded.getvalue())


def test_brightness_contrast_and_sharpness_by_hand():
    """Grey 100 everywhere but one pixel of 116 in 16 x 16: the Laplacian is 64 there and -16 at its four neighbours."""
    pixels = np.full((1, 16, 16, 3), 100, np.uint8)
    pixels[0, 8, 8] = 116
    brightness, contrast, sharpness, _ = statistics.image_statistics(pixels)[0]
    assert brightness == pytest.approx(100 + 16 / 256, abs=1e-3)
    assert contrast == pytest.approx(16 * np.sqrt(255) / 256, rel=1e-3)
    assert sharpness == pytest.approx(np.log1p((64**2 + 4 * 16**2) / 14**2), rel=1e-3)


def test_a_file_is_known_by_its_size_and_its_jpeg_settings(tmp_path: Path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    fine, coarse = tmp_path / "fine.jpg", tmp_path / "coarse.jpg"
    picture.save(fine, quality=95, subsampling=0)
    picture.save(coarse, quality=30, subsampling=2)
    assert statistics.file_sizes([fine, coarse]).tolist() == [[fine.stat().st_size], [coarse.stat().st_size]]
    found = statistics.jpeg_settings([fine, coarse])
    assert found[:, :2].tolist() == [[20, 30], [20, 30]]
    assert (found[0, 2:4] < found[1, 2:4]).all()
    assert found[:, 4].tolist() == [1, 4]


def test_a_grey_jpeg_has_settings_too(tmp_path: Path):
    Image.new("L", (8, 8)).save(tmp_path / "grey.jpg")
    assert statistics.jpeg_settings([tmp_path / "grey.jpg"])[0, 4] == 1


def test_other_files_have_no_jpeg_settings_and_are_named(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    with pytest.raises(ValueError, match=r"one\.png is PNG, no JPEG"):
        statistics.jpeg_settings([tmp_path / "one.png"])
