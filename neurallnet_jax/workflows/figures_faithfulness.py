"""The pictures of a table of faithfulness: gains over a random order, evidence by region, and the cascade.

Knows means and intervals, but no page and no file. Markers differ as well as colours, so that all can be told
apart in grey.
"""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from neurallnet_jax.explain.faithfulness_result import Faithfulness, Figure, Row
from neurallnet_jax.workflows import wording
from neurallnet_jax.workflows.figures import LIGHT, WIDTH, Theme, headed, layer_colours, styled, to_svg

__all__ = ["cascade", "gains"]

_ROW = 0.26
_MARKERS = "osD^vP*X<>"
_LONGEST_NAME = 22
_DASHES = ((0, ()), (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))


def gains(found: Faithfulness, *, theme: Theme = LIGHT) -> bytes:
    """Return, method by method, deletion and insertion over a random order, and evidence over area by region, as SVG."""
    rows = found.rows
    with styled((WIDTH, 1.3 + _ROW * len(rows)), theme) as figure:
        axes = figure.subplots(1, 3, sharey=True, width_ratios=(1, 1, 1.2))
        for axis, metric, title in (
            (axes[0], "deletion_over_random", "Deletion, over random"),
            (axes[1], "insertion_over_random", "Insertion, over random"),
        ):
            _dots(axis, [row.figures[metric] for row in rows], theme.first, "o", 0.0)
            axis.axvline(0, color=theme.muted, linestyle=":", linewidth=1)
            headed(axis, title, theme)
        regions = (("cells", theme.first, "o", "cells"), ("background", theme.muted, "s", "background"),
                   ("scale_bar", theme.second, "^", "scale bar"))  # fmt: skip
        for place, (region, colour, marker, _) in enumerate(regions):
            _dots(axes[2], [row.figures[f"{region}_ratio"] for row in rows], colour, marker, 0.22 * (place - 1))
        axes[2].axvline(1, color=theme.muted, linestyle=":", linewidth=1)
        axes[2].set_xlim(left=0)
        headed(axes[2], "Evidence over area", theme)
        axes[0].set_yticks(range(len(rows)), [_label(row) for row in rows])
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        handles = [
            Line2D([], [], color=colour, marker=marker, linestyle="", label=label)
            for _, colour, marker, label in regions
        ]
        figure.legend(handles=handles, loc="outside lower right", ncols=3)
        return to_svg(figure)


def cascade(found: Faithfulness, *, theme: Theme = LIGHT) -> bytes:
    """Return rank correlations with the map of the trained network, stage by stage of randomised weights, as SVG.

    Raises:
        ValueError: No weights were randomised.
    """
    stages = [stage.down_to for stage in found.rows[0].cascade]
    if not stages:
        raise ValueError("no weights were randomised; there is no cascade to draw")
    colours = layer_colours([row.method for row in found.rows], theme)
    with styled((WIDTH, 3.0), theme) as figure:
        axis = figure.subplots()
        for place, row in enumerate(found.rows):
            values = [1.0, *(float("nan") if one.figure.value is None else one.figure.value for one in row.cascade)]
            axis.plot(
                range(len(values)), values, color=colours[row.method], marker=_MARKERS[place % len(_MARKERS)],
                linestyle=_DASHES[place % len(_DASHES)], label=_label(row),
            )  # fmt: skip
        axis.axhline(0, color=theme.muted, linestyle=":", linewidth=1)
        axis.set_xticks(range(len(stages) + 1), ["trained", *stages])
        axis.set_xlabel("all weights from the top down to this layer drawn anew")
        axis.set_ylabel("rank correlation")
        axis.set_ylim(top=1.05)
        figure.legend(loc="outside right center")
        return to_svg(figure)


def _dots(axis: Axes, figures: list[Figure], colour: str, marker: str, offset: float) -> None:
    for place, figure in enumerate(figures):
        if figure.value is None:
            continue
        if figure.interval is not None:
            ends = [figure.interval.low, figure.interval.high]
            axis.plot(ends, [place + offset] * 2, color=colour, linewidth=1.2)
        axis.plot([figure.value], [place + offset], color=colour, marker=marker, linestyle="", markersize=4.5)
    axis.grid(axis="x")


def _label(row: Row) -> str:
    # A label with a leading underscore would be left out of the legend.
    name = wording.shorten(row.method, _LONGEST_NAME).lstrip("_") or "method"
    return f"{name} *" if row.control else name
