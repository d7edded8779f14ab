import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurallnet_jax.metrics import conformal


def test_the_quantile_is_the_score_of_the_rank_that_the_definition_names():
    """n = 9, coverage 0.8: k = ceil(10 * 0.8) = 8, the eighth smallest of 1..9; coverage 0.9: k = 9."""
    scores = [3, 9, 1, 7, 5, 2, 8, 6, 4]
    assert conformal.quantile(scores, 0.8) == 8
    assert conformal.quantile(scores, 0.9) == 9
    assert conformal.quantile(scores, 0.5) == 5


@pytest.mark.parametrize(
    ("n", "coverage", "needed"), [(8, 0.9, 9), (0, 0.5, 1), (18, 0.95, 19), (98, 0.99, 99), (1, 0.7, 3)]
)
def test_too_few_images_for_a_coverage_are_refused_with_the_number_needed(n, coverage, needed):
    with pytest.raises(ValueError, match=rf"{n} images? cannot promise .* needs at least {needed};"):
        conformal.quantile(np.arange(n), coverage)
    assert conformal.quantile(np.arange(needed), coverage) == needed - 1


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 1.5, math.nan])
def test_a_coverage_out_of_range_is_refused(coverage):
    with pytest.raises(ValueError, match="expected a number between 0 and 1"):
        conformal.quantile(np.arange(100), coverage)


def test_scores_worked_out_by_hand():
    """Probabilities 0.5, 0.2, 0.3: aps sums 0.5; 0.5 + 0.3 + 0.2; 0.5 + 0.3."""
    row = np.array([[0.5, 0.2, 0.3]])
    np.testing.assert_allclose(conformal.lac(row), [[0.5, 0.8, 0.7]])
    np.testing.assert_allclose(conformal.aps(row), [[0.5, 1.0, 0.8]])


def draw(rng: np.random.Generator, n: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from probabilities that the rule sees sharpened, so that it is overconfident."""
    true = rng.dirichlet(np.full(classes, 0.4), size=n)
    labels = (true.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=classes - 1)
    sharp = true**2 + 1e-9
    return labels, sharp / sharp.sum(axis=1, keepdims=True)


@settings(max_examples=12, deadline=None)
@given(
    n=st.integers(20, 80),
    coverage=st.sampled_from([0.7, 0.8, 0.9, 0.95]),
    method=st.sampled_from(sorted(conformal.SCORES)),
    seed=st.integers(0, 2**31),
)
def test_the_coverage_over_many_splits_is_that_of_the_beta_distribution(n, coverage, method, seed):
    """With continuous scores the coverage of one calibration is Beta(k, n + 1 - k), k = ceil((n + 1) coverage).

    Its mean is k / (n + 1). Each of 300 splits draws 100 test images, so the variance of a split's coverage is that of the
    Beta distribution plus at most 1 / 400; five standard errors of the mean leave one false alarm in millions.
    """
    k = math.ceil((n + 1) * coverage - 1e-9)
    rng = np.random.default_rng(seed)
    splits, tested = 300, 100
    found = []
    for _ in range(splits):
        labels, probabilities = draw(rng, n + tested)
        quantiles = conformal.fit(labels[:n], probabilities[:n], coverage=coverage, method=method)
        held = conformal.sets(probabilities[n:], quantiles, method=method, never_empty=False)
        found.append(conformal.covered(labels[n:], held).mean())
    mean = k / (n + 1)
    variance = mean * (1 - mean) / (n + 2) + mean * (1 - mean) / tested
    # The least probable class always sums to 1 in aps: ties there only add coverage.
    slack = 5 * math.sqrt(variance / splits)
    assert np.mean(found) >= mean - slack
    assert mean >= coverage
    if method == "lac":
        assert np.mean(found) <= mean + slack


def test_quantiles_by_class_hold_the_coverage_within_the_hard_class():
    """Class 1 is predicted badly; one quantile for all leaves it short, one per class does not."""
    rng = np.random.default_rng(3)

    def images(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = (rng.random(n) < 0.15).astype(int)
        own = np.where(labels == 0, rng.uniform(0.9, 1, n), rng.uniform(0, 0.8, n))
        return labels, np.where(labels[:, None] == np.arange(2), own[:, None], 1 - own[:, None])

    labels, probabilities = images(4000)
    new, unseen = images(4000)
    shares = {}
    for by_class in (False, True):
        quantiles = conformal.fit(labels, probabilities, coverage=0.9, by_class=by_class)
        assert len(quantiles) == 1 + by_class
        shares[by_class] = conformal.measure(new, conformal.sets(unseen, quantiles, never_empty=False)).by_class[1]
    assert shares[False] is not None
    assert shares[True] is not None
    assert shares[False] < 0.6
    assert abs(shares[True] - 0.9) < 0.04


def test_a_class_without_enough_images_is_named():
    labels = np.array([0] * 30 + [1] * 3)
    probabilities = np.full((33, 2), 0.5)
    with pytest.raises(
        ValueError, match=r"class 1: 3 images cannot promise a coverage of 0\.9.* leave out the quantiles"
    ):
        conformal.fit(labels, probabilities, coverage=0.9, by_class=True)


def test_the_most_probable_class_keeps_a_set_from_being_empty():
    probabilities = np.array([[0.6, 0.4], [0.95, 0.05]])
    assert conformal.sets(probabilities, (0.1,), never_empty=False).tolist() == [[False, False], [True, False]]
    assert conformal.sets(probabilities, (0.1,)).tolist() == [[True, False], [True, False]]


def test_what_is_measured_of_sets_by_hand():
    held = np.array([[True, False, False], [True, True, False], [False, True, False]])
    found = conformal.measure(np.array([0, 1, 0]), held)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.by_class == (0.5, 1.0, None)
    assert found.mean_size == pytest.approx(4 / 3)
    assert found.single == pytest.approx(2 / 3)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method 'best' is unknown; expected one of lac, aps"):
        conformal.fit([0], [[1.0, 0.0]], coverage=0.5, method="best")
