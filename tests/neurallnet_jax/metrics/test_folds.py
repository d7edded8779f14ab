"""The mean over folds: against `intervals.bootstrap`, scikit-learn and a bootstrap written out, and by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from neurallnet_jax.metrics import folds, intervals
from neurallnet_jax.metrics.folds import Predicted

CLASSES = 3


def run_of(seed: int, *, fold: int = 0, n: int = 60, per_group: int = 5, skill: float = 1.0, key: int = 0) -> Predicted:
    """Return a run on images of its fold whose noise follows seed and fold; groups hold images of one class."""
    rng = np.random.default_rng([fold, seed, key])
    labels = np.repeat(np.arange(CLASSES), n // CLASSES)
    logits = rng.normal(0, 1, (n, CLASSES)) + skill * np.eye(CLASSES)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    images = 1000 * fold + np.arange(n)
    groups = 1000 * fold + np.arange(n) // per_group + 100 * labels
    return Predicted(fold, seed, images, labels, probabilities, groups)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "accuracy", "auroc"])
def test_of_one_fold_and_seed_the_intervals_are_those_of_a_single_run(metric: str) -> None:
    run = run_of(3)
    found = folds.summarise([run], metric=metric, draws=300, seed=7)
    single = intervals.bootstrap(run.labels, run.probabilities, run.groups, metrics=[metric], draws=300, seed=7)
    for by in ("group", "image"):
        ours, theirs = getattr(found, by), getattr(single[metric], by)
        assert ours is not None
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert found.groups == sum(single[metric].groups)


def test_intervals_agree_with_a_bootstrap_written_out() -> None:
    """Group by group and image by image; 2.5 standard errors of a percentile are about 0.01 here."""
    tested = [run_of(seed, fold=fold) for fold in (0, 1, 4) for seed in (0, 1)]
    found = folds.summarise(tested, draws=4000).group
    rng = np.random.default_rng(5)
    sample = []
    for _ in range(1500):
        means = []
        for fold in (0, 1, 4):
            runs = [run for run in tested if run.fold == fold]
            places: list[int] = []
            for label in range(CLASSES):
                groups = np.unique(runs[0].groups[runs[0].labels == label])
                for group in rng.choice(groups, len(groups)):
                    places += np.flatnonzero(runs[0].groups == group).tolist()
            for run in runs:
                drawn, answers = run.labels[places], run.probabilities[places].argmax(axis=1)
                means.append(np.mean([(answers[drawn == k] == k).mean() for k in range(CLASSES)]))
        sample.append(np.mean(means))
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(sample, (0.025, 0.975))), abs=0.01)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_the_mean_is_that_of_the_runs_and_lies_within_its_intervals(count: int, seeds: int, key: int) -> None:
    tested = [run_of(seed, fold=fold, key=key) for fold in range(count) for seed in range(seeds)]
    found = folds.summarise(tested, draws=200)
    expected = np.mean([balanced_accuracy_score(run.labels, run.probabilities.argmax(axis=1)) for run in tested])
    assert found.mean == pytest.approx(expected)
    for interval in (found.group, found.image):
        assert interval is not None
        assert interval.low - 0.02 <= expected <= interval.high + 0.02


def answering(fold: int, seed: int, right: int) -> Predicted:
    """Return a run on ten images of two classes of which it tells `right` right, those of class 0 first."""
    labels = np.repeat([0, 1], 5)
    told = np.where(np.arange(10) < right, labels, 1 - labels)
    return Predicted(fold, seed, 10 * fold + np.arange(10), labels, np.eye(2)[told], 10 * fold + np.arange(10))


def test_spread_over_folds_and_over_seeds_worked_out_by_hand() -> None:
    """Balanced accuracy is right / 10.

    Fold 0: 0.6, 0.8, mean 0.7; fold 1: 1.0, 0.8, mean 0.9: the folds spread by sqrt(2) 0.1. Seed 0: mean 0.8; seed 1:
    mean 0.8: the seeds do not spread, although no fold is alike for both.
    """
    tested = [answering(0, 0, 6), answering(0, 1, 8), answering(1, 0, 10), answering(1, 1, 8)]
    found = folds.summarise(tested, draws=10)
    assert found.mean == pytest.approx(0.8)
    assert found.fold_deviation == pytest.approx(0.1 * np.sqrt(2))
    assert found.seed_deviation == pytest.approx(0.0, abs=1e-12)
    assert found.groups == 20
    assert found.reasons == ()


def test_what_has_no_spread_says_why() -> None:
    found = folds.summarise([answering(0, 0, 6)], draws=10)
    assert (found.fold_deviation, found.seed_deviation) == (None, None)
    assert found.reasons == (
        "one fold has no spread; at least 2 are needed",
        "one seed has no spread; at least 2 are needed",
    )


def test_seeds_of_a_fold_see_the_same_draw() -> None:
    """So a second seed that says the same changes nothing; were it drawn apart, the interval would shrink."""
    runs = [run_of(0, fold=fold) for fold in (0, 1)]
    twice = [dataclasses.replace(run, seed=seed) for run in runs for seed in (0, 1)]
    assert folds.summarise(twice, draws=200).group == folds.summarise(runs, draws=200).group


def test_seeds_that_test_on_other_images_share_the_groups_of_both() -> None:
    """As under a random split: an image that two seeds share counts as often in both."""
    run = run_of(0, n=60)
    parts = [np.flatnonzero(np.arange(60) % 3 != left) for left in (0, 1)]
    tested = [
        Predicted(0, seed, run.images[p], run.labels[p], run.probabilities[p], run.groups[p])
        for seed, p in enumerate(parts)
    ]
    found = folds.summarise(tested, draws=300)
    assert found.groups == len(np.unique(run.groups))
    assert found.group is not None
    assert found.group.low < found.mean < found.group.high  # pyright: ignore[reportOperatorIssue]


def test_a_run_of_which_a_draw_holds_no_image_stands_aside_in_it() -> None:
    first = Predicted(0, 0, np.array([0, 1]), np.array([0, 1]), np.eye(2), np.array([0, 1]))
    second = Predicted(0, 1, np.array([2, 3]), np.array([0, 1]), np.eye(2)[::-1], np.array([2, 3]))
    sample, reason = folds.draw_means([first, second], metric="accuracy", by="group", draws=500)
    assert reason is None
    assert sample is not None
    # Each class draws its two images; where both classes leave a run out, the other's score is the mean.
    assert set(np.unique(sample)) == {0.0, 0.5, 1.0}


def test_where_images_of_a_group_stand_or_fall_together_the_interval_over_groups_is_wider() -> None:
    rng = np.random.default_rng(0)
    tested = []
    for fold in range(5):
        labels, groups = np.repeat([0, 1], 60), np.arange(120) // 12
        right = rng.random(10)[groups] < 0.8
        tested.append(
            Predicted(
                fold, 0, 120 * fold + np.arange(120), labels, np.eye(2)[np.where(right, labels, 1 - labels)], groups
            )
        )
    found = folds.summarise(tested)
    assert found.group is not None
    assert found.image is not None
    assert found.group.high - found.group.low > 2 * (found.image.high - found.image.low)


def test_a_class_of_one_group_has_no_interval_over_groups() -> None:
    run = run_of(0)
    lone = dataclasses.replace(run, groups=np.where(run.labels == 1, 777, run.groups))
    found = folds.summarise([run_of(0, fold=3), lone], draws=50)
    assert found.group is None
    assert found.image is not None
    assert (
        "fold 0: class 1 has only 1 group, so nothing varies between its draws; at least 2 are needed" in found.reasons
    )


def test_a_metric_that_is_not_defined_in_a_run_has_no_mean() -> None:
    labels = np.zeros(4, int)
    run = Predicted(0, 0, np.arange(4), labels, np.eye(2)[labels], np.arange(4))
    found = folds.summarise([run], metric="auroc", draws=20)
    assert (found.mean, found.group, found.image) == (None, None, None)
    assert any("auroc is not defined in 1 of 1 runs" in reason for reason in found.reasons)


def test_the_difference_of_two_splits_is_that_of_their_means() -> None:
    good, bad = [answering(fold, 0, 10) for fold in (0, 1)], [answering(fold, 0, 0) for fold in (0, 1)]
    assert folds.difference(good, bad, draws=50) == intervals.Interval(1.0, 1.0)
    same = [run_of(0, fold=fold) for fold in (0, 1)]
    found = folds.difference(same, same)
    single = folds.summarise(same).group
    assert found is not None
    assert single is not None
    # Drawn apart, two equal spreads add up to sqrt(2) times one.
    assert (found.high - found.low) / (single.high - single.low) == pytest.approx(np.sqrt(2), rel=0.15)
    assert found.low < 0 < found.high
    lone = dataclasses.replace(good[0], groups=good[0].labels)
    assert folds.difference(good, [lone], draws=50) is None


@pytest.mark.parametrize(
    ("runs", "options", "message"),
    [
        ([], {}, "there is no run to summarise"),
        ([(0, 0), (0, 1), (1, 0)], {}, "fold 1 has seeds 0; expected each of 0, 1 once"),
        ([(0, 0), (0, 0)], {}, "fold 0 has seeds 0, 0; expected each of 0 once"),
        ([(0, 0)], {"metric": "luck"}, "unknown metric 'luck'; known are accuracy"),
        ([(0, 0)], {"draws": 0}, "draws is 0; expected at least 1"),
        ([(0, 0)], {"level": 95}, "level is 95; expected between 0 and 1"),
    ],
)
def test_what_cannot_be_summarised_is_refused(runs: list, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        folds.summarise([run_of(seed, fold=fold) for fold, seed in runs], **options)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="by is 'patient'; expected group or image"):
        folds.draw_means([run_of(0)], metric="accuracy", by="patient")
