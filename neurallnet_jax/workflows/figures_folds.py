"""The picture of a cross-validation as SVG bytes: a dot per run, the mean of every split with its interval, and colour.

Knows the table of a cross-validation, but no page and no file. Runs, means and colour differ in shape as well as in
colour, so that they can be told apart in grey.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from neurallnet_jax.evaluation.crossvalidation_table import CrossValidation, RunScores, SplitScores
from neurallnet_jax.workflows import wording
from neurallnet_jax.workflows.figures import LIGHT, WIDTH, Theme, headed, styled, to_svg

__all__ = ["fold_dots"]

_ROW = 0.26
"""Height of a row, inches."""
_APART = 0.5
"""Share of a row over which the seeds of a fold are spread."""


def fold_dots(found: CrossValidation, *, theme: Theme = LIGHT) -> bytes:
    """Return balanced accuracy by split and fold as SVG: rings are runs, the diamond their mean with both intervals,
    upright strokes colour alone.
    """
    rows = len(found.folds) + 1
    with styled((WIDTH, len(found.splits) * (rows * _ROW + 0.45) + 0.75), theme) as figure:
        axes = figure.subplots(len(found.splits), 1, squeeze=False, sharex=True).ravel()
        for axis, split in zip(axes, found.splits, strict=True):
            _panel(axis, split, found.folds, theme)
        axes[-1].set_xlabel("balanced accuracy on the test images")
        axes[-1].xaxis.set_major_locator(MaxNLocator(nbins=8))
        low, high = axes[-1].get_xlim()
        axes[-1].set_xlim(low, min(high, 1.01))
        figure.legend(handles=_legend(theme), loc="outside upper left", ncols=3)
        return to_svg(figure)


def _panel(axis: Axes, split: SplitScores, folds: Sequence[int], theme: Theme) -> None:
    ordered = sorted(folds)
    seeds = sorted({run.seed for run in split.runs})
    for run in split.runs:
        place = ordered.index(run.fold)
        axis.plot(run.balanced_accuracy, place + _offset(run, seeds), **_ring(theme))
        axis.plot(run.colour, place, **_stroke(theme))
    mean, bottom = split.means["balanced_accuracy"], len(ordered)
    for interval, style in ((mean.image, _band(theme)), (mean.group, _line(theme))):
        if interval is not None:
            axis.plot([interval.low, interval.high], [bottom, bottom], **style)
    if mean.mean is not None:
        axis.plot(mean.mean, bottom, **_diamond(theme))
        axis.axvline(mean.mean, color=theme.muted, linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
    axis.plot(split.colour, bottom, **_stroke(theme))
    axis.set_yticks(range(bottom + 1), [*(f"fold {fold}" for fold in ordered), "mean"])
    axis.set_ylim(bottom + 0.6, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    shown = wording.NOTHING if mean.mean is None else f"{mean.mean:.4f}"
    headed(axis, f"{split.name}: {shown}, colour alone {split.colour:.4f}", theme)


def _offset(run: RunScores, seeds: Sequence[int]) -> float:
    """Return how far from the middle of its row the ring of a seed stands."""
    return 0.0 if len(seeds) == 1 else _APART * (seeds.index(run.seed) / (len(seeds) - 1) - 0.5)


def _ring(theme: Theme) -> dict:
    return {
        "marker": "o", "markersize": 5.5, "markerfacecolor": "none", "markeredgecolor": theme.ink, "linestyle": "",
    }  # fmt: skip


def _stroke(theme: Theme) -> dict:
    return {"marker": "|", "markersize": 11, "markeredgewidth": 2.2, "color": theme.second, "linestyle": ""}


def _diamond(theme: Theme) -> dict:
    return {"marker": "D", "markersize": 7, "color": theme.first, "linestyle": "", "zorder": 3}


def _line(theme: Theme) -> dict:
    return {
        "color": theme.first,
        "linewidth": 1.6,
        "marker": "|",
        "markersize": 7,
        "markeredgewidth": 1.6,
        "zorder": 2.5,
    }


def _band(theme: Theme) -> dict:
    return {"color": theme.first, "alpha": 0.3, "linewidth": 7, "solid_capstyle": "butt"}


def _legend(theme: Theme) -> list[Line2D]:
    return [
        Line2D([], [], label="one run", **_ring(theme)),
        Line2D([], [], label="mean over folds", **_diamond(theme)),
        Line2D([], [], label="colour alone", **_stroke(theme)),
        Line2D([], [], label="95 % over groups", **_line(theme)),
        Line2D([], [], label="95 % over images", **_band(theme)),
    ]
