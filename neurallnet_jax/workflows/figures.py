"""The pictures of a report as PNG or SVG bytes: samples, confusion, learning, spikes, energy.

Knows arrays, traces and energy reports, but no page, no file and no figure other than the one it draws. Colours tell
classes or layers apart for the colour-blind and in grey; what is right or wrong is said by a sign as well.
"""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from PIL import Image

from lava_port.energy import rows as energy_rows
from lava_port.energy.results import EnergyReport, ScopeEnergy
from lava_port.trace import LayerTrace, Trace
from neurallnet_jax.training.loop import EpochRecord
from neurallnet_jax.workflows import wording

__all__ = [
    "DARK",
    "LIGHT",
    "NEURONS_SHOWN",
    "NORMAL",
    "RIGHT",
    "SMALL",
    "WIDTH",
    "WRONG",
    "Theme",
    "confusion_matrix",
    "energy_bars",
    "every_nth",
    "headed",
    "layer_colours",
    "learning_curve",
    "readable_on",
    "spike_raster",
    "styled",
    "tile",
    "to_svg",
]

RIGHT, WRONG = "✓", "✗"
NEURONS_SHOWN = 64
"""Neurons per layer that `spike_raster` shows by default."""

WIDTH = 7.0
"""Width of most figures, inches; a page that shows them at 96 px per inch shows the type at its true size."""

SMALL, NORMAL = 8.0, 9.0
"""The two type sizes, points."""

_MARKERS = "osD^vP*X<>"
_LONGEST_NAME = 22


@dataclass(frozen=True)
class Theme:
    """Colours on light or on dark ground; the ground itself stays transparent.

    Attributes:
        ink: Text.
        muted: Axes and secondary text.
        grid: Grid lines.
        first: Main colour.
        second: Contrasting colour.
        shade: Fill behind data.
        scale: Ends of a sequential scale, from nothing to all.
        layers: Part of the map `cividis` from which the colours of layers are taken.
    """

    ink: str
    muted: str
    grid: str
    first: str
    second: str
    shade: str
    scale: tuple[str, str]
    layers: tuple[float, float]


# First and second are from Okabe & Ito (2008), Color Universal Design.
LIGHT = Theme("#1d2530", "#56616e", "#dfe3e8", "#0072b2", "#d55e00", "#eaf1f6", ("#f6f8fa", "#0b4f7d"), (0.0, 0.86))
DARK = Theme("#e6e9ed", "#a3aebb", "#36414d", "#56b4e9", "#e69f00", "#22303c", ("#1c252e", "#8fd0f7"), (0.45, 1.0))


