"""Bootstrap intervals: against a plain loop, against theory, and on images that come in groups."""

import json
import time

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from neurallnet_jax.metrics import intervals, scores

NAMES = ("a", "b", "c", "d")


def clustered(
    seed: int, *, groups: int = 15, size: int = 6, k: int = 3, spread: float = 1.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, probabilities and groups; each group shares a shift of the true class's logit."""
    generator = np.random.default_rng(seed)
    ids = np.repeat(np.arange(groups * k), size)
    labels = ids % k
    logits = generator.normal(size=(len(ids), k))
    logits[np.arange(len(ids)), labels] += 1 + spread * generator.normal(size=groups * k)[ids]
    return labels, scipy.special.softmax(logits, axis=1), ids


def width(interval: intervals.Interval | None) -> float:
    assert interval is not None
    return interval.high - interval.low


def test_every_metric_equals_a_plain_loop_over_resampled_images():
    """The loop draws the same units from the same generator, copies the images and scores them the ordinary way."""
    labels, probabilities, groups = clustered(0, groups=6, size=3)
    draws = 40
    result = intervals.bootstrap(labels, probabilities, groups, draws=draws, seed=7, level=0.8)
    generator = np.random.default_rng(7)
    picks = []
    for k in range(3):
        names = np.unique(groups[labels == k])
        picks.append(names[generator.integers(len(names), size=(draws, len(names)))])
    samples = []
    for draw in range(draws):
        images = np.concatenate([np.flatnonzero(groups == g) for pick in picks for g in pick[draw]])
        samples.append(scores.score(labels[images], probabilities[images], NAMES[:3]))
    for name, entry in result.items():
        expected = np.percentile([getattr(sample, name) for sample in samples], [10, 90])
        assert entry.group is not None
        np.testing.assert_allclose([entry.group.low, entry.group.high], expected, atol=1e-12, err_msg=name)
        assert entry.groups == (6, 6, 6)
    assert set(result) == set(intervals.METRICS)


def test_what_is_asked_of_the_same_images_sees_the_same_draws():
    """A condition that gets one image more right in every group lies above by the same in every draw."""
    labels, groups = np.repeat([0, 1], 40), np.arange(80) // 4
    worse = np.random.default_rng(0).random(80) < 0.5
    worse[::4] = False
    better = worse.copy()
    better[::4] = True

    def recalls(right):
        return lambda weights: scores.weighted_mean_recall(labels, right, weights)

    together = intervals.drawn(recalls(np.array([worse, better])), labels, groups, draws=300)
    assert together.shape == (2, 300)
    assert together[0].std() > 0.02
    np.testing.assert_allclose(together[1] - together[0], 0.25)
    np.testing.assert_array_equal(intervals.drawn(recalls(worse), labels, groups, draws=300), together[0])


def test_the_spread_over_groups_is_that_of_the_mean_of_groups():
    """Groups all right or all wrong, 20 per class: the deviation of a mean of 20 drawn groups, sqrt(p q / 20)."""
    labels, groups = np.repeat([0, 1], 200), np.arange(400) // 10
    right = groups % 2 == 0
    sample = intervals.drawn(
        lambda weights: scores.weighted_mean_recall(labels, right, weights), labels, groups, draws=4000
    )
    assert sample.mean() == pytest.approx(0.5, abs=0.01)
    assert sample.std() == pytest.approx(np.sqrt(0.25 / 20 / 2), rel=0.05)


def test_percentiles_cut_equal_tails_and_leave_out_what_is_not_defined():
    found = intervals.percentiles(np.append(np.arange(1001) / 1000, np.nan), level=0.9)
    assert (found.low, found.high) == pytest.approx((0.05, 0.95))
    with pytest.raises(ValueError, match="level is 1; expected between 0 and 1"):
        intervals.percentiles(np.zeros(3), level=1)


def test_the_image_interval_of_accuracy_matches_binomial_theory():
    """One class right 80 of 100 times: the standard error of the resampled accuracy is sqrt(0.8 * 0.2 / 100) = 0.04."""
    labels = np.zeros(100, dtype=int)
    probabilities = np.where(np.arange(100)[:, None] < 80, [0.9, 0.1], [0.1, 0.9])
    result = intervals.bootstrap(labels, probabilities, np.arange(100), metrics=["accuracy"], draws=20_000)
    expected = scipy.stats.binom(100, 0.8).ppf([0.025, 0.975]) / 100
    assert result["accuracy"].image is not None
    np.testing.assert_allclose([result["accuracy"].image.low, result["accuracy"].image.high], expected, atol=0.0101)


def test_one_image_per_group_gives_the_image_interval():
    labels, probabilities, _ = clustered(1)
    result = intervals.bootstrap(labels, probabilities, np.arange(len(labels)), draws=50)
    for entry in result.values():
        assert entry.group == entry.image


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**16))
def test_the_order_of_the_images_does_not_move_the_group_interval(seed):
    labels, probabilities, groups = clustered(seed, groups=5, size=3)
    order = np.random.default_rng(seed).permutation(len(labels))
    first = intervals.bootstrap(labels, probabilities, groups, draws=60)
    second = intervals.bootstrap(labels[order], probabilities[order], groups[order], draws=60)
    for name in first:
        one, other = first[name].group, second[name].group
        assert one is not None
        assert other is not None
        np.testing.assert_allclose([one.low, one.high], [other.low, other.high], atol=1e-12)


