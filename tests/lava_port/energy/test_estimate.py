"""Joules worked out by hand, linear in the counts, compared like with like, with verdicts that may be undecided."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lava_port.energy.activity import Activity, measure
from lava_port.energy.counts import PER_STEP, Counts, counts
from lava_port.energy.estimate import SCOPES, estimate, verdict
from lava_port.energy.profiles import PROFILES, Constant, Profile, Variant, select
from lava_port.graph import GraphError


def entry(report, profile, variant, scope):
    (found,) = (item for item in report.scopes if (item.profile, item.variant, item.scope) == (profile, variant, scope))
    return found


def scaled(source: Counts, factor: int) -> Counts:
    nodes = tuple(
        dataclasses.replace(
            node,
            **{
                name: factor * array
                for name in (*PER_STEP, "idle_updates")
                if (array := getattr(node, name)) is not None
            },
        )
        for node in source.nodes
    )
    return dataclasses.replace(source, nodes=nodes)


def one_price(low: float, value: float, high: float) -> Profile:
    """Return a profile in which every operation costs the same number of picojoules."""
    constant = Constant(value, "pJ", low, high, "Nobody 2000, p. 1, doi 10.1000/1", "assumed", "none", "for tests only")
    names = ("synop", "mac", "addition", "multiply", "update", "idle_update", "activation")
    scopes = dict.fromkeys(("memory", "network", "static"), "a test")
    return Profile("flat", "flat", {"only": Variant(dict.fromkeys(names, constant), {})}, {}, scopes)


@pytest.fixture
def hand_counts(hand_graph, hand_trace) -> Counts:
    return counts(hand_graph, measure(hand_graph, hand_trace))


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
    assert compute.reasons["verdict"] == "there is no dense energy to compare with"
    joules = {node.name: node.joules for node in compute.nodes}
    assert joules["conv_1"] is joules["gate_1"] is None
    assert joules["conv_2"] == pytest.approx(13.5 * 23.6e-12)
    neuron = entry(report, "loihi1_davies2018", "native", "neuron")
    assert neuron.spiking.mean == pytest.approx((16.5 * 23.6 + 26 * 81 + 39 * 52) * 1e-12)


def test_scopes_without_a_charge_are_null_with_a_reason(hand_graph, hand_counts):
    report = estimate(hand_graph, hand_counts, select())
    for item in report.scopes:
        if item.scope in ("memory", "network", "static"):
            assert item.spiking is item.ann is item.ratio is item.verdict is None
            assert set(item.reasons) == {"spiking", "ann", "ratio", "verdict"}
            assert all(item.reasons.values())
    assert "mapping" in entry(report, "loihi1_davies2018", "native", "network").reasons["spiking"]


def test_every_profile_variant_and_scope_has_an_entry(hand_graph, hand_counts):
    report = estimate(hand_graph, hand_counts, select())
    assert len(report.scopes) == 3 * len(SCOPES)
    for item in report.scopes:
        if item.spiking is not None:
            priced = [node.joules for node in item.nodes if node.joules is not None]
            assert sum(priced) == pytest.approx(item.spiking.mean)


# The fixtures are frozen, so that one set serves all examples.
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.integers(1, 1000))
def test_the_estimate_is_linear_in_the_counts(factor, hand_graph, hand_counts):
    single, many = (
        estimate(hand_graph, item, select(), resamples=20) for item in (hand_counts, scaled(hand_counts, factor))
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
    assert found.spiking.mean == first.joules > 0
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
    with pytest.raises(ValueError, match="no energy profile given"):
        estimate(hand_graph, hand_counts, [])
    with pytest.raises(ValueError, match="level is 95"):
        estimate(hand_graph, hand_counts, [PROFILES["horowitz45"]], level=95)
