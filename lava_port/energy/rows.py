"""An energy report as one row per layer of neurons, for a table or a chart.

Knows no terminal, no chart and no file; formatting is left to whoever shows the rows.
"""

from dataclasses import dataclass
from typing import Literal

from lava_port.energy.constants import Scope
from lava_port.energy.counts import NodeCounts
from lava_port.energy.results import EnergyReport, ScopeEnergy
from lava_port.graph import FixedGraph, FixedLif, find, neurons

__all__ = ["LayerRow", "RowEnergy", "layer_rows", "mean"]


@dataclass(frozen=True)
class RowEnergy:
    """What a layer of neurons and the nodes before it cost per image.

    Attributes:
        profile: Name of the profile.
        variant: Its arithmetic.
        scope: The scope.
        unit: `J`, or `1` for a number that must never meet joules.
        energy: Mean over images without the nodes in `left_out`; None where nothing is left.
        left_out: Nodes of the layer that the profile cannot price.
    """

    profile: str
    variant: str
    scope: Scope
    unit: Literal["J", "1"]
    energy: float | None
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class LayerRow:
    """One layer of neurons with the weights and the gate before it; all counts are means per image.

    Attributes:
        name: Name of the neurons' node.
        nodes: Names of the nodes it stands for, itself last.
        neurons: Neurons.
        spikes: Spikes; None for the read-out, which does not spike.
        spikes_per_step: The same by step of the window; None for the read-out.
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
    spikes_per_step: tuple[float, ...] | None
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
        spikes = mean(own, "spikes") if spiking else None
        rows.append(
            LayerRow(
                name=layer.name,
                nodes=names,
                neurons=own.neurons,
                spikes=spikes,
                spikes_per_step=tuple(own.spikes.mean(axis=1).tolist()) if spiking else None,
                rate=None if spikes is None else spikes / (own.neurons * report.counts.steps),
                synops=sum(mean(node, "synops_stored") for node in nodes),
                macs=sum(mean(node, "macs") for node in nodes),
                updates=mean(own, "updates") + float(own.idle_updates.mean()),
                energy=tuple(_row_energy(scope, names) for scope in report.scopes if scope.spiking is not None),
            )
        )
    return tuple(rows)


def _before(graph: FixedGraph, name: str) -> tuple[str, ...]:
    """Return the nodes between the neurons before (or the image, itself one of them) and these, in execution order."""
    wanted = {name}
    for node in reversed(graph.nodes):
        if node.name in wanted:
            wanted.update(entry for entry in node.inputs if not isinstance(find(graph, entry), FixedLif))
    return tuple(node.name for node in graph.nodes if node.name in wanted)


def _row_energy(scope: ScopeEnergy, names: tuple[str, ...]) -> RowEnergy:
    energies = [node.energy for node in scope.nodes if node.name in names and node.energy is not None]
    left_out = tuple(name for name in scope.left_out if name in names)
    total = None if left_out and not any(energies) else sum(energies)
    return RowEnergy(scope.profile, scope.variant, scope.scope, scope.unit, total, left_out)


def mean(node: NodeCounts, count: str) -> float:
    """Return one count of a node, added up over the steps, as a mean per image."""
    return float(getattr(node, count).sum(axis=0).mean())
