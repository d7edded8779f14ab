"""Joules worked out by hand, linear in the counts, compared like with like, with verdicts that may be undecided."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lava_port.energy.activity import Activity, measure
from lava_port.energy.baselines import Twin
from lava_port.energy.chips import CHIPS
from lava_port.energy.comparison import verdict
from lava_port.energy.constants import SCOPES, Constant, Profile, Variant
from lava_port.energy.counts import PER_STEP, Counts, Traffic, counts
from lava_port.energy.estimate import estimate
from lava_port.energy.mapping import place
from lava_port.energy.profiles import PROFILES, select
from lava_port.graph import GraphError


def entry(report, profile, variant, scope):
    return report.entry(profile, variant, scope)


def on_test_chip(name: str) -> Profile:
    """Return a built-in profile whose chip is the one that the hand counts are placed on."""
    return dataclasses.replace(PROFILES[name], chip="test")


def baseline(item, kind: str, arithmetic: str):
    (found,) = (one for one in item.baselines if (one.kind, one.arithmetic.name) == (kind, arithmetic))
    return found


def scaled(source: Counts, factor: int) -> Counts:
    arrays = (*PER_STEP, "idle_updates")
    nodes = tuple(
        dataclasses.replace(
            node,
            **{name: factor * getattr(node, name) for name in arrays if getattr(node, name) is not None},
            traffic=moved(node.traffic, factor),
        )
        for node in source.nodes
    )
    return dataclasses.replace(source, nodes=nodes)


def moved(source: Traffic, factor: int) -> Traffic:
    return Traffic(**{one.name: factor * getattr(source, one.name) for one in dataclasses.fields(source)})


def constant(value: float, unit: str = "pJ", *, low: float | None = None, high: float | None = None) -> Constant:
    ends = (value if low is None else low, value if high is None else high)
    return Constant(value, unit, *ends, "Nobody 2000, p. 1, doi 10.1000/1", "assumed", "none", "for tests only")


CHARGED = ("synop", "mac", "addition", "multiply", "update", "idle_update", "activation")
COVERED = ("synop_conv", "synop_dense", "access", "update_active", "update_quiet", "spike")


def one_price(low: float, value: float, high: float, **changes) -> Profile:
    """Return a profile in which every operation costs the same number of picojoules."""
    flat = constant(value, low=low, high=high)
    variant = Variant(
        dict.fromkeys(CHARGED, flat),
        dict.fromkeys(("message", "hop_east_west", "hop_north_south"), "a test"),
        dict.fromkeys(COVERED, "in another"),
    )
    scopes = {"memory": "a test", "network": "a test", "static": "a test"}
    return Profile("flat", "flat", {"only": changes.pop("variant", variant)}, changes.pop("scopes", scopes), **changes)


def test_compute_at_45_nm_is_the_sum_worked_out_by_hand(hand_graph, hand_counts):
    # Spikes meet 24 + 3 + 4 = 31 weights for image 0 and 2 for image 1. MACs 50 + 2 (16 + 24) = 130, squeeze
    # 8 + 2 x 3 = 14, products 2 (8 + 3) = 22 for either: 719.9 and 693.8 pJ. The ANN: 120 MACs, 11 additions, 11
    # products: 602.6 pJ.
    found = entry(estimate(hand_graph, hand_counts, select()), "horowitz45", "f32", "compute")
    images = [31 * 0.9 + 130 * 4.6 + 14 * 0.9 + 22 * 3.7, 2 * 0.9 + 130 * 4.6 + 14 * 0.9 + 22 * 3.7]
    assert images == pytest.approx([719.9, 693.8])
    assert found.spiking.mean == pytest.approx(706.85e-12)
    assert found.spiking.data == pytest.approx((693.8e-12, 719.9e-12))
    assert found.ann.mean == pytest.approx(602.6e-12)
    assert found.ratio.value == pytest.approx(706.85 / 602.6)
    assert found.verdict == "worse"
    assert found.left_out == ()
    assert found.reasons == {}


def test_neuron_updates_are_charged_for_all_steps_of_t_plus_depth(hand_graph, hand_counts):
    # 13 neurons x 5 steps at 6.4 pJ on top of compute; the ANN has 11 rectifiers at 1.8 pJ.
    found = entry(estimate(hand_graph, hand_counts, select()), "horowitz45", "f32", "neuron")
    assert found.spiking.mean == pytest.approx((706.85 + 65 * 6.4) * 1e-12)
    assert found.ann.mean == pytest.approx((602.6 + 11 * 1.8) * 1e-12)


def test_int8_low_and_high_constants_make_the_interval_of_constants(hand_graph, hand_counts):
    found = entry(estimate(hand_graph, hand_counts, select()), "horowitz45", "int8", "compute")
    fixed = 16.5 * 0.1 + 130 * 0.3 + 14 * 0.1
    assert found.spiking.mean == pytest.approx((fixed + 22 * 3.1) * 1e-12)
    assert found.spiking.constants == pytest.approx(((fixed + 22 * 0.2) * 1e-12, (fixed + 22 * 3.1) * 1e-12))
    dense = 120 * 0.3 + 11 * 0.1
    assert found.ann.constants == pytest.approx(((dense + 11 * 0.2) * 1e-12, (dense + 11 * 3.1) * 1e-12))


def test_loihi_prices_spikes_and_neurons_and_names_what_it_leaves_out(hand_graph, hand_counts):
    report = estimate(hand_graph, hand_counts, select())
    compute = entry(report, "loihi1_davies2018", "native", "compute")
    assert compute.spiking.mean == pytest.approx(16.5 * 23.6e-12)
    assert compute.left_out == ("conv_1", "gate_1", "gate_2")
    assert "no constant for a multiply-accumulate" in compute.reasons["left_out"]
    assert compute.ann is None
    assert "no constant for a multiply-accumulate" in compute.reasons["ann"]
    assert compute.ratio is compute.verdict is None
    assert compute.reasons["verdict"] == "there is no energy of an ANN to compare with"
    energies = {node.name: node.energy for node in compute.nodes}
    assert energies["conv_1"] is energies["gate_1"] is None
    assert energies["conv_2"] == pytest.approx(13.5 * 23.6e-12)
    # 5 + 1 + 2 neurons are active in either step, 5 of 13 quiet; 13 x 3 updates lie outside the windows.
    neuron = entry(report, "loihi1_davies2018", "native", "neuron")
    assert neuron.spiking.mean == pytest.approx((16.5 * 23.6 + 16 * 81 + 10 * 52 + 39 * 52) * 1e-12)
    assert neuron.spiking.constants[1] == pytest.approx((16.5 * 23.6 + 65 * 81) * 1e-12)


def test_silicon_charges_every_access_and_tells_convolutions_from_dense_layers(hand_graph, hand_counts):
    report = estimate(hand_graph, hand_counts, select())
    compute, neuron = (entry(report, "loihi1_silicon", "native", scope) for scope in ("compute", "neuron"))
    synapses = 13.5 * 24.0 + 3 * 35.5
    assert compute.spiking.mean == pytest.approx(synapses * 1e-12)
    expected = synapses + 65 * 51.2 + 16 * 21.6 + (4.5 + 1.5) * 69.3
    assert neuron.spiking.mean == pytest.approx(expected * 1e-12)
    assert neuron.spiking.constants == pytest.approx((0.883 * expected * 1e-12, 1.117 * expected * 1e-12))


def test_messages_and_hops_are_charged_once_per_destination_core(hand_graph, placed_counts):
    report = estimate(hand_graph, placed_counts, [on_test_chip("loihi1_davies2018"), on_test_chip("loihi1_silicon")])
    davies, silicon = (
        entry(report, name, "native", "network").spiking.mean - entry(report, name, "native", "neuron").spiking.mean
        for name in ("loihi1_davies2018", "loihi1_silicon")
    )
    # lif_1: 4.5 spikes to 2 cores over 2 hops east-west and 1 north-south; lif_2: 1.5 spikes to 1 core over none.
    assert davies == pytest.approx((10.5 * 1.7 + 9 * 3.0 + 4.5 * 4.0) * 1e-12)
    assert silicon == pytest.approx((10.5 * 111 + 9 * 3.0 + 4.5 * 4.2) * 1e-12)


def test_memory_of_a_loihi_is_part_of_its_operations(hand_graph, placed_counts):
    report = estimate(hand_graph, placed_counts, [on_test_chip("loihi1_davies2018")])
    neuron, memory = (entry(report, "loihi1_davies2018", "native", scope) for scope in ("neuron", "memory"))
    assert memory.spiking == neuron.spiking


def test_static_energy_is_the_power_of_the_chips_times_the_bracket_of_the_latency(hand_graph, placed_counts):
    """Core 0: 10 x 5.3 ns against 4 x 3.5; core 1 in the first step: 100 x 3.5. Low: 350 + 4 x 53 + 5 x 113 = 1,127 ns.

    High: 3 x 8.4 + 350 in the first step, 10 x 8.4 + 14 in the others, and 5 x 465: 3,092.2 ns.
    """
    report = estimate(hand_graph, placed_counts, [on_test_chip("loihi1_davies2018")])
    network, static = (entry(report, "loihi1_davies2018", "native", scope) for scope in ("network", "static"))
    low, high = 0.104 * 1127e-9, 0.104 * 3092.2e-9
    ends = [after - before for after, before in zip(static.spiking.constants, network.spiking.constants, strict=True)]
    assert ends == pytest.approx([low, high])
    assert static.shared == pytest.approx((low + high) / 2)
    assert static.spiking.mean - network.spiking.mean == pytest.approx(static.shared)
    silicon = estimate(hand_graph, placed_counts, [on_test_chip("loihi1_silicon")])
    assert "24.3 %" in entry(silicon, "loihi1_silicon", "native", "static").reasons["spiking"]


@pytest.mark.parametrize(("variant", "spiking", "dense", "narrow"), [
    # Worst: 320 bits of weights and 10 x 8 of inputs at 10/64 pJ, 160 + 10 x 128 of sums and state at 20/64.
    # Best: 10 x (64 + 4) at 10/64, 10 x (32 + 16) at 20/64.
    ("int8_worst", 400 * 10 / 64 + 1440 * 20 / 64, 62.5, 325 * 10 / 64),
    ("int8_best", 680 * 10 / 64 + 480 * 20 / 64, 62.5, 325 * 10 / 64),
])  # fmt: skip
def test_every_node_moves_its_bits_in_the_smallest_memory_that_holds_them(
    hand_graph, moving_counts, variant, spiking, dense, narrow
):
    report = estimate(hand_graph, moving_counts, [PROFILES["horowitz45_memory"]])
    neuron, memory = (entry(report, "horowitz45_memory", variant, scope) for scope in ("neuron", "memory"))
    assert memory.spiking.mean - neuron.spiking.mean == pytest.approx(spiking * 1e-12)
    for arithmetic, expected in (("int8", dense), ("int2", narrow)):
        wide, small = (baseline(item, "dense", arithmetic).energy.mean for item in (memory, neuron))
        assert wide - small == pytest.approx(expected * 1e-12)


def test_scopes_without_a_charge_are_null_with_a_reason(hand_graph, hand_counts):
    report = estimate(hand_graph, hand_counts, [PROFILES["horowitz45"], PROFILES["loihi1_davies2018"]])
    for item in report.scopes:
        if item.scope in ("network", "static"):
            assert item.spiking is item.ann is item.ratio is item.verdict is None
            assert set(item.reasons) == {"spiking", "ann", "ratio", "verdict"}
            assert all(item.reasons.values())
    network = entry(report, "loihi1_davies2018", "native", "network")
    assert "cores of loihi1, they are placed nowhere" in network.reasons["spiking"]
    refused = estimate(hand_graph, hand_counts, select(), unplaced={"loihi1": "it is too large"})
    assert "it is too large" in entry(refused, "loihi1_davies2018", "native", "network").reasons["spiking"]


@pytest.mark.parametrize("name", ["truenorth_merolla2014", "loihi2_halapoint", "cpu", "gpu", "arm"])
def test_figures_that_charge_the_whole_machine_refuse_the_finer_scopes(hand_graph, hand_counts, name):
    report = estimate(hand_graph, hand_counts, [PROFILES[name]])
    for scope in SCOPES[:-1]:
        item = entry(report, name, "native", scope)
        assert item.spiking is item.ann is None
        assert "cannot be split" in item.reasons["spiking"]


def test_truenorth_charges_synaptic_events_alone(hand_graph, hand_counts):
    found = entry(estimate(hand_graph, hand_counts, select()), "truenorth_merolla2014", "native", "static")
    assert found.spiking.mean == pytest.approx(16.5 * 26e-12)
    assert found.left_out == ("conv_1", "gate_1", "gate_2")


def test_a_cpu_prices_the_ann_and_not_the_spikes(hand_graph, hand_counts):
    found = entry(estimate(hand_graph, hand_counts, select()), "cpu", "native", "static")
    assert found.spiking is None
    assert "a spiking network on this machine is not priced" in found.reasons["spiking"]
    # 120 MACs, 11 additions, 11 products and 11 rectifiers, each as much as one MAC; low: the MACs alone.
    assert found.ann.mean == pytest.approx(153 * 8.6e-9)
    assert found.ann.constants == pytest.approx((120 * 8.6e-9, 153 * 8.6e-9))


def test_a_proxy_has_no_joules_and_stays_out_of_the_spread(hand_graph, plain_graph, hand_counts, make_trace):
    found = entry(estimate(hand_graph, hand_counts, select()), "intel_proxy", "native", "neuron")
    assert found.unit == "1"
    # conv_1's 50 graded events are synaptic operations; the gates are left out.
    assert found.spiking.mean == pytest.approx(16.5 + 50 + 10 * 65)
    counted = counts(plain_graph, measure(plain_graph, make_trace(plain_graph)))
    report = estimate(plain_graph, counted, select())
    spread = next(one for one in report.spreads if one.scope == "compute")
    whole = {
        item.spiking.mean
        for item in report.scopes
        if item.scope == "compute" and item.spiking and not item.left_out and item.profile != "intel_proxy"
    }
    assert (spread.low[0], spread.high[0]) == (min(whole), max(whole))
    assert entry(report, "intel_proxy", "native", "compute").spiking.mean > max(whole)


def test_every_profile_variant_and_scope_has_an_entry_whose_nodes_add_up(hand_graph, placed_counts):
    report = estimate(hand_graph, placed_counts, [*select(), one_price(1, 1, 1)])
    assert len(report.scopes) == sum(len(profile.variants) for profile in report.profiles) * len(SCOPES)
    for item in report.scopes:
        if item.spiking is not None:
            priced = [node.energy for node in item.nodes if node.energy is not None]
            assert sum(priced) + item.shared == pytest.approx(item.spiking.mean)


def test_no_scope_costs_less_than_one_that_it_includes(hand_graph, placed_counts, moving_counts):
    davies = on_test_chip("loihi1_davies2018")
    for counted in (placed_counts, moving_counts):
        report = estimate(hand_graph, counted, [davies, PROFILES["horowitz45_memory"], PROFILES["horowitz45"]])
        for one, wider in zip(report.scopes, report.scopes[1:], strict=False):
            if (one.profile, one.variant) == (wider.profile, wider.variant) and wider.spiking:
                assert wider.spiking.mean >= one.spiking.mean
                assert wider.spiking.constants[0] >= one.spiking.constants[0]
                assert wider.spiking.constants[1] >= one.spiking.constants[1]
                assert wider.ann is None or wider.ann.mean >= one.ann.mean


def test_a_scope_that_would_drop_more_nodes_than_a_narrower_one_is_refused(hand_graph, hand_counts):
    flat = one_price(1, 1, 1).variants["only"]
    without = Variant(
        {key: value for key, value in flat.constants.items() if key != "update"},
        {**flat.unpriced, "update": "nobody measured an update"},
        flat.covered,
    )
    report = estimate(hand_graph, hand_counts, [one_price(1, 1, 1, variant=without)])
    assert entry(report, "flat", "only", "compute").spiking is not None
    neuron = entry(report, "flat", "only", "neuron")
    assert neuron.spiking is None
    assert "lif_1, lif_2, readout cannot be priced: nobody measured an update" in neuron.reasons["spiking"]


def test_what_does_not_fit_the_chip_is_left_out_in_every_scope(chain_graph, make_trace):
    # Loihi 1 holds lif_2 alone: the image needs graded spikes, the read-out programmable neurons.
    placement = place(chain_graph, CHIPS["loihi1"], sharing="shared")
    assert not placement.fits
    counted = counts(chain_graph, measure(chain_graph, make_trace(chain_graph)), placement=placement)
    report = estimate(chain_graph, counted, [PROFILES["loihi1_davies2018"]])
    for scope in SCOPES:
        item = entry(report, "loihi1_davies2018", "native", scope)
        assert item.spiking is not None
        assert set(item.left_out) >= {"conv_1", "dense_1"}
        assert "runs on the host" in item.reasons["left_out"]
        assert {node.name for node in item.nodes if node.energy} <= {"conv_2", "lif_2"}


def test_the_sparse_ann_skips_the_zeros_of_its_twin(hand_graph, hand_counts):
    # Of 120 MACs 24 and 6 hear other neurons; the twin does 12 or 6 and 3 of them.
    twin = Twin("twin", {"conv_2": np.array([12, 6]), "dense_1": np.array([3, 3])}, {"conv_2": 0.4, "dense_1": 0.5})
    found = entry(estimate(hand_graph, hand_counts, select(), twin=twin), "horowitz45", "f32", "compute")
    sparse = baseline(found, "relu_sparse", "f32")
    rest = 11 * (0.9 + 3.7)
    assert sparse.energy.mean == pytest.approx((102 * 4.6 + rest) * 1e-12)
    assert sparse.energy.data == pytest.approx(((99 * 4.6 + rest) * 1e-12, (105 * 4.6 + rest) * 1e-12))
    # Images are drawn together: 719.9 over 105 MACs and 693.8 over 99, never crosswise.
    ends = sorted([719.9 / (105 * 4.6 + rest), 693.8 / (99 * 4.6 + rest)])
    assert (sparse.ratio.low, sparse.ratio.high) == pytest.approx(tuple(ends))
    without = baseline(
        entry(estimate(hand_graph, hand_counts, select()), "horowitz45", "f32", "compute"), "relu_sparse", "f32"
    )
    assert without.energy is without.ratio is None
    assert "--ann RUN" in without.reasons["energy"]
    with pytest.raises(GraphError, match=r"node 'dense_1': the twin has no counts of it"):
        estimate(hand_graph, hand_counts, select(), twin=dataclasses.replace(twin, macs={"conv_2": np.array([1, 1])}))


def test_an_ann_of_few_bits_scales_its_multiplications(hand_graph, hand_counts):
    # T = 2 makes 3 levels, 2 bits: 0.2 x 2/8 + 0.1 = 0.15 pJ, at least 0.3 x 2/8, at most 0.3.
    found = baseline(
        entry(estimate(hand_graph, hand_counts, select()), "horowitz45", "int8", "compute"), "dense", "int2"
    )
    rest, dearest = 1.1 + 11 * 3.1, 11 * 0.2
    assert found.energy.mean == pytest.approx((120 * 0.15 + rest) * 1e-12)
    assert found.energy.constants == pytest.approx(((120 * 0.075 + 1.1 + dearest) * 1e-12, (120 * 0.3 + rest) * 1e-12))


def test_networks_of_the_comparison_paper_cost_their_macs(hand_graph, hand_counts):
    found = entry(estimate(hand_graph, hand_counts, select()), "horowitz45", "f32", "compute")
    first = next(one for one in found.networks if one.figures.name == "ResNet50")
    assert first.energy.mean == pytest.approx(3.86e9 * 4.6e-12)
    assert first.verdict == "better"
    assert entry(estimate(hand_graph, hand_counts, select()), "horowitz45", "f32", "neuron").networks == ()


def test_the_estimate_equals_a_sum_written_out_in_numpy(plain_graph, make_trace):
    trace = make_trace(plain_graph, 6, rate=0.4)
    report = estimate(plain_graph, counts(plain_graph, measure(plain_graph, trace)), select())
    spikes = trace.layers[0].spikes.astype(np.int64)
    synops = spikes.reshape(3, 6, -1).sum(axis=2).sum(axis=0) * 2
    padded = np.zeros((8, 8))
    padded[1:7, 1:7] = 1
    taps = sum(padded[y : y + 6 : 2, x : x + 6 : 2].sum() for y in range(3) for x in range(3))
    macs = taps * 3 * 4
    updates = (36 + 2) * (3 + 2)
    compute = synops * 0.9 + macs * 4.6
    for scope, expected in (("compute", compute), ("neuron", compute + updates * 6.4)):
        found = entry(report, "horowitz45", "f32", scope)
        assert found.per_image == pytest.approx((expected * 1e-12).tolist())
    assert entry(report, "horowitz45", "f32", "compute").ann.mean == pytest.approx((macs + 72) * 4.6e-12)


def test_the_break_even_of_a_network_makes_its_energy_that_of_the_ann(plain_graph, make_trace):
    # conv_1 costs both the same; the 72 weights of dense_1 cost the ANN 0.3 pJ each and a spike 0.1 pJ, in 6 steps.
    graph = dataclasses.replace(plain_graph, steps=6)
    counted = counts(graph, measure(graph, make_trace(graph, 4, rate=0.1)))
    item = entry(estimate(graph, counted, select()), "horowitz45", "int8", "compute")
    even = baseline(item, "dense", "int8").break_even
    synops = counted.node("dense_1").synops_stored.sum(axis=0).mean()
    assert even.factor == pytest.approx(72 * 0.3 / (synops * 0.1))
    rate = counted.node("lif_1").spikes.sum() / (36 * 6 * 4)
    assert even.at.rate == pytest.approx(even.factor * rate)
    assert even.at.rate == pytest.approx(0.5)
    assert even.at.spikes_per_neuron == pytest.approx(3)
    assert even.at.spikes_per_synapse == pytest.approx(even.factor * synops / 72)


def test_there_is_no_break_even_at_best_reuse_and_an_exact_one_at_worst(plain_graph, make_trace):
    """Every spike of lif_1 in step 0: half of the images get as many again in step 1, and cost what the line says."""
    spikes = np.zeros((3, 2, 3, 3, 4), np.uint8)
    spikes[0] = 1
    one = counts(plain_graph, measure(plain_graph, make_trace(plain_graph, 2, spikes={"lif_1": spikes})))
    spikes[1] = 1
    two = counts(plain_graph, measure(plain_graph, make_trace(plain_graph, 2, spikes={"lif_1": spikes.copy()})))
    chosen = [PROFILES["horowitz45_memory"]]
    before, after = (estimate(plain_graph, counted, chosen) for counted in (one, two))
    best = baseline(entry(before, "horowitz45_memory", "int8_best", "memory"), "dense", "int8")
    assert best.break_even is None
    assert "no line in the number of spikes" in best.reasons["break_even"]
    worst = baseline(entry(before, "horowitz45_memory", "int8_worst", "memory"), "dense", "int8").break_even
    told = next(point for point in worst.curve if point.factor == pytest.approx(1.25))
    ratios = [entry(report, "horowitz45_memory", "int8_worst", "memory").ratio.value for report in (before, after)]
    assert told.value == pytest.approx(ratios[0] + 0.25 * (ratios[1] - ratios[0]))
    assert ratios[1] > ratios[0]


def test_labels_have_to_fit_the_images_and_the_classes(hand_graph, hand_counts):
    assert estimate(hand_graph, hand_counts, select(), labels=[1, 0]).labels == (1, 0)
    with pytest.raises(ValueError, match="3 labels for 2 images"):
        estimate(hand_graph, hand_counts, select(), labels=[0, 1, 0])
    with pytest.raises(ValueError, match=r"labels run from 0 to 2; expected 0 \.\. 1"):
        estimate(hand_graph, hand_counts, select(), labels=[0, 2])


# The fixtures are frozen, so that one set serves all examples.
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.integers(1, 1000))
def test_the_estimate_is_linear_in_the_counts(factor, hand_graph, hand_counts):
    # What a memory must hold would be scaled as well, and with it the memory.
    flat = [profile for profile in PROFILES.values() if not profile.memories]
    single, many = (
        estimate(hand_graph, item, flat, resamples=20) for item in (hand_counts, scaled(hand_counts, factor))
    )
    for mine, other in zip(single.scopes, many.scopes, strict=True):
        if mine.spiking is None:
            continue
        assert other.spiking.mean == pytest.approx(factor * mine.spiking.mean, rel=1e-12)
        assert other.spiking.data == pytest.approx(tuple(factor * end for end in mine.spiking.data), rel=1e-12)
        assert other.spiking.constants == pytest.approx(
            tuple(factor * end for end in mine.spiking.constants), rel=1e-12
        )
        assert other.ann == mine.ann


def test_energy_over_joined_batches_is_the_mean_weighted_by_images(plain_graph, make_trace):
    parts = [measure(plain_graph, make_trace(plain_graph, images, seed=images)) for images in (2, 5)]
    whole = estimate(plain_graph, counts(plain_graph, Activity.join(parts)), select())
    apart = [estimate(plain_graph, counts(plain_graph, part), select()) for part in parts]
    for index, item in enumerate(whole.scopes):
        if item.spiking is not None:
            left, right = (report.scopes[index].spiking.mean for report in apart)
            assert item.spiking.mean == pytest.approx((2 * left + 5 * right) / 7)


def test_a_silent_network_still_pays_for_its_first_layer_and_its_neurons(plain_graph, make_trace):
    report = estimate(plain_graph, counts(plain_graph, measure(plain_graph, make_trace(plain_graph, rate=0))), select())
    found = entry(report, "horowitz45", "f32", "compute")
    first = next(node for node in found.nodes if node.name == "conv_1")
    assert found.spiking.mean == first.energy > 0
    # On Loihi 1 only the first layer works at all, and it has no price: null, not zero.
    loihi = entry(report, "loihi1_davies2018", "native", "compute")
    assert loihi.spiking is None
    assert "nothing is left" in loihi.reasons["spiking"]


def test_one_image_has_no_interval_and_no_verdict(plain_graph, make_trace):
    report = estimate(plain_graph, counts(plain_graph, measure(plain_graph, make_trace(plain_graph, 1))), select())
    found = entry(report, "horowitz45", "f32", "compute")
    assert found.spiking.data is found.ratio is found.verdict is None
    assert found.reasons["verdict"] == found.reasons["data"] == "one image gives no interval; run more"


def test_best_is_compared_with_best_and_worst_with_worst(hand_graph, hand_counts):
    # If everything costs the same, the ratio is that of the operation counts, however wide the range of the price.
    report = estimate(hand_graph, hand_counts, [one_price(0.001, 1.0, 1000.0)])
    found = entry(report, "flat", "only", "compute")
    fixed, dense = 130 + 14 + 22, 120 + 11 + 11
    assert found.ratio.value == pytest.approx((fixed + 16.5) / dense)
    assert (found.ratio.low, found.ratio.high) == pytest.approx(((fixed + 2) / dense, (fixed + 31) / dense))
    assert found.spiking.constants[1] == pytest.approx(1e6 * found.spiking.constants[0])


def test_the_verdict_is_undecided_where_the_interval_holds_one(plain_graph, make_trace):
    # Rates drawn so widely apart that the bootstrap over four images spans break-even under a flat price.
    graph = dataclasses.replace(plain_graph, steps=2)
    spikes = np.zeros((2, 4, 3, 3, 4), np.uint8)
    spikes[:, :2] = 1
    result = counts(graph, measure(graph, make_trace(graph, 4, spikes={"lif_1": spikes})))
    found = entry(estimate(graph, result, [one_price(1, 1, 1)]), "flat", "only", "compute")
    assert found.ratio.value == pytest.approx(1.0)
    assert found.ratio.low < 1 < found.ratio.high
    assert found.verdict == "undecided"


def test_sparse_spikes_are_better_than_dense_multiplications(plain_graph, make_trace):
    report = estimate(
        plain_graph, counts(plain_graph, measure(plain_graph, make_trace(plain_graph, 20, rate=0.05))), select()
    )
    assert entry(report, "horowitz45", "f32", "compute").verdict == "better"
    assert entry(report, "horowitz45", "f32", "neuron").verdict != "better"


def test_a_verdict_needs_the_whole_interval_on_one_side():
    assert verdict(0.5, 0.99) == "better"
    assert verdict(1.01, 2.0) == "worse"
    assert verdict(0.9, 1.1) == verdict(1.0, 1.1) == verdict(0.9, 1.0) == "undecided"


def test_the_bootstrap_interval_agrees_with_the_normal_one_for_many_images(plain_graph, make_trace):
    result = counts(plain_graph, measure(plain_graph, make_trace(plain_graph, 200)))
    found = entry(estimate(plain_graph, result, select()), "horowitz45", "f32", "compute")
    per_image = result.node("dense_1").synops_stored.sum(axis=0) * 0.9e-12
    half = 1.96 * per_image.std() / np.sqrt(200)
    low, high = found.spiking.data
    assert high - low == pytest.approx(2 * half, rel=0.1)
    assert low < found.spiking.mean < high


def test_a_seed_makes_the_interval_repeatable(plain_graph, make_trace):
    result = counts(plain_graph, measure(plain_graph, make_trace(plain_graph, 9)))
    first, again, other = (estimate(plain_graph, result, select(), seed=seed) for seed in (1, 1, 2))
    assert first.scopes == again.scopes
    assert first.scopes != other.scopes


def test_bad_arguments_are_refused(hand_graph, plain_graph, hand_counts):
    with pytest.raises(GraphError, match="the counts are of another network"):
        estimate(plain_graph, hand_counts, select())
    with pytest.raises(ValueError, match="two energy profiles are called 'gpu'"):
        estimate(hand_graph, hand_counts, [PROFILES["gpu"]] * 2)
    with pytest.raises(ValueError, match="no energy profile given"):
        estimate(hand_graph, hand_counts, [])
    with pytest.raises(ValueError, match="level is 95"):
        estimate(hand_graph, hand_counts, [PROFILES["horowitz45"]], level=95)
