"""Paired tests: against hand-worked and published tables, plain definitions, scipy, and classifiers alike by design."""

import itertools
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from neurallnet_jax.metrics import intervals, paired

# Albumin, total protein, K-G score, and whether surgery helped, of 43 patients: DeLong et al. (1988), as the SAS/STAT
# manual prints them for its example of comparing ROC curves.
TEXT = """
    3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
    3.8 5.7  5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
    2.3 4.4  6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
    3.1 6.6  6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
    3.7 6.1  5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
    3.3 5.7  6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
OVARIAN = np.array(TEXT.split(), float).reshape(-1, 4)


def answers(both: int, first_only: int, second_only: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Return right and wrong answers that make this table."""
    first = np.repeat([True, True, False, False], [both, first_only, second_only, neither])
    second = np.repeat([True, False, True, False], [both, first_only, second_only, neither])
    return first, second


def two_models(seed: int, n: int = 60, k: int = 3, *, levels: int | None = None):
    """Return labels in which every class occurs twice or more, and two classifiers with something in common."""
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(k), 2), generator.integers(k, size=n - 2 * k)])
    shared = generator.normal(size=(n, k))
    found = []
    for skill in (0.6, 1.2):
        logits = shared + generator.normal(size=(n, k))
        logits[np.arange(n), labels] += skill
        if levels:
            logits = np.round(np.clip(logits, -1, 1) * (levels - 1) / 2)
        found.append(scipy.special.softmax(logits, axis=1))
    return labels, *found


def binary(scores: np.ndarray) -> np.ndarray:
    """Return probabilities of two classes in the order of the scores."""
    p = 0.9 * (scores - scores.min()) / np.ptp(scores) + 0.05
    return np.stack([1 - p, p], axis=1)


# --- McNemar ----------------------------------------------------------------------------------------------------------


def test_mcnemar_by_hand():
    """5 images only the first gets right, 1 only the second: 2 (1 + 6) / 64 = 0.21875; less 6 / 64 is 0.125."""
    found = paired.mcnemar(*answers(10, 5, 1, 2))
    assert (found.both, found.first_only, found.second_only, found.neither) == (10, 5, 1, 2)
    assert found.p == 0.21875
    assert found.p_mid == 0.125


def test_mcnemar_on_the_example_of_fagerland():
    """Airway hyper-responsiveness before and after transplantation: exact 0.070, mid-p 0.039 (their table 6)."""
    found = paired.mcnemar(*answers(1, 1, 7, 12))
    assert found.p == pytest.approx(0.0703, abs=5e-5)
    assert found.p_mid == pytest.approx(0.0391, abs=5e-5)


def test_equal_disagreement_is_no_evidence():
    """Two each: p would be 1.375 and is 1; mid-p 1 - 6 / 32."""
    found = paired.mcnemar(*answers(3, 2, 2, 0))
    assert found.p == 1
    assert found.p_mid == 0.8125
    assert paired.mcnemar(*answers(9, 0, 0, 1)).p == 1


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_exact_binomial_test(first_only, second_only):
    found = paired.mcnemar(*answers(3, first_only, second_only, 0))
    n = first_only + second_only
    expected = scipy.stats.binomtest(first_only, n).pvalue if n else 1.0
    assert found.p == pytest.approx(expected, rel=1e-9)
    assert 0 < found.p_mid <= 1
    # Half of the observed tables, one on either side, is taken off; b = c is one table.
    point = scipy.stats.binom.pmf(first_only, n, 0.5)
    assert found.p_mid == pytest.approx(1 - point / 2 if first_only == second_only else found.p - point, rel=1e-9)
    assert paired.mcnemar(*answers(3, second_only, first_only, 0)).p == found.p


def test_thousands_of_images_do_not_underflow():
    """2^-2000 is no float; the p-value is."""
    found = paired.mcnemar(*answers(0, 1500, 500, 0))
    assert found.p == pytest.approx(scipy.stats.binomtest(500, 2000).pvalue, rel=1e-6)
    assert 0 < found.p < 1e-100


@pytest.mark.parametrize("second", [[True], [1.0, 0.0], [[True, False]], []])
def test_answers_that_do_not_fit_are_refused(second):
    with pytest.raises(ValueError, match="expected two bool arrays"):
        paired.mcnemar([True, False], second)


