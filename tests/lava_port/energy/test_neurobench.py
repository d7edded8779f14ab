"""NeuroBench's keys worked out by hand, and null with a reason where a metric cannot be computed."""

import dataclasses

import numpy as np
import pytest

from lava_port.energy.activity import measure
from lava_port.energy.counts import counts
from lava_port.energy.missing import Missing
from lava_port.energy.neurobench import DEFINITIONS, metrics, total
from lava_port.graph import FixedInput, FixedReadout


def test_neurobench_keys_hold_the_figures_worked_out_by_hand(hand_graph, hand_counts):
    # Effective_MACs 50 + 2 (16 + 24); Effective_ACs (23 + 2 + 3 + 2) / 2; Dense 50 + 2 (16 + 24 + 24 + 6).
    # 12 spikes among (8 + 3) neurons x 2 steps x 2 images; 2 zeros among 18 + 54 + 16 + 24 + 6 weights.
    # Bytes: 36 + 108 of kernels, gates 96 and 152, neurons 16 and 24, dense 12, read-out 16.
    data = metrics(hand_graph, hand_counts, 0.75)
    assert data["SynapticOperations"] == {"Effective_MACs": 130, "Effective_ACs": 15, "Dense": 190}
    assert data["ActivationSparsity"] == pytest.approx(1 - 12 / 44)
    assert data["ConnectionSparsity"] == round(2 / 118, 4)
    assert data["Footprint"] == 460
    assert data["ClassificationAccuracy"] == 0.75
    assert total(hand_counts, "synops_stored") == 16.5


def test_what_cannot_be_computed_says_why(hand_graph, hand_counts):
    data = metrics(hand_graph, hand_counts, None)
    assert data["MembraneUpdates"] == Missing("the potentials were not recorded; run the backend with potentials=True")
    assert data["ClassificationAccuracy"] == Missing("the images have no labels that the network knows")
    nodes = (
        FixedInput("input", (4, 4, 1), (128,)),
        FixedReadout("readout", ("input",), (2,), np.zeros(2, np.int64), 1.0),
    )
    empty = dataclasses.replace(hand_graph, nodes=nodes)
    assert metrics(empty, hand_counts, None)["ConnectionSparsity"] == Missing("the network has no weights")
    silent = dataclasses.replace(hand_counts, nodes=hand_counts.nodes[:3])
    assert metrics(hand_graph, silent, None)["ActivationSparsity"] == Missing("the network has no spiking neurons")


def test_every_key_is_defined():
    parts = {key.split(".")[0] for key in DEFINITIONS}
    assert parts == {
        "Footprint", "ConnectionSparsity", "ActivationSparsity", "SynapticOperations", "MembraneUpdates",
        "ClassificationAccuracy",
    }  # fmt: skip


def test_effective_macs_skip_zero_weights(hand_graph, hand_trace):
    # The middle of one kernel of conv_1 meets the image at all four outputs: four of its 50 MACs fall away.
    nodes = list(hand_graph.nodes)
    weight = nodes[1].weight.copy()
    weight[0, 0, 1, 1] = 0
    nodes[1] = dataclasses.replace(nodes[1], weight=weight)
    graph = dataclasses.replace(hand_graph, nodes=tuple(nodes))
    assert metrics(graph, counts(graph, measure(graph, hand_trace)), None)["SynapticOperations"] == {
        "Effective_MACs": 126,
        "Effective_ACs": 15,
        "Dense": 190,
    }


def test_membrane_updates_are_the_mean_per_image_where_potentials_were_recorded(hand_graph, hand_trace):
    layers = tuple(
        dataclasses.replace(layer, potential=np.zeros(layer.spikes.shape, np.int32)) for layer in hand_trace.layers
    )
    layers[0].potential[1, 0] = 3
    trace = dataclasses.replace(hand_trace, layers=layers)
    counted = counts(hand_graph, measure(hand_graph, trace))
    assert metrics(hand_graph, counted, None)["MembraneUpdates"] == (19 + 11) / 2
