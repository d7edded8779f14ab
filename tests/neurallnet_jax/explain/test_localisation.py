"""Where heat lies, on maps drawn by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurallnet_jax.explain import localisation
from neurallnet_jax.explain.attribution import Attribution

MASK = np.zeros((4, 4), bool)
MASK[1:3, 1:3] = True


def attribution(heat: np.ndarray, *, signed: bool = False) -> Attribution:
    return Attribution(heat.astype(np.float32), signed)


def test_a_map_that_is_the_mask_meets_it_in_every_way():
    found = localisation.locate(attribution(MASK), MASK)
    assert (found.area, found.hit, found.inside, found.iou) == (0.25, 1, 1, 1)


def test_a_map_beside_the_mask_misses_it_in_every_way():
    found = localisation.locate(attribution(~MASK), MASK)
    assert (found.hit, found.inside, found.iou) == (0, 0, 0)


def test_a_map_worked_out_by_hand():
    """Heat 4 at (1, 1), 3 at (0, 0), 2 at (1, 2) and (3, 3), 1 at (0, 3); the mask has the pixels 1 and 2 of rows 1, 2.

    Inside: (4 + 2) of 12. The four hottest pixels hold two of the mask's four: 2 / (4 + 4 - 2).
    """
    heat = np.zeros((4, 4))
    heat[1, 1], heat[0, 0], heat[1, 2], heat[3, 3], heat[0, 3] = 4, 3, 2, 2, 1
    found = localisation.locate(attribution(heat), MASK)
    assert found.hit == 1
    assert found.inside == pytest.approx(0.5)
    assert found.iou == pytest.approx(2 / 6)


def test_a_flat_map_meets_a_mask_as_chance_does():
    found = localisation.locate(attribution(np.ones((4, 4))), MASK)
    assert found.hit == found.inside == found.area
    drawn = [localisation.locate(attribution(np.ones((4, 4))), MASK, seed=seed).iou for seed in range(50)]
    assert len(set(drawn)) > 1


def test_a_map_without_evidence_has_no_share():
    assert localisation.locate(attribution(np.zeros((4, 4))), MASK).inside is None
    assert localisation.share(attribution(-np.ones((4, 4)), signed=True), MASK).heat is None


def test_what_speaks_against_the_class_is_no_evidence():
    heat = np.where(MASK, 1.0, -5.0)
    assert localisation.share(attribution(heat, signed=True), MASK).heat == 1


@pytest.mark.parametrize("mask", [np.zeros((4, 4), bool), np.ones((2, 2), bool)])
def test_a_mask_that_does_not_fit_is_refused(mask):
    with pytest.raises(ValueError, match="the mask is"):
        localisation.locate(attribution(np.ones((4, 4))), mask)


@given(
    mask=hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))),
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
)
def test_a_region_keeps_its_share_of_the_area_at_every_size(mask, size):
    covered = localisation.coverage(mask, size)
    assert covered.shape == size
    assert covered.mean() == pytest.approx(mask.mean())
    assert covered.min() >= 0
    assert covered.max() <= 1 + 1e-12


def test_coverage_counts_the_pixels_that_fall_together():
    mask = np.array([[1, 0, 1, 1], [1, 1, 1, 1]], bool)
    np.testing.assert_allclose(localisation.coverage(mask, (1, 2)), [[0.75, 1]])
    np.testing.assert_allclose(localisation.coverage(mask[:1], (1, 3)), [[0.75, 0.5, 1]])
