"""Masks larger and smaller, against SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from neurallnet_jax.images import morphology

EIGHT = np.ones((3, 3), bool)
masks = hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(mask=masks, radius=st.integers(0, 3))
def test_growing_and_shrinking_are_those_of_scipy_with_a_border_that_changes_nothing(mask, radius):
    grown, shrunk = morphology.grown(mask, radius), morphology.shrunk(mask, radius)
    if radius:
        np.testing.assert_array_equal(grown, ndimage.binary_dilation(mask, EIGHT, radius))
        np.testing.assert_array_equal(shrunk, ndimage.binary_erosion(mask, EIGHT, radius, border_value=1))
    else:
        np.testing.assert_array_equal(grown, mask)
        np.testing.assert_array_equal(shrunk, mask)


@given(mask=masks, radius=st.integers(0, 2))
def test_opening_takes_away_and_never_adds(mask, radius):
    opened = morphology.opened(mask, radius)
    assert not (opened & ~mask).any()
    np.testing.assert_array_equal(morphology.opened(opened, radius), opened)


@given(mask=masks, data=st.data())
def test_parts_with_a_seed_are_those_that_scipy_labels(mask, data):
    seeds = data.draw(hnp.arrays(bool, mask.shape))
    labels, _ = ndimage.label(mask, EIGHT)
    wanted = np.isin(labels, np.unique(labels[seeds & mask])) & mask
    np.testing.assert_array_equal(morphology.reconstructed(seeds, mask), wanted)


@given(mask=masks)
def test_holes_are_what_no_path_of_eight_neighbours_joins_to_the_border(mask):
    np.testing.assert_array_equal(morphology.without_holes(mask), ndimage.binary_fill_holes(mask, EIGHT))


@pytest.mark.parametrize("radius", [0, 1])
def test_an_argument_is_left_as_it_was(radius):
    mask = np.eye(5, dtype=bool)
    morphology.opened(mask, radius)
    morphology.without_holes(mask)
    np.testing.assert_array_equal(mask, np.eye(5, dtype=bool))