# --- DeLong -----------------------------------------------------------------------------------------------------------


def psi(own: float, other: float) -> float:
    """The kernel of the Mann-Whitney statistic."""
    return 1.0 if own > other else 0.5 if own == other else 0.0


def plain_delong(labels, first, second, k):
    """DeLong's equations as they stand in the paper: placement values pair by pair, covariance matrices S10 and S01."""
    own, others = np.flatnonzero(labels == k), np.flatnonzero(labels != k)
    areas, v10, v01 = [], [], []
    for scores in (first[:, k], second[:, k]):
        v10.append([sum(psi(scores[i], scores[j]) for j in others) / len(others) for i in own])
        v01.append([sum(psi(scores[i], scores[j]) for i in own) / len(own) for j in others])
        areas.append(sum(v10[-1]) / len(own))
    s = np.cov(v10) / len(own) + np.cov(v01) / len(others)
    contrast = np.array([1.0, -1.0])
    return areas, math.sqrt(max(contrast @ s @ contrast, 0.0))


def test_delong_on_the_data_of_their_paper():
    """SAS/STAT prints areas of 0.7366, 0.6478 and 0.7258, and against the K-G score 0.0108 (0.0953), -0.0780 (0.1046)."""
    labels = OVARIAN[:, 3].astype(int)
    albumin, protein, kg = (binary(column) for column in (OVARIAN[:, 0], OVARIAN[:, 1], 10 - OVARIAN[:, 2]))
    found = paired.delong(labels, albumin, kg, positive=1)
    assert (found.first, found.second) == (pytest.approx(0.7366, abs=5e-5), pytest.approx(0.7258, abs=5e-5))
    assert found.difference == pytest.approx(0.0108, abs=5e-5)
    assert found.standard_error == pytest.approx(0.0953, abs=5e-5)
    assert found.p == pytest.approx(0.9102, abs=5e-5)
    other = paired.delong(labels, protein, kg, positive=1)
    assert other.first == pytest.approx(0.6478, abs=5e-5)
    assert other.difference == pytest.approx(-0.0780, abs=5e-5)
    assert other.standard_error == pytest.approx(0.1046, abs=5e-5)
    assert other.p == pytest.approx(0.4561, abs=5e-5)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**16), levels=st.sampled_from([None, 2, 4]))
def test_delong_equals_the_equations_of_the_paper(seed, levels):
    labels, first, second = two_models(seed, n=30, levels=levels)
    for k in range(3):
        areas, error = plain_delong(labels, first, second, k)
        found = paired.delong(labels, first, second, positive=k)
        assert [found.first, found.second] == pytest.approx(areas)
        assert found.first == pytest.approx(reference.roc_auc_score(labels == k, first[:, k]))
        assert found.standard_error == pytest.approx(error, abs=1e-12)
        if error > 1e-9:
            z = (areas[0] - areas[1]) / error
            assert found.p == pytest.approx(2 * scipy.stats.norm.sf(abs(z)))
            half = scipy.stats.norm.ppf(0.975) * error
            assert (found.low, found.high) == pytest.approx((found.difference - half, found.difference + half))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**16))
def test_the_macro_test_of_two_classes_is_that_of_either(seed):
    labels, first, second = two_models(seed, k=2)
    macro, one = paired.delong(labels, first, second), paired.delong(labels, first, second, positive=1)
    assert macro.difference == pytest.approx(one.difference)
    assert macro.standard_error == pytest.approx(one.standard_error)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**16))
def test_the_macro_error_equals_the_plain_sum_over_images(seed):
    """Covariances between classes, written out: sum over images of the products of their parts, pair by pair."""
    labels, first, second = two_models(seed, n=30)
    total = 0.0
    for place, truth in enumerate(labels):
        part = 0.0
        for k in range(3):
            own, others = np.flatnonzero(labels == k), np.flatnonzero(labels != k)
            m, n = len(own), len(others)
            for sign, rows in ((1, first), (-1, second)):
                scores = rows[:, k]
                area = np.mean([[psi(scores[i], scores[j]) for j in others] for i in own])
                if truth == k:
                    value = np.mean([psi(scores[place], scores[j]) for j in others])
                    part += sign * (value - area) / math.sqrt(m * (m - 1)) / 3
                else:
                    value = np.mean([psi(scores[i], scores[place]) for i in own])
                    part += sign * (value - area) / math.sqrt(n * (n - 1)) / 3
        total += part**2
    assert paired.delong(labels, first, second).standard_error == pytest.approx(math.sqrt(total))


