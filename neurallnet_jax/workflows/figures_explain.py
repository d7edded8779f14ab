"""The pictures of one explained image: one method beside the image, or a sheet of all; as PNG bytes.

Knows heat maps and what a network says of an image; no page and no file. One map of colours serves all, even in brightness
from dark to light, so that a grey print loses nothing; lines round the hottest parts are drawn dark and light.
"""

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure

from neurallnet_jax.explain.attribution import Attribution
from neurallnet_jax.explain.gates import GateTrace
from neurallnet_jax.explain.smoothing import blurred
from neurallnet_jax.workflows import wording
from neurallnet_jax.workflows.explain_image import Explained, Map
from neurallnet_jax.workflows.figures import LIGHT, SMALL, WIDTH, headed, styled

__all__ = ["CONTOURS", "picture"]

CONTOURS = (0.10, 0.25)
"""Shares of the hottest pixels that a line is drawn round, a thick one and a thin one."""

_COLOURS = "cividis"
_SMOOTH = 0.025
"""Blur of the map that lines are drawn on, as a share of its width."""

_WIDEST = 0.995
"""Quantile of the absolute heat at which the scale of colours ends: one pixel must not make all others grey."""

_VEIL = 0.5
"""Opacity of a map laid over the image."""

_COLUMNS = 4
_DPI = 150
_LONGEST_NAME = 24


