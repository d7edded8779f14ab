import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from neurallnet_jax.metrics import intervals, resampling


def drawn(seed: int, images: int = 90, classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, answers under four conditions, and groups of ten neighbours within a class."""
    rng = np.random.default_rng(seed)
    labels = np.sort(np.arange(images) % classes)
    answers = np.where(rng.random((4, images)) < 0.7, labels, rng.integers(0, classes, (4, images)))
    return labels, answers, labels * 100 + np.arange(images) // 10


@given(st.integers(0, 99))
def test_balanced_accuracy_is_that_of_scikit_learn(seed: int) -> None:
    labels, answers, _ = drawn(seed)
    found = resampling.balanced_accuracies(labels, answers == labels)
    np.testing.assert_allclose(found, [balanced_accuracy_score(labels, row) for row in answers])


def test_classes_that_do_not_occur_do_not_count() -> None:
    assert resampling.balanced_accuracies([0, 0, 2], [[True, False, True]]).tolist() == [0.75]


def test_the_intervals_are_those_of_the_bootstrap_over_groups() -> None:
    labels, answers, groups = drawn(1)
    sample = resampling.draw_balanced_accuracies(labels, answers == labels, groups, draws=600, seed=4)
    assert sample.shape == (600, 4)
    for row, answer in enumerate(answers):
        expected = intervals.bootstrap(
            labels, np.eye(3)[answer], groups, metrics=["balanced_accuracy"], draws=600, seed=4
        )["balanced_accuracy"].group
        found = resampling.percentiles(sample[:, row])
        assert expected is not None
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_all_conditions_see_the_same_draws() -> None:
    """A condition that gets one image more right in every group lies above by the same in every draw."""
    labels = np.repeat([0, 1], 40)
    groups = np.arange(80) // 4
    worse = np.random.default_rng(0).random(80) < 0.5
    worse[::4] = False
    better = worse.copy()
    better[::4] = True
    sample = resampling.draw_balanced_accuracies(labels, [worse, better], groups, draws=300)
    assert sample[:, 0].std() > 0.02
    np.testing.assert_allclose(sample[:, 1] - sample[:, 0], 0.25)


def test_the_spread_over_groups_is_that_of_the_mean_of_groups() -> None:
    """Groups all right or all wrong, 20 per class: the deviation of a mean of 20 drawn groups, sqrt(p q / 20)."""
    labels = np.repeat([0, 1], 200)
    groups = np.arange(400) // 10
    right = (groups % 2 == 0)[None]
    sample = resampling.draw_balanced_accuracies(labels, right, groups, draws=4000)[:, 0]
    assert sample.mean() == pytest.approx(0.5, abs=0.01)
    assert sample.std() == pytest.approx(np.sqrt(0.25 / 20 / 2), rel=0.05)


def test_one_group_in_a_class_is_no_draw() -> None:
    assert resampling.obstacle([0, 0, 1, 1], [1, 2, 3, 4]) is None
    assert resampling.obstacle([0, 0, 1, 1], [1, 2, 3, 3]) == (
        "class 1 has only 1 group, so nothing varies between its draws; at least 2 are needed"
    )
    with pytest.raises(ValueError, match="class 1 has only 1 group"):
        resampling.draw_balanced_accuracies([0, 0, 1, 1], [[True] * 4], [1, 2, 3, 3])


def test_percentiles_cut_equal_tails() -> None:
    found = resampling.percentiles(np.arange(1001) / 1000, level=0.9)
    assert (found.low, found.high) == pytest.approx((0.05, 0.95))
