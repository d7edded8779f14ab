"""The judge against a simulator with a clock, against traces worked out by hand, and its refusals."""

import collections
import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port import graph, lower, passes, quantise, reference, trace
from lava_port.trace import FACTS

OFFSET = (200, 130, 180)


# --- An independent simulator: one clock for all, messages in queues, Python's own integers, one neuron at a time


def towards_zero(number: int, divisor: int) -> int:
    return abs(number) // divisor * (1 if number >= 0 else -1)


def wrapped_once(number: int) -> int:
    if number > 2**23:
        return number - 2**24
    return number + 2**24 if number <= -(2**23) else number


def linear_by_position(node, heard):
    if isinstance(node, graph.FixedDense):
        flat = heard.sum(axis=(0, 1)) if node.shared else heard.reshape(-1)
        return np.array([int(sum(int(w) * int(x) for w, x in zip(row, flat, strict=True))) for row in node.weight])
    padded = np.pad(heard, (*node.padding, (0, 0)))
    out = np.zeros(node.shape, np.int64)
    ins, outs = node.weight.shape[1], node.shape[2] // node.groups
    for y, x, c in np.ndindex(node.shape):
        group = c // outs
        top, left = y * node.stride[0], x * node.stride[1]
        rows, columns = node.weight.shape[2:]
        down, across = node.dilation
        patch = padded[top : top + down * (rows - 1) + 1 : down, left : left + across * (columns - 1) + 1 : across]
        patch = patch[..., group * ins : (group + 1) * ins]
        out[y, x, c] = (patch * node.weight[c].transpose(1, 2, 0)).sum()
    return out


def gate_of(node, current):
    sums = [towards_zero(int(s), 2**node.squeeze_shift) for s in current.reshape(-1, current.shape[-1]).sum(axis=0)]
    hidden = [
        max(0, towards_zero(sum(int(w) * s for w, s in zip(row, sums, strict=True)) + int(b), 2**node.hidden_shift))
        for row, b in zip(node.reduce, node.reduce_bias, strict=True)
    ]
    excited = [
        towards_zero(sum(int(w) * h for w, h in zip(row, hidden, strict=True)) + int(b), 2 ** int(shift))
        for row, b, shift in zip(node.excite, node.excite_bias, node.gate_shift, strict=True)
    ]
    return np.clip(np.array(excited), 0, 256)


@dataclass
class Cell:
    """The memory of one node between two steps of the clock."""

    message: np.ndarray | None = None
    kept: np.ndarray | None = None
    kept_for: int = 0
    queue: collections.deque | None = None
    u: np.ndarray | None = None
    v: np.ndarray | None = None
    score: np.ndarray | None = None
    facts: dict[str, int] = dataclasses.field(default_factory=dict)


def neuron(node, cell, current, gate):
    spikes = np.zeros(node.shape, np.uint8)
    cell.facts = dict.fromkeys(FACTS, 0)
    for where in np.ndindex(node.shape):
        channel = where[-1]
        a, b = int(current[where]), int(node.bias[channel])
        if gate is not None:
            a, b = towards_zero(int(gate[channel]) * a, 256), towards_zero(int(gate[channel]) * b, 256)
        filled = towards_zero(int(cell.u[where]) * (4095 - node.du), 4096) + 64 * a
        u = wrapped_once(filled)
        charged = towards_zero(int(cell.v[where]) * (4096 - node.dv), 4096) + u + b
        v = max(-(2**23 - 1), min(2**23 - 1, charged))
        cell.facts["overflows"] += u != filled or v != charged
        cell.facts["active"] += a != 0
        spikes[where] = v > 64 * int(node.threshold[channel])
        cell.u[where], cell.v[where] = u, 0 if spikes[where] else v
        cell.facts["charged"] += int(cell.v[where] != 0)
    return spikes


