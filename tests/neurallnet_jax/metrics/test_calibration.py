"""Calibration against hand-worked traces, scikit-learn and a scalar optimiser of SciPy."""

from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from neurallnet_jax.metrics import calibration


def predictions(seed: int, n: int = 60, k: int = 4, *, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and logits of a noisy classifier."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(k, size=n)
    logits = generator.normal(size=(n, k))
    logits[np.arange(n), labels] += 1.0
    return labels, sharpness * logits


def test_ece_of_a_hand_worked_example():
    """Four images, two bins: (0, 0.5] holds nothing; (0.5, 1] holds 0.6 right, 0.8 wrong, 0.9 right, 0.7 right.

    With 5 bins of 0.2: (0.4, 0.6] holds 0.6, right: |1 - 0.6| * 1 = 0.4. (0.6, 0.8] holds 0.8 wrong and 0.7 right:
    |0.5 - 0.75| * 2 = 0.5. (0.8, 1] holds 0.9, right: 0.1. Sum 1.0 over 4 images: 0.25.
    With 2 bins: |0.75 - 0.75| = 0.
    """
    labels = [0, 1, 0, 0]
    probabilities = [[0.6, 0.4], [0.8, 0.2], [0.9, 0.1], [0.7, 0.3]]
    assert calibration.ece(labels, probabilities, bins=5) == pytest.approx(0.25)
    assert calibration.ece(labels, probabilities, bins=2) == pytest.approx(0.0, abs=1e-15)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below_it():
    bins = calibration.reliability([0, 0], [[0.5, 0.5], [0.75, 0.25]], bins=4)
    np.testing.assert_allclose(bins.low, [0.25, 0.5])
    np.testing.assert_allclose(bins.high, [0.5, 0.75])
    np.testing.assert_array_equal(bins.n, [1, 1])


def test_full_confidence_belongs_to_the_last_bin_even_if_rounding_exceeds_one():
    bins = calibration.reliability([0, 1], [[1.0, 0.0], [1.0005, 0.0]], bins=10)
    np.testing.assert_array_equal(bins.n, [2])
    assert bins.low[0] == pytest.approx(0.9)
    assert bins.accuracy[0] == 0.5


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**16), bins=st.integers(1, 30))
def test_ece_is_the_weighted_gap_of_the_reliability_bins(seed, bins):
    labels, logits = predictions(seed)
    probabilities = scipy.special.softmax(logits, axis=1)
    filled = calibration.reliability(labels, probabilities, bins)
    assert filled.n.sum() == len(labels)
    assert (filled.n > 0).all()
    assert ((filled.low < filled.confidence) & (filled.confidence <= filled.high)).all()
    gap = (filled.n * np.abs(filled.accuracy - filled.confidence)).sum() / len(labels)
    assert calibration.ece(labels, probabilities, bins) == pytest.approx(gap, abs=1e-12)


def test_predictions_drawn_from_their_own_probabilities_are_calibrated():
    generator = np.random.default_rng(3)
    probabilities = generator.dirichlet(np.ones(3), size=20_000)
    labels = (generator.random(20_000)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    assert calibration.ece(labels, probabilities) < 0.02
    assert calibration.ece(labels, np.roll(probabilities, 1, axis=1)) > 0.2


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**16), k=st.integers(2, 6))
def test_brier_agrees_with_scikit_learn(seed, k):
    labels, logits = predictions(seed, k=k)
    probabilities = scipy.special.softmax(logits, axis=1)
    # Over all classes one by one: the multi-class argument of scikit-learn is younger than the versions we allow.
    expected = sum(brier_score_loss(labels == c, probabilities[:, c]) for c in range(k))
    assert calibration.brier(labels, probabilities) == pytest.approx(expected, abs=1e-12)


def test_brier_runs_from_zero_to_two():
    assert calibration.brier([0, 1], [[1, 0], [0, 1]]) == 0
    assert calibration.brier([1, 0], [[1, 0], [0, 1]]) == 2


def test_weights_count_images_as_often_as_repeating_them():
    labels, logits = predictions(5)
    probabilities = scipy.special.softmax(logits, axis=1)
    weights = np.random.default_rng(6).integers(0, 4, size=(len(labels), 3)).astype(float)
    for column in range(3):
        often = np.repeat(np.arange(len(labels)), weights[:, column].astype(int))
        repeated = labels[often], probabilities[often]
        ece = calibration.weighted_ece(labels, probabilities, weights)[column]
        brier = calibration.weighted_brier(labels, probabilities, weights)[column]
        assert ece == pytest.approx(calibration.ece(*repeated), abs=1e-12)
        assert brier == pytest.approx(calibration.brier(*repeated), abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**16), sharpness=st.sampled_from([1e-4, 0.1, 1.0, 7.0, 1e5]))