def test_the_macro_error_is_how_much_the_difference_varies_from_sample_to_sample():
    """400 samples of 120 images: their spread estimates the standard error within 4 % or so; the mean of ours agrees."""
    found = [paired.delong(*two_models(seed, n=120)) for seed in range(400)]
    spread = np.std([one.difference for one in found], ddof=1)
    assert np.sqrt(np.mean([one.standard_error**2 for one in found])) == pytest.approx(spread, rel=0.15)


def test_where_nothing_differs_five_per_cent_are_rejected():
    """Both classifiers are drawn alike; of 400 tests about 20 fall below 0.05."""
    rejected = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        labels = np.arange(90) % 3
        rows = [scipy.special.softmax(generator.normal(size=(90, 3)) + np.eye(3)[labels], axis=1) for _ in range(2)]
        p = paired.delong(labels, *rows).p
        assert p is not None
        rejected += p < 0.05
    assert 8 <= rejected <= 34


def test_classifiers_that_rank_alike_do_not_differ():
    labels, first, _ = two_models(0)
    found = paired.delong(labels, first, first)
    assert (found.difference, found.z, found.p) == (0, 0, 1)
    perfect = np.eye(3)[labels]
    assert paired.delong(labels, perfect, 0.9 * perfect + 0.1 / 3).p == 1


def test_a_difference_without_variation_has_no_p_value():
    labels = np.array([0, 0, 1, 1])
    found = paired.delong(labels, np.eye(2)[labels], np.eye(2)[1 - labels])
    assert (found.difference, found.p, found.z) == (1, None, None)
    assert "no standard error" in str(found.reason)


def test_classes_of_fewer_than_two_images_are_left_out_of_the_mean():
    labels, first, second = two_models(1)
    kept = (labels != 2) | (np.cumsum(labels == 2) == 1)
    few = labels[kept], first[kept], second[kept]
    areas = [reference.roc_auc_score(few[0] == k, few[1][:, k]) for k in (0, 1)]
    assert paired.delong(*few).first == pytest.approx(np.mean(areas))
    with pytest.raises(ValueError, match="class 2 has 1 images and"):
        paired.delong(*few, positive=2)
    with pytest.raises(ValueError, match="no class has two images and two others"):
        paired.delong([0, 1], np.eye(2), np.eye(2))


def test_bad_arguments_of_delong_are_refused():
    labels, first, second = two_models(2)
    with pytest.raises(ValueError, match="expected the same classes"):
        paired.delong(labels, first, np.full((60, 4), 0.25))
    with pytest.raises(ValueError, match=r"level is 1\.5"):
        paired.delong(labels, first, second, level=1.5)


# --- Bootstrap over groups --------------------------------------------------------------------------------------------


def test_the_difference_of_balanced_accuracies_equals_a_plain_loop():
    labels, first, second = two_models(3)
    groups = np.arange(60) // 4 * 3 + labels  # within each class
    found = paired.bootstrap_difference(labels, first, second, groups, draws=50, seed=4, level=0.8)
    generator = np.random.default_rng(4)
    picks = []
    for k in range(3):
        names = np.unique(groups[labels == k])
        picks.append(names[generator.integers(len(names), size=(50, len(names)))])
    sample = []
    for draw in range(50):
        images = np.concatenate([np.flatnonzero(groups == g) for pick in picks for g in pick[draw]])
        values = [
            reference.balanced_accuracy_score(labels[images], rows[images].argmax(axis=1)) for rows in (first, second)
        ]
        sample.append(values[0] - values[1])
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(sample, [10, 90])))
    below, above = np.sum(np.array(sample) <= 1e-12), np.sum(np.array(sample) >= -1e-12)
    assert found.p == pytest.approx(min(1, 2 * (1 + min(below, above)) / 51))
    assert found.difference == pytest.approx(
        reference.balanced_accuracy_score(labels, first.argmax(axis=1))
        - reference.balanced_accuracy_score(labels, second.argmax(axis=1))
    )


