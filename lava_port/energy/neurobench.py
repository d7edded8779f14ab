"""The metrics of NeuroBench 2.3.0 under its own keys, counted by meaning and not by value.

Knows neither joules nor profiles.
"""

import dataclasses
from typing import Any

import numpy as np

from lava_port.energy.counts import Counts
from lava_port.energy.missing import Missing
from lava_port.energy.rows import mean
from lava_port.graph import FixedConv, FixedDense, FixedGate, FixedGraph

__all__ = ["DEFINITIONS", "metrics", "total"]

DEFINITIONS = {
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
"""What each key counts here."""


def metrics(graph: FixedGraph, counts: Counts, accuracy: float | None) -> dict[str, Any]:
    """Return NeuroBench's keys; what cannot be computed is a `Missing` with its reason.

    Args:
        graph: The network.
        counts: What it did.
        accuracy: Accuracy on the same images, None where they have no labels.
    """
    membrane = counts.membrane_updates
    return {
        "Footprint": _footprint(graph),
        "ConnectionSparsity": _connection_sparsity(graph),
        "ActivationSparsity": _activation_sparsity(counts),
        "SynapticOperations": {
            "Effective_MACs": total(counts, "macs_nonzero"),
            "Effective_ACs": total(counts, "synops_nonzero"),
            "Dense": sum(node.passes * node.ann.macs for node in counts.nodes),
        },
        "MembraneUpdates": Missing("the potentials were not recorded; run the backend with potentials=True")
        if membrane is None
        else float(membrane.mean()),
        "ClassificationAccuracy": Missing("the images have no labels that the network knows")
        if accuracy is None
        else accuracy,
    }


def total(counts: Counts, count: str) -> float:
    """Return one count over all nodes as a mean per image."""
    return sum(mean(node, count) for node in counts.nodes)


def _footprint(graph: FixedGraph) -> int:
    values = (getattr(node, entry.name) for node in graph.nodes for entry in dataclasses.fields(node))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def _connection_sparsity(graph: FixedGraph) -> float | Missing:
    weights = [node.weight for node in graph.nodes if isinstance(node, FixedConv | FixedDense)]
    weights += [kernel for node in graph.nodes if isinstance(node, FixedGate) for kernel in (node.reduce, node.excite)]
    size = sum(weight.size for weight in weights)
    if not size:
        return Missing("the network has no weights")
    return round(1 - sum(int(np.count_nonzero(weight)) for weight in weights) / size, 4)


def _activation_sparsity(counts: Counts) -> float | Missing:
    spiking = [node for node in counts.nodes if node.signal == "spikes"]
    places = sum(node.neurons * counts.steps * counts.images for node in spiking)
    if not places:
        return Missing("the network has no spiking neurons")
    return 1 - sum(int(node.spikes.sum()) for node in spiking) / places
