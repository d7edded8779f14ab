import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax.metrics import selective


def test_a_curve_worked_out_by_hand():
    """Confidences 0.9 right, 0.8 wrong, 0.8 right, 0.5 wrong: risks 0/1, 1/3 (the two of 0.8 together), 2/4."""
    curve = selective.risk_coverage([0.8, 0.9, 0.5, 0.8], [True, False, True, False])
    np.testing.assert_allclose(curve.threshold, [0.9, 0.8, 0.5])
    np.testing.assert_allclose(curve.answered, [0.25, 0.75, 1.0])
    np.testing.assert_allclose(curve.risk, [0, 1 / 3, 0.5])
    assert selective.aurc(curve) == pytest.approx(0.25 * 0 + 0.5 / 3 + 0.25 / 2)


@given(st.lists(st.tuples(st.floats(0, 1, allow_nan=False), st.booleans()), min_size=1, max_size=40), st.floats(0, 1))
def test_thresholds_do_what_they_were_chosen_for(images, target):
    confidence, wrong = (np.array(column) for column in zip(*images, strict=True))
    curve = selective.risk_coverage(confidence, wrong)
    enough = confidence >= selective.threshold_for_answered(curve, target)
    assert enough.mean() >= target - 1e-9
    try:
        threshold = selective.threshold_for_risk(curve, target)
    except ValueError:
        assert all(wrong[confidence >= level].mean() > target for level in confidence)
    else:
        assert wrong[confidence >= threshold].mean() <= target
        # No lower threshold would do.
        assert all(wrong[confidence >= level].mean() > target for level in confidence[confidence < threshold])


def test_without_ties_the_area_is_the_mean_of_the_risks():
    rng = np.random.default_rng(0)
    confidence, wrong = rng.random(50), rng.random(50) < 0.3
    ranked = wrong[np.argsort(-confidence)]
    expected = np.mean([ranked[: n + 1].mean() for n in range(50)])
    assert selective.aurc(selective.risk_coverage(confidence, wrong)) == pytest.approx(expected)


def test_a_confidence_that_knows_beats_one_that_does_not():
    wrong = np.arange(100) >= 90
    good = selective.aurc(selective.risk_coverage(-np.arange(100.0), wrong))
    bad = selective.aurc(selective.risk_coverage(np.arange(100.0), wrong))
    flat = selective.aurc(selective.risk_coverage(np.ones(100), wrong))
    assert good < flat < bad
    assert flat == pytest.approx(0.1)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        selective.risk_coverage([], [])
    with pytest.raises(ValueError, match="one of each per image"):
        selective.risk_coverage([0.5], [True, False])
    curve = selective.risk_coverage([0.9, 0.5], [True, False])
    with pytest.raises(ValueError, match=r"no confidence reaches a risk of 0\.1; the least is 0\.5"):
        selective.threshold_for_risk(curve, 0.1)
    for choose in (selective.threshold_for_risk, selective.threshold_for_answered):
        with pytest.raises(ValueError, match="expected a number between 0 and 1"):
            choose(curve, 1.5)
