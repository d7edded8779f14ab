"""The answers on the page of an energy estimate: verdicts in words, every scope side by side, break-evens.

Knows how an estimate is read; prices nothing itself, and puts no page together. What stands behind the answers is in
`energy_details.py`.
"""

import dataclasses
from collections.abc import Iterator, Sequence

from lava_port.energy.comparison import Ratio
from lava_port.energy.constants import SCOPES
from lava_port.energy.profiles import PUBLISHED_BREAK_EVENS
from lava_port.energy.results import Baseline, EnergyReport, ScopeEnergy
from neurallnet_jax.workflows import energy_sources, figures, figures_energy, page, wording
from neurallnet_jax.workflows.energy_sources import SCOPE_NAMES, Sources, title
from neurallnet_jax.workflows.page import Absent, Block, Cell, Jump, Section, Table, Text

__all__ = [
    "SIGNS",
    "baseline_name",
    "break_evens",
    "compared",
    "scopes",
    "verdicts",
]

SIGNS = {
    answer: f"{sign}{wording.NO_BREAK}{answer}"
    for answer, sign in (("better", "✓"), ("worse", "✗"), ("undecided", "?"))
}
_WORDS = {"better": "takes less", "worse": "takes more", "undecided": "cannot be told apart"}
_PANELS = 4
"""Panels of bars in one picture."""


# --- Verdicts


def compared(report: EnergyReport) -> Iterator[tuple[ScopeEnergy, Baseline]]:
    """Yield every comparison with an ANN of the same topology that has a verdict; equal ones under two names come once."""
    known = set()
    for entry in report.scopes:
        for one in entry.baselines:
            key = (entry.scope, one.kind, one.arithmetic.name, entry.unit, one.ratio)
            if one.verdict is not None and key not in known:
                known.add(key)
                yield entry, one


def verdicts(sources: Sources) -> Section:
    """Return what the estimate says in plain words, per scope and baseline."""
    report = sources.report
    rows = tuple(
        (
            SCOPE_NAMES[entry.scope],
            baseline_name(one),
            SIGNS[one.verdict] if one.verdict else wording.NOTHING,
            _sentence(one),
            Jump(
                title(entry.profile, entry.variant) + ("" if entry.unit == "J" else " (no joules)"),
                sources.product(entry.profile, entry.variant),
            ),
        )
        for scope in SCOPES
        for entry, one in compared(report)
        if entry.scope == scope
    )
    blocks: list[Block] = [Text(_in_short(report))]
    header = ("Scope", "Against", "Verdict", "In words", "Under")
    caption = "This network beside the ANN of the same topology, which runs once per image"
    if rows:
        blocks.append(Table(caption, header, "lllwl", rows))
    else:
        blocks.append(Absent("A verdict", "no profile prices both networks whole, with two images or more"))
    blocks += _networks(sources)
    lead = (
        "Whether the spiking network takes less energy than the same network without spikes. It depends on what is "
        "counted: read the scopes side by side before quoting any of them."
    )
    return Section("verdict", "The verdict", lead, tuple(blocks))


def baseline_name(one: Baseline) -> str:
    """Return a baseline's name for people."""
    kind = "dense ANN" if one.kind == "dense" else "ReLU-sparse ANN"
    return kind if one.arithmetic.name == "native" else f"{kind}, {one.arithmetic.name}"


def _sentence(one: Baseline) -> str:
    if one.ratio is None or one.verdict is None:
        return wording.NOTHING
    return f"{_WORDS[one.verdict]}: {_span(one.ratio)} times the energy of the ANN"


def _span(ratio: Ratio) -> str:
    low, high = wording.rounded(ratio.low), wording.rounded(ratio.high)
    return low if low == high else f"{low} to {high}"