def picture(found: Explained) -> bytes:
    """Return the figure of one method, or the sheet of several: image, maps, both in one, class scores, scale of "
    "colours.
    """
    steps = {name: one for name, one in found.maps.items() if one.found.steps is not None}
    alone = len(found.maps) == 1
    cells = [] if alone else list(found.maps)
    rows = -(-len(cells) // _COLUMNS)
    heights = [1.95, *[1.85] * rows, *[1.25] * len(steps), *([1.45] if found.gates else [])]
    with styled((WIDTH, sum(heights) + 0.2), LIGHT) as figure:
        parts = iter(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
        _head(next(parts), found, next(iter(found.maps.items())) if alone else None)
        for start in range(0, len(cells), _COLUMNS):
            _row_of_methods(next(parts), found, cells[start : start + _COLUMNS])
        for name, one in steps.items():
            _row_of_steps(next(parts), name, one.found)
        if found.gates:
            _row_of_gates(next(parts), found.gates)
        return _png(figure)


def _head(part: SubFigure, found: Explained, one: tuple[str, Map] | None) -> None:
    """Draw image and class scores, and between them the map of one method, alone and on the image."""
    widths = (1, 1.28, 1, 1) if one else (1, 1.9, 0.55)
    axes = part.subplots(1, len(widths), width_ratios=widths)
    _show(axes[0], found.image, "Image")
    if one is None:
        _bars(axes[1], found)
        _scale(part, axes[2], None)
        return
    name, drawn = one
    _heat(axes[1], drawn.found, wording.shorten(name, _LONGEST_NAME))
    _scale(part, axes[1], drawn.found)
    _overlay(axes[2], found.image, drawn.found, "Both")
    _bars(axes[3], found)


def _row_of_methods(part: SubFigure, found: Explained, names: Sequence[str]) -> None:
    axes = part.subplots(1, _COLUMNS)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes, names, strict=False):
        one = found.maps[name]
        _overlay(axis, found.image, one.found, wording.shorten(name, _LONGEST_NAME))
        said = f"deletion {one.curves.deletion_auc:.2f}, insertion {one.curves.insertion_auc:.2f}"
        axis.set_xlabel(said, fontsize=SMALL - 1, color=LIGHT.muted)


def _row_of_steps(part: SubFigure, name: str, found: Attribution) -> None:
    """Draw a map of every step, all with one scale of colours."""
    assert found.steps is not None
    axes = np.atleast_1d(part.subplots(1, max(len(found.steps), _COLUMNS)))
    low, high = _ends(found.steps, found.signed)
    for axis in axes[len(found.steps) :]:
        axis.set_visible(False)
    for step, (axis, heat) in enumerate(zip(axes, found.steps, strict=False), start=1):
        axis.imshow(heat, cmap=_COLOURS, vmin=low, vmax=high, interpolation="nearest")
        _bare(axis)
        headed(axis, f"step {step}", LIGHT, "normal")
    axes[0].set_ylabel("\n".join(_lines(wording.shorten(name, _LONGEST_NAME))))


def _row_of_gates(part: SubFigure, gates: Sequence[GateTrace]) -> None:
    """Draw the gates of every block, channels from top to bottom, steps from left to right."""
    axes = np.atleast_1d(part.subplots(1, len(gates)))
    for axis, trace in zip(axes, gates, strict=True):
        axis.imshow(trace.gates.T, cmap=_COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        headed(axis, wording.shorten(trace.layer, 12), LIGHT, "normal")
        axis.set_xticks(range(len(trace.gates)), [str(step) for step in range(1, len(trace.gates) + 1)])
        axis.set_yticks([])
        if 0 < trace.delay < len(trace.gates):
            # Left of the line the gates are learned, and the same for every image.
            axis.axvline(trace.delay - 0.5, color="white", linewidth=1.2, linestyle="--")
    axes[0].set_ylabel("channel")
    axes[len(axes) // 2].set_xlabel("step; left of the dashed line the gates are those of every image")


def _lines(name: str) -> list[str]:
    """Return a name in lines of two words."""
    words = name.split("-")
    return ["-".join(words[place : place + 2]) for place in range(0, len(words), 2)]


# --- Single panels


def _show(axis: Axes, image: np.ndarray, title: str) -> None:
    axis.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=255)
    _bare(axis)
    headed(axis, title, LIGHT)


def _heat(axis: Axes, found: Attribution, title: str) -> None:
    low, high = _ends(found.heat, found.signed)
    axis.imshow(found.heat, cmap=_COLOURS, vmin=low, vmax=high, interpolation="nearest")
    _bare(axis)
    headed(axis, title, LIGHT)


def _overlay(axis: Axes, image: np.ndarray, found: Attribution, title: str) -> None:
    low, high = _ends(found.heat, found.signed)
    axis.imshow(image.mean(axis=-1), cmap="gray", vmin=0, vmax=255)
    axis.imshow(found.heat, cmap=_COLOURS, vmin=low, vmax=high, alpha=_VEIL, interpolation="nearest")
    _contours(axis, found.heat)
    _bare(axis)
    headed(axis, title, LIGHT)


def _contours(axis: Axes, heat: np.ndarray) -> None:
    """Draw lines round the hottest parts of a map, dark below light, so that they show on every ground."""
    smooth = blurred(heat, max(_SMOOTH * heat.shape[1], 0.5))
    for share, widths in zip(CONTOURS, ((2.4, 1.2), (1.1, 0.5)), strict=True):
        level = np.quantile(smooth, 1 - share)
        if not smooth.min() < level < smooth.max():
            continue
        for colour, width in zip(("black", "white"), widths, strict=True):
            axis.contour(smooth, levels=[level], colors=colour, linewidths=width, linestyles="solid")


def _bars(axis: Axes, found: Explained) -> None:
    names = list(found.prediction.probabilities)
    values = list(found.prediction.probabilities.values())
    colours = [LIGHT.first if name == found.target else LIGHT.muted for name in names]
    hatches = ["///" if name == found.target else "" for name in names]
    axis.barh(range(len(names)), values, color=colours, hatch=hatches, edgecolor="white", height=0.62)
    for place, value in enumerate(values):
        axis.text(value + 0.03, place, wording.percent(value), va="center", fontsize=SMALL)
    axis.set_yticks(range(len(names)), [wording.shorten(name, 14) for name in names])
    axis.set_xlim(0, 1.45)
    axis.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axis.invert_yaxis()
    headed(axis, f"For {wording.shorten(found.target, 14)}", LIGHT)


def _scale(part: SubFigure, axis: Axes, found: Attribution | None) -> None:
    """Draw the scale of colours, of one map in its numbers, of a sheet, where each map has its own, in words."""
    low, high = (0.0, 1.0) if found is None else _ends(found.heat, found.signed)
    shades = ScalarMappable(Normalize(low, high), matplotlib.colormaps[_COLOURS])
    if found is None:
        axis.set_visible(False)
        bar = part.colorbar(shades, ax=axis, fraction=0.9, aspect=9)
        bar.set_ticks([0, 1], labels=["least", "most"])
        bar.set_label("evidence, by map", fontsize=SMALL)
        return
    bar = part.colorbar(shades, ax=axis, fraction=0.05, pad=0.02, extend="both" if low < 0 else "max")
    ends = [low, 0.0, high] if low < 0 else [0.0, high]
    bar.set_ticks(ends, labels=[wording.number(end, 2) for end in ends])


def _ends(heat: np.ndarray, signed: bool) -> tuple[float, float]:
    """Return the ends of the scale: from 0, or, where evidence may speak against the class, as far below 0 as above."""
    most = float(np.quantile(np.abs(heat), _WIDEST)) or float(np.abs(heat).max()) or 1.0
    return (-most, most) if signed else (0.0, most)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
