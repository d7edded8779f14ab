"""The pictures of an energy estimate as SVG bytes: ratio over rate, spikes per step, cores, energy per image by class.

Knows energy reports, but no page and no file; bars per layer and scope stand in `figures.py`. Lines and bars differ in
dashes, markers and place as well as in colour, so that they can be told apart in grey.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lava_port.energy.breakeven import BreakEven
from lava_port.energy.profiles import PUBLISHED_BREAK_EVENS
from lava_port.energy.results import Baseline, EnergyReport, ScopeEnergy
from neurallnet_jax.workflows import wording
from neurallnet_jax.workflows.figures import LIGHT, SMALL, WIDTH, Theme, headed, readable_on, styled, to_svg

__all__ = [
    "CoreShare",
    "Curves",
    "Dash",
    "class_histogram",
    "core_shares",
    "core_use",
    "curves",
    "published_rates",
    "ratio_curves",
    "spikes_per_step",
]

_LONGEST = 24
Dash: TypeAlias = tuple[float, tuple[float, ...]]
"""A pattern of dashes as matplotlib takes it: where it starts, and lengths on and off, none for a solid line."""
_DASHES: tuple[Dash, ...] = ((0, ()), (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1)), (0, (3, 3)), (0, (8, 2)))


@dataclass(frozen=True)
class Curves:
    """One panel of the ratio over the firing rate: a profile's arithmetic in one scope, against every baseline.

    Attributes:
        titles: Profiles and arithmetics that give these very curves.
        entry: The scope's answer under the first of them.
        lines: Baselines with a curve.
    """

    titles: tuple[str, ...]
    entry: ScopeEnergy
    lines: tuple[tuple[Baseline, BreakEven], ...]


@dataclass(frozen=True)
class CoreShare:
    """What one core holds, as shares of what it could hold; None where no number was published."""

    layer: str
    neurons: float | None
    memory: float | None


def curves(report: EnergyReport) -> tuple[Curves, ...]:
    """Return the panels of `ratio_curves`; profiles with equal curves share one."""
    found: dict[object, Curves] = {}
    for entry in report.scopes:
        lines = tuple((one, one.break_even) for one in entry.baselines if one.break_even is not None)
        if not lines or entry.unit != "J":
            continue
        key = (entry.scope, tuple((one.kind, one.arithmetic.name, even.curve) for one, even in lines))
        title = f"{entry.profile} {entry.variant}"
        known = found.get(key)
        found[key] = Curves((*known.titles, title), known.entry, lines) if known else Curves((title,), entry, lines)
    return tuple(found.values())


def published_rates(report: EnergyReport) -> tuple[tuple[str, float, float], ...]:
    """Return published break-evens as spikes per neuron and step of this network: a letter, the least and the greatest.

    Spikes per neuron and image are divided by T; spikes per synapse and image are scaled as this network's own are.
    """
    now, rows = report.operating, []
    for letter, one in zip("abcdefgh", PUBLISHED_BREAK_EVENS, strict=False):
        if one.quantity == "rate":
            factor = 1.0
        elif one.quantity == "spikes_per_neuron":
            factor = 1 / report.counts.steps
        elif now.spikes_per_synapse:
            factor = now.rate / now.spikes_per_synapse
        else:
            continue
        rows.append((letter, one.low * factor, one.high * factor))
    return tuple(rows)


def ratio_curves(report: EnergyReport, *, theme: Theme = LIGHT) -> bytes:
    """Return the ratio to the ANN over the firing rate: operating point, break-evens, and those that others published.

    Raises:
        ValueError: No baseline has a curve.
    """
    panels = curves(report)
    if not panels:
        raise ValueError("no baseline has a curve over the firing rate; there is nothing to draw")
    names = dict.fromkeys(_line_name(one) for panel in panels for one, _ in panel.lines)
    dashes = {name: _DASHES[place % len(_DASHES)] for place, name in enumerate(names)}
    rows = -(-len(panels) // 2)
    with styled((WIDTH, 2.75 * rows + 0.6), theme) as figure:
        axes = figure.subplots(rows, 2, squeeze=False).ravel()
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        for place, (axis, panel) in enumerate(zip(axes, panels, strict=False)):
            _ratio_panel(axis, panel, report, dashes, theme)
            axis.set_ylabel("" if place % 2 else "this network / ANN")
            axis.set_xlabel("spikes per neuron and step")
        handles: list[Line2D | Patch] = [
            Line2D([], [], color=theme.first, linestyle=dash, label=name) for name, dash in dashes.items()
        ]
        handles += [
            Patch(color=theme.first, alpha=0.2, label="range of the constants"),
            Line2D([], [], marker="o", linestyle="", color=theme.ink, label="as it ran"),
            Line2D([], [], marker="D", linestyle="", color=theme.second, label="break-even"),
            Line2D([], [], color=theme.muted, linestyle=":", label="a to d: published"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        return to_svg(figure)


def spikes_per_step(report: EnergyReport, *, theme: Theme = LIGHT) -> bytes:
    """Return spikes of every layer in every one of the T + depth steps, mean per image, as a heat map with numbers.

    A cell is the darker (in dark themes the lighter) the larger the share of neurons that spike; outside its window a
    layer cannot spike.

    Raises:
        ValueError: No layer spikes.
    """
    nodes = [node for node in report.counts.nodes if node.signal == "spikes"]
    if not nodes:
        raise ValueError("no layer of the network spikes; there is no raster to draw")
    steps = report.counts.total_steps
    shares, spikes = (np.full((len(nodes), steps), np.nan) for _ in range(2))
    for row, node in enumerate(nodes):
        spikes[row, node.window.start : node.window.stop] = node.spikes.mean(axis=1)
        shares[row] = spikes[row] / node.neurons
    largest = float(np.nanmax(shares)) or 1.0
    shades = LinearSegmentedColormap.from_list("share", theme.scale)
    with styled((WIDTH, 0.46 * len(nodes) + 1.0), theme) as figure:
        axis = figure.subplots()
        shown = axis.imshow(100 * shares, cmap=shades, vmin=0, vmax=100 * largest, aspect="auto")
        for row, column in np.ndindex(*shares.shape):
            share = shares[row, column]
            idle = bool(np.isnan(share))
            colour = theme.muted if idle else readable_on(to_rgba(shades(float(share / largest))))
            text = "·" if idle else _compact(float(spikes[row, column]))
            axis.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour)
        axis.set_yticks(range(len(nodes)), [wording.shorten(node.name, _LONGEST) for node in nodes])
        axis.set_xticks(range(steps))
        axis.set_xlabel(f"step (of {steps}; a dot: outside the layer's window)")
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        bar = figure.colorbar(shown, ax=axis, pad=0.02)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
        bar.set_label("% of neurons")
        return to_svg(figure)


def core_shares(report: EnergyReport) -> tuple[CoreShare, ...]:
    """Return what every core of the placement holds, in order of their numbers; empty without a placement."""
    placement = report.counts.placement
    if placement is None:
        return ()
    rows = []
    for layer in placement.layers:
        available = {one.limit: one.available for one in layer.usage}
        most, memory = available.get("compartments"), available.get("memory")
        for neurons, bits in zip(layer.loads.neurons.ravel(), layer.loads.bits.ravel(), strict=True):
            rows.append(
                CoreShare(
                    layer.name,
                    None if most is None else float(neurons) / most,
                    None if memory is None else float(bits) / (8 * memory),
                )
            )
    return tuple(rows)


def core_use(report: EnergyReport, *, theme: Theme = LIGHT) -> bytes:
    """Return the share of neurons and of memory that every core uses, as SVG.

    Raises:
        ValueError: The network was not placed.
    """
    shares = core_shares(report)
    if not shares:
        raise ValueError("the network was not placed on a chip; there are no cores to draw")
    with styled((WIDTH, 3.6), theme) as figure:
        axes = figure.subplots(2, 1, sharex=True)
        parts = (
            ("Neurons, share of what a core holds", [one.neurons for one in shares], theme.first),
            ("Memory, share of what a core holds", [one.memory for one in shares], theme.second),
        )
        for axis, (title, values, colour) in zip(axes, parts, strict=True):
            if any(value is not None for value in values):
                axis.bar(range(len(values)), [value or 0 for value in values], width=0.85, color=colour)
            else:
                axis.text(0.5, 0.5, "no number was published", ha="center", transform=axis.transAxes)
            axis.set_ylim(0, 1.05)
            axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axis.grid(axis="y")
            headed(axis, title, theme)
            _mark_layers(axis, shares, theme)
        axes[-1].set_xlabel("core (dotted: where the next layer begins)")
        axes[-1].set_xlim(-0.6, len(shares) - 0.4)
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        return to_svg(figure)


def class_histogram(report: EnergyReport, entry: ScopeEnergy, *, theme: Theme = LIGHT) -> bytes:
    """Return how many images of each class cost how much, one row per class on one scale, as SVG.

    Raises:
        ValueError: There are fewer than two energies.
    """
    values = np.array(entry.per_image)
    if len(values) < 2:
        raise ValueError(f"{len(values)} energies give no histogram; expected at least two images")
    factor, prefix = wording.si_prefix(float(values.mean()))
    values = values / factor
    groups = _by_class(report, values)
    edges = np.histogram_bin_edges(values, bins=min(30, max(5, len(values) // 8)))
    with styled((WIDTH, 0.95 * len(groups) + 0.7), theme) as figure:
        axes = figure.subplots(len(groups), 1, sharex=True, sharey=True, squeeze=False).ravel()
        for axis, (name, mine) in zip(axes, groups, strict=True):
            axis.hist(mine, bins=edges.tolist(), color=theme.first, edgecolor=theme.scale[0])
            axis.yaxis.set_major_locator(MaxNLocator(nbins=2, integer=True))
            axis.grid(axis="y")
            found = f"{len(mine):,} images"
            if len(mine):
                axis.axvline(mine.mean(), color=theme.second, linestyle="--")
                found = f"{found}, mean {wording.rounded(float(mine.mean()), 3)} {prefix}{_unit(entry)}"
            headed(axis, f"{wording.shorten(name, _LONGEST)}: {found}", theme, weight="normal")
        axes[-1].set_xlabel(f"{prefix}{_unit(entry)} per image (dashed: mean of the class)")
        return to_svg(figure)


# --- Parts of the figures


def _ratio_panel(axis: Axes, panel: Curves, report: EnergyReport, dashes: Mapping[str, Dash], theme: Theme) -> None:
    for one, even in panel.lines:
        rates = [point.rate for point in even.curve]
        axis.plot(rates, [point.value for point in even.curve], color=theme.first, linestyle=dashes[_line_name(one)])
        low, high = (np.array([getattr(point, end) for point in even.curve]) for end in ("low", "high"))
        axis.fill_between(
            rates, np.minimum(low, high), np.maximum(low, high), color=theme.first, alpha=0.13, linewidth=0
        )
        axis.plot(report.operating.rate, _at_operating(even), marker="o", markersize=5, color=theme.ink, zorder=4)
        if even.at is not None:
            axis.plot(even.at.rate, 1, marker="D", markersize=5.5, color=theme.second, zorder=5)
    axis.axhline(1, color=theme.ink, linewidth=0.9)
    right = 1.04 * max(
        *(point.rate for _, even in panel.lines for point in even.curve),
        *(high for _, _, high in published_rates(report)),
    )
    axis.set_xlim(0, min(1.0, right))
    # Room above the lines for the letters.
    axis.set_ylim(0, 1.28 * max(1.0, *(max(point.low, point.high) for _, even in panel.lines for point in even.curve)))
    axis.grid(axis="y")
    _mark_published(axis, report, theme)
    first, *others = panel.titles
    more = f" and {len(others)} more" if others else ""
    headed(axis, f"{wording.shorten(first, 30)}{more}\n{panel.entry.scope}", theme)


def _at_operating(even: BreakEven) -> float:
    """Return the ratio with the spikes as they were, on the curve, which is a line."""
    factors = [point.factor for point in even.curve]
    return float(np.interp(1.0, factors, [point.value for point in even.curve]))


def _mark_published(axis: Axes, report: EnergyReport, theme: Theme) -> None:
    """Mark published break-evens at the top of a panel; letters that would touch stand on two levels."""
    places = sorted(
        {(rate, letter) for letter, low, high in published_rates(report) for rate in {low, high} if rate <= 1}
    )
    level, before = 0, -1.0
    width = axis.get_xlim()[1]
    for rate, letter in places:
        axis.axvline(rate, color=theme.muted, linewidth=0.9, linestyle=":", zorder=1)
        level = (level + 1) % 3 if rate - before < 0.045 * width else 0
        before = rate
        axis.text(
            rate,
            0.985 - 0.075 * level,
            letter,
            ha="center",
            va="top",
            fontsize=SMALL,
            color=theme.ink,
            transform=axis.get_xaxis_transform(),
        )


def _mark_layers(axis: Axes, shares: Sequence[CoreShare], theme: Theme) -> None:
    for place in range(1, len(shares)):
        if shares[place].layer != shares[place - 1].layer:
            axis.axvline(place - 0.5, color=theme.muted, linewidth=0.6, linestyle=":", zorder=0)


def _by_class(report: EnergyReport, values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    if report.labels is None:
        return [("all images", values)]
    labels = np.array(report.labels)
    return [(name, values[labels == place]) for place, name in enumerate(report.graph.classes)]


def _line_name(one: Baseline) -> str:
    kind = "dense ANN" if one.kind == "dense" else "ReLU-sparse ANN"
    return kind if one.arithmetic.name == "native" else f"{kind}, {one.arithmetic.name}"


def _unit(entry: ScopeEnergy) -> str:
    return "J" if entry.unit == "J" else ""


def _compact(value: float) -> str:
    """Return a number of spikes in at most five signs."""
    if value >= 9999.5:
        return f"{value / 1000:.0f}k" if value >= 99_950 else f"{value / 1000:.1f}k"
    return f"{value:,.0f}" if value >= 99.5 or value == 0 else wording.number(value, 2)
