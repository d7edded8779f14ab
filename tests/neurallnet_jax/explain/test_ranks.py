"""Orders of pixels, and how two of them agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from neurallnet_jax.explain import ranks
from neurallnet_jax.explain.attribution import Attribution

maps = hnp.arrays(np.float32, (4, 5), elements=st.integers(-6, 6).map(float))


@given(first=maps, second=maps)
def test_the_correlation_is_that_of_scipy(first, second):
    if np.ptp(first) and np.ptp(second):
        expected = stats.spearmanr(first.ravel(), second.ravel()).statistic
        assert ranks.spearman(first, second) == pytest.approx(expected, abs=1e-12)
    assert ranks.spearman(first, first) == pytest.approx(1)


def test_a_flat_map_agrees_with_a_flat_map_alone():
    flat, other = np.zeros((3, 3)), np.arange(9.0).reshape(3, 3)
    assert ranks.spearman(flat, flat + 2) == 1
    assert ranks.spearman(flat, other) == 0
    with pytest.raises(ValueError, match="only maps of one image"):
        ranks.spearman(flat, other[:2])


@given(heat=maps, seed=st.integers(0, 9))
def test_every_pixel_has_a_place_of_its_own_by_falling_heat(heat, seed):
    places = ranks.order(heat, np.random.default_rng(seed))
    assert sorted(places.ravel()) == list(range(heat.size))
    assert (np.diff(heat.ravel()[np.argsort(places.ravel())]) <= 0).all()


def test_a_flat_map_is_not_taken_row_by_row():
    places = ranks.order(np.zeros((20, 20)), np.random.default_rng(0))
    assert np.corrcoef(places.ravel(), np.arange(400))[0, 1] == pytest.approx(0, abs=0.15)


def test_only_what_speaks_for_the_class_is_evidence():
    found = ranks.evidence(Attribution(np.array([[-2.0, 3.0]], np.float32), signed=True))
    np.testing.assert_array_equal(found, [[0, 3]])
