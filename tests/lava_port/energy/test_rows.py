"""Rows stand for layers of neurons, and add up to the network."""

import pytest

from lava_port.energy.estimate import estimate
from lava_port.energy.profiles import select
from lava_port.energy.results import EnergyReport
from lava_port.energy.rows import layer_rows, mean


@pytest.fixture
def hand_report(hand_graph, hand_counts) -> EnergyReport:
    return estimate(hand_graph, hand_counts, select())


def test_rows_stand_for_neurons_with_the_weights_and_gates_before_them(hand_report):
    rows = layer_rows(hand_report)
    assert [row.nodes for row in rows] == [
        ("input", "conv_1", "hold_1", "gate_1", "lif_1"),
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
        assert sum(part.energy or 0 for part in parts) + scope.shared == pytest.approx(scope.spiking.mean)
        assert {part.unit for part in parts} == {scope.unit}
        assert tuple(name for part in parts for name in part.left_out) == scope.left_out


def test_a_row_that_cannot_be_priced_at_all_is_null(hand_report):
    first = layer_rows(hand_report)[0]
    (compute,) = (
        energy for energy in first.energy if (energy.profile, energy.scope) == ("loihi1_davies2018", "compute")
    )
    assert compute.energy is None
    assert compute.left_out == ("conv_1", "gate_1")


def test_spikes_are_given_step_by_step(hand_report):
    first, second, last = layer_rows(hand_report)
    assert first.spikes_per_step == (4, 0.5)
    assert second.spikes_per_step == (0.5, 1)
    assert last.spikes_per_step is None


def test_a_mean_adds_up_steps_and_averages_images(hand_counts):
    assert mean(hand_counts.node("lif_1"), "spikes") == 4.5
