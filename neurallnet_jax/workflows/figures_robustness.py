"""The pictures of a robustness test: balanced accuracy, and firing rates, over the severity, a panel per corruption.

Knows what a robustness test found, but no page and no file. Lines differ in dashes and markers as well as in colour, so
that they can be told apart in grey.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from neurallnet_jax.evaluation.robustness_result import Condition, Robustness
from neurallnet_jax.images import corruptions
from neurallnet_jax.workflows import wording
from neurallnet_jax.workflows.figures import LIGHT, WIDTH, Theme, headed, layer_colours, styled, to_svg

__all__ = ["MOST_MODELS", "Kind", "corruption_curves", "kind_of", "rate_curves"]

Kind: TypeAlias = Literal["svg", "png"]

MOST_MODELS = 4
"""Models that one figure holds; more lines than that hide each other."""

_COLUMNS = 4
_PANEL_HEIGHT, _LEGEND_HEIGHT = 1.95, 0.35
_DASHES = ((0, ()), (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))
_MARKERS = "osD^vP*X<>"
_LONGEST_NAME = 30
_DPI = 150


def kind_of(path: Path) -> Kind:
    """Return the kind of picture that a file name asks for.

    Raises:
        ValueError: Neither SVG nor PNG.
    """
    ending = path.suffix[1:].lower()
    if ending not in get_args(Kind):
        raise ValueError(f"{path}: its ending is {path.suffix or 'missing'}; name a file that ends in .svg or .png")
    return cast("Kind", ending)


def corruption_curves(results: Mapping[str, Robustness], *, theme: Theme = LIGHT, kind: Kind = "svg") -> bytes:
    """Return balanced accuracy over the severity, 0 for the images as they are, with its 95 % interval as a band.

    Args:
        results: One model or several by name, tested with the same corruptions and severities.
        theme: Colours.
        kind: What the bytes are.

    Raises:
        ValueError: No model, too many, or models that were tested otherwise.
    """
    names = _names(list(results.values()))
    if len(results) > MOST_MODELS:
        raise ValueError(f"{len(results)} models in one figure hide each other; at most {MOST_MODELS} are drawn")
    colours = (theme.first, theme.second, theme.ink, theme.muted)
    first = next(iter(results.values()))
    with styled(_size(names), theme) as figure:
        for axis, name in zip(_panels(figure, names), names, strict=True):
            for place, found in enumerate(results.values()):
                _curve(axis, found, name, colours[place], place)
            axis.axhline(first.chance, color=theme.muted, linewidth=0.9, linestyle=":")
            axis.set_ylim(0, 1.03)
            axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            _dress(axis, [one for one in first.conditions if one.name == name], theme)
        handles: list[Line2D | Patch] = [
            Line2D([], [], color=colours[place], linestyle=_DASHES[place], marker=_MARKERS[place], label=_label(model))
            for place, model in enumerate(results)
        ]
        if len(results) == 1:
            handles[0].set_label("balanced accuracy")
        if any(found.no_interval is None for found in results.values()):
            handles.append(Patch(color=theme.muted, alpha=0.25, label="95 % over groups"))
        handles.append(Line2D([], [], color=theme.muted, linestyle=":", label="chance"))
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        return _drawn(figure, kind)


def rate_curves(found: Robustness, *, theme: Theme = LIGHT, kind: Kind = "svg") -> bytes:
    """Return spikes per neuron and step of every layer over the severity, as multiples of those of clean images.

    A layer that is silent on clean images has no multiple and is left out.

    Raises:
        ValueError: No layer spikes on clean images.
    """
    names = _names([found])
    layers = [layer for layer, rate in found.clean.rates.items() if rate > 0]
    if not layers:
        raise ValueError("no layer spikes on clean images; there are no rates to draw")
    colours = layer_colours(layers, theme)
    most = max(one.rates[layer] / found.clean.rates[layer] for one in found.conditions for layer in layers)
    with styled(_size(names), theme) as figure:
        for axis, name in zip(_panels(figure, names), names, strict=True):
            own = [one for one in found.conditions if one.name == name]
            for place, layer in enumerate(layers):
                ratios = [1.0, *(one.rates[layer] / found.clean.rates[layer] for one in own)]
                marker = _MARKERS[place % len(_MARKERS)]
                axis.plot([0, *(one.severity for one in own)], ratios, color=colours[layer], marker=marker)
            axis.axhline(1, color=theme.muted, linewidth=0.9, linestyle=":")
            axis.set_ylim(0, 1.05 * max(1.0, most))
            _dress(axis, own, theme)
        handles = [
            Line2D([], [], color=colours[layer], marker=_MARKERS[place % len(_MARKERS)], label=_label(layer))
            for place, layer in enumerate(layers)
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=6)
        return _drawn(figure, kind)


# --- Parts of the figures


def _names(results: Sequence[Robustness]) -> tuple[str, ...]:
    """Return the corruptions of all results, which must have been tested alike."""
    tested = {tuple((one.name, one.severity) for one in found.conditions) for found in results}
    if len(tested) != 1:
        raise ValueError(f"{len(results)} models, tested in {len(tested)} ways; one figure takes those tested alike")
    return tuple(dict.fromkeys(name for name, _ in tested.pop()))


def _size(names: Sequence[str]) -> tuple[float, float]:
    rows = -(-len(names) // _COLUMNS)
    return WIDTH, _PANEL_HEIGHT * rows + _LEGEND_HEIGHT


def _panels(figure: Figure, names: Sequence[str]) -> list[Axes]:
    rows = -(-len(names) // _COLUMNS)
    axes = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False).ravel()
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    return list(axes[: len(names)])


def _curve(axis: Axes, found: Robustness, name: str, colour: str, place: int) -> None:
    own = [found.clean, *(one for one in found.conditions if one.name == name)]
    at = [0 if not isinstance(one, Condition) else one.severity for one in own]
    values = [one.balanced_accuracy for one in own]
    axis.plot(at, values, color=colour, linestyle=_DASHES[place], marker=_MARKERS[place], zorder=3)
    bands = [(x, one.interval) for x, one in zip(at, own, strict=True) if one.interval is not None]
    if bands:
        low, high = ([getattr(interval, end) for _, interval in bands] for end in ("low", "high"))
        axis.fill_between([x for x, _ in bands], low, high, color=colour, alpha=0.2, linewidth=0)


def _dress(axis: Axes, own: Sequence[Condition], theme: Theme) -> None:
    """Write the parameters below the severities, the clean images to the left of them as 0."""
    chosen = corruptions.CORRUPTIONS[own[0].name]
    axis.set_xticks([0, *(one.severity for one in own)], ["–", *(f"{one.parameter:g}" for one in own)])
    axis.set_xlim(-0.3, max(one.severity for one in own) + 0.3)
    axis.set_xlabel(chosen.unit)
    axis.grid(axis="y")
    headed(axis, chosen.title, theme)


def _label(name: str) -> str:
    # A label with a leading underscore would be left out of the legend.
    return wording.shorten(name, _LONGEST_NAME).lstrip("_") or "model"


def _drawn(figure: Figure, kind: Kind) -> bytes:
    if kind == "svg":
        return to_svg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