def _in_short(report: EnergyReport) -> str:
    found = list(compared(report))
    parts = []
    for scope in SCOPES:
        mine = [one.verdict for entry, one in found if entry.scope == scope]
        if not mine:
            parts.append(f"{SCOPE_NAMES[scope]}: no comparison")
            continue
        counts = [f"{answer} in {mine.count(answer)}" for answer in SIGNS if answer in mine]
        parts.append(f"{SCOPE_NAMES[scope]}: {', '.join(counts)} of {len(mine)}")
    answers = {one.verdict for _, one in found}
    ending = (
        " The answer changes with the scope, the arithmetic or the reuse of memory: no single figure stands for it."
        if len(answers) > 1
        else ""
    )
    return f"Comparisons with an ANN of the same topology: {'; '.join(parts)}.{ending}"


def _networks(sources: Sources) -> list[Block]:
    report = sources.report
    height, width = report.graph.nodes[0].shape[:2]
    rows: dict[tuple[str, ...], tuple[Cell, ...]] = {}
    for entry in report.scopes:
        for one in entry.networks:
            if entry.unit == "J" and one.ratio is not None and one.verdict is not None:
                ratio = _span(one.ratio)
                energy = energy_sources.energy_text(one.energy, entry.unit)
                link = Jump(energy, sources.constant(entry.profile, f"{entry.variant}.mac"))
                name = title(entry.profile, entry.variant)
                key = (one.figures.name, entry.scope, energy, ratio)
                rows.setdefault(
                    key, (one.figures.name, SCOPE_NAMES[entry.scope], name, link, ratio, SIGNS[one.verdict])
                )
    if not rows:
        return []
    caption = (
        "Networks of the comparison paper by their multiply-accumulates alone, at 224 x 224 px; this network takes "
        f"{height} x {width} px: part of the ratio is the smaller image"
    )
    return [Table(caption, ("Network", "Scope", "Under", "Energy", "Ratio", "Verdict"), "lllrrl", tuple(rows.values()))]


# --- Scopes


def scopes(sources: Sources) -> Section:
    """Return every scope of every profile side by side, and the same as bars by layer."""
    report = sources.report
    rows: list[tuple[Cell, ...]] = []
    for profile in report.profiles:
        for variant in profile.variants:
            rows += _variant_rows(sources, [report.entry(profile.name, variant, scope) for scope in SCOPES])
    header = ("Profile", "What", *(SCOPE_NAMES[scope] for scope in SCOPES))
    caption = (
        "Energy per image; a scope includes those to its left. Every number leads to the constants it rests on, every "
        "dash to the reason; * leaves out what the profile cannot price. intel_proxy has no unit and is never joules"
    )
    lead = (
        "Operations counted exactly, times a published constant each. Energies of different scopes are different things, "
        "and no row tells which machine you have."
    )
    return Section(
        "scopes", "Every scope side by side", lead, (*_bars(sources), Table(caption, header, "llrrrrr", tuple(rows)))
    )


def _variant_rows(sources: Sources, entries: Sequence[ScopeEnergy]) -> list[tuple[Cell, ...]]:
    profile = next(one for one in sources.report.profiles if one.name == entries[0].profile)
    link = Jump(title(profile.name, entries[0].variant), sources.profile(profile).anchor)
    rows: list[tuple[Cell, ...]] = [(link, "this network", *(sources.spiking(entry) for entry in entries))]
    known = {(one.kind, one.arithmetic.name): one for entry in entries for one in entry.baselines}
    for (kind, arithmetic), example in known.items():
        mine = [_baseline(entry, kind, arithmetic) for entry in entries]
        if all(one is None or one.energy is None for one in mine):
            continue
        cells: list[Cell] = []
        answers: list[Cell] = []
        for entry, one in zip(entries, mine, strict=True):
            why = entry.reasons.get("ann", "") if one is None else one.reasons.get("energy", "")
            cells.append(sources.ann(entry, one.energy if one else None, why))
            answers.append(_answer(sources, entry, one))
        rows.append(("", baseline_name(example), *cells))
        if any(one is not None and one.ratio for one in mine):
            rows.append(("", "ratio", *answers))
    return rows


