"""The pictures of an evaluation as SVG bytes: how far probabilities may be believed, and models side by side.

Knows arrays and intervals; neither pages nor files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from neurallnet_jax.metrics.calibration import ReliabilityBins
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.workflows import wording
from neurallnet_jax.workflows.figures import LIGHT, WIDTH, Theme, headed, styled, to_svg

__all__ = ["ForestRow", "forest", "reliability"]

_LONGEST_NAME = 34


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot: a name, a value, and how far it would move."""

    name: str
    value: float
    group: Interval | None
    image: Interval | None


def reliability(bins: ReliabilityBins, *, theme: Theme = LIGHT) -> bytes:
    """Return the share of right answers over the mean confidence of every bin, and the images in it, as SVG.

    Raises:
        ValueError: There is no bin.
    """
    if not len(bins.n):
        raise ValueError("no bins to draw; score at least one image")
    with styled((0.62 * WIDTH, 4.6), theme) as figure:
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.plot([0, 1], [0, 1], color=theme.muted, linewidth=0.9, linestyle=":", label="as said")
        top.vlines(bins.confidence, bins.confidence, bins.accuracy, color=theme.second, linewidth=1.2, label="gap")
        top.plot(bins.confidence, bins.accuracy, color=theme.first, marker="o", markersize=4.5, label="bin")
        top.set_ylim(-0.03, 1.03)
        top.grid(axis="y")
        top.legend(loc="upper left")
        headed(top, "Share of answers that are right", theme)
        middles, widths = (bins.low + bins.high) / 2, bins.high - bins.low
        below.bar(middles, bins.n, width=0.92 * widths, color=theme.first)
        below.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
        headed(below, "Images", theme)
        below.set(xlim=(0, 1.02), xlabel="probability that the network gives its answer")
        for axis in (top.yaxis, below.xaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        return to_svg(figure)


def forest(rows: Sequence[ForestRow], *, label: str, theme: Theme = LIGHT) -> bytes:
    """Return values with both of their intervals, one model per line, as SVG.

    Args:
        rows: The models, from top to bottom.
        label: What the values are.
        theme: Colours.

    Raises:
        ValueError: There is no row.
    """
    if not rows:
        raise ValueError("no models to draw; compare at least one that was scored")
    ends = [end for row in rows for one in (row.group, row.image) if one for end in (one.low, one.high)]
    low, high = min([*ends, *(row.value for row in rows)]), max([*ends, *(row.value for row in rows)])
    margin = max(0.06 * (high - low), 0.005)
    with styled((WIDTH, 0.42 * len(rows) + 1.2), theme) as figure:
        axis = figure.subplots()
        for place, row in enumerate(rows):
            if row.group:
                axis.hlines(place - 0.09, row.group.low, row.group.high, color=theme.first, linewidth=2.2)
            if row.image:
                axis.hlines(place + 0.13, row.image.low, row.image.high, color=theme.muted, linewidth=1.0)
            axis.plot(row.value, place - 0.09, marker="D", markersize=6, color=theme.first, linestyle="")
        axis.set_yticks(np.arange(len(rows)), [wording.shorten(row.name, _LONGEST_NAME) for row in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.set_xlim(low - margin, high + margin)
        axis.set_xlabel(label)
        axis.grid(axis="x")
        axis.tick_params(axis="y", length=0)
        handles = [
            Line2D([], [], color=theme.first, marker="D", linewidth=2.2, label="95 % over groups"),
            Line2D([], [], color=theme.muted, linewidth=1.0, label="95 % over images, too narrow"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
        return to_svg(figure)
