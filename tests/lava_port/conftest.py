"""Small networks, weights and images for the tests of `lava_port`, drawn from a seed; plain NumPy, no Flax."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import nir
import numpy as np
import pytest

from lava_port import graph, lower, passes
from lava_port.trace import Trace
from neurallnet_jax import spec

CLASSES = ("benign", "early", "pre", "pro")


def draw_weights(network: spec.Network, seed: int) -> dict[str, np.ndarray]:
    """Return weights of a checkpoint, lively enough that most layers spike and most gates move."""
    rng = np.random.default_rng(seed)
    shapes = spec.shapes(network)
    weights: dict[str, np.ndarray] = {}
    before: tuple[int, ...] = (*network.image_size, network.channels)
    for name, layer in spec.named_layers(network):
        channels = before[-1]
        match layer:
            case spec.Conv():
                fan_in = channels // layer.groups * layer.kernel[0] * layer.kernel[1]
                shape = (*layer.kernel, channels // layer.groups, layer.features)
                weights[f"params/{name}/kernel"] = rng.normal(0, 1.5 / np.sqrt(fan_in), shape)
                if layer.bias:
                    weights[f"params/{name}/bias"] = rng.normal(0, 0.3, layer.features)
            case spec.BatchNorm():
                weights[f"params/{name}/scale"] = rng.uniform(0.6, 1.6, channels) * rng.choice([-1, 1], channels)
                weights[f"params/{name}/bias"] = rng.normal(0.3, 0.3, channels)
                weights[f"batch_stats/{name}/mean"] = rng.normal(0, 0.2, channels)
                weights[f"batch_stats/{name}/var"] = rng.uniform(0.5, 1.5, channels)
            case spec.SqueezeExcite():
                hidden = layer.hidden(channels)
                weights[f"params/{name}/reduce_kernel"] = rng.normal(0, 2 / np.sqrt(channels), (channels, hidden))
                weights[f"params/{name}/reduce_bias"] = rng.normal(0.3, 0.3, hidden)
                weights[f"params/{name}/excite_kernel"] = rng.normal(0, 2 / np.sqrt(hidden), (hidden, channels))
                weights[f"params/{name}/excite_bias"] = rng.normal(0.5, 1.0, channels)
                if layer.delay:
                    weights[f"params/{name}/initial"] = rng.normal(0.5, 1.0, channels)
            case spec.StaticGate(learned=True):
                weights[f"params/{name}/gate"] = rng.normal(0.5, 1.5, channels)
            case spec.Lif(learn_decay=True):
                weights[f"params/{name}/dv"] = rng.normal(0, 1)
                if layer.du < 1:
                    weights[f"params/{name}/du"] = rng.normal(0, 1)
            case spec.Dense():
                fan_in = int(np.prod(before))
                weights[f"params/{name}/kernel"] = rng.normal(0, 1.5 / np.sqrt(fan_in), (fan_in, layer.features))
                if layer.bias:
                    weights[f"params/{name}/bias"] = rng.normal(0, 0.3, layer.features)
        before = shapes[name]
    return {name: np.asarray(value, np.float32) for name, value in weights.items()}


def draw_images(shape: tuple[int, ...], count: int, seed: int) -> np.ndarray:
    """Return uint8 images: blobs of low resolution under noise, so that neighbours resemble each other."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, -(-shape[0] // 4), -(-shape[1] // 4), shape[2]))
    blobs = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, : shape[0], : shape[1]]
    return np.clip(blobs + rng.normal(0, 20, (count, *shape)), 0, 255).astype(np.uint8)