def test_the_seed_decides_the_interval_and_the_chosen_metrics_do_not():
    labels, probabilities, groups = clustered(2)
    alone = intervals.bootstrap(labels, probabilities, groups, metrics=["brier"], draws=300, seed=3)
    among = intervals.bootstrap(labels, probabilities, groups, draws=300, seed=3)
    other = intervals.bootstrap(labels, probabilities, groups, metrics=["brier"], draws=300, seed=4)
    assert alone["brier"] == among["brier"]
    assert alone["brier"] != other["brier"]


def test_images_that_resemble_each_other_make_the_group_interval_wider():
    labels, probabilities, groups = clustered(3, groups=20, size=10)
    result = intervals.bootstrap(labels, probabilities, groups, draws=400)
    for name in ("accuracy", "balanced_accuracy", "auroc", "mean_average_precision", "brier"):
        assert width(result[name].group) > 1.4 * width(result[name].image), name


def test_on_grouped_images_the_group_interval_covers_and_the_image_interval_does_not():
    """The truth is the accuracy over very many groups; 200 repetitions estimate a coverage of 0.95 within 0.03 or so."""
    labels, probabilities, _ = clustered(4, groups=20_000, size=1)
    truth = (probabilities.argmax(axis=1) == labels).mean()
    covered = {"group": 0, "image": 0}
    for seed in range(200):
        result = intervals.bootstrap(*clustered(seed + 100, groups=20, size=10), metrics=["accuracy"], draws=250)
        for kind in covered:
            interval = getattr(result["accuracy"], kind)
            covered[kind] += interval.low <= truth <= interval.high
    assert covered["group"] / 200 > 0.89
    assert covered["image"] / 200 < 0.80


def test_a_higher_level_widens_the_interval_around_the_score():
    labels, probabilities, groups = clustered(5)
    point = scores.score(labels, probabilities, NAMES[:3])
    wide = intervals.bootstrap(labels, probabilities, groups, draws=500, level=0.99)
    narrow = intervals.bootstrap(labels, probabilities, groups, draws=500, level=0.5)
    for name in ("accuracy", "balanced_accuracy", "auroc", "mean_average_precision", "brier"):
        outer, inner = wide[name].group, narrow[name].group
        assert outer is not None
        assert inner is not None
        assert outer.low < inner.low < inner.high < outer.high
        assert outer.low < getattr(point, name) < outer.high