def tile(image: np.ndarray) -> bytes:
    """Return one image, uint8 (height, width, 3), as PNG, pixel for pixel.

    Raises:
        ValueError: It is no 8-bit RGB image.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.size:
        raise ValueError(f"image is {image.dtype} {image.shape}; expected uint8 (height, width, 3)")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def confusion_matrix(confusion: np.ndarray, classes: Sequence[str], *, theme: Theme = LIGHT) -> bytes:
    """Return counts by true and predicted class as SVG; a cell is the darker (in dark themes the lighter) the larger
    its share of the row.

    Args:
        confusion: Counts (K, K), rows true.
        classes: The K names.
        theme: Colours.

    Raises:
        ValueError: The matrix is not K x K.
    """
    k = len(classes)
    if confusion.shape != (k, k):
        raise ValueError(f"confusion has shape {confusion.shape}; expected {(k, k)}, one row and column per class")
    totals = confusion.sum(axis=1, keepdims=True)
    share = np.divide(confusion, totals, out=np.zeros((k, k)), where=totals > 0)
    shades = LinearSegmentedColormap.from_list("share", theme.scale)
    names = [wording.shorten(name, _LONGEST_NAME) for name in classes]
    side = min(max(0.72 * k, 2.2), 9.0)
    with styled((side + 1.8, side + 1.1), theme) as figure:
        axis = figure.subplots()
        axis.imshow(share, cmap=shades, vmin=0, vmax=1)
        for row, column in np.ndindex(k, k):
            number, part = int(confusion[row, column]), float(share[row, column])
            text = f"{number:,}\n{part:.0%}" if number else "0"
            axis.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=readable_on(shades(part)))
        axis.set_xticks(range(k), names, rotation=30 if k > 2 else 0, ha="right" if k > 2 else "center")
        axis.set_yticks(range(k), names)
        axis.set(xlabel="predicted", ylabel="true")
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        return to_svg(figure)


def learning_curve(epochs: Sequence[EpochRecord], *, theme: Theme = LIGHT) -> bytes:
    """Return loss, accuracy and the firing rate of every layer over the epochs as SVG; the kept epoch is marked.

    Raises:
        ValueError: There is no epoch.
    """
    if not epochs:
        raise ValueError("no epochs to draw; the log of the training is empty")
    at = [record.epoch for record in epochs]
    kept = next((record.epoch for record in reversed(epochs) if record.best), at[-1])
    with styled((WIDTH, 6.2), theme) as figure:
        loss, accuracy, rates = figure.subplots(3, 1, sharex=True)
        _curve(loss, at, [record.loss for record in epochs], "training", theme.first, "o")
        _curve(loss, at, [record.validation_loss for record in epochs], "validation", theme.second, "s")
        _curve(accuracy, at, [record.accuracy for record in epochs], "training (accuracy)", theme.first, "o")
        _curve(accuracy, at, [record.validation for record in epochs], "validation (balanced)", theme.second, "s")
        for place, (name, colour) in enumerate(layer_colours(list(epochs[0].rates), theme).items()):
            marker = _MARKERS[place % len(_MARKERS)]
            _curve(rates, at, [record.rates.get(name) for record in epochs], name, colour, marker)
        for axis, title in ((loss, "Loss"), (accuracy, "Images told right"), (rates, "Spikes per neuron and step")):
            headed(axis, title, theme)
            axis.axvline(kept, color=theme.muted, linewidth=0.9, linestyle=":")
            axis.grid(axis="y")
            if axis.get_legend_handles_labels()[0]:
                axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=6, borderaxespad=0.2)
        accuracy.set_ylim(0, 1.03)
        accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        rates.set_ylim(bottom=0)
        rates.set_xlabel(f"epoch (dotted: epoch {kept}, whose weights were kept)")
        rates.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        return to_svg(figure)


def every_nth(neurons: int, channels: int, shown: int) -> int:
    """Return n so that each n-th of `neurons` gives about `shown` of them, spread over space and all channels.

    Neurons are numbered channel by channel within each place, so n and the number of channels share no divisor.
    """
    n = max(1, neurons // shown)
    while math.gcd(n, channels) > 1:
        n -= 1
    return n


def spike_raster(trace: Trace, image: int, *, neurons_per_layer: int = NEURONS_SHOWN, theme: Theme = LIGHT) -> bytes:
    """Return when the neurons of each layer spike for one image, and how many of all its neurons do, as SVG.

    Args:
        trace: A run.
        image: Place of the image in the batch.
        neurons_per_layer: At most this many neurons of a layer are shown, each n-th of `every_nth`; rates are of all.
        theme: Colours.

    Raises:
        ValueError: There is no such image, or the trace has no spiking layer.
    """
    if not trace.layers:
        raise ValueError("the trace has no layer that spikes; there is no raster to draw")
    if not 0 <= image < len(trace.scores):
        raise ValueError(f"image {image} is not in the trace; it holds {len(trace.scores)}")
    with styled((WIDTH, 1.5 * len(trace.layers) + 0.5), theme) as figure:
        axes = figure.subplots(len(trace.layers), 2, sharex=True, squeeze=False, width_ratios=(3, 2))
        for (left, right), layer in zip(axes, trace.layers, strict=True):
            spikes = layer.spikes[:, image]
            _raster(left, layer, spikes, neurons_per_layer, theme)
            share = spikes.reshape(len(spikes), -1).mean(axis=1)
            right.bar(range(layer.window.start, layer.window.stop), share, width=0.8, color=theme.first)
            right.set_ylim(0, max(0.02, 1.2 * float(share.max())))
            right.yaxis.set_major_locator(MaxNLocator(nbins=2))
            right.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g}%"))
            right.grid(axis="y")
            headed(right, f"{wording.percent(float(share.mean()), 2)} spike in a step", theme, weight="normal")
            for axis in (left, right):
                axis.axvspan(
                    layer.window.start - 0.5, layer.window.stop - 0.5, color=theme.shade, linewidth=0, zorder=0
                )
                axis.set_xlim(-0.5, trace.total_steps - 0.5)
                axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for axis in axes[-1]:
            axis.set_xlabel("step (shaded: the layer's window)")
        return to_svg(figure)


def energy_bars(report: EnergyReport, *, theme: Theme = LIGHT) -> bytes:
    """Return joules per image by layer as SVG: a panel per profile and arithmetic, a bar per scope.

    A diamond marks the dense ANN of the same topology. Each panel has a scale of its own: what machines cost compares
    in the numbers, not in the lengths of bars of different panels.

    Raises:
        ValueError: The report charges no scope.
    """
    charged = [entry for entry in report.scopes if entry.unit == "J" and (entry.spiking or entry.ann)]
    panels = list(dict.fromkeys((entry.profile, entry.variant) for entry in charged))
    if not panels:
        raise ValueError("the energy report charges no scope; there are no bars to draw")
    rows = energy_rows.layer_rows(report)
    colours = layer_colours([row.name for row in rows], theme)
    heights = [0.34 * sum((entry.profile, entry.variant) == panel for entry in charged) + 0.72 for panel in panels]
    with styled((WIDTH, sum(heights) + 0.5), theme) as figure:
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights).ravel()
        for axis, panel in zip(axes, panels, strict=True):
            scopes = [entry for entry in charged if (entry.profile, entry.variant) == panel]
            _stacks(axis, scopes, rows, colours, theme)
            headed(axis, f"{wording.shorten(panel[0], 40)}, {wording.shorten(panel[1], 20)}", theme)
        handles = [Patch(color=colour, label=wording.shorten(name, _LONGEST_NAME)) for name, colour in colours.items()]
        dense = Line2D([], [], marker="D", linestyle="", color=theme.second, label="dense ANN, one pass")
        static = [Patch(label="static power", **_static_style(theme))] if any(e.shared for e in charged) else []
        shown = [*handles, *static, dense]
        figure.legend(handles=shown, loc="outside upper left", ncols=7 if len(shown) <= 7 else 4)
        return to_svg(figure)


# --- Parts of the figures


def _curve(axis: Axes, at: Sequence[int], values: Sequence[float | None], name: str, colour: str, marker: str) -> None:
    """Draw a line through the values that are known; none at all if no value is."""
    known = [(x, y) for x, y in zip(at, values, strict=True) if y is not None]
    if known:
        label = wording.shorten(name, _LONGEST_NAME)
        # A label with a leading underscore would be left out of the legend.
        axis.plot(*zip(*known, strict=True), label=label.lstrip("_") or "layer", color=colour, marker=marker)


def _raster(axis: Axes, layer: LayerTrace, spikes: np.ndarray, most: int, theme: Theme) -> None:
    flat = spikes.reshape(len(spikes), -1)
    n = every_nth(flat.shape[1], spikes.shape[-1], most)
    shown = flat[:, ::n][:, :most]
    step, place = np.nonzero(shown)
    start = step + layer.window.start
    axis.hlines(place, start - 0.36, start + 0.36, color=theme.first, linewidth=1.1)
    axis.set_ylim(shown.shape[1] - 0.5, -0.5)
    axis.set_yticks([])
    every = "all" if n == 1 and shown.shape[1] == flat.shape[1] else f"{shown.shape[1]} of"
    name = wording.shorten(layer.name, _LONGEST_NAME)
    headed(axis, f"{name}: {every} {flat.shape[1]:,} neurons", theme)


def _stacks(
    axis: Axes,
    scopes: Sequence[ScopeEnergy],
    rows: Sequence[energy_rows.LayerRow],
    colours: dict[str, str],
    theme: Theme,
) -> None:
    totals = [entry.spiking.mean if entry.spiking else 0.0 for entry in scopes]
    dense = [entry.ann.mean if entry.ann else 0.0 for entry in scopes]
    largest = max(*totals, *dense)
    factor, prefix = wording.si_prefix(largest)
    for place, entry in enumerate(scopes):
        left = 0.0
        for row in rows:
            width = _joules(row, entry) / factor
            # An edge in the colour of the ground keeps neighbours apart in grey.
            axis.barh(place, width, left=left, height=0.62, color=colours[row.name], edgecolor=theme.scale[0])
            left += width
        if entry.shared:
            axis.barh(place, entry.shared / factor, left=left, height=0.62, **_static_style(theme))
        if entry.ann:
            axis.plot(
                entry.ann.mean / factor,
                place,
                marker="D",
                markersize=6.5,
                color=theme.second,
                markeredgecolor=theme.scale[0],
                zorder=3,
            )
    axis.set_yticks(range(len(scopes)), [_scope_label(entry, bool(place)) for place, entry in enumerate(scopes)])
    axis.set_ylim(len(scopes) - 0.5, -0.5)
    axis.set_xlim(0, (1.06 * largest / factor) or 1)
    axis.set_xlabel(f"{prefix}J per image", loc="right")
    axis.grid(axis="x")
    axis.tick_params(axis="y", length=0)


def _static_style(theme: Theme) -> dict[str, Any]:
    """Return how energy is drawn that belongs to no layer."""
    return {"facecolor": theme.scale[0], "edgecolor": theme.muted, "hatch": "////", "linewidth": 0.6}


def _joules(row: energy_rows.LayerRow, entry: ScopeEnergy) -> float:
    wanted = (entry.profile, entry.variant, entry.scope)
    return next((e.energy or 0.0 for e in row.energy if (e.profile, e.variant, e.scope) == wanted), 0.0)


def _scope_label(entry: ScopeEnergy, adds: bool) -> str:
    """Return the scope with its sum, starred where the sum leaves nodes out."""
    name = f"+ {entry.scope}" if adds else entry.scope
    if entry.spiking is None:
        return f"{name}: cannot be priced"
    return f"{name}: {wording.si(entry.spiking.mean, 'J', 2)}{'*' if entry.left_out else ''}"


def headed(axis: Axes, title: str, theme: Theme, weight: str = "bold") -> None:
    """Write a title above the left end of an axis."""
    axis.set_title(title, loc="left", fontsize=NORMAL, fontweight=weight, color=theme.ink)


def layer_colours(names: Sequence[str], theme: Theme) -> dict[str, str]:
    """Return a colour per layer, from dark to bright in execution order."""
    shades = matplotlib.colormaps["cividis"](np.linspace(*theme.layers, max(len(names), 2)))
    return {name: to_hex(shade) for name, shade in zip(names, shades, strict=False)}


def readable_on(colour: tuple[float, float, float, float]) -> str:
    """Return black or white, whichever contrasts more (WCAG 2.2, relative luminance)."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = float(np.dot(channels, (0.2126, 0.7152, 0.0722)))
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"


@contextmanager
def styled(size: tuple[float, float], theme: Theme) -> Iterator[Figure]:
    """Yield a figure in our style, whatever the user's own matplotlibrc says; nothing global is left changed."""
    style = {
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.muted,
        "axes.labelsize": SMALL,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.axisbelow": True,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "font.family": "DejaVu Sans",
        "font.size": NORMAL,
        "grid.color": theme.grid,
        "grid.linewidth": 0.7,
        "legend.fontsize": SMALL,
        "legend.frameon": False,
        "legend.labelcolor": theme.ink,
        "lines.linewidth": 1.6,
        "lines.markersize": 3.2,
        # Names of classes are text, whatever signs they hold.
        "text.parse_math": False,
        "text.color": theme.ink,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        # Ids in an SVG are random without it.
        "svg.hashsalt": "neurallnet",
    }
    with matplotlib.style.context(["default", style]), warnings.catch_warnings():
        # A sign that the font lacks shows as a box; the tables beside the figures have the name in full.
        warnings.filterwarnings("ignore", r"(?s)Glyph .* missing from font")
        yield Figure(figsize=size, layout="constrained")


def to_svg(figure: Figure) -> bytes:
    """Return a figure as SVG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