def small_networks() -> dict[str, spec.Network]:
    """Return small specs by what is special about them."""
    head = (spec.GlobalAverage(), spec.Dense(4), spec.Readout())
    block = (spec.Conv(6, stride=(2, 2)), spec.BatchNorm())
    later = (spec.Conv(8, stride=(2, 2)), spec.BatchNorm())
    gate, late = spec.SqueezeExcite(min_hidden=3), spec.SqueezeExcite(min_hidden=3, delay=2)
    lif = spec.Lif()

    def network(*layers: spec.LayerSpec, size: tuple[int, int] = (16, 16), steps: int = 4) -> spec.Network:
        result = spec.Network(layers, image_size=size, steps=steps)
        spec.validate(result)
        return result

    wide = spec.Conv(6, padding=((2, 2), (2, 2)), dilation=(2, 2))
    oblong = spec.Conv(8, kernel=(3, 2), stride=(2, 1), padding=((1, 1), (2, 2)), groups=2, dilation=(1, 3))
    grouped = spec.Conv(6, kernel=(1, 3), stride=(1, 2), padding=((0, 0), (1, 1)), groups=3, bias=True)
    stem = spec.Conv(6, kernel=(8, 8), stride=(4, 4), padding=((2, 2), (2, 2)))
    return {
        "plain": network(*block, lif, *later, lif, *head),
        "gated": network(*block, gate, lif, *later, gate, lif, *head),
        "delayed": network(*block, late, lif, *later, late, lif, *head, steps=5),
        "constant": network(*block, spec.StaticGate(), lif, *later, spec.StaticGate(), lif, *head),
        "pooled": network(
            spec.Conv(6), spec.AveragePool(2), spec.BatchNorm(), gate, lif,
            spec.Conv(8, bias=True), spec.BatchNorm(), spec.AveragePool(2), lif, *head,
        ),
        "dilated": network(
            wide, spec.AveragePool(2), spec.BatchNorm(), lif, oblong, spec.BatchNorm(), lif, *head, steps=3
        ),
        "grouped": network(grouped, lif, spec.Conv(4, stride=(3, 2)), lif, *head, size=(9, 14), steps=3),
        "hidden": network(
            *block, lif, spec.Dense(10), spec.BatchNorm(), late, lif, spec.Dense(4, bias=False), spec.Readout()
        ),
        "flat": network(spec.Dense(7), lif, spec.Dense(4), spec.Readout(), size=(5, 6), steps=2),
        "slow": network(
            *block, gate, spec.Lif(du=0.4, dv=0.1, learn_decay=True), *later, spec.Lif(dv=0.3, learn_decay=True), *head,
            steps=6,
        ),
        "stem": network(stem, spec.BatchNorm(), late, lif, *later, late, lif, *head),
        "one_step": network(*block, gate, lif, *head, steps=1),
    }  # fmt: skip


def balance_by_sorting(images: np.ndarray, level: int | None) -> np.ndarray:
    """Return images (n, height, width, channels) whose brightest tenth begins at `level` in every channel, int64."""
    if level is None:
        return images.astype(np.int64)
    flat = np.sort(images.reshape(len(images), -1, images.shape[-1]).astype(np.int64), axis=1)
    white = np.maximum(flat[:, -int(np.ceil(flat.shape[1] / 10))], 1)[:, None, None]
    return np.minimum(255, np.floor(images.astype(np.int64) * level / white + 0.5)).astype(np.int64)


MODES = ("threshold", "plain", "wrap", "saturate")
"""Regimes of a drawn integer network: potentials that land on the threshold, ordinary ones, currents beyond 24 bits,
potentials at their clip."""


def draw_fixed_graph(seed: int, mode: str = "plain") -> graph.FixedGraph:
    """Return a small integer network of random structure in one of the regimes of `MODES`."""
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(1, 6))
    shape: tuple[int, ...] = (int(rng.integers(3, 8)), int(rng.integers(3, 8)), int(rng.choice([1, 2, 3])))
    nodes: list[graph.FixedNode] = [
        graph.FixedInput(
            "input", shape, tuple(rng.integers(0, 256, shape[2]).tolist()), white_level=(None, 180)[seed % 2]
        )
    ]
    number = itertools.count(1)
    for _ in range(int(rng.integers(1, 4))):
        nodes += _drawn_conv(rng, nodes[-1], next(number), mode)
        nodes += _drawn_neurons(rng, nodes, next(number), mode, steps)
    if rng.random() < 0.5:
        nodes.append(_drawn_dense(rng, nodes[-1], f"dense_{next(number)}", int(rng.integers(2, 6)), mode))
        nodes += _drawn_neurons(rng, nodes, next(number), mode, steps)
    classes = CLASSES[: int(rng.integers(2, 5))]
    nodes.append(_drawn_dense(rng, nodes[-1], "dense_last", len(classes), mode))
    bias = rng.integers(-500, 500, len(classes))
    nodes.append(graph.FixedReadout("readout", (nodes[-1].name,), (len(classes),), bias, scale=0.25))
    return graph.FixedGraph(tuple(nodes), steps, classes)


