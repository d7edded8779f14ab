"""Networks and traces small enough to count by hand, shared by the tests of energy."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from lava_port.energy.activity import measure
from lava_port.energy.chips import CHIPS, Chip, Figure
from lava_port.energy.counts import Counts, Traffic, counts
from lava_port.energy.mapping import place
from lava_port.graph import (
    FixedConv,
    FixedDense,
    FixedGate,
    FixedGraph,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedReadout,
    total_steps,
    windows,
)
from lava_port.trace import LayerTrace, Trace


def _lif(name: str, inputs: tuple[str, ...], shape: tuple[int, ...]) -> FixedLif:
    channels = shape[-1]
    return FixedLif(name, inputs, shape, 4095, 2048, np.full(channels, 64, np.int32), np.zeros(channels, np.int32))


def _gate(name: str, source: str, channels: int, hidden: int, delay: int) -> FixedGate:
    return FixedGate(
        name=name,
        inputs=(source,),
        shape=(channels,),
        reduce=np.full((hidden, channels), 2, np.int16),
        reduce_bias=np.zeros(hidden, np.int64),
        excite=np.full((channels, hidden), 2, np.int16),
        excite_bias=np.zeros(channels, np.int64),
        squeeze_shift=0,
        hidden_shift=0,
        gate_shift=np.zeros(channels, np.int64),
        initial=np.full(channels, 128, np.int64) if delay else None,
        delay=delay,
    )


@pytest.fixture
def hand_graph() -> FixedGraph:
    """A 4 x 4 grey image, two gated 3 x 3 stride-2 convolutions with padding 1, and a shared dense layer; T = 2.

    conv_1: 4 x 4 x 1 -> 2 x 2 x 2. Row y reaches outputs o with o 2 + k - 1 = y: row 0 through k = 1 (o = 0), row 1
    through k = 2 (o = 0) and k = 0 (o = 1), row 2 through k = 1 (o = 1), row 3 through k = 2 (o = 1): 1, 2, 1, 1.
    The fan-out in space sums to 5 x 5 = 25, with 2 output channels 50 MACs.

    conv_2: 2 x 2 x 2 -> 1 x 1 x 3. Rows 0 and 1 reach the one output through k = 1 and k = 2. Every spike meets 3 weights;
    the weight of output 0, input 1, k = (2, 2) is zero: at (1, 1), channel 1 only 2 of them are not zero.

    dense_1: 3 channels to 2 classes: every spike meets 2 weights.

    Depth 3 (conv_1, conv_2, dense_1), so that 2 + 3 = 5 steps are run.
    """
    second = np.full((3, 2, 3, 3), 4, np.int16)
    second[0, 1, 2, 2] = 0
    pad = ((1, 1), (1, 1))
    return FixedGraph(
        nodes=(
            FixedInput("input", (4, 4, 1), (128,)),
            FixedConv("conv_1", ("input",), (2, 2, 2), np.full((2, 1, 3, 3), 2, np.int16), (2, 2), pad),
            FixedHold("hold_1", ("conv_1",), (2, 2, 2), 0),
            _gate("gate_1", "hold_1", 2, 4, 0),
            _lif("lif_1", ("hold_1", "gate_1"), (2, 2, 2)),
            FixedConv("conv_2", ("lif_1",), (1, 1, 3), second, (2, 2), pad),
            _gate("gate_2", "conv_2", 3, 4, 1),
            _lif("lif_2", ("conv_2", "gate_2"), (1, 1, 3)),
            FixedDense("dense_1", ("lif_2",), (2,), np.array([[2, 0, 4], [2, 2, 2]], np.int16), shared=True),
            FixedReadout("readout", ("dense_1",), (2,), np.zeros(2, np.int64), 0.5),
        ),
        steps=2,
        classes=("a", "b"),
    )


@pytest.fixture
def plain_graph() -> FixedGraph:
    """An image, one convolution, neurons, a flattened dense layer; no gates; T = 3."""
    generator = np.random.default_rng(3)
    weight = 2 * generator.integers(-2, 3, (4, 3, 3, 3)).astype(np.int16)
    dense = 2 * generator.integers(-2, 3, (2, 36)).astype(np.int16)
    return FixedGraph(
        nodes=(
            FixedInput("input", (6, 6, 3), (128, 128, 128)),
            FixedConv("conv_1", ("input",), (3, 3, 4), weight, (2, 2), ((1, 1), (1, 1))),
            FixedHold("hold_1", ("conv_1",), (3, 3, 4), 0),
            _lif("lif_1", ("hold_1",), (3, 3, 4)),
            FixedDense("dense_1", ("lif_1",), (2,), dense),
            FixedReadout("readout", ("dense_1",), (2,), np.zeros(2, np.int64), 0.5),
        ),
        steps=3,
        classes=("a", "b"),
    )


@pytest.fixture
def make_trace() -> Callable[..., Trace]:
    """A function that makes a trace of given spikes, by layer, or of random ones.

    A neuron that spikes heard a current, and all others hold a potential.
    """

    def make(
        graph: FixedGraph,
        images: int = 3,
        *,
        spikes: dict[str, np.ndarray] | None = None,
        rate: float = 0.3,
        seed: int = 0,
    ) -> Trace:
        generator = np.random.default_rng(seed)
        layers = []
        for node in graph.nodes:
            if isinstance(node, FixedLif):
                shape = (graph.steps, images, *node.shape)
                drawn = (generator.random(shape) < rate).astype(np.uint8)
                values = drawn if spikes is None else spikes[node.name]
                space = tuple(range(2, values.ndim))
                fired = values.sum(axis=space, dtype=np.int64)
                facts = {"active": fired, "charged": math.prod(node.shape) - fired}
                layers.append(LayerTrace(node.name, windows(graph)[node.name], values, **facts))
        scores = np.zeros((images, len(graph.classes)), np.int64)
        return Trace(tuple(layers), scores, graph.steps, total_steps(graph))

    return make


@pytest.fixture
def hand_trace(hand_graph: FixedGraph, make_trace: Callable[..., Trace]) -> Trace:
    """Two images. Image 0, step 0: all 8 neurons of lif_1; step 1: only (1, 1), channel 1. Image 1 stays silent there.

    lif_2: image 0, step 1: channels 0 and 1; image 1, step 0: channel 2.
    """
    first = np.zeros((2, 2, 2, 2, 2), np.uint8)
    first[0, 0] = 1
    first[1, 0, 1, 1, 1] = 1
    second = np.zeros((2, 2, 1, 1, 3), np.uint8)
    second[1, 0, 0, 0, :2] = 1
    second[0, 1, 0, 0, 2] = 1
    return make_trace(hand_graph, 2, spikes={"lif_1": first, "lif_2": second})


@pytest.fixture(scope="session")
def chain_graph() -> FixedGraph:
    """A 4 x 4 grey image -> lif_1 (4, 4, 2) by a 1 x 1 kernel -> lif_2 (4, 4, 3) by a 3 x 3 kernel, padding 1 -> 2 classes.

    conv_2: rows 0 .. 3 meet 2, 3, 3, 2 rows, so that a pair of channels has 10 x 10 = 100 weights: 600 in all.
    """
    pad = ((1, 1), (1, 1))
    return FixedGraph(
        nodes=(
            FixedInput("input", (4, 4, 1), (128,)),
            FixedConv("conv_1", ("input",), (4, 4, 2), np.full((2, 1, 1, 1), 2, np.int16)),
            FixedHold("hold", ("conv_1",), (4, 4, 2), 0),
            _lif("lif_1", ("hold",), (4, 4, 2)),
            FixedConv("conv_2", ("lif_1",), (4, 4, 3), np.full((3, 2, 3, 3), 2, np.int16), (1, 1), pad),
            _lif("lif_2", ("conv_2",), (4, 4, 3)),
            FixedDense("dense_1", ("lif_2",), (2,), np.full((2, 3), 2, np.int16), shared=True),
            FixedReadout("readout", ("dense_1",), (2,), np.zeros(2, np.int64), 0.5),
        ),
        steps=2,
        classes=("a", "b"),
    )


LIMIT_FIELDS = ("compartments", "memory_bytes", "input_axons", "output_axons")


@pytest.fixture(scope="session")
def make_chip() -> Callable[..., Chip]:
    """A function that makes a chip able to run everything, with the given limits; a limit not given is not checked."""

    def make(*, holds: str = "synapses", **limits: int | None) -> Chip:
        fields = dict.fromkeys(LIMIT_FIELDS) | limits
        figures = {
            name: None if value is None else Figure(value, "assumed", "for a test") for name, value in fields.items()
        }
        return dataclasses.replace(CHIPS["loihi2"], name="test", title="Test chip", memory_holds=holds, **figures)  # pyright: ignore[reportArgumentType]

    return make


def _walked_conv(node: FixedConv, shape: tuple[int, ...]) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    found = set()
    per_group, inputs = len(node.weight) // node.groups, node.weight.shape[1]
    for out_y, out_x, out in np.ndindex(node.shape):
        for channel, ky, kx in np.ndindex(node.weight.shape[1:]):
            y = out_y * node.stride[0] + ky * node.dilation[0] - node.padding[0][0]
            x = out_x * node.stride[1] + kx * node.dilation[1] - node.padding[1][0]
            if 0 <= y < shape[0] and 0 <= x < shape[1]:
                found.add(((y, x, (out // per_group) * inputs + channel), (out_y, out_x, out)))
    return found


@pytest.fixture(scope="session")
def walk() -> Callable[[FixedGraph], dict[tuple[str, str], set[tuple[tuple[int, ...], tuple[int, ...]]]]]:
    """A function that lists all pairs of connected neurons, by sender and receiver, as layers and gates are defined."""

    def pairs(graph: FixedGraph) -> dict[tuple[str, str], set[tuple[tuple[int, ...], tuple[int, ...]]]]:
        nodes = {node.name: node for node in graph.nodes}
        found = {}
        for node in graph.nodes:
            if not isinstance(node, FixedLif | FixedReadout):
                continue
            weights = nodes[node.inputs[0]]
            while isinstance(weights, FixedHold):
                weights = nodes[weights.inputs[0]]
            source = nodes[weights.inputs[0]]
            if isinstance(weights, FixedConv):
                met = _walked_conv(weights, source.shape)
            else:
                met = {(one, other) for one in np.ndindex(source.shape) for other in np.ndindex(node.shape)}
            found[source.name, node.name] = met
            gate = nodes[node.inputs[-1]]
            if isinstance(gate, FixedGate) and gate.delay >= 2:
                squeeze, excite = f"{gate.name}.squeeze", f"{gate.name}.excite"
                hidden, channels = gate.reduce.shape
                found[source.name, squeeze] = {(one, other[-1:]) for one, other in met}
                found[squeeze, excite] = {((c,), (h,)) for c in range(channels) for h in range(hidden)}
                found[excite, node.name] = {((h,), other) for h in range(hidden) for other in np.ndindex(node.shape)}
        return found

    return pairs


TRAFFIC_NUMBERS = tuple(f"{kind}_{end}" for kind in ("weight", "sum", "state", "input") for end in ("worst", "best"))


@pytest.fixture
def hand_counts(hand_graph: FixedGraph, hand_trace: Trace) -> Counts:
    """Counts of the hand graph, with the neurons that a current reached in each of 2 steps and 2 images.

    lif_1: 5 of 8, lif_2: 1 of 3, read-out: 2 of 2.
    """
    counted = counts(hand_graph, measure(hand_graph, hand_trace))
    active = {"lif_1": 5, "lif_2": 1, "readout": 2}
    ann = dict.fromkeys(TRAFFIC_NUMBERS, 0)
    nodes = tuple(
        dataclasses.replace(
            node,
            active=np.full((2, 2), active.get(node.name, 0), np.int64),
            ann=dataclasses.replace(node.ann, **ann),
        )
        for node in counted.nodes
    )
    return dataclasses.replace(counted, nodes=nodes)


def hand_traffic(name: str) -> Traffic:
    """Bits of two images: weights 640 for image 0 and none for image 1 at conv_2, else round numbers."""
    weight = [640, 0] if name == "conv_2" else [0, 0]
    total = [320, 0] if name == "conv_2" else [0, 0]
    numbers = {
        "weight_worst": weight,
        "weight_best": [64, 64],
        "sum_worst": total,
        "sum_best": [32, 32],
        "state_worst": [128, 128],
        "state_best": [16, 16],
        "input_worst": [8, 8],
        "input_best": [4, 4],
    }
    return Traffic(**{key: np.array(one, np.int64) for key, one in numbers.items()})


@pytest.fixture
def moving_counts(hand_counts: Counts) -> Counts:
    """The hand counts with memory traffic: weights in 8 KB, state in 32 KB, and an ANN of 100 bits of everything."""
    ann = dict.fromkeys(TRAFFIC_NUMBERS, 100) | {"weight_bits": 8, "activation_bits": 8, "sum_bits": 32}
    nodes = tuple(
        dataclasses.replace(
            node,
            traffic=hand_traffic(node.name),
            weight_bytes=8192,
            state_bytes=8193,
            ann=dataclasses.replace(node.ann, **(ann if node.name == "conv_2" else {})),
        )
        for node in hand_counts.nodes
    )
    return dataclasses.replace(hand_counts, nodes=nodes)


@pytest.fixture
def placed_counts(hand_counts: Counts, chain_graph: FixedGraph, make_chip: Callable[..., Chip]) -> Counts:
    """The hand counts on two cores of the test chip: a spike of lif_1 goes to two cores over three hops, two of them
    east-west, others to one core over none.

    Core 0 holds 10 neurons, core 1 holds 3. Core 0 works off 4 events in every step, core 1 100 in the first.
    """
    placement = place(chain_graph, make_chip(), sharing="shared")
    to = {"lif_1": (2, 3), "lif_2": (1, 0)}
    nodes = tuple(
        dataclasses.replace(
            node,
            messages=to.get(node.name, (0, 0))[0] * node.spikes,
            hops=to.get(node.name, (0, 0))[1] * node.spikes,
            hops_east_west=to.get(node.name, (0, 0))[1] // 3 * 2 * node.spikes,
        )
        for node in hand_counts.nodes
    )
    events = np.zeros((2, 5, 2), np.int64)
    events[0], events[1, 0] = 4, 100
    return dataclasses.replace(
        hand_counts,
        nodes=nodes,
        placement=placement,
        neurons_per_core=np.array([10, 3]),
        events_per_core=events,
    )
