"""The verdict of a line and its JSON."""

import dataclasses
import json

import numpy as np
import pytest

from lava_port.energy import fit
from lava_port.energy.chips import CHIPS
from lava_port.graph import FixedGate


def test_a_yes_names_cores_and_chips_of_both_ways_and_what_was_not_checked(chain_graph):
    found = fit.fit(chain_graph, CHIPS["loihi2"])
    assert found.fits
    assert found.reasons == ()
    assert fit.verdict(found) == (
        "loihi2: fits: 3 cores on 1 chip with kernels stored once per core; 3 cores on 1 chip with every connection stored "
        "(input axons and output axons unchecked: never published)"
    )


def test_a_no_names_the_layers_and_what_the_rest_would_take(chain_graph):
    found = fit.fit(chain_graph, CHIPS["loihi1"])
    assert not found.fits
    line = fit.verdict(found)
    assert line.startswith("loihi1: does not fit: layer 'conv_1': the analogue image needs graded spikes")
    assert line.count("conv_1") == 1
    assert line.endswith(
        "The rest would take 1 core on 1 chip with kernels stored once per core; 1 core on 1 chip with every connection "
        "stored"
    )
    assert "\n" not in line


def test_one_way_is_enough_and_the_other_is_said_not_to_do(chain_graph, make_chip):
    # 18 weights of 8 bits share a kernel; one neuron inside alone has 18 connections of 21 bits, 48 bytes.
    found = fit.fit(chain_graph, make_chip(memory_bytes=47, cores=16))
    assert found.fits
    assert not found.placements["unrolled"].fits
    assert "; not with every connection stored: layer 'lif_2': one neuron alone asks for 48 bytes" in fit.verdict(found)


@pytest.mark.parametrize("chip", CHIPS.values(), ids=lambda chip: chip.name)
def test_json_holds_every_layer_limit_and_source(chain_graph, chip):
    found = fit.fit(chain_graph, chip)
    data = json.loads(json.dumps(fit.to_json(found), allow_nan=False))
    assert data["fits"] == found.fits
    assert data["verdict"] == fit.verdict(found)
    for sharing, placement in found.placements.items():
        assert data[sharing]["cores"] == placement.cores == sum(layer["cores"] for layer in data[sharing]["layers"])
        assert data[sharing]["chips"] == placement.chips
        for layer, row in zip(placement.layers, data[sharing]["layers"], strict=True):
            assert (row["tile"], row["binding"]) == (list(layer.tile), layer.binding)
            assert [one["limit"] for one in row["usage"]] == [one.limit for one in layer.usage]
    assert data["limits"]["compartments"] == dataclasses.asdict(chip.compartments)
    assert (data["limits"]["input axons"] is None) == (chip.input_axons is None)


def test_what_is_assumed_is_said(chain_graph, hand_graph, make_chip):
    assert fit.assumptions(fit.fit(chain_graph, CHIPS["loihi1"])) == (
        "bits of an index: 10 is assumed (names one of 1,024 neurons; its compressed formats may take less)",
    )
    assert fit.assumptions(fit.fit(chain_graph, make_chip(compartments=5)))[1] == (
        "compartments: 5 is assumed (for a test)"
    )
    gates = [
        dataclasses.replace(node, delay=2, initial=np.full(node.shape, 128)) if isinstance(node, FixedGate) else node
        for node in hand_graph.nodes
    ]
    gated = fit.fit(dataclasses.replace(hand_graph, nodes=tuple(gates)), CHIPS["loihi2"])
    assert any(line.startswith("squeeze: where every connection is stored") for line in fit.assumptions(gated))


def test_the_first_chip_that_holds_the_network_is_taken_and_the_others_say_why_not(chain_graph):
    placement, refused = fit.place_first(chain_graph, [CHIPS["loihi1"], CHIPS["loihi2"]])
    assert placement is not None
    assert placement.fits
    assert placement.chip.name == "loihi2"
    assert "it does not fit: layer 'conv_1': the analogue image" in refused["loihi1"]


def test_a_chip_that_is_asked_for_holds_what_fits(chain_graph):
    placement, refused = fit.place_first(chain_graph, [CHIPS["loihi1"]])
    assert placement is not None
    assert not placement.fits
    assert [layer.name for layer in placement.layers] == ["lif_2"]
    assert set(refused) == {"loihi1"}
