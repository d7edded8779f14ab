"""The search: each limit alone by hand, the least of all cuts by trying them, and that more room never costs cores."""

import dataclasses
import itertools
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lava_port.energy.chips import CHIPS, LIMITS
from lava_port.energy.mapping import place
from lava_port.energy.partition import edges, loads, route, sum_by_tile
from lava_port.energy.populations import survey
from lava_port.graph import FixedGate
from neurallnet_jax.workflows.convert import open_port

FIELDS = dict(zip(LIMITS, ("compartments", "memory_bytes", "input_axons", "output_axons"), strict=True))


@pytest.mark.parametrize(
    ("field", "sharing", "limit", "cores", "tile"),
    [
        # lif_2 has 4 x 4 x 3 = 48 neurons.
        ("compartments", "shared", 48, 1, (4, 4, 3)),
        ("compartments", "shared", 47, 2, None),
        ("compartments", "shared", 16, 3, (4, 4, 1)),
        ("compartments", "shared", 15, 4, None),
        # A channel of conv_2 holds 2 x 9 weights of one byte, whatever its positions.
        ("memory_bytes", "shared", 54, 1, (4, 4, 3)),
        ("memory_bytes", "shared", 53, 2, (4, 4, 2)),
        ("memory_bytes", "shared", 35, 3, (4, 4, 1)),
        # 600 connections of 8 + 13 bits are 1,575 bytes; half of the rows meet half of them.
        ("memory_bytes", "unrolled", 1575, 1, (4, 4, 3)),
        ("memory_bytes", "unrolled", 1574, 2, None),
        # All 32 neurons of lif_1 reach the whole of lif_2, 3 of 4 rows reach 2 of its rows, whatever the channels.
        ("input_axons", "shared", 32, 1, (4, 4, 3)),
        ("input_axons", "shared", 31, 2, None),
        ("input_axons", "shared", 23, 4, (2, 2, 3)),
    ],
)
def test_each_limit_binds_where_it_was_worked_out_by_hand(chain_graph, make_chip, field, sharing, limit, cores, tile):
    placement = place(chain_graph, make_chip(**{field: limit}), sharing=sharing)
    layer = placement.layer("lif_2")
    # The read-out alone hears all 48 neurons of lif_2, so that it does not fit with fewer input axons.
    assert placement.fits == (field != "input_axons")
    assert layer.cores == cores
    assert tile is None or layer.tile == tile
    name = next(key for key, value in FIELDS.items() if value == field)
    assert layer.binding == (name if cores > 1 else None)
    usage = next(one for one in layer.usage if one.limit == name)
    assert usage.available == limit
    assert usage.alone == cores
    assert 0 < usage.share <= 1


def test_output_axons_bind_where_they_were_worked_out_by_hand(chain_graph, make_chip):
    """The 48 neurons of lif_2 send to the one core of the read-out, the 32 of lif_1 to the one core of lif_2.

    47 output axons are one too few for lif_2, which is cut into two halves of rows. Now the rows of lif_1 reach 1, 2, 2
    and 1 halves, all of it 6 x 4 x 2 = 48, and it must be cut as well.

    With lif_2 in 2 x 2 boxes (12 compartments), columns do so too, and each of the four boxes of 2 x 2 x 2 neurons that
    lif_1 is cut into has 3 x 3 x 2 = 18.
    """
    one, two = (place(chain_graph, make_chip(output_axons=limit), sharing="shared") for limit in (48, 47))
    assert [(layer.name, layer.cores, layer.binding) for layer in one.layers] == [
        ("lif_1", 1, None), ("lif_2", 1, None), ("readout", 1, None),
    ]  # fmt: skip
    assert [(layer.name, layer.cores, layer.binding) for layer in two.layers] == [
        ("lif_1", 2, "output axons"), ("lif_2", 2, "output axons"), ("readout", 1, None),
    ]  # fmt: skip
    assert sorted(two.layer("lif_2").tile) == [2, 3, 4]
    assert [layer.outputs.sum() for layer in one.layers] == [32, 48, 0]
    assert [layer.outputs.sum() for layer in two.layers] == [48, 48, 0]
    boxed = place(chain_graph, make_chip(compartments=12, output_axons=18), sharing="shared")
    assert boxed.layer("lif_2").tile == (2, 2, 3)
    assert boxed.layer("lif_1").tile == (2, 2, 2)
    np.testing.assert_array_equal(boxed.layer("lif_1").outputs.ravel(), [18] * 4)
    assert [one.share for one in boxed.layer("lif_1").usage] == [8 / 12, None, None, 1.0]
    assert place(chain_graph, make_chip(compartments=12, output_axons=17), sharing="shared").cores > boxed.cores


