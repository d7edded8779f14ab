"""What the ANN of the same topology costs, by hand; a twin that does not fit is refused by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_port.energy.baselines import NETWORKS, Twin, ann_price, arithmetics, check_twin, level_bits
from lava_port.energy.pricing import scopes_upto
from lava_port.energy.profiles import PROFILES
from lava_port.graph import GraphError

HOROWITZ, MEMORY = PROFILES["horowitz45"], PROFILES["horowitz45_memory"]
TWIN = {"conv_2": np.array([12, 6]), "dense_1": np.array([3, 3])}


@given(st.integers(1, 1000))
def test_so_many_bits_hold_every_number_of_spikes(steps):
    bits = level_bits(steps)
    assert 2 ** (bits - 1) < steps + 1 <= 2**bits


def test_an_ann_is_compared_in_the_arithmetic_of_the_variant_and_beside_int8_in_few_bits():
    assert [one.name for one in arithmetics(HOROWITZ.variants["f32"], 4)] == ["f32"]
    assert [one.name for one in arithmetics(HOROWITZ.variants["int8"], 4)] == ["int8", "int3"]
    assert [one.name for one in arithmetics(HOROWITZ.variants["int8"], 300)] == ["int8"]
    assert [one.name for one in arithmetics(PROFILES["gpu"].variants["native"], 4)] == ["native"]


def test_dense_layers_gates_and_rectifiers_are_charged_once(hand_counts):
    variant = HOROWITZ.variants["f32"]
    values, missing = ann_price(hand_counts, HOROWITZ, variant, arithmetics(variant, 2)[0], scopes_upto("neuron"))
    assert missing == ()
    assert values[0, 1] == pytest.approx((120 * 4.6 + 11 * 0.9 + 11 * 3.7 + 11 * 1.8) * 1e-12)


@pytest.mark.parametrize("variant", ["int8_best", "int8_worst"])
def test_zeros_that_are_skipped_read_no_weight_only_where_nothing_is_reused(moving_counts, variant):
    chosen = MEMORY.variants[variant]
    dense, sparse = (
        ann_price(moving_counts, MEMORY, chosen, arithmetics(chosen, 2)[0], ["memory"], twin=twin)[0]
        for twin in (None, Twin("twin", TWIN, {}))
    )
    # conv_2 alone moves anything, 100 bits of each kind; half of its MACs are left for image 0, a quarter for image 1.
    skipped = np.array([0.5, 0.75]) * 200 * 10e-12 / 64 if variant == "int8_worst" else np.zeros(2)
    np.testing.assert_allclose(dense[0, 1] - sparse[:, 1], skipped, atol=1e-20)


def test_messages_and_time_of_a_dense_ann_are_not_known(hand_counts):
    chosen = HOROWITZ.variants["f32"]
    for scope, words in (("network", "messages of a dense ANN"), ("static", "duration of a dense ANN")):
        _, missing = ann_price(hand_counts, HOROWITZ, chosen, arithmetics(chosen, 2)[0], scopes_upto(scope))
        assert any(words in why for why in missing)


@pytest.mark.parametrize(("macs", "words"), [
    ({"conv_2": TWIN["conv_2"]}, "node 'dense_1': the twin has no counts of it"),
    ({**TWIN, "conv_9": TWIN["conv_2"]}, "node 'conv_9': no spikes reach a node of this name"),
    ({**TWIN, "conv_2": np.array([25, 0])}, "node 'conv_2': its counts are 0 to 25 for 2 images; expected 0 to 24 for 2"),
    ({**TWIN, "conv_2": np.array([1])}, "for 1 images; expected 0 to 24 for 2"),
])  # fmt: skip
def test_a_twin_of_another_network_is_refused_by_name(hand_counts, macs, words):
    check_twin(hand_counts, Twin("twin", TWIN, {}))
    with pytest.raises(GraphError, match=words):
        check_twin(hand_counts, Twin("twin", macs, {}))


def test_networks_of_the_comparison_paper_say_where_their_size_comes_from():
    assert {one.name for one in NETWORKS} >= {"ResNet50", "VGG19", "DenseNet121"}
    assert all("224 px" in one.source and one.macs > one.parameters for one in NETWORKS)