def simulate(network, image):
    """Return spikes, potentials and what is counted by layer and clock step, and the class scores, of a balanced image."""
    depth = collections.Counter()
    for node in network.nodes:
        depth[node.name] = depth[node.inputs[0]] if node.inputs else 0
        depth[node.name] += isinstance(node, graph.FixedConv | graph.FixedDense)
    clock = network.steps + max(depth.values())
    cells = {node.name: Cell() for node in network.nodes}
    spikes, potentials, facts = (collections.defaultdict(dict) for _ in range(3))
    for now in range(clock):
        out = {}
        for node in network.nodes:
            cell, heard = cells[node.name], [out[name] for name in node.inputs]
            working = depth[node.name] <= now < depth[node.name] + network.steps
            match node:
                case graph.FixedInput():
                    out[node.name] = image.astype(np.int64) - np.array(node.offset) if now == 0 else None
                case graph.FixedConv() | graph.FixedDense():
                    out[node.name] = cell.message
                    cell.message = None if heard[0] is None else linear_by_position(node, heard[0])
                case graph.FixedHold():
                    if heard[0] is not None:
                        held = [towards_zero(int(a), 2**node.shift) for a in heard[0].ravel()]
                        cell.kept, cell.kept_for = np.array(held).reshape(node.shape), network.steps
                    out[node.name] = cell.kept if cell.kept_for > 0 else None
                    cell.kept_for -= 1
                case graph.FixedGate():
                    if cell.queue is None:
                        cell.queue = collections.deque([node.initial] * node.delay)
                    if working:
                        cell.queue.append(gate_of(node, heard[0]))
                        out[node.name] = cell.queue.popleft()
                    else:
                        out[node.name] = None
                case graph.FixedLif():
                    if cell.u is None:
                        cell.u, cell.v = np.zeros(node.shape, object), np.zeros(node.shape, object)
                    fired = np.zeros(node.shape, np.uint8)
                    if working:
                        fired = neuron(node, cell, heard[0], heard[1] if len(heard) > 1 else None)
                        potentials[node.name][now] = cell.v.astype(np.int64)
                        facts[node.name][now] = cell.facts
                    spikes[node.name][now] = fired
                    out[node.name] = fired
                case graph.FixedReadout():
                    if working:
                        cell.score = (0 if cell.score is None else cell.score) + heard[0] + node.bias
                    out[node.name] = cell.score
    return spikes, potentials, facts, out[network.nodes[-1].name]


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_simulator_with_one_clock_and_queues_of_messages_spikes_alike(
    fixed_graph_of, images_of, balanced, mode, seed
):
    network = fixed_graph_of(seed, mode)
    images = images_of(network.nodes[0].shape, 2, seed)
    seen = reference.run_fixed(network, images, potentials=True)
    for index, image in enumerate(balanced(images, network.nodes[0].white_level)):
        spikes, potentials, facts, scores = simulate(network, image)
        for layer in seen.layers:
            steps = range(layer.window.start, layer.window.stop)
            for here, now in enumerate(steps):
                np.testing.assert_array_equal(layer.spikes[here, index], spikes[layer.name][now])
                np.testing.assert_array_equal(layer.potential[here, index], potentials[layer.name][now])
                for name in FACTS:
                    assert getattr(layer, name)[here, index] == facts[layer.name][now][name], name
            outside = [fired for now, fired in spikes[layer.name].items() if now not in steps]
            assert not any(fired.any() for fired in outside)
        np.testing.assert_array_equal(seen.scores[index], scores)


def test_the_drawn_networks_reach_the_border_cases(fixed_graph_of, images_of):
    """Potentials on the threshold, at the clip and beyond 24 bits all occur, or the tests above test less than they say."""
    on_threshold = clipped = spiking = 0
    overflows = collections.Counter()
    for seed in range(80):
        for mode in ("threshold", "wrap", "saturate"):
            network = fixed_graph_of(seed, mode)
            seen = reference.run_fixed(network, images_of(network.nodes[0].shape, 2, seed), potentials=True)
            for layer in seen.layers:
                threshold = graph.find(network, layer.name).threshold.astype(np.int64) << 6
                on_threshold += int((layer.potential == threshold).sum())
                clipped += int((np.abs(layer.potential) == 2**23 - 1).sum())
                spiking += int(layer.spikes.sum())
                overflows[mode] += int(layer.overflows.sum())
    assert on_threshold > 100
    assert clipped > 100
    assert spiking > 1000
    assert min(overflows["wrap"], overflows["saturate"]) > 1000