def test_a_layer_that_sends_to_two_others_pays_for_both(hand_graph, make_chip):
    # The 8 neurons of lif_1 send to the core of lif_2 and to that of the squeeze beside it.
    gates = [
        dataclasses.replace(node, delay=2, initial=np.full(node.shape, 128)) if isinstance(node, FixedGate) else node
        for node in hand_graph.nodes
    ]
    graph = dataclasses.replace(hand_graph, nodes=tuple(gates))
    for limit, cores, binding in ((16, 1, None), (15, 2, "output axons")):
        layer = place(graph, make_chip(output_axons=limit), sharing="shared").layer("lif_1")
        assert (layer.cores, layer.binding, layer.usage[3].alone) == (cores, binding, cores)
        assert layer.outputs.sum() == 16


def test_the_limit_that_binds_is_not_always_the_fullest(chain_graph, make_chip):
    # 15 neurons a core ask for 4 cores, 18 bytes for one channel each, 3 cores; both together for 6 halves of a channel.
    layer = place(chain_graph, make_chip(compartments=15, memory_bytes=18), sharing="shared").layer("lif_2")
    assert (layer.cores, layer.tile[2], layer.binding) == (6, 1, "compartments")
    assert [one.alone for one in layer.usage[:2]] == [4, 3]
    assert [one.share for one in layer.usage[:2]] == [8 / 15, 1.0]


def least_by_trying(graph, chip, sharing) -> tuple[int, int] | None:
    """Try every cut of every layer with every other, on whole grids; return the least cores and, with them, messages."""
    populations = survey(graph, chip).populations
    cuts = []
    for one in populations:
        fitting = []
        for tiling in itertools.product(*(edges(extent) for extent in one.extents)):
            held = loads(one, tiling, chip, sharing)
            used = {"compartments": held.neurons, "memory": held.bits / 8, "input axons": held.inputs}
            figures = {limit: chip.figure(limit) for limit in used}
            if all(figure is None or used[limit].max() <= figure.value for limit, figure in figures.items()):
                fitting.append((tiling, held.neurons.size))
        cuts.append(fitting)
    best = None
    most = chip.figure("output axons")
    for choice in itertools.product(*cuts):
        tilings = {one.name: tiling for one, (tiling, _) in zip(populations, choice, strict=True)}
        sent = {one.name: np.zeros(one.extents, np.int64) for one in populations}
        messages = 0
        for target in populations:
            for projection in target.projections:
                found = route(projection, target, tilings[target.name]).destinations
                messages += int(found.sum())
                if projection.source in sent:
                    sent[projection.source] += found
        fits = most is None or all(
            sum_by_tile(sent[one.name], tilings[one.name]).max() <= most.value for one in populations
        )
        if fits:
            cost = (sum(size for _, size in choice), messages)
            best = cost if best is None else min(best, cost)
    return best


