"""The bracket on the slowest core by hand, between the longer phase and both phases in turn."""

import dataclasses

import numpy as np
import pytest

from lava_port.energy.latency import latency
from lava_port.energy.profiles import PROFILES

DAVIES = dataclasses.replace(PROFILES["loihi1_davies2018"], chip="test")


def test_a_step_takes_the_longer_phase_at_least_and_both_in_turn_at_most(placed_counts):
    found, why = latency(placed_counts, DAVIES, {})
    assert why == ""
    # Core 0: 10 neurons at 5.3 to 8.4 ns, 4 events at 3.5; core 1: 3 neurons, 100 events in the first step.
    low = [350 + 113] + 4 * [53 + 113]
    high = [3 * 8.4 + 350 + 465] + 4 * [84 + 14 + 465]
    np.testing.assert_allclose(found.low, 1e-9 * np.array([low, low]).T)
    np.testing.assert_allclose(found.high, 1e-9 * np.array([high, high]).T)
    np.testing.assert_allclose(found.per_image[1], [3092.2e-9] * 2)
    assert found.slowest == 0


def test_the_bracket_has_its_ends_in_order_and_grows_with_the_events(placed_counts):
    found, _ = latency(placed_counts, DAVIES, {})
    busier = dataclasses.replace(placed_counts, events_per_core=10 * placed_counts.events_per_core)
    later, _ = latency(busier, DAVIES, {})
    assert (found.low < found.high).all()
    assert (later.low >= found.low).all()
    assert (later.high > found.high).all()


def test_without_times_or_cores_there_is_a_reason_and_no_number(hand_counts, placed_counts):
    assert latency(placed_counts, PROFILES["horowitz45"], {}) == (
        None,
        "the profile gives no time of: synop, update, barrier",
    )
    found, why = latency(hand_counts, PROFILES["loihi1_davies2018"], {"loihi1": "it is too large"})
    assert found is None
    assert why.endswith("they are placed nowhere: it is too large; --chip loihi1 places what of it fits")
    uncounted = dataclasses.replace(placed_counts, events_per_core=None)
    assert latency(uncounted, DAVIES, {}) == (None, "the events of every core were not counted")
    nowhere = dataclasses.replace(
        placed_counts, events_per_core=np.zeros((0, 5, 2)), neurons_per_core=np.zeros(0, np.int64)
    )
    assert latency(nowhere, DAVIES, {}) == (None, "nothing of the network lies on a core")


@pytest.mark.parametrize("which", ["low", "high"])
def test_an_empty_step_still_costs_its_barrier(placed_counts, which):
    silent = dataclasses.replace(
        placed_counts, events_per_core=np.zeros((2, 5, 2)), neurons_per_core=np.zeros(2, np.int64)
    )
    found, _ = latency(silent, DAVIES, {})
    np.testing.assert_allclose(getattr(found, which), DAVIES.times["barrier"].si(which))