def test_a_class_with_a_single_group_has_no_group_interval_but_an_image_interval():
    labels, probabilities, groups = clustered(6)
    groups = np.where(labels == 2, 999, groups)
    result = intervals.bootstrap(labels, probabilities, groups, draws=50)
    entry = result["auroc"]
    assert entry.group is None
    assert entry.group_reason == "class 2 has only 1 group, so nothing varies between its draws; at least 2 are needed"
    assert entry.image is not None
    assert entry.image_reason is None
    assert entry.groups == (15, 15, 1)


def test_a_metric_without_meaning_on_the_images_is_none_with_a_reason():
    result = intervals.bootstrap([1, 1, 1], [[0.4, 0.6], [0.7, 0.3], [0.2, 0.8]], [0, 1, 2], draws=30)
    assert result["auroc"].group is None
    assert "auroc is not defined" in str(result["auroc"].group_reason)
    assert result["balanced_accuracy"].group is not None
    assert result["accuracy"].groups == (0, 3)


def test_a_class_that_does_not_occur_does_not_prevent_intervals():
    labels, probabilities, groups = clustered(7)
    fourth = np.concatenate([probabilities, np.zeros((len(labels), 1))], axis=1)
    with_it = intervals.bootstrap(labels, fourth, groups, draws=50)
    without = intervals.bootstrap(labels, probabilities, groups, draws=50)
    assert with_it["auroc"].group == without["auroc"].group
    assert with_it["auroc"].groups == (15, 15, 15, 0)


def test_a_group_in_two_classes_is_refused():
    labels, probabilities, groups = clustered(8)
    groups[np.flatnonzero(labels == 2)[0]] = groups[np.flatnonzero(labels == 1)[0]]
    with pytest.raises(
        ValueError, match=r"group 1 holds images of classes [12] and [12]; .* number them apart by class"
    ):
        intervals.bootstrap(labels, probabilities, groups)


def test_sensitivity_and_specificity_have_intervals_where_the_classes_are_known():
    labels, probabilities, groups = clustered(13)
    mask = [False, True, True]
    result = intervals.bootstrap(labels, probabilities, groups, malignant=mask, draws=200)
    assert set(result) == {*intervals.METRICS, "sensitivity", "specificity"}
    point = scores.score(labels, probabilities, NAMES[:3], malignant=mask)
    for name in ("sensitivity", "specificity"):
        for found in (result[name].group, result[name].image):
            assert found is not None
            assert found.low < getattr(point, name) < found.high
    # Specificity is the recall of the one benign class: what a plain draw of its groups gives.
    right = (probabilities.argmax(axis=1) == 0)[labels == 0]
    means = right.reshape(15, -1).mean(axis=1)  # the images of a group stand together, and its class is its own
    picks = np.random.default_rng(5).integers(15, size=(4000, 15))
    expected = np.quantile(means[picks].mean(axis=1), [0.025, 0.975])
    assert result["specificity"].group is not None
    np.testing.assert_allclose([result["specificity"].group.low, result["specificity"].group.high], expected, atol=0.05)


def test_without_a_benign_image_specificity_has_a_reason():
    labels, probabilities, groups = clustered(14)
    kept = labels != 0
    found = intervals.bootstrap(
        labels[kept],
        probabilities[kept],
        groups[kept],
        malignant=[False, True, True],
        metrics=["specificity"],
        draws=20,
    )
    assert found["specificity"].group is None
    assert "needs an image of a benign class" in str(found["specificity"].image_reason)


def test_reasons_call_classes_by_their_names():
    labels, probabilities, groups = clustered(6)
    groups = np.where(labels == 2, 999, groups)
    result = intervals.bootstrap(labels, probabilities, groups, classes=NAMES[:3], draws=20)
    assert str(result["auroc"].group_reason).startswith("class c has only 1 group")


