"""Every null has its reason by its path; what a page needs stands in the JSON."""

import dataclasses
import json

import numpy as np
import pytest

from lava_port.energy.activity import measure
from lava_port.energy.baselines import Twin
from lava_port.energy.constants import SCOPES
from lava_port.energy.counts import counts
from lava_port.energy.estimate import estimate
from lava_port.energy.profiles import PROFILES, select
from lava_port.energy.report import FORMAT_VERSION, to_json
from lava_port.energy.results import EnergyReport


@pytest.fixture
def hand_report(hand_graph, hand_counts) -> EnergyReport:
    return estimate(hand_graph, hand_counts, select(), labels=[0, 1])


@pytest.fixture
def full_report(hand_graph, placed_counts) -> EnergyReport:
    """A report with a placement, labels of one class, and a twin."""
    twin = Twin("twin", {"conv_2": np.array([12, 6]), "dense_1": np.array([3, 3])}, {"conv_2": 0.4, "dense_1": 0.5})
    davies = dataclasses.replace(PROFILES["loihi1_davies2018"], chip="test")
    chosen = [davies, *(profile for profile in PROFILES.values() if profile.name != davies.name)]
    return estimate(hand_graph, placed_counts, chosen, labels=[1, 1], twin=twin)


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


def test_the_json_is_plain_finite_data(hand_report, full_report):
    for report in (hand_report, full_report):
        data = to_json(report, accuracy=None)
        assert json.loads(json.dumps(data, allow_nan=False)) == data


@pytest.mark.parametrize("images", [1, 2])
def test_every_null_has_a_reason_by_its_own_path(hand_graph, make_trace, full_report, images):
    counted = counts(hand_graph, measure(hand_graph, make_trace(hand_graph, images)))
    for report in (estimate(hand_graph, counted, select()), full_report):
        data = to_json(report, accuracy=None)
        found = {path.removeprefix("x_energy.") for path in nulls(data)}
        assert found == set(data["x_energy"]["reasons"])
        assert all(len(why) > 10 for why in data["x_energy"]["reasons"].values())


def test_neurobenchs_keys_stand_at_top_level(hand_report):
    data = to_json(hand_report, accuracy=0.75)
    assert data["SynapticOperations"] == {"Effective_MACs": 130, "Effective_ACs": 15, "Dense": 190}
    assert data["ClassificationAccuracy"] == 0.75
    assert data["MembraneUpdates"] is None
    assert "potentials=True" in data["x_energy"]["reasons"]["MembraneUpdates"]
    assert data["x_energy"]["format_version"] == FORMAT_VERSION


def test_each_constant_comes_with_its_source(hand_report):
    profiles = to_json(hand_report, accuracy=None)["x_energy"]["profiles"]
    assert set(profiles) == set(PROFILES)
    fields = {"value", "unit", "low", "high", "source", "basis", "node", "scope"}
    for name, profile in profiles.items():
        shown = [constant for variant in profile["variants"].values() for constant in variant["constants"].values()]
        shown += [memory["energy"] for memory in profile["memories"]]
        shown += [*profile["times"].values(), *profile["reference"].values()]
        shown += [profile["static"]] if "static" in profile else []
        assert all(set(constant) == fields for constant in shown)
        assert len(shown) == len(PROFILES[name].constants())
        for variant in profile["variants"].values():
            assert tuple(variant["scopes"]) == SCOPES
    assert profiles["horowitz45_memory"]["memories"][-1]["energy"]["high"] == 2600
    assert profiles["intel_proxy"]["variants"]["native"]["unit"] == "1"


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


def test_a_number_without_a_unit_is_no_number_of_joules(hand_report):
    rows = to_json(hand_report, accuracy=None)["x_energy"]["layers"]
    cells = [cell for row in rows for cell in row["energy"]]
    assert {cell["unit"] for cell in cells} == {"J", "1"}
    assert all(("joules" in cell) == (cell["unit"] == "J") for cell in cells)
    assert all(cell["joules"] == cell["energy"] for cell in cells if cell["unit"] == "J")


def test_energies_per_class_are_those_of_its_images(hand_report):
    scope = to_json(hand_report, accuracy=None)["x_energy"]["profiles"]["horowitz45"]["variants"]["f32"]["scopes"][
        "compute"
    ]
    assert scope["per_image"] == pytest.approx([719.9e-12, 693.8e-12])
    assert scope["by_class"]["a"]["n"] == 1
    assert scope["by_class"]["a"]["mean"] == pytest.approx(719.9e-12)
    assert scope["by_class"]["b"]["quartiles"] == pytest.approx([693.8e-12] * 5)


def test_a_class_without_images_has_no_energy(full_report):
    data = to_json(full_report, accuracy=None)["x_energy"]
    found = data["profiles"]["horowitz45"]["variants"]["f32"]["scopes"]["compute"]["by_class"]
    assert found["a"] is None
    assert found["b"]["n"] == 2
    why = data["reasons"]["profiles.horowitz45.variants.f32.scopes.compute.by_class.a"]
    assert why == "none of the images is of this class"


def test_a_page_finds_curve_raster_cores_latency_and_twin(full_report):
    data = to_json(full_report, accuracy=None)["x_energy"]
    assert data["twin"]["nonzero"] == {"conv_2": 0.4, "dense_1": 0.5}
    assert data["placement"]["chip"] == "test"
    assert data["placement"]["per_core"]["neurons"] == [10, 3]
    # Core 0 works off 4 events in each of 5 steps, core 1 100 in one.
    assert data["placement"]["per_core"]["events"] == [20, 100]
    assert data["placement"]["per_core"]["busiest_step"] == [4, 100]
    assert {"compartments", "memory"} <= set(data["placement"]["layers"][0]["usage"])
    latency = data["profiles"]["loihi1_davies2018"]["latency"]
    assert latency["per_image"]["low"] == pytest.approx(1127e-9)
    assert len(latency["per_step"]["high"]) == 5
    assert data["layers"][0]["spikes_per_step"] == [4, 0.5]
    baselines = data["profiles"]["horowitz45"]["variants"]["f32"]["scopes"]["compute"]["baselines"]
    assert set(baselines) == {"dense_f32", "relu_sparse_f32"}
    assert len(baselines["dense_f32"]["break_even"]["curve"]) == 21
    assert data["operating"]["spikes_per_neuron"] == pytest.approx(6 / 11)
    assert {one["low"] for one in data["published_break_evens"]} == {1.72, 0.15, 0.064, 0.057}
    assert data["spread"]["compute"]["entries"] >= 2


def test_notes_say_that_it_is_an_estimate_and_what_it_leaves_out(hand_report):
    notes = to_json(hand_report, accuracy=None)["x_energy"]["notes"]
    assert any("nothing was measured" in note for note in notes)
    assert any(note.startswith("Left out") for note in notes)