def clustered_pair(seed: int, *, groups: int = 12, size: int = 8):
    """Return two classifiers of equal skill whose hits differ by whole groups, and these groups."""
    generator = np.random.default_rng(seed)
    ids = np.repeat(np.arange(2 * groups), size)
    labels = ids % 2
    rows = []
    for _ in range(2):
        right = (generator.random(2 * groups) < 0.7)[ids] ^ (generator.random(len(ids)) < 0.05)
        rows.append(np.where((np.arange(2) == labels[:, None]) == right[:, None], 0.8, 0.2))
    return labels, *rows, ids


def test_on_grouped_images_mcnemar_sees_differences_that_are_none_and_the_bootstrap_does_not():
    """Two classifiers of equal skill err by whole groups: of 150 comparisons McNemar finds far more than 5 %."""
    claims = {"mcnemar": 0, "bootstrap": 0}
    for seed in range(150):
        labels, first, second, groups = clustered_pair(seed)
        right = [rows.argmax(axis=1) == labels for rows in (first, second)]
        claims["mcnemar"] += paired.mcnemar(*right).p < 0.05
        p = paired.bootstrap_difference(labels, first, second, groups, draws=300).p
        assert p is not None
        claims["bootstrap"] += p < 0.05
    assert claims["mcnemar"] > 0.3 * 150
    assert claims["bootstrap"] < 0.13 * 150


def test_a_classifier_does_not_differ_from_itself():
    labels, first, _, groups = clustered_pair(0)
    found = paired.bootstrap_difference(labels, first, first, groups, draws=50)
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_no_p_value_is_smaller_than_the_draws_can_tell():
    labels, _, _, groups = clustered_pair(0)
    found = paired.bootstrap_difference(labels, np.eye(2)[labels], np.eye(2)[1 - labels], groups, draws=99)
    assert found.p == pytest.approx(0.02)
    assert (found.low, found.high) == (1, 1)


def test_a_class_with_one_group_gives_no_difference_but_a_reason():
    labels, first, second, groups = clustered_pair(1)
    found = paired.bootstrap_difference(labels, first, second, np.where(labels == 1, 999, groups), draws=20)
    assert (found.low, found.p, found.groups) == (None, None, (12, 1))
    assert "class 1 has only 1 group" in str(found.reason)
    alone = labels == 0
    single = paired.bootstrap_difference(
        labels[alone], first[alone], second[alone], groups[alone], metric="auroc", draws=20
    )
    assert "auroc is not defined" in str(single.reason)


def test_other_metrics_can_be_drawn_and_unknown_ones_are_refused():
    labels, first, second, groups = clustered_pair(2)
    for metric in intervals.METRICS:
        assert paired.bootstrap_difference(labels, first, second, groups, metric=metric, draws=20).p is not None
    with pytest.raises(ValueError, match="unknown metric 'f2'"):
        paired.bootstrap_difference(labels, first, second, groups, metric="f2")


# --- Holm -------------------------------------------------------------------------------------------------------------


def test_holm_by_hand():
    """Sorted 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1 gives 0.02, 0.03, 0.06, 0.04, and the last may not be less."""
    assert paired.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni(p_values):
    """A hypothesis is rejected where every set of hypotheses that holds it is, by Bonferroni."""
    found = paired.holm(p_values)
    places = range(len(p_values))
    for place in places:
        sets = (s for n in range(1, len(p_values) + 1) for s in itertools.combinations(places, n) if place in s)
        expected = max(min(1.0, len(s) * min(p_values[i] for i in s)) for s in sets)
        assert found[place] == pytest.approx(expected)


def test_tests_that_could_not_be_made_are_no_part_of_the_family():
    assert paired.holm([None, 0.02, None, 0.03]) == (None, pytest.approx(0.04), None, pytest.approx(0.04))
    assert paired.holm([]) == ()


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match=r"p-value 1 is 1\.2"):
        paired.holm([0.1, 1.2])
