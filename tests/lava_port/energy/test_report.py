"""NeuroBench's keys worked out by hand; every null has its reason; rows add up to the whole."""

import dataclasses
import json

import numpy as np
import pytest

from lava_port.energy.activity import measure
from lava_port.energy.counts import counts
from lava_port.energy.estimate import EnergyReport, estimate
from lava_port.energy.profiles import select
from lava_port.energy.report import layer_rows, to_json


@pytest.fixture
def hand_report(hand_graph, hand_trace) -> EnergyReport:
    return estimate(hand_graph, counts(hand_graph, measure(hand_graph, hand_trace)), select())


def nulls(data, path: str = "") -> list[str]:
    """Return the dotted path of every null in plain data; entries of a list go by their `name` where they have one."""
    if data is None:
        return [path]
    if isinstance(data, dict):
        return [found for key, value in data.items() for found in nulls(value, f"{path}.{key}".lstrip("."))]
    if isinstance(data, list):
        return [
            found
            for index, value in enumerate(data)
            for found in nulls(value, f"{path}.{value.get('name', index) if isinstance(value, dict) else index}")
        ]
    return []


def test_neurobench_keys_hold_the_figures_worked_out_by_hand(hand_report):
    # Effective_MACs 50 + 2 (16 + 24); Effective_ACs (23 + 2 + 3 + 2) / 2; Dense 50 + 2 (16 + 24 + 24 + 6).
    # 12 spikes among (8 + 3) neurons x 2 steps x 2 images; 2 zeros among 18 + 54 + 16 + 24 + 6 weights.
    # Bytes: 36 + 108 of kernels, gates 96 and 152, neurons 16 and 24, dense 12, read-out 16.
    data = to_json(hand_report, accuracy=0.75)
    assert data["SynapticOperations"] == {"Effective_MACs": 130, "Effective_ACs": 15, "Dense": 190}
    assert data["ActivationSparsity"] == pytest.approx(1 - 12 / 44)
    assert data["ConnectionSparsity"] == round(2 / 118, 4)
    assert data["Footprint"] == 460
    assert data["ClassificationAccuracy"] == 0.75
    assert data["MembraneUpdates"] is None


def test_effective_macs_skip_zero_weights(hand_graph, hand_trace):
    # The middle of one kernel of conv_1 meets the image at all four outputs: four of its 50 MACs fall away.
    nodes = list(hand_graph.nodes)
    weight = nodes[1].weight.copy()
    weight[0, 0, 1, 1] = 0
    nodes[1] = dataclasses.replace(nodes[1], weight=weight)
    graph = dataclasses.replace(hand_graph, nodes=tuple(nodes))
    report = estimate(graph, counts(graph, measure(graph, hand_trace)), select())
    assert to_json(report, accuracy=None)["SynapticOperations"] == {
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
    report = estimate(hand_graph, counts(hand_graph, measure(hand_graph, trace)), select())
    assert to_json(report, accuracy=None)["MembraneUpdates"] == (19 + 11) / 2


def test_the_json_is_plain_finite_data(hand_report):
    data = to_json(hand_report, accuracy=None)
    assert json.loads(json.dumps(data, allow_nan=False)) == data


@pytest.mark.parametrize("images", [1, 2])
def test_every_null_has_a_reason(hand_graph, make_trace, images):
    report = estimate(hand_graph, counts(hand_graph, measure(hand_graph, make_trace(hand_graph, images))), select())
    data = to_json(report, accuracy=None)
    reasons = data["x_energy"]["reasons"]
    assert all(reasons.values())
    missing = []
    for path in nulls(data):
        path = path.removeprefix("x_energy.").replace(".variants.", ".").replace(".scopes.", ".")
        if ".nodes." in path:
            path = path.split(".nodes.")[0] + ".left_out"
        if path.endswith(".spiking.data"):
            path = path.removesuffix(".spiking.data") + ".data"
        if path.startswith("layers.") and path.endswith(".joules"):
            row, cell = path.split(".")[1], int(path.split(".")[3])
            (layer,) = (entry for entry in data["x_energy"]["layers"] if entry["name"] == row)
            energy = layer["energy"][cell]
            path = f"layers.{row}.{energy['profile']}.{energy['variant']}.{energy['scope']}.joules"
        if path not in reasons:
            missing.append(path)
    assert not missing


def test_each_constant_comes_with_its_source(hand_report):
    profiles = to_json(hand_report, accuracy=None)["x_energy"]["profiles"]
    assert set(profiles) == {"horowitz45", "loihi1_davies2018"}
    for profile in profiles.values():
        for variant in profile["variants"].values():
            assert set(variant["scopes"]) == {"compute", "neuron", "memory", "network", "static"}
            for constant in variant["constants"].values():
                assert {"value", "unit", "low", "high", "source", "basis", "node", "scope"} == set(constant)
    assert profiles["horowitz45"]["reference"]["dram_64bit"]["high"] == 2600


def test_counts_per_node_and_in_total_are_means_per_image(hand_report):
    section = to_json(hand_report, accuracy=None)["x_energy"]["counts"]
    nodes = {node["name"]: node for node in section["nodes"]}
    assert nodes["conv_1"]["macs"] == 50
    assert nodes["conv_1"]["macs_each_step"] == 100
    assert "macs_each_step" not in nodes["conv_2"]
    assert nodes["conv_2"]["synops_stored"] == 13.5
    assert nodes["conv_2"]["per_step"]["synops_stored"] == [12, 1.5]
    assert section["total"]["synops_stored"] == 16.5
    assert section["total"]["updates"] == 26
    assert section["total"]["idle_updates"] == 39


def test_rows_stand_for_neurons_with_the_weights_and_gates_before_them(hand_report):
    rows = layer_rows(hand_report)
    assert [row.nodes for row in rows] == [
        ("conv_1", "hold_1", "gate_1", "lif_1"),
        ("conv_2", "gate_2", "lif_2"),
        ("dense_1", "readout"),
    ]
    assert [row.neurons for row in rows] == [8, 3, 2]
    assert [row.spikes for row in rows] == [4.5, 1.5, None]
    assert [row.rate for row in rows] == [4.5 / 16, 1.5 / 6, None]
    assert [row.synops for row in rows] == [0, 13.5, 3]
    assert [row.macs for row in rows] == [50 + 32, 48, 0]
    assert [row.updates for row in rows] == [40, 15, 10]


def test_the_energies_of_the_rows_add_up_to_the_network(hand_report):
    rows = layer_rows(hand_report)
    for scope in hand_report.scopes:
        if scope.spiking is None:
            continue
        key = (scope.profile, scope.variant, scope.scope)
        parts = [
            energy for row in rows for energy in row.energy if (energy.profile, energy.variant, energy.scope) == key
        ]
        assert len(parts) == len(rows)
        assert sum(part.joules or 0 for part in parts) == pytest.approx(scope.spiking.mean)
        assert tuple(name for part in parts for name in part.left_out) == scope.left_out


def test_a_row_that_cannot_be_priced_at_all_is_null(hand_report):
    first = layer_rows(hand_report)[0]
    (compute,) = (
        energy for energy in first.energy if (energy.profile, energy.scope) == ("loihi1_davies2018", "compute")
    )
    assert compute.joules is None
    assert compute.left_out == ("conv_1", "gate_1")
