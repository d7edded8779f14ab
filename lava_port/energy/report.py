"""An energy report as JSON: NeuroBench's keys on top, everything else under `x_energy`, every null with its reason.

Knows no terminal, no chart and no file; `rows.py` has the same per layer for whoever shows it.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lava_port.energy.breakeven import BreakEven
from lava_port.energy.comparison import Estimate, Ratio
from lava_port.energy.constants import Constant, Profile
from lava_port.energy.counts import PER_STEP, Counts
from lava_port.energy.latency import Latency
from lava_port.energy.missing import Missing, or_missing, resolve
from lava_port.energy.neurobench import DEFINITIONS, metrics, total
from lava_port.energy.placement import Placement
from lava_port.energy.profiles import PUBLISHED_BREAK_EVENS
from lava_port.energy.results import Baseline, EnergyReport, NetworkEnergy, ScopeEnergy
from lava_port.energy.rows import LayerRow, RowEnergy, layer_rows, mean

__all__ = ["ESTIMATE", "FORMAT_VERSION", "LEFT_OUT", "NOTES", "to_json"]

FORMAT_VERSION = 2

ESTIMATE = "Every energy is an estimate from published constants; nothing was measured on hardware."
LEFT_OUT = (
    "Left out where a scope does not name it: memory traffic, messages, leakage, input and output, control, the holding "
    "of the first layer's current, and the product of a gate with the bias (one per channel and step)."
)
NOTES = (
    ESTIMATE,
    LEFT_OUT,
    "Spikes are charged for the weights stored; synops_nonzero is what a machine that skips zero weights would do.",
    "The first layer sees the analogue image: it is charged as dense multiply-accumulates, once per image; "
    "macs_each_step is what convolving it anew in every step would cost.",
    "Neuron updates are charged for all T + depth steps; those outside a layer's window stand apart as idle_updates.",
    "The dense ANN runs the same layers once per image with every input non-zero; padding costs it nothing either. The "
    "ReLU-sparse ANN skips the zeros measured on a trained twin, and finding them costs it nothing.",
    "The data interval treats images as independent; smears of one patient are not, which makes it too narrow.",
    "A break-even scales all spikes by one factor; which neurons a current reaches is held as it was.",
)
_SILENT = "the read-out does not spike"
_NO_LABELS = "the images have no labels that the network knows"
_SHOWN = ("events", "synops_stored", "synops_nonzero", "macs", "updates", "spikes", "active", "messages", "hops")
"""Counts that are given per step as well."""


def to_json(report: EnergyReport, *, accuracy: float | None) -> dict[str, Any]:
    """Return the report as plain data: NeuroBench 2.3.0's keys at top level, everything else under `x_energy`.

    Args:
        report: What `estimate` returned.
        accuracy: Accuracy on the same images, None where they have no labels.

    Returns:
        Data that `json.dumps(allow_nan=False)` takes. What could not be computed is None and has its reason, by its
        dotted path, under `x_energy.reasons`: paths begin at top level or below `x_energy`, and entries of a list go by
        their `name` or else their place.
    """
    top, reasons = resolve(metrics(report.graph, report.counts, accuracy))
    ours, more = resolve(_ours(report))
    return {**top, "x_energy": {**ours, "reasons": reasons | more}}


def _ours(report: EnergyReport) -> dict[str, Any]:
    counts = report.counts
    return {
        "format_version": FORMAT_VERSION,
        "units": {"energy": "J per image", "counts": "per image, mean over images", "constants": "as given"},
        "images": counts.images,
        "classes": list(report.graph.classes),
        "labels": Missing(_NO_LABELS) if report.labels is None else list(report.labels),
        "steps": counts.steps,
        "total_steps": counts.total_steps,
        "interval_level": report.level,
        "operating": _operating(report),
        "counts": _counts(counts),
        "layers": [_row(row) for row in layer_rows(report)],
        "twin": _twin(report),
        "placement": _placement(counts),
        "profiles": {profile.name: _profile(profile, report) for profile in report.profiles},
        "spread": {entry.scope: _spread(entry) for entry in report.spreads},
        "published_break_evens": [dataclasses.asdict(entry) for entry in PUBLISHED_BREAK_EVENS],
        "definitions": dict(DEFINITIONS),
        "notes": list(NOTES),
    }


def _operating(report: EnergyReport) -> dict[str, Any]:
    found = dataclasses.asdict(report.operating)
    if found["spikes_per_synapse"] is None:
        found["spikes_per_synapse"] = Missing("no spikes reach a synapse")
    return found


def _counts(counts: Counts) -> dict[str, Any]:
    nodes = []
    for node in counts.nodes:
        counted = [name for name in _SHOWN if getattr(node, name, None) is not None]
        sums = [name for name in PER_STEP if getattr(node, name) is not None]
        entry = {
            "name": node.name,
            "kind": node.kind,
            "window": [node.window.start, node.window.stop],
            "neurons": node.neurons,
            **{name: mean(node, name) for name in sums},
            "idle_updates": float(node.idle_updates.mean()),
            **({"macs_each_step": node.macs_each_step} if node.signal == "image" else {}),
            "ann": dataclasses.asdict(node.ann),
            "per_step": {name: getattr(node, name).mean(axis=1).tolist() for name in counted},
            "weight_bytes": node.weight_bytes,
            "state_bytes": node.state_bytes,
        }
        names = [one.name for one in dataclasses.fields(node.traffic)]
        entry["traffic_bits"] = {name: float(getattr(node.traffic, name).mean()) for name in names}
        nodes.append(entry)
    sums = {name: total(counts, name) for name in PER_STEP if all(getattr(n, name) is not None for n in counts.nodes)}
    sums["idle_updates"] = sum(float(node.idle_updates.mean()) for node in counts.nodes)
    return {"total": sums, "nodes": nodes}


def _row(row: LayerRow) -> dict[str, Any]:
    found = {entry.name: getattr(row, entry.name) for entry in dataclasses.fields(row)}
    silent: dict[str, str] = dict.fromkeys(("spikes", "spikes_per_step", "rate"), _SILENT)
    found |= {name: or_missing(found[name], silent, name) for name in silent}
    return found | {"nodes": list(row.nodes), "energy": [_cell(cell) for cell in row.energy]}


def _cell(cell: RowEnergy) -> dict[str, Any]:
    energy = Missing(f"the profile cannot price {', '.join(cell.left_out)}") if cell.energy is None else cell.energy
    return {
        "profile": cell.profile,
        "variant": cell.variant,
        "scope": cell.scope,
        "unit": cell.unit,
        "energy": energy,
        # A number without a unit is no number of joules.
        **({"joules": energy} if cell.unit == "J" else {}),
        "left_out": list(cell.left_out),
    }


def _twin(report: EnergyReport) -> Any:
    if report.twin is None:
        return Missing("no trained ReLU twin was named; name one with --ann RUN")
    macs = {name: float(found.mean()) for name, found in report.twin.macs.items()}
    return {"source": report.twin.source, "macs": macs, "nonzero": dict(report.twin.nonzero)}


def _placement(counts: Counts) -> Any:
    placement = counts.placement
    if placement is None:
        return Missing("the network was not placed on a chip, or does not fit it")
    cores = {
        "neurons": _or_uncounted(counts.neurons_per_core, lambda found: found.tolist()),
        "events": _or_uncounted(counts.events_per_core, lambda found: found.mean(axis=2).sum(axis=1).tolist()),
        "busiest_step": _or_uncounted(counts.events_per_core, lambda found: found.mean(axis=2).max(axis=1).tolist()),
    }
    return {
        "chip": placement.chip.name,
        "sharing": placement.sharing,
        "cores": placement.cores,
        "chips": Missing("the number of cores of a chip was not published")
        if placement.chips is None
        else placement.chips,
        "unchecked": list(placement.unchecked),
        "layers": [_utilisation(placement, layer.name) for layer in placement.layers],
        "per_core": cores,
    }


def _or_uncounted(found: np.ndarray | None, show: Any) -> Any:
    return Missing("what every core does was not counted") if found is None else show(found)


def _utilisation(placement: Placement, name: str) -> dict[str, Any]:
    layer = placement.layer(name)
    unknown = {"available": "no number was published", "share": "no number was published"}
    usage = {}
    for one in layer.usage:
        shown = {"used": one.used, "available": one.available, "share": one.share}
        usage[one.limit] = {key: or_missing(value, unknown, key) for key, value in shown.items() if key != "used"}
        usage[one.limit]["used"] = one.used
    return {
        "name": layer.name,
        "nodes": list(layer.nodes),
        "first_core": layer.first_core,
        "cores": layer.cores,
        "usage": usage,
    }


def _profile(profile: Profile, report: EnergyReport) -> dict[str, Any]:
    mine = [entry for entry in report.scopes if entry.profile == profile.name]
    memories = [
        {
            **({} if memory.capacity_bytes is None else {"capacity_bytes": memory.capacity_bytes}),
            "access_bits": memory.access_bits,
            "energy": dataclasses.asdict(memory.energy),
        }
        for memory in profile.memories
    ]
    return {
        "title": profile.title,
        **({"chip": profile.chip} if profile.chip else {}),
        **({"all_in": profile.all_in} if profile.all_in else {}),
        "contained": dict(profile.contained),
        "variants": {
            name: {
                "unit": variant.unit,
                **({"bits": variant.bits} if variant.bits else {}),
                **({"reuse": variant.reuse} if variant.reuse else {}),
                "constants": _constants(variant.constants),
                "unpriced": dict(variant.unpriced),
                "covered": dict(variant.covered),
                "scopes": {entry.scope: _scope(entry, report) for entry in mine if entry.variant == name},
            }
            for name, variant in profile.variants.items()
        },
        "memories": memories,
        "times": _constants(profile.times),
        **({} if profile.static is None else {"static": dataclasses.asdict(profile.static)}),
        "reference": _constants(profile.reference),
        "latency": _latency(*report.latencies[profile.name]),
    }


def _constants(constants: Mapping[Any, Constant]) -> dict[str, Any]:
    return {name: dataclasses.asdict(constant) for name, constant in constants.items()}


def _scope(entry: ScopeEnergy, report: EnergyReport) -> dict[str, Any]:
    return {
        "unit": entry.unit,
        "spiking": _estimate(entry.spiking, entry.reasons, "spiking"),
        "ann": _estimate(entry.ann, entry.reasons, "ann"),
        "ratio": _ratio(entry.ratio, entry.reasons),
        "verdict": or_missing(entry.verdict, entry.reasons, "verdict"),
        "nodes": {node.name: or_missing(node.energy, entry.reasons, "left_out") for node in entry.nodes},
        "shared": entry.shared,
        "left_out": list(entry.left_out),
        "baselines": {f"{one.kind}_{one.arithmetic.name}": _baseline(one) for one in entry.baselines},
        "networks": [_network(one) for one in entry.networks],
        "by_class": _by_class(entry, report),
        "per_image": list(entry.per_image),
    }


def _estimate(estimate: Estimate | None, reasons: Mapping[str, str], name: str) -> Any:
    if estimate is None:
        return Missing(reasons[name])
    data = Missing("one image gives no interval; run more") if estimate.data is None else list(estimate.data)
    return {"mean": estimate.mean, "data": data, "constants": list(estimate.constants)}


def _ratio(ratio: Ratio | None, reasons: Mapping[str, str]) -> Any:
    return Missing(reasons["ratio"]) if ratio is None else dataclasses.asdict(ratio)


def _baseline(one: Baseline) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "arithmetic": {key: value for key, value in dataclasses.asdict(one.arithmetic).items() if value is not None},
        "energy": _estimate(one.energy, one.reasons, "energy"),
        "ratio": _ratio(one.ratio, one.reasons),
        "verdict": or_missing(one.verdict, one.reasons, "verdict"),
        "break_even": Missing(one.reasons["break_even"]) if one.break_even is None else _break_even(one.break_even),
    }


def _break_even(found: BreakEven) -> dict[str, Any]:
    at: Any = Missing(found.reason)
    if found.at is not None:
        at = dataclasses.asdict(found.at)
        if at["spikes_per_synapse"] is None:
            at["spikes_per_synapse"] = Missing("no spikes reach a synapse")
    ends = ("no break-even at the constants' low ends", "no break-even at the constants' high ends")
    return {
        "factor": Missing(found.reason) if found.factor is None else found.factor,
        "factors": [Missing(why) if one is None else one for one, why in zip(found.factors, ends, strict=True)],
        "at": at,
        "curve": [dataclasses.asdict(point) for point in found.curve],
    }


def _network(one: NetworkEnergy) -> dict[str, Any]:
    return {
        **dataclasses.asdict(one.figures),
        "energy": _estimate(one.energy, {}, "energy"),
        "ratio": _ratio(one.ratio, one.reasons),
        "verdict": or_missing(one.verdict, one.reasons, "verdict"),
    }


def _by_class(entry: ScopeEnergy, report: EnergyReport) -> Any:
    """Return the energy of the images of every class; a class without images has none."""
    if report.labels is None:
        return Missing(_NO_LABELS)
    if entry.spiking is None:
        return Missing(entry.reasons["spiking"])
    energies, labels = np.array(entry.per_image), np.array(report.labels)
    found: dict[str, Any] = {}
    for place, name in enumerate(report.graph.classes):
        mine = energies[labels == place]
        if not len(mine):
            found[name] = Missing("none of the images is of this class")
            continue
        quantiles = np.quantile(mine, [0, 0.25, 0.5, 0.75, 1]).tolist()
        found[name] = {"n": len(mine), "mean": float(mine.mean()), "quartiles": quantiles}
    return found


def _latency(found: Latency | None, why: str) -> Any:
    if found is None:
        return Missing(why)
    low, high = found.per_image
    return {
        "unit": "s",
        "per_step": {"low": found.low.mean(axis=1).tolist(), "high": found.high.mean(axis=1).tolist()},
        "per_image": {"low": float(low.mean()), "high": float(high.mean()), "longest": float(high.max())},
        "slowest_core": found.slowest,
    }


def _spread(entry: Any) -> Any:
    if entry.low is None or entry.high is None:
        return Missing("no profile prices the whole network in this scope")
    ends: Iterable[tuple[str, tuple[float, str]]] = (("low", entry.low), ("high", entry.high))
    return {"entries": entry.entries} | {end: {"energy": energy, "profile": profile} for end, (energy, profile) in ends}