@settings(max_examples=25, deadline=None)
@given(
    compartments=st.integers(6, 60),
    outputs=st.none() | st.integers(8, 80),
    inputs=st.none() | st.integers(18, 40),
    sharing=st.sampled_from(["shared", "unrolled"]),
)
def test_no_cut_takes_fewer_cores_or_as_many_with_fewer_messages(
    chain_graph, make_chip, compartments, outputs, inputs, sharing
):
    chip = make_chip(compartments=compartments, output_axons=outputs, input_axons=inputs)
    placement = place(chain_graph, chip, sharing=sharing)
    best = least_by_trying(chain_graph, chip, sharing)
    assert placement.fits == (best is not None and len(placement.layers) == 3)
    if placement.fits:
        messages = sum(int(one.destinations.sum()) for routes in placement.routes.values() for one in routes)
        assert (placement.cores, messages) == best


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sharing=st.sampled_from(["shared", "unrolled"]), data=st.data())
def test_a_larger_limit_never_needs_more_cores(seed, sharing, data, fixed_graph_of, make_chip):
    graph = fixed_graph_of(seed, "plain")
    limits = {
        "compartments": data.draw(st.integers(1, 60)),
        "memory_bytes": data.draw(st.integers(100, 2000)),
        "input_axons": data.draw(st.integers(20, 200)),
        "output_axons": data.draw(st.integers(5, 100)),
    }
    field = data.draw(st.sampled_from(sorted(limits)))
    more = limits | {field: limits[field] + data.draw(st.integers(1, 50))}
    small, large = (place(graph, make_chip(**one), sharing=sharing) for one in (limits, more))
    assume([layer.name for layer in small.layers] == [layer.name for layer in large.layers])
    assume(not any("output axons of every core" in reason for reason in (*small.reasons, *large.reasons)))
    assert large.cores <= small.cores


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sharing=st.sampled_from(["shared", "unrolled"]), data=st.data())
def test_no_core_exceeds_a_limit_and_the_usage_is_that_of_the_fullest(seed, sharing, data, fixed_graph_of, make_chip):
    limits = {
        "compartments": data.draw(st.integers(1, 60)),
        "memory_bytes": data.draw(st.integers(50, 2000)),
        "input_axons": data.draw(st.integers(5, 200)),
        "output_axons": data.draw(st.integers(2, 100)),
    }
    placement = place(fixed_graph_of(seed, "plain"), make_chip(holds="everything", **limits), sharing=sharing)
    ignored = any("ignores that limit" in reason for reason in placement.reasons)
    for layer in placement.layers:
        used = (layer.loads.neurons, -(-layer.loads.bits // 8), layer.loads.inputs, layer.outputs)
        for one, array, limit in zip(layer.usage, used, limits.values(), strict=True):
            assert one.used == array.max()
            assert one.available == limit
            assert one.share <= 1 or (ignored and one.limit == "output axons")
            assert one.alone is None or layer.cores >= one.alone or one.limit == "output axons"
        assert sum(layer.loads.neurons.ravel()) == np.prod(layer.shape)


def test_a_neuron_that_no_core_can_hold_is_refused_with_what_it_asks_for(chain_graph, make_chip):
    placement = place(chain_graph, make_chip(memory_bytes=17, input_axons=17), sharing="shared")
    assert not placement.fits
    assert placement.reasons == (
        "layer 'lif_2': one neuron alone asks for 18 bytes of memory of the 17 and 18 input axons of the 17 that a core of "
        "Test chip has; train with fewer channels or a smaller image",
        "layer 'readout': one neuron alone asks for 48 input axons of the 17 that a core of Test chip has; train with "
        "fewer channels or a smaller image",
    )
    assert [layer.name for layer in placement.layers] == ["lif_1"]


def test_output_axons_that_no_cut_keeps_are_named_and_the_rest_is_shown(chain_graph, make_chip):
    # Cores of 12 neurons: the inner neurons of lif_1 reach all four boxes of lif_2, alone.
    placement = place(chain_graph, make_chip(compartments=12, output_axons=1), sharing="shared")
    assert placement.reasons == (
        "layer 'lif_1': no partition keeps the output axons of every core within the 1 of Test chip; the one shown ignores "
        "that limit",
    )
    assert placement.layer("lif_1").usage[3].alone is None
    assert placement.cores == 9


def test_what_was_never_published_is_said_and_not_checked(chain_graph):
    placement = place(chain_graph, CHIPS["loihi2"], sharing="shared")
    assert placement.fits
    assert placement.unchecked == (
        "input axons: no number was published for Loihi 2; this limit is not checked",
        "output axons: no number was published for Loihi 2; this limit is not checked",
        "memory: what axons and programmes take of it in Loihi 2 was not published; it is not charged",
    )
    usage = {one.limit: one for one in placement.layer("lif_2").usage}
    assert (usage["input axons"].used, usage["input axons"].share, usage["input axons"].available) == (32, None, None)
    assert place(chain_graph, CHIPS["loihi1"], sharing="shared").unchecked == ()


def test_the_shipped_network_takes_seconds_and_no_chip_of_the_first_kind():
    fixed = open_port("pretrained").fixed
    start = time.process_time()
    found = {
        (chip.name, sharing): place(fixed, chip, sharing=sharing)
        for chip in CHIPS.values()
        for sharing in ("shared", "unrolled")
    }
    assert time.process_time() - start < 5
    assert {key: one.fits for key, one in found.items()} == {
        ("loihi1", "shared"): False,
        ("loihi1", "unrolled"): False,
        ("loihi2", "shared"): True,
        ("loihi2", "unrolled"): True,
    }
    for (_, sharing), one in found.items():
        for layer in one.layers:
            assert all(usage.share is None or usage.share <= 1 for usage in layer.usage)
            least = -(-int(np.prod(layer.shape)) // one.chip.compartments.value)
            assert layer.cores >= least
            if sharing == "shared" and layer.binding == "compartments":
                assert layer.cores == least
    assert found["loihi2", "shared"].chips == 1
    named = " ".join(found["loihi1", "shared"].reasons)
    assert all(f"'{name}'" in named for name in ("conv_1", "gate_1", "gate_5", "readout"))
