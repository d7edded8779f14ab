"""The tables of `neurallnet energy`: counts, every scope side by side, break-evens, latency. Computes nothing."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from lava_port.energy.breakeven import BreakEven
from lava_port.energy.comparison import Estimate, Ratio
from lava_port.energy.constants import SCOPES
from lava_port.energy.profiles import PUBLISHED_BREAK_EVENS
from lava_port.energy.report import ESTIMATE, LEFT_OUT
from lava_port.energy.results import Baseline, EnergyReport, ScopeEnergy
from lava_port.energy.rows import layer_rows
from neurallnet_jax.cli.output import console, show_table
from neurallnet_jax.workflows.wording import NO_BREAK, rounded, si, si_prefix

__all__ = ["show_ending", "show_energy", "show_short"]

_DIGITS = 2
"""Significant digits of an energy: constants are not known better than that."""
_NOTHING = "-"
_HEADERS = ["compute", "+ neuron", "+ memory", "+ network", "+ static"]
_MARKS = {"better": "✓", "worse": "✗", "undecided": "?"}
_WIDTH = 120


def show_short(found: EnergyReport) -> None:
    """Print one row per profile and arithmetic with a mark per verdict, and how busy the network was."""
    told = [one for entry in found.scopes for one in entry.baselines if one.verdict]
    against = list(
        dict.fromkeys(_against(one) for one in sorted(told, key=lambda one: (one.kind, one.arithmetic.low_bit)))
    )
    rows = []
    for profile in found.profiles:
        for name in profile.variants:
            entries = [found.entry(profile.name, name, scope) for scope in SCOPES]
            rows.append([_title(entries[0]), *(_short(entry, against) for entry in entries)])
    parts = sorted({name for one in found.scopes if one.spiking for name in one.left_out})
    notes = ["every scope includes those to its left"]
    if against:
        notes.append(
            f"one mark per ANN: ✓ the network takes less, ✗ more, ? undecided, · no such ANN; ANNs: {', '.join(against)}"
        )
    notes += ["- not charged: `energy --full` says why"]
    notes += (
        [f"* without some of {', '.join(parts)}: the profile cannot price them, or the host runs them"] if parts else []
    )
    show_table("energy per image", ["profile", *_HEADERS], rows, caption="; ".join(notes), width=_WIDTH)
    now = found.operating
    words = f"{rounded(now.rate)} times per neuron and step, {rounded(now.spikes_per_neuron)} per neuron and image"
    console().print(f"the network spikes {words}; break-evens: `energy --full`")


def _short(entry: ScopeEnergy, against: Sequence[str]) -> str:
    if entry.spiking is None:
        return f"ANN {_energy(entry.ann, entry.unit)}" if entry.ann else _NOTHING
    verdicts = {_against(one): _MARKS[one.verdict] for one in entry.baselines if one.verdict}
    marks = "".join(verdicts.get(name, "·") for name in against) if verdicts else ""
    return " ".join(filter(None, (_energy(entry.spiking, entry.unit) + ("*" if entry.left_out else ""), marks)))


def _against(one: Baseline) -> str:
    kind = "dense" if one.kind == "dense" else "ReLU-sparse"
    return f"{kind} with {one.arithmetic.activation_bits}-bit activations" if one.arithmetic.low_bit else kind


def show_ending(page: Path | None, result: Path | None) -> None:
    """Print what an estimate is and leaves out, and where the files went."""
    out = console()
    for line in (ESTIMATE, *textwrap.wrap(LEFT_OUT, _WIDTH)):
        out.print(line, markup=False)
    for what, path in (("page", page), ("JSON", result)):
        if path is not None:
            out.print(f"{what}: {path}", markup=False)


def show_energy(found: EnergyReport) -> None:
    """Print counts per layer, then every scope of every profile side by side, then what a verdict rests on."""
    _show_counts(found)
    _show_scopes(found)
    _show_break_evens(found)
    _show_networks(found)
    out = console()
    for name, (bracket, _) in found.latencies.items():
        if bracket is not None:
            low, high = bracket.per_image
            words = f"{_si(float(low.mean()), 's')} to {_si(float(high.mean()), 's')}"
            out.print(f"latency per image, {name}: {words}, core {bracket.slowest} decides", markup=False)
    for line in dict.fromkeys(_missing(found)):
        out.print(line, markup=False)


def _show_counts(found: EnergyReport) -> None:
    show_table(
        "per image",
        ["layer", "neurons", "spikes", "rate", "synops", "MACs", "neuron updates"],
        [
            [
                row.name,
                row.neurons,
                _NOTHING if row.spikes is None else row.spikes,
                _NOTHING if row.rate is None else row.rate,
                row.synops,
                row.macs,
                row.updates,
            ]
            for row in layer_rows(found)
        ],
    )


def _show_scopes(found: EnergyReport) -> None:
    rows: list[list[object]] = []
    for profile in found.profiles:
        for name in profile.variants:
            entries = [found.entry(profile.name, name, scope) for scope in SCOPES]
            rows += _variant_rows(_title(entries[0]), entries)
    parts = sorted({name for one in found.scopes if one.spiking for name in one.left_out})
    notes = [
        "every scope includes those to its left; estimates from published constants, nothing measured on hardware; "
        "low to high: all constants at their low, at their high end",
        "ratio: this network over the ANN, 95 % of it over images, low constants with low, high with high"
        if found.level == 0.95
        else "ratio: this network over the ANN",
        "- : not charged, for the reasons below and in the JSON file, which has every constant with its source",
    ]
    notes += [f"* without {', '.join(parts)}, which the profile cannot price"] if parts else []
    show_table("energy per image", ["profile", "", *_HEADERS], rows, caption="; ".join(notes))


def _variant_rows(title: str, entries: list[ScopeEnergy]) -> list[list[object]]:
    network = [_energy(one.spiking, one.unit) + ("*" if one.spiking and one.left_out else "") for one in entries]
    rows: list[list[object]] = [[title, "this network", *network], *_range_rows([one.spiking for one in entries])]
    known = {(one.kind, one.arithmetic.name): None for entry in entries for one in entry.baselines}
    for kind, name in known:
        mine = [_baseline(entry, kind, name) for entry in entries]
        found = [one.energy if one else None for one in mine]
        if not any(found):
            continue
        label = ("dense ANN" if kind == "dense" else "ReLU-sparse") + ("" if name == "native" else f" {name}")
        rows.append(["", label, *(_energy(one, entry.unit) for one, entry in zip(found, entries, strict=True))])
        rows += _range_rows(found)
        if any(one is not None and one.ratio is not None for one in mine):
            rows.append(["", "  ratio", *(_ratio(one.ratio if one else None) for one in mine)])
            rows.append(["", "  verdict", *((one.verdict if one else None) or _NOTHING for one in mine)])
    return rows


def _range_rows(found: Sequence[Estimate | None]) -> list[list[object]]:
    """Return the row of what the range of the constants gives, none where two digits show no range."""
    if all(one is None or len(set(_ends(one).split(" to "))) == 1 for one in found):
        return []
    return [["", "  low to high", *(_NOTHING if one is None else _ends(one) for one in found)]]


def _baseline(entry: ScopeEnergy, kind: str, arithmetic: str) -> Baseline | None:
    return next((one for one in entry.baselines if (one.kind, one.arithmetic.name) == (kind, arithmetic)), None)


def _show_break_evens(found: EnergyReport) -> None:
    rows: dict[tuple[str, ...], str] = {}
    for entry in found.scopes:
        for one in entry.baselines:
            if one.break_even is not None and entry.unit == "J":
                against = f"{'dense' if one.kind == 'dense' else 'sparse'} {one.arithmetic.name}"
                # A profile with the constants of another says nothing new.
                rows.setdefault((entry.scope, against, *_break_even(one.break_even)), _title(entry))
    now = found.operating
    synapse = "" if now.spikes_per_synapse is None else f", {rounded(now.spikes_per_synapse)} per synapse"
    published = "; ".join(
        f"{one.low:g}{'' if one.low == one.high else f' to {one.high:g}'} {one.quantity.replace('_', ' ')}, "
        f"{one.conditions} ({one.source})"
        for one in PUBLISHED_BREAK_EVENS
    )
    if rows:
        show_table(
            f"break-even; the network spikes {rounded(now.rate)} times per neuron and step, "
            f"{rounded(now.spikes_per_neuron)} per neuron and image{synapse}",
            ["profile", "scope", "against", "rate", "per neuron", "margin"],
            [[title, *row] for row, title in rows.items()],
            caption="rate: spikes per neuron and step; per neuron: and image; margin: times as many spikes as there were; "
            f"published: {published}",
        )


def _break_even(even: BreakEven) -> tuple[str, str, str]:
    if even.at is None or even.factor is None:
        return "none: " + even.reason.removeprefix("no break-even: "), "", ""
    return rounded(even.at.rate), rounded(even.at.spikes_per_neuron), f"{rounded(even.factor)} x"


def _show_networks(found: EnergyReport) -> None:
    height, width = found.graph.nodes[0].shape[:2]
    rows: dict[tuple[str, ...], str] = {}
    for entry in found.scopes:
        for one in entry.networks:
            if entry.unit == "J":
                scope = entry.scope if entry.scope == "compute" else "all-in"
                cells = (_energy(one.energy, entry.unit), _ratio(one.ratio), one.verdict or _NOTHING)
                rows.setdefault((scope, one.figures.name, *cells), _title(entry))
    if rows:
        show_table(
            "networks of the comparison paper, by their multiply-accumulates at 224 x 224 px",
            ["profile", "scope", "network", "energy", "ratio", "verdict"],
            [[title, *row] for row, title in rows.items()],
            caption=f"this network takes {height} x {width} px: part of the ratio is the smaller image",
        )


def _missing(found: EnergyReport) -> list[str]:
    """Return why scopes are not charged, one line per profile and reason."""
    lines: dict[tuple[str, str], list[str]] = {}
    for entry in found.scopes:
        if entry.spiking is None:
            lines.setdefault((entry.profile, entry.reasons["spiking"]), []).append(entry.scope)
    return [f"{profile}, {', '.join(dict.fromkeys(scopes))}: {why}" for (profile, why), scopes in lines.items()]


def _title(entry: ScopeEnergy) -> str:
    return entry.profile if entry.variant == "native" else f"{entry.profile}, {entry.variant}"


def _energy(estimate: Estimate | None, unit: str) -> str:
    return _NOTHING if estimate is None else _si(estimate.mean, "J" if unit == "J" else "")


def _ends(estimate: Estimate) -> str:
    """Return what the range of the constants gives, in the prefix of the mean."""
    factor, _ = si_prefix(estimate.mean)
    low, high = estimate.constants
    return f"{rounded(low / factor)} to {rounded(high / factor)}"


def _ratio(ratio: Ratio | None) -> str:
    return _NOTHING if ratio is None else f"{rounded(ratio.low)} to {rounded(ratio.high)}"


def _si(value: float, unit: str) -> str:
    # A terminal shows the sign that keeps a number with its unit as an escape.
    return si(value, unit, _DIGITS).replace(NO_BREAK, " ")
