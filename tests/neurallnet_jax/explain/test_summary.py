"""Means and intervals over images, against a plain loop."""

import numpy as np
import pytest

from neurallnet_jax.explain import summary
from neurallnet_jax.explain.trial import METRICS, Trial
from neurallnet_jax.metrics import intervals

N = 24
LABELS = np.repeat([0, 1], N // 2)
GROUPS = np.repeat(np.arange(8), 3)


def trial(seed: int, *, stages: int = 2) -> Trial:
    rng = np.random.default_rng(seed)
    values = {metric: rng.random(N) for metric in METRICS}
    values["iou"][::3] = np.nan
    values["inside"][:] = np.nan
    emptied = np.full((stages, N), np.nan)
    emptied[:, :4] = [1, 0, 0, 0]
    return Trial(values, rng.random((stages, N)), emptied)


def test_means_leave_out_images_for_which_a_figure_is_not_defined():
    (row,) = summary.summarise({"grad-cam": trial(0)}, LABELS, GROUPS, stages=("dense_1", "conv_1"))
    values = trial(0).values
    assert row.figures["iou"].value == pytest.approx(np.nanmean(values["iou"]))
    assert row.figures["iou"].n == 16
    assert row.figures["inside"] == summary.Figure(None, None, 0)
    assert row.cascade[1].down_to == "conv_1"
    assert row.cascade[1].emptied == 0.25
    assert row.cascade[1].figure.value == pytest.approx(trial(0).cascade[1].mean())
    assert not row.control


def test_intervals_are_those_of_a_plain_loop_over_the_same_draws():
    (row,) = summary.summarise({"grad-cam": trial(1)}, LABELS, GROUPS, stages=("a", "b"), draws=300)
    values = trial(1).values
    weights = np.concatenate(
        list(intervals.resample(LABELS, GROUPS, draws=300, generator=np.random.default_rng(0))), axis=1
    )
    means, ratios = [], []
    for column in weights.T:
        known = ~np.isnan(values["iou"])
        means.append(np.average(values["iou"][known], weights=column[known]) if column[known].sum() else np.nan)
        ratios.append(
            np.average(values["cells_share"], weights=column) / np.average(values["cells_area"], weights=column)
        )
    for name, sample in (("iou", means), ("cells_ratio", ratios)):
        expected = intervals.percentiles(np.array(sample))
        found = row.figures[name].interval
        assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_a_ratio_is_mean_share_over_mean_area():
    values = {metric: np.full(N, np.nan) for metric in METRICS}
    values["scale_bar_share"], values["scale_bar_area"] = np.full(N, 0.12), np.full(N, 0.03)
    (row,) = summary.summarise({"random": Trial(values, np.zeros((0, N)), np.zeros((0, N)))}, LABELS, GROUPS)
    assert row.figures["scale_bar_ratio"].value == pytest.approx(4)
    assert row.figures["cells_ratio"].value is None
    assert row.control
    assert row.cascade == ()


def test_one_group_in_a_class_gives_values_without_intervals():
    (row,) = summary.summarise({"a": trial(0)}, LABELS, np.zeros(N, int) + LABELS, stages=("a", "b"))
    assert row.figures["deletion"].value is not None
    assert row.figures["deletion"].interval is None
