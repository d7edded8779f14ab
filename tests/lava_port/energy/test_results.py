"""One profile's answer in one scope is found by name."""

import pytest

from lava_port.energy.estimate import estimate
from lava_port.energy.profiles import select


def test_an_entry_is_found_by_profile_variant_and_scope(hand_graph, hand_counts):
    report = estimate(hand_graph, hand_counts, select(["horowitz45"]))
    found = report.entry("horowitz45", "int8", "neuron")
    assert (found.profile, found.variant, found.scope) == ("horowitz45", "int8", "neuron")
    with pytest.raises(
        ValueError, match="no energy of gpu native, scope static; there are horowitz45 f32, horowitz45 int8"
    ):
        report.entry("gpu", "native", "static")