# --- Worked out by hand


def tiny(threshold=15, bias=0, dv=2048, du=4095, steps=4, gate=None, weight=2, shift=1):
    """One pixel, one neuron, one class: pixel 10 gives a current of 10 a weight of 2 and a shift of 1."""
    nodes = [
        graph.FixedInput("input", (1, 1, 1), (0,)),
        graph.FixedConv("conv", ("input",), (1, 1, 1), np.full((1, 1, 1, 1), weight, np.int16)),
        graph.FixedHold("hold", ("conv",), (1, 1, 1), shift),
        *([gate] if gate else []),
        graph.FixedLif(
            "lif", ("hold", "gate") if gate else ("hold",), (1, 1, 1), du, dv,
            np.array([threshold], np.int32), np.array([bias], np.int32),
        ),
        graph.FixedDense("dense", ("lif",), (1,), np.array([[-4]], np.int16)),
        graph.FixedReadout("readout", ("dense",), (1,), np.array([3]), 0.5),
    ]  # fmt: skip
    return graph.FixedGraph(tuple(nodes), steps, ("one",))


def run_tiny(pixel=10, **fields):
    return reference.run_fixed(tiny(**fields), np.full((1, 1, 1, 1), pixel, np.uint8), potentials=True)


def test_a_potential_on_the_threshold_does_not_spike():
    """u = 10 << 6 = 640 each step; v = 640, 320 + 640 = 960 = 15 << 6 (silent), 480 + 640 = 1120 (spikes), 640.

    The read-out adds -4 for the spike and 3 in each of four steps: 8.
    """
    seen = run_tiny()
    assert seen.layers[0].spikes.ravel().tolist() == [0, 0, 1, 0]
    assert seen.layers[0].potential.ravel().tolist() == [640, 960, 0, 640]
    assert seen.scores.tolist() == [[8]]
    assert seen.layers[0].window == graph.Window(1, 5)
    assert seen.total_steps == 6


def test_the_bias_counts_in_every_step_and_decays_round_towards_zero():
    """dv = 1024 keeps 3/4 of v: v = -3; D(-3) = -2, v = -5; D(-5) = -3, v = -6; D(-6) = -4, v = -7."""
    seen = run_tiny(pixel=0, bias=-3, dv=1024)
    assert seen.layers[0].potential.ravel().tolist() == [-3, -5, -6, -7]


def test_the_current_is_kept_where_du_leaves_memory():
    """du = 2047 halves u each step: u = 640, 960, 1120, 1200; dv = 4096 forgets v, so v = u."""
    seen = run_tiny(du=2047, dv=4096, threshold=1000)
    assert seen.layers[0].potential.ravel().tolist() == [640, 960, 1120, 1200]


@pytest.mark.parametrize(
    ("weight", "potential"), [(131_090, -(2**23) + 1152), (-131_072, 0), (-131_071, -(2**23) + 64)]
)
def test_a_current_beyond_24_bits_wraps_once(weight, potential):
    """131,090 << 6 lies 18 << 6 above 2^23 and wraps to -2^23 + 1152; -131,072 << 6 is -2^23, which wraps and spikes."""
    conv = graph.FixedConv("conv", ("input",), (1, 1, 1), np.full((1, 1, 1, 1), weight, np.int64))
    hold = graph.FixedHold("hold", ("conv",), (1, 1, 1), 0)
    nodes = tuple({"conv": conv, "hold": hold}.get(node.name, node) for node in tiny(steps=1, threshold=1).nodes)
    one = np.ones((1, 1, 1, 1), np.uint8)
    seen = reference.run_fixed(graph.FixedGraph(nodes, 1, ("one",)), one, potentials=True)
    assert seen.layers[0].potential.ravel().tolist() == [potential]