def _answer(sources: Sources, entry: ScopeEnergy, one: Baseline | None) -> Cell:
    if one is None or one.ratio is None or one.verdict is None:
        why = (one.reasons if one else entry.reasons).get("ratio", "")
        return Jump(wording.NOTHING, sources.reason(why)) if why else wording.NOTHING
    sign = SIGNS[one.verdict][0]
    return f"{sign} {_span(one.ratio)}"


def _baseline(entry: ScopeEnergy, kind: str, arithmetic: str) -> Baseline | None:
    return next((one for one in entry.baselines if (one.kind, one.arithmetic.name) == (kind, arithmetic)), None)


def _bars(sources: Sources) -> tuple[Block, ...]:
    """Return bars by layer and scope, in pictures that fit a printed page."""
    report = _worth_bars(sources.report)
    names = list(dict.fromkeys((entry.profile, entry.variant) for entry in report.scopes))
    if not names:
        return (Absent("Bars by layer", "no profile prices the network in joules"),)
    groups = [names[start : start + _PANELS] for start in range(0, len(names), _PANELS)]
    return tuple(_bars_of(sources, report, group, first=place == 0) for place, group in enumerate(groups))


def _bars_of(sources: Sources, report: EnergyReport, names: Sequence[tuple[str, str]], *, first: bool) -> Block:
    part = dataclasses.replace(
        report, scopes=tuple(entry for entry in report.scopes if (entry.profile, entry.variant) in names)
    )
    told = "; ".join(
        f"{title(entry.profile, entry.variant)}, {SCOPE_NAMES[entry.scope]}: "
        f"{energy_sources.energy_text(entry.spiking, entry.unit)}{' in part' if entry.left_out else ''}"
        for entry in part.scopes
        if entry.spiking is not None
    )
    explained = (
        "Energy per image by layer; layers in order from left to right, a layer with the weights and the gate before it. "
        "Panels have scales of their own: compare lengths within a panel, numbers between panels. An asterisk marks a sum "
        "that leaves parts out. Static power belongs to no layer and is hatched."
    )
    return page.picture(
        figures.energy_bars(part),
        figures.energy_bars(part, theme=figures.DARK),
        alt=f"Stacked bars of the energy per image by layer, a bar per scope and a panel per profile. {told}.",
        caption=explained if first else "Energy per image by layer, further profiles.",
        sources=tuple(Jump(title(*name), sources.product(*name)) for name in names),
    )


def _worth_bars(report: EnergyReport) -> EnergyReport:
    """Return the report without variants in which no scope can be charged, or whose unit is no joule."""
    able = {
        (entry.profile, entry.variant) for entry in report.scopes if entry.spiking is not None and entry.unit == "J"
    }
    kept = tuple(
        entry
        for entry in report.scopes
        if (entry.profile, entry.variant) in able and (entry.spiking is not None or entry.ann is not None)
    )
    return dataclasses.replace(report, scopes=kept)


# --- Break-even


def break_evens(sources: Sources) -> Section:
    """Return the ratio over the firing rate with the operating point, break-evens, and those of the literature."""
    report, now = sources.report, sources.report.operating
    synapse = (
        "" if now.spikes_per_synapse is None else f", {wording.rounded(now.spikes_per_synapse)} per synapse and image"
    )
    words = (
        f"The network spikes {wording.rounded(now.rate)} times per neuron and step, "
        f"{wording.rounded(now.spikes_per_neuron)} times per neuron and image{synapse}."
    )
    panels = figures_energy.curves(report)
    blocks: list[Block] = [Text(words)]
    if panels:
        blocks += [_curve_picture(sources, panels), _break_even_table(sources, panels)]
    else:
        blocks.append(Absent("Ratio over the firing rate", _no_curve(report)))
    blocks.append(_published(report))
    lead = (
        "All spikes are scaled by one factor; where the line meets 1, both networks cost the same. Below that rate the "
        "spiking network takes less."
    )
    return Section("break-even", "How many spikes there may be", lead, tuple(blocks))