def test_the_temperature_agrees_with_a_scalar_optimiser(seed, sharpness):
    labels, logits = predictions(seed, n=200, sharpness=sharpness)

    def loss(log_temperature: float) -> float:
        z = logits / np.exp(log_temperature)
        return (scipy.special.logsumexp(z, axis=1) - z[np.arange(len(labels)), labels]).mean()

    centre = np.log(sharpness)
    best: Any = scipy.optimize.minimize_scalar(
        loss, bounds=(centre - 6, centre + 6), method="bounded", options={"xatol": 1e-10}
    )
    temperature = calibration.fit_temperature(labels, logits)
    assert temperature == pytest.approx(np.exp(best.x), rel=1e-4)
    assert loss(np.log(temperature)) <= best.fun + 1e-12


def test_the_temperature_of_two_logits_has_a_closed_form():
    """Margin 2 is right 3 times of 4: sigmoid(2 / T) = 3/4, so T = 2 / ln 3."""
    temperature = calibration.fit_temperature([0, 0, 0, 1], [[2, 0]] * 4)
    assert temperature == pytest.approx(2 / np.log(3), rel=1e-12)


def test_the_temperature_scales_with_the_logits_and_ignores_their_offset():
    labels, logits = predictions(8)
    temperature = calibration.fit_temperature(labels, logits)
    shifted = 1000 * logits + np.arange(len(labels))[:, None]
    assert calibration.fit_temperature(labels, shifted) == pytest.approx(1000 * temperature, rel=1e-9)


def test_a_fitted_temperature_lowers_the_error_of_an_overconfident_model():
    labels, logits = predictions(9, n=4000, sharpness=5.0)
    before = calibration.ece(labels, calibration.apply_temperature(logits, 1.0))
    after = calibration.ece(labels, calibration.apply_temperature(logits, calibration.fit_temperature(labels, logits)))
    assert before > 0.15
    assert after < 0.05


def test_apply_temperature_is_a_softmax_that_does_not_overflow():
    logits = np.array([[[1e5, 0.0, -1e5], [1.0, 2.0, 3.0]]])
    result = calibration.apply_temperature(logits, 0.5)
    np.testing.assert_allclose(result, scipy.special.softmax(logits / 0.5, axis=-1), rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="expected a finite number above 0"):
        calibration.apply_temperature([[0.0, 1.0]], temperature)


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="NaN or infinity"):
        calibration.apply_temperature([[0.0, np.nan]], 1.0)
    with pytest.raises(ValueError, match="row 1 of the logits holds NaN or infinity"):
        calibration.fit_temperature([0, 1], [[0.0, 1.0], [np.inf, 0.0]])


@pytest.mark.parametrize(
    ("labels", "logits", "message"),
    [
        ([0, 1], [[2.0, 1.0], [0.0, 3.0]], "all 2 images are classified correctly"),
        ([1, 0], [[2.0, 1.0], [0.0, 3.0]], "no more than chance"),
        ([1, 0], [[2.0, 2.0], [0.0, 0.0]], "all equal"),
    ],
)
def test_logits_without_a_best_temperature_are_refused(labels, logits, message):
    with pytest.raises(ValueError, match=message):
        calibration.fit_temperature(labels, logits)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.zeros((0, 4)), "at least one image"),
        ([[0]], [[0.5, 0.5]], r"expected \(N,\) and \(N, K\)"),
        ([0], [[1.0]], "K >= 2 classes"),
        ([0, 1], [[0.5, 0.5]], "2 labels but 1 rows"),
        ([0.0], [[0.5, 0.5]], "labels are float64; expected integers"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "label 1 is 2; expected 0 to 1"),
        ([0, -1], [[0.5, 0.5], [0.5, 0.5]], "label 1 is -1"),
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], "row 1 of the probabilities holds NaN"),
        ([0, 1], [[np.inf, 0.5], [0.5, 0.5]], "row 0 of the probabilities holds NaN or infinity"),
        ([0], [[1.5, -0.5]], "row 0 of the probabilities holds -0.5"),
        ([0, 0], [[0.5, 0.5], [0.5, 0.502]], "row 1 of the probabilities sums to 1.002"),
    ],
)
def test_impossible_predictions_are_refused_by_row(labels, probabilities, message):
    for function in (calibration.ece, calibration.brier, calibration.reliability):
        with pytest.raises(ValueError, match=message) as caught:
            function(labels, probabilities)
        assert "\n" not in str(caught.value)


def test_sums_that_only_rounded_are_accepted():
    assert calibration.ece([0], [[0.5004, 0.5004]], bins=1) == pytest.approx(0.4996)


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="bins is 0"):
        calibration.ece([0], [[0.5, 0.5]], bins=0)


def test_the_negative_log_likelihood_by_hand_and_at_impossible_truths():
    assert calibration.nll([0, 1], [[0.5, 0.5], [0.75, 0.25]]) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert calibration.nll([1], [[1.0, 0.0]]) == pytest.approx(-np.log(1e-12))