def test_a_delayed_gate_uses_the_statistics_of_earlier_steps():
    """Current 10: squeeze 10, hidden (2 * 10) = 20, gate 4 * 20 = 80; until step 2 the initial 200 holds.

    Current (200 * 10) >> 8 = 7 and bias -(200 * 30) >> 8 = -23: v = 7 * 64 - 23 = 425 with dv = 4096;
    then (80 * 10) >> 8 = 3 and -(80 * 30) >> 8 = -9: v = 183.
    """
    gate = graph.FixedGate(
        "gate", ("hold",), (1,), np.array([[2]], np.int16), np.array([0]), np.array([[4]], np.int16), np.array([0]),
        0, 0, np.array([0]), np.array([200]), 2,
    )  # fmt: skip
    seen = run_tiny(gate=gate, dv=4096, bias=-30, threshold=1000)
    assert seen.layers[0].gate.ravel().tolist() == [200, 200, 80, 80]
    assert seen.layers[0].potential.ravel().tolist() == [425, 425, 183, 183]


def test_float_neurons_follow_their_equations():
    """x = (10 - 2) / 4 = 2, a = 2 * 0.5 = 1, bias 0.25, du 0.5, dv 0.5, threshold 2.

    u = 1, 1.5, 1.75; v = 1.25, 0.625 + 1.5 + 0.25 = 2.375 (spikes, v = 0), 1.75 + 0.25 = 2 (on the threshold: silent).
    The class gets 3 for one spike of three steps and a bias of 1: 2.
    """
    nodes = (
        graph.InputNode("input", (1, 1, 1), (2,), 4.0),
        graph.ConvNode("conv", ("input",), (1, 1, 1), np.full((1, 1, 1, 1), 0.5), np.array([0.25])),
        graph.LifNode("lif", ("conv",), (1, 1, 1), du=0.5, dv=0.5, v_threshold=2.0),
        graph.DenseNode("dense", ("lif",), (1,), np.array([[3.0]]), np.array([1.0])),
        graph.ReadoutNode("readout", ("dense",), (1,)),
    )
    network = graph.Graph(nodes, 3, ("one",))
    seen = reference.run_float(network, np.full((1, 1, 1, 1), 10, np.uint8), potentials=True)
    assert seen.layers[0].potential.ravel().tolist() == [1.25, 0.0, 2.0]
    assert seen.layers[0].spikes.ravel().tolist() == [0, 1, 0]
    assert seen.scores.tolist() == [[2.0]]


# --- Batches, refusals


def test_chunks_of_a_batch_do_not_change_the_trace(fixed_graph_of, images_of, monkeypatch):
    network = fixed_graph_of(4, "plain")
    images = images_of(network.nodes[0].shape, 5, 0)
    whole = reference.run_fixed(network, images, potentials=True)
    monkeypatch.setattr(reference, "_BATCH_NUMBERS", 1)
    parts = reference.run_fixed(network, images, potentials=True)
    assert len(images) == parts.scores.shape[0]
    assert not any(entry.mismatches for entry in trace.compare(whole, parts))


def test_sums_too_large_for_float64_are_added_in_integers():
    node = graph.FixedDense("dense", ("input",), (1,), np.array([[2, 1, 1]], np.int64))
    values = np.array([[[2**52, 1, 2]]])
    assert reference.current(node, values).tolist() == [[[2**53 + 3]]]


def test_potentials_are_kept_only_where_asked_for(fixed_graph_of, images_of):
    network = fixed_graph_of(1, "plain")
    seen = reference.run_fixed(network, images_of(network.nodes[0].shape, 1, 0))
    assert all(layer.potential is None for layer in seen.layers)


