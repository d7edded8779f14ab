import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from neurallnet_jax.explain.superpixels import lab, slic
from neurallnet_jax.images import synthetic


@pytest.mark.parametrize(
    ("colour", "wanted"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((255, 255, 255), (100, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((10, 10, 10), (2.74, 0, 0)),
    ],
)
def test_colours_are_where_cielab_has_them(colour, wanted):
    np.testing.assert_allclose(lab(np.array(colour, np.uint8)), wanted, atol=0.01)


@given(
    seed=st.integers(0, 999),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    part=st.floats(0, 1),
    channels=st.sampled_from([1, 3]),
)
def test_every_superpixel_is_one_piece_and_none_is_a_crumb(seed, height, width, part, channels):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    count = max(1, round(part * height * width))
    found = slic(image, count)
    assert found.shape == (height, width)
    assert found.dtype == np.int32
    sizes = np.bincount(found.ravel())
    assert sizes.min() > 0
    assert all(ndimage.label(found == one)[1] == 1 for one in range(len(sizes)))
    # A quarter of a cell; cells are rounded to whole rows and columns.
    assert len(sizes) == 1 or sizes.min() >= height * width / (count * 4) / 3 - 1


def test_a_flat_image_is_cut_into_a_regular_grid():
    found = slic(np.full((32, 32, 3), 77, np.uint8), 16)
    wanted = np.arange(16).reshape(4, 4).repeat(8, axis=0).repeat(8, axis=1)
    np.testing.assert_array_equal(found, wanted)


def test_no_superpixel_crosses_the_edge_of_a_cell():
    """A dark disc on a light ground, off the grid: every superpixel lies in or out."""
    rows, columns = np.indices((48, 48))
    disc = (rows - 21.3) ** 2 + (columns - 25.1) ** 2 < 13**2
    image = np.where(disc[..., None], np.uint8([70, 30, 110]), np.uint8([225, 215, 225])).astype(np.uint8)
    found = slic(image, 36)
    assert all(disc[found == one].all() or not disc[found == one].any() for one in range(found.max() + 1))


def test_a_smear_has_about_as_many_superpixels_as_asked_and_they_are_of_one_colour():
    """The variance left within superpixels is far below that within squares of the same number."""
    image = synthetic.draw(2, 0, (96, 96))
    found = slic(image, 64)
    assert 40 <= found.max() + 1 <= 80
    rows, columns = np.indices((96, 96)) // 12
    assert left_within(image, found) < left_within(image, rows * 8 + columns) / 4


def left_within(image: np.ndarray, labels: np.ndarray) -> float:
    return float(
        sum(ndimage.variance(image.mean(axis=-1), labels, one) * (labels == one).sum() for one in np.unique(labels))
    )


def test_fewer_than_one_superpixel_or_more_than_pixels_are_refused():
    image = np.zeros((4, 5, 3), np.uint8)
    for count in (0, 21):
        with pytest.raises(ValueError, match=f"{count} superpixels for an image of 4 x 5; expected 1 to 20"):
            slic(image, count)