def _drawn_weight(rng: np.random.Generator, shape: tuple[int, ...], mode: str) -> np.ndarray:
    largest = 3 if mode == "threshold" else 128
    weight = 2 * rng.integers(-largest, largest, shape)
    return (np.where(rng.random(shape) < 0.7, 254, weight) if mode == "wrap" else weight).astype(np.int16)


def _drawn_conv(rng: np.random.Generator, source: graph.FixedNode, number: int, mode: str) -> list[graph.FixedNode]:
    height, width, channels = source.shape
    groups = channels if rng.random() < 0.3 else 1
    features = groups * int(rng.integers(1, 4))
    kernel = (int(rng.integers(1, min(3, height) + 1)), int(rng.integers(1, min(3, width) + 1)))
    stride, pad = tuple(rng.integers(1, 3, 2).tolist()), rng.integers(0, 2, 2).tolist()
    room = [max(1, (n + 2 * p - 1) // max(k - 1, 1)) for n, p, k in zip((height, width), pad, kernel, strict=True)]
    dilation = tuple(int(rng.integers(1, min(3, most) + 1)) for most in room)
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, k, s, d in zip((height, width), pad, kernel, stride, dilation, strict=True)
    ]
    shape = (*size, features)
    weight = _drawn_weight(rng, (features, channels // groups, *kernel), mode)
    padding = ((pad[0], pad[0]), (pad[1], pad[1]))
    conv = graph.FixedConv(f"conv_{number}", (source.name,), shape, weight, stride, padding, groups, dilation)
    if not isinstance(source, graph.FixedInput):
        return [conv]
    shift = {"threshold": 8, "plain": 4, "wrap": 0, "saturate": 0}[mode]
    return [conv, graph.FixedHold("hold", (conv.name,), shape, shift)]


def _drawn_dense(
    rng: np.random.Generator, source: graph.FixedNode, name: str, features: int, mode: str
) -> graph.FixedDense:
    shared = len(source.shape) == 3 and rng.random() < 0.5
    fan_in = source.shape[-1] if shared else int(np.prod(source.shape))
    return graph.FixedDense(name, (source.name,), (features,), _drawn_weight(rng, (features, fan_in), mode), shared)


def _drawn_neurons(
    rng: np.random.Generator, nodes: list[graph.FixedNode], number: int, mode: str, steps: int
) -> list[graph.FixedNode]:
    current = nodes[-1]
    channels = current.shape[-1]
    gates = [_drawn_gate(rng, current, number, steps)] if rng.random() < 0.6 else []
    du = 4095 if rng.random() < 0.5 else int(rng.integers(0, 4096))
    dv = int(rng.choice([0, 0, 2048, 4096, int(rng.integers(0, 4097))]))
    if mode == "threshold":
        threshold, bias = 2 * rng.integers(1, 4, channels), 128 * rng.integers(-1, 4, channels)
    elif mode == "saturate":
        threshold, bias = rng.integers(100_000, 131_072, channels), rng.choice([-1, 1], channels) * (2**23 - 1)
    else:
        threshold, bias = rng.integers(1, 500, channels), rng.integers(-10_000, 30_000, channels)
    inputs = (current.name, *(gate.name for gate in gates))
    return [
        *gates,
        graph.FixedLif(
            f"lif_{number}", inputs, current.shape, du, dv, threshold.astype(np.int32), bias.astype(np.int32)
        ),
    ]


def _drawn_gate(rng: np.random.Generator, current: graph.FixedNode, number: int, steps: int) -> graph.FixedGate:
    channels, hidden = current.shape[-1], int(rng.integers(1, 4))
    delay = int(rng.choice([0, 2, 3])) if steps > 3 else 0
    gate_shift = rng.integers(0, 8, channels)
    return graph.FixedGate(
        f"gate_{number}", (current.name,), (channels,),
        reduce=(2 * rng.integers(-128, 128, (hidden, channels))).astype(np.int16),
        reduce_bias=rng.integers(-5_000, 5_000, hidden),
        excite=(2 * rng.integers(-128, 128, (channels, hidden))).astype(np.int16),
        excite_bias=rng.integers(-500, 500, channels) + (128 << gate_shift),
        squeeze_shift=int(rng.integers(6, 16)), hidden_shift=int(rng.integers(4, 16)), gate_shift=gate_shift,
        initial=rng.integers(0, 257, channels) if delay else None, delay=delay,
    )  # fmt: skip


class NirRun(NamedTuple):
    """What the equations of NIR give: per neuron layer spikes and `v - v_threshold` before the reset; class scores."""

    spikes: dict[str, np.ndarray]
    overshoot: dict[str, np.ndarray]
    scores: np.ndarray


def run_nir(network: nir.NIRGraph, inputs: np.ndarray, *, steps: int, dt: float) -> NirRun:
    """Run a chain of NIR nodes by NIR's own equations, forward Euler in float64, step by step and channels first.

    Args:
        network: The graph.
        inputs: (batch, channels, height, width), the same in every step.
        steps: T.
        dt: Length of a step, seconds.
    """
    follows = dict(network.edges)
    names = ["input"]
    while names[-1] in follows:
        names.append(follows[names[-1]])
    state: dict[str, np.ndarray] = {}
    spikes: dict[str, list[np.ndarray]] = {}
    overshoot: dict[str, list[np.ndarray]] = {}
    scores = 0.0
    for _ in range(steps):
        x = np.asarray(inputs, np.float64)
        for name in names:
            node = network.nodes[name]
            if isinstance(node, nir.LIF | nir.IF):
                v = state.get(name, np.zeros_like(x))
                rate = node.r * x if isinstance(node, nir.IF) else ((node.v_leak - v) + node.r * x) / node.tau
                v = v + dt * rate
                over = v - node.v_threshold
                x = (over > 0).astype(np.float64)
                state[name] = np.where(over > 0, node.v_reset, v)
                spikes.setdefault(name, []).append(x)
                overshoot.setdefault(name, []).append(over)
            else:
                x = _nir_output(node, x)
        scores = scores + x / steps
    return NirRun({n: np.stack(s) for n, s in spikes.items()}, {n: np.stack(s) for n, s in overshoot.items()}, scores)


def _nir_output(node: Any, x: np.ndarray) -> np.ndarray:
    if isinstance(node, nir.Flatten):
        return x.reshape(len(x), -1)
    if isinstance(node, nir.Affine):
        return np.einsum("bi,oi->bo", x, node.weight.astype(np.float64)) + node.bias
    if not isinstance(node, nir.Conv2d):
        return x
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in node.padding)))
    rows = range(0, padded.shape[2] - node.weight.shape[2] + 1, node.stride[0])
    columns = range(0, padded.shape[3] - node.weight.shape[3] + 1, node.stride[1])
    out = np.zeros((len(x), len(node.weight), len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            patch = padded[:, :, row : row + node.weight.shape[2], column : column + node.weight.shape[3]]
            out[:, :, i, j] = np.einsum("bcyx,ocyx->bo", patch, node.weight.astype(np.float64)) + node.bias
    return out


BORDER = 1e-5
"""How near its threshold a potential has to lie for rounding to be blamed for a spike."""


class Difference(NamedTuple):
    """Spikes that differ between two runs of one network.

    Attributes:
        events: Neurons times steps times images compared.
        spikes: Spikes of the reference.
        border: Differences where the potential lies within `BORDER` of its threshold.
        later: Differences that follow from one at the border: deeper or later in the same image.
        unexplained: All others.
    """

    events: int
    spikes: int
    border: int
    later: int
    unexplained: int


def explain(trace: Trace, spikes: dict[str, np.ndarray], overshoot: dict[str, np.ndarray]) -> Difference:
    """Return how spikes, channels first, differ from those of the reference.

    Args:
        trace: What the float reference saw.
        spikes: (steps, batch, channels, height, width) or (steps, batch, units) of every layer.
        overshoot: `v - v_threshold` before the reset, as `spikes`.
    """
    counts = [0] * 5
    off = np.zeros((trace.steps, trace.scores.shape[0]), bool)
    for layer in trace.layers:
        mine = np.moveaxis(layer.spikes, -1, 2).reshape(*off.shape, -1)
        differs = spikes[layer.name].reshape(mine.shape) != mine
        near = differs & (np.abs(overshoot[layer.name].reshape(mine.shape)) < BORDER)
        before = np.maximum.accumulate(differs | off[..., None], axis=0)
        before = np.concatenate([np.zeros_like(before[:1]), before[:-1]]) | off[..., None]
        later = differs & ~near & before
        found = (mine.size, mine.sum(), near.sum(), later.sum(), (differs & ~near & ~before).sum())
        counts = [total + int(count) for total, count in zip(counts, found, strict=True)]
        off = off | np.maximum.accumulate(differs.any(axis=-1), axis=0)
    return Difference(*counts)


@pytest.fixture(scope="session")
def nir_run() -> Callable[..., NirRun]:
    return run_nir


@pytest.fixture(scope="session")
def explained() -> Callable[..., Difference]:
    return explain


LEARNED = spec.Network(
    (
        spec.Conv(5, stride=(2, 2), bias=True), spec.Lif(dv=0.3, v_threshold=0.7, learn_decay=True),
        spec.Conv(4, kernel=(1, 3), padding=((0, 0), (1, 1))), spec.Lif(dv=0.0),
        spec.Conv(6, stride=(2, 2)), spec.Lif(dv=1.0, v_threshold=0.4),
        spec.Dense(5), spec.Lif(v_threshold=0.2), spec.Dense(4), spec.Readout(),
    ),
    image_size=(10, 12),
    steps=5,
)  # fmt: skip
"""Every decay that NIR tells apart: learned, none, all at once."""


@pytest.fixture(scope="session")
def exportable(lowered: Callable[[spec.Network, int], graph.Graph]) -> Callable[[str, int], graph.Graph]:
    """Return a function of the name of a small network, or `learned`, and a seed: its graph, gates frozen at random."""

    def draw(name: str, seed: int) -> graph.Graph:
        whole = lowered({**small_networks(), "learned": LEARNED}[name], seed)
        rng = np.random.default_rng(seed)
        gates = {n.name: rng.uniform(0.2, 1, n.shape) for n in whole.nodes if isinstance(n, graph.GateNode)}
        return passes.freeze_gates(whole, gates)

    return draw


def normalised_images(image: graph.InputNode, images: np.ndarray) -> np.ndarray:
    """Return what a network hears, (batch, channels, height, width), of uint8 images (batch, height, width, channels)."""
    pixels = balance_by_sorting(images, image.white_level)
    return np.moveaxis((pixels.astype(np.float64) - np.array(image.offset)) / image.scale, -1, 1)


@pytest.fixture(scope="session")
def balanced() -> Callable[[np.ndarray, int | None], np.ndarray]:
    return balance_by_sorting


@pytest.fixture(scope="session")
def normalised() -> Callable[[graph.InputNode, np.ndarray], np.ndarray]:
    return normalised_images


@pytest.fixture(scope="session")
def weights_of() -> Callable[[spec.Network, int], dict[str, np.ndarray]]:
    return draw_weights


@pytest.fixture(scope="session")
def images_of() -> Callable[[tuple[int, ...], int, int], np.ndarray]:
    return draw_images


@pytest.fixture(scope="session")
def lowered() -> Callable[[spec.Network, int], graph.Graph]:
    """Return a function from spec and seed to the float graph of drawn weights, nothing folded."""

    def draw(network: spec.Network, seed: int) -> graph.Graph:
        weights = draw_weights(network, seed)
        return lower.lower(network, weights, offset=(200, 130, 180), scale=64.0, classes=CLASSES)

    return draw


@pytest.fixture(scope="session")
def fixed_graph_of() -> Callable[[int, str], graph.FixedGraph]:
    return draw_fixed_graph


@pytest.fixture(scope="session")
def networks() -> dict[str, spec.Network]:
    return small_networks()


@pytest.fixture(scope="session", params=sorted(small_networks()))
def network(request: pytest.FixtureRequest) -> spec.Network:
    """Return each of the small specs in turn."""
    return small_networks()[request.param]


@pytest.fixture(scope="session", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Return each regime of a drawn integer network in turn."""
    return request.param
