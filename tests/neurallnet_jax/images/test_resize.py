"""Area means against whole-number cases, a brute-force integral, and the identities a mean must keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax.images import resize


@given(source=st.integers(1, 60), data=st.data())
def test_every_target_pixel_is_a_mean_and_no_source_pixel_is_lost(source: int, data: st.DataObject) -> None:
    target = data.draw(st.integers(1, source))
    weights = resize.area_weights(source, target)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=0), target / source, rtol=1e-5)


def test_whole_factors_are_block_means() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
    blocks = image.reshape(4, 3, 5, 4, 3).mean(axis=(1, 3))
    assert np.abs(resize.by_area(image, (4, 5)) - blocks).max() <= 0.5 + 1e-3


def test_broken_factors_are_integrals_of_the_image() -> None:
    """Enlarge by repetition until the factor is whole: the block means of that are the integral."""
    image = np.random.default_rng(1).integers(0, 256, (7, 7, 3), np.uint8)
    large = image.repeat(4, axis=0).repeat(4, axis=1).astype(float)
    expected = large.reshape(4, 7, 4, 7, 3).mean(axis=(1, 3))
    assert np.abs(resize.by_area(image, (4, 4)) - expected).max() <= 0.5 + 1e-3


def test_the_same_size_is_the_same_image() -> None:
    image = np.random.default_rng(2).integers(0, 256, (9, 5, 3), np.uint8)
    np.testing.assert_array_equal(resize.by_area(image, (9, 5)), image)


def test_tall_images_are_read_in_pieces_without_a_seam() -> None:
    image = np.random.default_rng(3).integers(0, 256, (1300, 4, 3), np.uint8)
    expected = image.reshape(13, 100, 2, 2, 3).mean(axis=(1, 3))
    assert np.abs(resize.by_area(image, (13, 2)) - expected).max() <= 0.5 + 1e-3


def test_enlarging_is_refused() -> None:
    with pytest.raises(ValueError, match="4 x 4, its area mean cannot be 5 x 4"):
        resize.by_area(np.zeros((4, 4, 3), np.uint8), (5, 4))
