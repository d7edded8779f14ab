"""Paired differences over seeds and images: by hand, by simulation, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurallnet_jax.metrics import scores, seeds

LABELS = np.repeat([0, 1], 40)
GROUPS = np.repeat(np.arange(20), 4)


def run_of(correct: np.ndarray, labels: np.ndarray = LABELS, groups: np.ndarray = GROUPS) -> seeds.Run:
    """Return a run of two classes that is right where `correct` says so."""
    return seeds.Run(labels, groups, np.where(correct, labels, 1 - labels))


def test_the_difference_is_that_of_balanced_accuracies_worked_out_by_hand():
    """Three images of class 0 and one of class 1; the arm finds 2/3 and 1, the reference 1/3 and 1: 1/6 * 2 = 1/3 / 2."""
    labels, groups = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 3])
    arm = seeds.Run(labels, groups, np.array([0, 0, 1, 1]))
    other = seeds.Run(labels, groups, np.array([0, 1, 1, 1]))
    found = seeds.paired_difference([arm], [other])
    assert found.mean == pytest.approx((2 / 3 + 1) / 2 - (1 / 3 + 1) / 2)
    assert found.interval is None, "class 1 has one group only"


@given(seed=st.integers(0, 1000))
def test_balanced_accuracy_is_that_of_the_scores(seed):
    rng = np.random.default_rng(seed)
    predicted = rng.integers(0, 2, 80)
    found = seeds.balanced_accuracies(seeds.Run(LABELS, GROUPS, predicted), np.ones((80, 1)))
    assert found[0] == pytest.approx(scores.score(LABELS, np.eye(2)[predicted], ("a", "b")).balanced_accuracy)


def test_an_arm_equal_to_its_reference_differs_by_nothing_at_all():
    runs = [run_of(np.random.default_rng(seed).random(80) < 0.8) for seed in range(3)]
    found = seeds.paired_difference(runs, runs)
    assert (found.mean, found.by_seed) == (0, (0, 0, 0))
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0, 0)


def test_exchanging_both_sides_turns_the_sign_around():
    rng = np.random.default_rng(3)
    arm, other = ([run_of(rng.random(80) < share) for _ in range(3)] for share in (0.9, 0.7))
    one, two = seeds.paired_difference(arm, other), seeds.paired_difference(other, arm)
    assert one.mean == -two.mean > 0
    assert one.interval is not None
    assert two.interval is not None
    assert one.interval.low == pytest.approx(-two.interval.high, abs=0.02)


def test_without_chance_of_images_the_interval_is_students():
    """Every group is right in the same share, so drawing groups changes nothing; what is left are the seeds alone."""
    pattern = lambda right: run_of(np.tile(np.arange(4) < right, 20))
    arm, other = [pattern(right) for right in (2, 3, 4)], [pattern(2)] * 3
    found = seeds.paired_difference(arm, other, draws=200_000)
    low, high = stats.t.interval(0.95, 2, loc=0.25, scale=0.25 / np.sqrt(3))
    assert found.by_seed == pytest.approx((0, 0.25, 0.5))
    assert found.interval is not None
    assert found.interval.low == pytest.approx(low, abs=0.02)
    assert found.interval.high == pytest.approx(high, abs=0.02)


def test_with_one_seed_the_interval_is_that_of_images_alone():
    """20 groups of which each is right or wrong as a whole: the bootstrap's variance is p (1 - p) / G per class."""
    right = np.repeat(np.arange(20) % 2 == 0, 4)
    found = seeds.paired_difference([run_of(right)], [run_of(np.zeros(80, bool))], draws=50_000)
    assert found.interval is not None
    deviation = np.sqrt(0.25 / 10 / 2)
    assert found.interval.high - found.interval.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)


def test_the_interval_covers_the_truth_at_least_as_often_as_it_says():
    """Both sides share the difficulty of groups; the true difference is 0.1, and every seed has a luck of its own."""
    rng, hit, trials = np.random.default_rng(0), 0, 150
    for _ in range(trials):
        hard = np.repeat(rng.normal(0, 0.12, 20), 4)
        sides = []
        for share in (0.8, 0.7):
            lucky = np.clip(share + hard + rng.normal(0, 0.03, (3, 1)), 0, 1)
            sides.append([run_of(row) for row in rng.random((3, 80)) < lucky])
        interval = seeds.paired_difference(*sides, draws=400, seed=int(rng.integers(1000))).interval
        assert interval is not None
        hit += interval.low <= 0.1 <= interval.high
    assert hit / trials >= 0.93


def test_runs_of_other_images_or_numbers_are_refused():
    one = run_of(np.ones(80, bool))
    with pytest.raises(ValueError, match="2 runs against 1"):
        seeds.paired_difference([one, one], [one])
    with pytest.raises(ValueError, match="at least one"):
        seeds.paired_difference([], [])
    with pytest.raises(ValueError, match="pair 0 of runs was scored on different images"):
        seeds.paired_difference([one], [run_of(np.ones(80, bool), LABELS[::-1].copy(), GROUPS[::-1].copy())])
    with pytest.raises(ValueError, match="expected one each per image"):
        seeds.Run(LABELS, GROUPS, LABELS[1:])