def test_images_of_another_size_are_refused(fixed_graph_of):
    with pytest.raises(ValueError, match=r"images are float64 \(1, 2, 2, 1\); the network reads uint8 \(batch, "):
        reference.run_fixed(fixed_graph_of(0, "plain"), np.zeros((1, 2, 2, 1)))


@dataclass(frozen=True, eq=False)
class Stranger:
    name: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


def test_an_unknown_node_is_refused_by_name():
    nodes = list(tiny().nodes)
    nodes.insert(1, Stranger("odd", ("input",), (1, 1, 1)))
    network = graph.FixedGraph(tuple(nodes), 4, ("one",))
    with pytest.raises(graph.GraphError, match=r"node 'odd': the reference has no rule for Stranger; add one"):
        reference.run_fixed(network, np.zeros((1, 1, 1, 1), np.uint8))


def test_a_current_that_arrives_once_is_refused_where_neurons_work_longer():
    nodes = [node for node in tiny().nodes if node.name != "hold"]
    nodes[2] = graph.FixedLif("lif", ("conv",), (1, 1, 1), 0, 0, np.array([1], np.int32), np.array([0], np.int32))
    with pytest.raises(graph.GraphError, match=r"node 'lif': its current arrives once and it works for 4 steps"):
        reference.run_fixed(graph.FixedGraph(tuple(nodes), 4, ("one",)), np.zeros((1, 1, 1, 1), np.uint8))


def test_a_float_neuron_on_spikes_and_a_convolution_on_a_current_are_refused(networks, weights_of):
    network = networks["plain"]
    lowered = lower.lower(network, weights_of(network, 0), offset=OFFSET, scale=64.0, classes=tuple("abcd"))
    nodes = list(lowered.nodes)
    images = np.zeros((1, 16, 16, 3), np.uint8)
    wrong = graph.LifNode("lif_2", ("lif_1",), nodes[3].shape, 1.0, 0.5, 1.0)
    end = (
        graph.DenseNode("d", ("lif_2",), (4,), np.zeros((4, 384)), np.zeros(4)),
        graph.ReadoutNode("r", ("d",), (4,)),
    )
    with pytest.raises(graph.GraphError, match=r"node 'lif_2': hears no current"):
        reference.run_float(graph.Graph((*nodes[:4], wrong, *end), 2, tuple("abcd")), images)
    late = graph.DenseNode("d", ("conv_1",), (4,), np.zeros((4, 384)), np.zeros(4))
    with pytest.raises(graph.GraphError, match=r"node 'd': hears a current; DenseNode works on spikes"):
        reference.run_float(graph.Graph((*nodes[:2], late, end[1]), 2, tuple("abcd")), images)


@pytest.mark.slow
def test_the_full_network_takes_a_fraction_of_a_second_per_image(weights_of, images_of):
    import time

    from lava_port import passes, quantise
    from neurallnet_jax import spec

    network = spec.neurallnet()
    lowered = lower.lower(network, weights_of(network, 0), offset=OFFSET, scale=64.0, classes=tuple("abcd"))
    fixed, _ = quantise.quantise(passes.fold(lowered))
    images = images_of((128, 128, 3), 8, 0)
    begun = time.process_time()
    reference.run_fixed(fixed, images)
    assert (time.process_time() - begun) / len(images) < 1.0


def test_a_listener_hears_every_node_and_the_spikes_that_the_trace_holds(network, lowered, images_of):
    whole = lowered(network, 0)
    fixed, _ = quantise.quantise(passes.fold(whole))
    images = images_of(whole.nodes[0].shape, 3, 0)
    for run, built in ((reference.run_float, whole), (reference.run_fixed, fixed)):
        heard = []
        found = run(built, images, listen=lambda node, values, heard=heard: heard.append((node.name, values)))
        assert [name for name, _ in heard] == [node.name for node in built.nodes]
        for layer in found.layers:
            np.testing.assert_array_equal(dict(heard)[layer.name], layer.spikes)