def test_all_right_says_that_its_interval_is_no_certainty():
    """12 groups without an error: 1 - 0.025^(1/12) = 26 %; 120 images: 1 - 0.025^(1/120) = 3.0 %."""
    labels = np.repeat(np.arange(3), 40)
    result = intervals.bootstrap(labels, np.eye(3)[labels], np.arange(120) // 10, draws=30)
    entry = result["accuracy"]
    assert entry.group == entry.image == intervals.Interval(1.0, 1.0)
    bound = scipy.stats.binomtest(12, 12).proportion_ci(0.95, method="exact").low
    assert 1 - bound == pytest.approx(0.265, abs=1e-3)
    assert "up to 26 % of groups, from 12 without and 3 % of images, from 120 without" in str(entry.note)
    assert "every draw gives 1" in str(result["auroc"].note)
    assert "Clopper" not in str(result["auroc"].note)


def test_an_interval_with_a_width_over_many_groups_has_no_note():
    assert intervals.bootstrap(*clustered(15), draws=50)["accuracy"].note is None


def test_few_groups_in_a_class_are_noted():
    """Of 4 groups each draw varies by (4 - 1) / 4 of what it should: sqrt(4 / 3) = 1.15."""
    note = intervals.bootstrap(*clustered(15, groups=4), draws=50)["accuracy"].note
    assert "few groups in a class (0 4, 1 4, 2 4)" in str(note)
    assert "at least 1.15 for 4 of them" in str(note)
    assert intervals.few((12, 10, 0), NAMES[:3]) is None


@pytest.mark.parametrize("mask", [[True, True, True], [False, True], [0, 1, 1]])
def test_a_mask_that_does_not_fit_is_refused(mask):
    with pytest.raises(ValueError, match="3 booleans, at least one malignant and one benign"):
        intervals.bootstrap(*clustered(16), malignant=mask)


def test_intervals_come_back_from_their_json():
    labels, _, groups = clustered(17)
    groups = np.where(labels == 2, 999, groups)
    found = intervals.bootstrap(labels, np.eye(3)[labels], groups, draws=20)
    assert intervals.from_json(json.loads(json.dumps(intervals.to_json(found)))) == found


def test_groups_may_be_named_by_strings():
    labels, probabilities, groups = clustered(9, groups=3)
    named = [f"block {g:04d}" for g in groups]
    first = intervals.bootstrap(labels, probabilities, named, draws=40)
    assert first == intervals.bootstrap(labels, probabilities, groups, draws=40)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["f2"]}, "unknown metric 'f2'; known are accuracy"),
        ({"draws": 0}, "draws is 0"),
        ({"level": 1.0}, "level is 1.0"),
        ({"groups": [0, 1]}, r"groups have shape \(2,\); expected \(18,\)"),
        ({"groups": np.linspace(0, 1, 18)}, "groups are float64"),
        ({"labels": np.full(18, 3)}, "label 0 is 3"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    labels, probabilities, groups = clustered(10, groups=3, size=2)
    arguments = {"labels": labels, "probabilities": probabilities, "groups": groups, **options}
    with pytest.raises(ValueError, match=message):
        intervals.bootstrap(**arguments)


def test_json_gives_both_intervals_as_pairs():
    labels, probabilities, groups = clustered(11)
    groups = np.where(labels == 2, 999, groups)
    data = intervals.to_json(intervals.bootstrap(labels, probabilities, groups, metrics=["accuracy"], draws=30))
    assert set(data["accuracy"]) == {"group", "group_reason", "image", "groups"}
    assert data["accuracy"]["group"] is None
    low, high = data["accuracy"]["image"]
    assert low < high
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_two_thousand_draws_of_a_thousand_images_take_seconds():
    """About 0.7 s of processor time on one core; the bound leaves room for slow machines, not for a loop over draws."""
    labels, probabilities, groups = clustered(12, groups=25, size=10, k=4)
    start = time.process_time()
    intervals.bootstrap(labels, probabilities, groups)
    assert time.process_time() - start < 6