def _no_curve(report: EnergyReport) -> str:
    reasons = dict.fromkeys(
        one.reasons["break_even"] for entry in report.scopes for one in entry.baselines if "break_even" in one.reasons
    )
    return "; ".join(reasons) or "no profile prices both networks whole"


def _curve_picture(sources: Sources, panels: Sequence[figures_energy.Curves]) -> Block:
    report = sources.report
    told = "; ".join(
        f"{panel.titles[0]}, {panel.entry.scope}, against the {baseline_name(one)}: "
        + (f"equal at {wording.rounded(even.at.rate)}" if even.at else even.reason)
        for panel in panels
        for one, even in panel.lines
    )
    return page.picture(
        figures_energy.ratio_curves(report),
        figures_energy.ratio_curves(report, theme=figures.DARK),
        alt=(
            "Energy of this network over that of the ANN against spikes per neuron and step. The network ran at "
            f"{wording.rounded(report.operating.rate)}. {told}."
        ),
        caption=(
            "Ratio over the firing rate. A circle marks the network as it ran, a diamond the break-even, letters those "
            "that others published (table below), brought to spikes per neuron and step of this network. The shade runs "
            "from all constants at their low ends to all at their high ends. Profiles with equal curves share a panel."
        ),
        sources=tuple(
            dict.fromkeys(
                Jump(title(one.profile, one.variant), sources.product(one.profile, one.variant))
                for one in (panel.entry for panel in panels)
            )
        ),
    )


def _break_even_table(sources: Sources, panels: Sequence[figures_energy.Curves]) -> Table:
    rows = tuple(
        (
            Jump("; ".join(panel.titles), sources.product(panel.entry.profile, panel.entry.variant)),
            SCOPE_NAMES[panel.entry.scope],
            baseline_name(one),
            *_even_cells(sources, one),
        )
        for panel in panels
        for one, _ in panel.lines
    )
    header = ("Profile", "Scope", "Against", "Rate", "Spikes per neuron", "Margin", "at low constants", "at high ones")
    caption = "Break-even: spikes per neuron and step, and per image; the margin is how many times as many there may be"
    return Table(caption, header, "lllrrrrr", rows)


def _even_cells(sources: Sources, one: Baseline) -> tuple[Cell, ...]:
    even = one.break_even
    if even is None:
        return (wording.NOTHING,) * 5
    ends = tuple("none" if factor is None else f"{wording.rounded(factor)} x" for factor in even.factors)
    if even.at is None or even.factor is None:
        return (Jump("none", sources.reason(even.reason)), wording.NOTHING, wording.NOTHING, *ends)
    return (
        wording.rounded(even.at.rate),
        wording.rounded(even.at.spikes_per_neuron),
        f"{wording.rounded(even.factor)} x",
        *ends,
    )


def _published(report: EnergyReport) -> Table:
    rates = {letter: (low, high) for letter, low, high in figures_energy.published_rates(report)}
    rows = []
    for letter, one in zip("abcdefgh", PUBLISHED_BREAK_EVENS, strict=False):
        span = f"{one.low:g}" if one.low == one.high else f"{one.low:g} to {one.high:g}"
        here = wording.NOTHING
        if letter in rates:
            low, high = (wording.rounded(rate) for rate in rates[letter])
            here = low if low == high else f"{low} to {high}"
        rows.append((letter, span, one.quantity.replace("_", " "), one.conditions, here, page.source(one.source)))
    header = ("", "Break-even", "of", "Conditions", "as a rate here", "Source")
    return Table(
        "Break-evens that others published; they count other things on other machines", header, "lllwrw", tuple(rows)
    )
