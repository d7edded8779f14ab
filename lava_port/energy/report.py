"""An energy report as plain rows and as JSON with NeuroBench's keys on top.

Knows no terminal, no chart and no file; formatting is left to whoever shows the rows.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lava_port.energy.counts import PER_STEP, Counts, NodeCounts
from lava_port.energy.estimate import EnergyReport, Estimate, Scope, ScopeEnergy
from lava_port.energy.profiles import Profile
from lava_port.graph import FixedConv, FixedDense, FixedGate, FixedGraph, FixedInput, FixedLif, find, neurons

__all__ = ["LayerRow", "RowEnergy", "layer_rows", "to_json"]

FORMAT_VERSION = 1

_DEFINITIONS = {
    "Footprint": "bytes of all weights, biases, thresholds and shifts of the integer network as it is held in memory",
    "ConnectionSparsity": "share of zero weights among all weights, biases apart, rounded to 4 decimals",
    "ActivationSparsity": "share of neurons that do not spike, over all spiking layers, steps of their windows and images",
    "SynapticOperations.Effective_MACs": (
        "mean per image; weights that are not zero met by an analogue value (first layer once per image, gates in every "
        "step). Counted by meaning: analogue values that happen to be zero count, which makes it an upper bound of "
        "NeuroBench's, and one batch or many give the same figure"
    ),
    "SynapticOperations.Effective_ACs": "mean per image; weights that are not zero met by spikes, exact at every border",
    "SynapticOperations.Dense": (
        "mean per image; all weights met if every neuron spiked in every step; padding meets none, the first layer "
        "works once per image"
    ),
    "MembraneUpdates": (
        "mean per image over spiking layers; every neuron in the first step of its window, then those whose potential "
        "after the step differs from the one before"
    ),
    "ClassificationAccuracy": "share of images whose highest class score is that of their label",
}

_NOTES = (
    "Every energy is an estimate from published constants; nothing was measured on hardware.",
    "Left out where a scope does not name it: memory traffic, messages, leakage, input and output, control, the holding "
    "of the first layer's current, and the product of a gate with the bias (one per channel and step).",
    "Spikes are charged for the weights stored; synops_nonzero is what a machine that skips zero weights would do.",
    "The first layer sees the analogue image: it is charged as dense multiply-accumulates, once per image; "
    "macs_each_step is what convolving it anew in every step would cost.",
    "Neuron updates are charged for all T + depth steps; those outside a layer's window stand apart as idle_updates.",
    "The dense ANN runs the same layers once per image with every input non-zero; padding costs it nothing either.",
    "The data interval treats images as independent; smears of one patient are not, which makes it too narrow.",
)

_SILENT = "the read-out does not spike"


@dataclass(frozen=True)
class RowEnergy:
    """What a layer of neurons and the nodes before it cost per image.

    Attributes:
        profile: Name of the profile.
        variant: Its arithmetic.
        scope: The scope.
        joules: Mean over images without the nodes in `left_out`; None where nothing is left.
        left_out: Nodes of the layer that the profile cannot price.
    """

    profile: str
    variant: str
    scope: Scope
    joules: float | None
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class LayerRow:
    """One layer of neurons with the weights and the gate before it; all counts are means per image.

    Attributes:
        name: Name of the neurons' node.
        nodes: Names of the nodes it stands for, itself last.
        neurons: Neurons.
        spikes: Spikes; None for the read-out, which does not spike.
        rate: Spikes per neuron and step of the window; None for the read-out.
        synops: Accumulations of spikes at its weights, those of zero weights included.
        macs: Multiply-accumulates of the analogue input or the gate.
        updates: Neuron updates in all T + depth steps.
        energy: One entry per profile, variant and charged scope.
    """

    name: str
    nodes: tuple[str, ...]
    neurons: int
    spikes: float | None
    rate: float | None
    synops: float
    macs: float
    updates: float
    energy: tuple[RowEnergy, ...]


def layer_rows(report: EnergyReport) -> tuple[LayerRow, ...]:
    """Return one row per layer of neurons, in execution order, for a table or a chart."""
    rows = []
    for layer in neurons(report.graph):
        names = _before(report.graph, layer.name)
        nodes = [report.counts.node(name) for name in names]
        own = nodes[-1]
        spiking = isinstance(layer, FixedLif)
        spikes = _mean(own, "spikes") if spiking else None
        rows.append(
            LayerRow(
                name=layer.name,
                nodes=names,
                neurons=own.neurons,
                spikes=spikes,
                rate=None if spikes is None else spikes / (own.neurons * report.counts.steps),
                synops=sum(_mean(node, "synops_stored") for node in nodes),
                macs=sum(_mean(node, "macs") for node in nodes),
                updates=_mean(own, "updates") + float(own.idle_updates.mean()),
                energy=tuple(_row_energy(scope, names) for scope in report.scopes if scope.spiking is not None),
            )
        )
    return tuple(rows)


def to_json(report: EnergyReport, *, accuracy: float | None) -> dict[str, Any]:
    """Return the report as plain data: NeuroBench 2.3.0's keys at top level, everything else under `x_energy`.

    Args:
        report: What `estimate` returned.
        accuracy: Accuracy on the same images, None where they have no labels.

    Returns:
        Data that `json.dumps(allow_nan=False)` takes. What could not be computed is None and has its reason under
        `x_energy.reasons`.
    """
    counts, graph = report.counts, report.graph
    reasons = {
        f"profiles.{entry.profile}.{entry.variant}.{entry.scope}.{what}": why
        for entry in report.scopes
        for what, why in entry.reasons.items()
    }
    rows = layer_rows(report)
    for row in rows:
        if row.spikes is None:
            reasons |= dict.fromkeys((f"layers.{row.name}.spikes", f"layers.{row.name}.rate"), _SILENT)
        for cell in row.energy:
            if cell.joules is None:
                where = f"layers.{row.name}.{cell.profile}.{cell.variant}.{cell.scope}.joules"
                reasons[where] = f"the profile cannot price {', '.join(cell.left_out)}"
    if accuracy is None:
        reasons["ClassificationAccuracy"] = "the images have no labels that the network knows"
    if counts.membrane_updates is None:
        reasons["MembraneUpdates"] = "the potentials were not recorded; run the backend with potentials=True"
    return {
        "Footprint": _footprint(graph),
        "ConnectionSparsity": _connection_sparsity(graph, reasons),
        "ActivationSparsity": _activation_sparsity(counts, reasons),
        "SynapticOperations": {
            "Effective_MACs": _total(counts, "macs_nonzero"),
            "Effective_ACs": _total(counts, "synops_nonzero"),
            "Dense": sum(node.passes * node.ann.macs for node in counts.nodes),
        },
        "MembraneUpdates": None if counts.membrane_updates is None else float(counts.membrane_updates.mean()),
        "ClassificationAccuracy": accuracy,
        "x_energy": {
            "format_version": FORMAT_VERSION,
            "units": {"energy": "J per image", "counts": "per image, mean over images", "constants": "as given"},
            "images": counts.images,
            "steps": counts.steps,
            "total_steps": counts.total_steps,
            "interval_level": report.level,
            "counts": _counts(counts),
            "layers": [_plain(dataclasses.asdict(row)) for row in rows],
            "profiles": {profile.name: _profile(profile, report.scopes) for profile in report.profiles},
            "definitions": dict(_DEFINITIONS),
            "notes": list(_NOTES),
            "reasons": reasons,
        },
    }


def _before(graph: FixedGraph, name: str) -> tuple[str, ...]:
    """Return the nodes between the neurons before and these, and these, in execution order."""
    wanted = {name}
    for node in reversed(graph.nodes):
        if node.name in wanted:
            wanted.update(entry for entry in node.inputs if not isinstance(find(graph, entry), FixedLif | FixedInput))
    return tuple(node.name for node in graph.nodes if node.name in wanted)


def _row_energy(scope: ScopeEnergy, names: tuple[str, ...]) -> RowEnergy:
    joules = [node.joules for node in scope.nodes if node.name in names and node.joules is not None]
    left_out = tuple(name for name in scope.left_out if name in names)
    total = None if left_out and not any(joules) else sum(joules)
    return RowEnergy(scope.profile, scope.variant, scope.scope, total, left_out)


def _mean(node: NodeCounts, count: str) -> float:
    return float(getattr(node, count).sum(axis=0).mean())


def _total(counts: Counts, count: str) -> float:
    return sum(_mean(node, count) for node in counts.nodes)


def _footprint(graph: FixedGraph) -> int:
    values = (getattr(node, entry.name) for node in graph.nodes for entry in dataclasses.fields(node))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def _connection_sparsity(graph: FixedGraph, reasons: dict[str, str]) -> float | None:
    weights = [node.weight for node in graph.nodes if isinstance(node, FixedConv | FixedDense)]
    weights += [kernel for node in graph.nodes if isinstance(node, FixedGate) for kernel in (node.reduce, node.excite)]
    total = sum(weight.size for weight in weights)
    if not total:
        reasons["ConnectionSparsity"] = "the network has no weights"
        return None
    return round(1 - sum(int(np.count_nonzero(weight)) for weight in weights) / total, 4)


def _activation_sparsity(counts: Counts, reasons: dict[str, str]) -> float | None:
    spiking = [node for node in counts.nodes if node.signal == "spikes"]
    total = sum(node.neurons * counts.steps * counts.images for node in spiking)
    if not total:
        reasons["ActivationSparsity"] = "the network has no spiking neurons"
        return None
    return 1 - sum(int(node.spikes.sum()) for node in spiking) / total


def _counts(counts: Counts) -> dict[str, Any]:
    nodes = []
    for node in counts.nodes:
        means = {name: _mean(node, name) for name in PER_STEP if getattr(node, name) is not None}
        per_step = {name: getattr(node, name).mean(axis=1).tolist() for name in ("events", "synops_stored", "spikes")}
        nodes.append(
            {
                "name": node.name,
                "kind": node.kind,
                "window": [node.window.start, node.window.stop],
                "neurons": node.neurons,
                **means,
                "idle_updates": float(node.idle_updates.mean()),
                **({"macs_each_step": node.macs_each_step} if node.signal == "image" else {}),
                "ann": dataclasses.asdict(node.ann),
                "per_step": per_step,
            }
        )
    known = [name for name in PER_STEP if all(getattr(node, name) is not None for node in counts.nodes)]
    total: dict[str, Any] = {name: _total(counts, name) for name in known}
    total["idle_updates"] = sum(float(node.idle_updates.mean()) for node in counts.nodes)
    return {"total": total, "nodes": nodes}


def _profile(profile: Profile, scopes: Iterable[ScopeEnergy]) -> dict[str, Any]:
    mine = [entry for entry in scopes if entry.profile == profile.name]
    return {
        "title": profile.title,
        "variants": {
            name: {
                "constants": _constants(variant.constants),
                "scopes": {entry.scope: _scope(entry) for entry in mine if entry.variant == name},
            }
            for name, variant in profile.variants.items()
        },
        "reference": _constants(profile.reference),
    }


def _plain(value: Any) -> Any:
    """Return dataclass fields as JSON holds them: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _constants(constants: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: dataclasses.asdict(constant) for name, constant in constants.items()}


def _scope(entry: ScopeEnergy) -> dict[str, Any]:
    return {
        "spiking": _estimate(entry.spiking),
        "ann": _estimate(entry.ann),
        "ratio": None if entry.ratio is None else dataclasses.asdict(entry.ratio),
        "verdict": entry.verdict,
        "nodes": {node.name: node.joules for node in entry.nodes},
        "left_out": list(entry.left_out),
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "mean": estimate.mean,
        "data": None if estimate.data is None else list(estimate.data),
        "constants": list(estimate.constants),
    }
