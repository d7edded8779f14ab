"""The network between training and hardware: `Graph` in floats, `FixedGraph` in integers, nodes in execution order.

Knows NumPy only: not where the weights came from, and no backend that runs them.

Both graphs describe the same machine. Time runs in steps; every convolution or dense layer hands on what it computed one
step earlier, so the neurons behind n of them work in the window of steps n .. n + T - 1, whether or not a spike arrives,
and neither integrate nor spike outside it.

Float neuron (Lava `floating_pt`, with gate g and a bias b that the gate multiplies too):

    u = (1 - du) u + g a
    v = (1 - dv) v + u + g b
    s = 1 if v > v_threshold else 0;   v = 0 where s = 1

Fixed neuron (Lava `fixed_pt`), with D(x, d) = sign(x) ((|x| (4096 - d)) >> 12), which rounds towards zero, and
M(g, x) = sign(x) ((g |x|) >> 8) for a gate g in 0 .. 256 (absent without a gate):

    u = wrap24(D(u, du + 1) + (M(g, a) << 6))
    v = clip(D(v, dv) + u + M(g, bias), -(2^23 - 1), 2^23 - 1)
    s = 1 if v > (threshold << 6) else 0;   v = 0 where s = 1

`wrap24` wraps once into (-2^23, 2^23], as Lava does.

`bias` is in units of the potential (64 per weight unit), as Lava's `bias_mant << bias_exp` is; `threshold` is in weight
units, as Lava's `vth`. Both have one entry per channel.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

__all__ = [
    "MESSAGE_DELAY",
    "AveragePoolNode",
    "ConvNode",
    "DenseNode",
    "FixedConv",
    "FixedDense",
    "FixedGate",
    "FixedGraph",
    "FixedHold",
    "FixedInput",
    "FixedLif",
    "FixedNode",
    "FixedReadout",
    "GateNode",
    "GlobalAverageNode",
    "Graph",
    "GraphError",
    "InputNode",
    "LifNode",
    "Node",
    "NormNode",
    "ReadoutNode",
    "Window",
    "find",
    "hard_sigmoid",
    "neurons",
    "total_steps",
    "windows",
]

Shape: TypeAlias = tuple[int, ...]
MESSAGE_DELAY = 1
"""Steps by which a convolution, a dense layer, a squeeze or an excitation hands on its result later."""


class GraphError(ValueError):
    """A graph that no backend could run."""


@dataclass(frozen=True)
class Window:
    """The steps `start` .. `stop - 1` in which the neurons of a layer work."""

    start: int
    stop: int


# --- The float graph ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class InputNode:
    """The analogue image, the same in every step: `(pixel - offset) / scale`, one offset per colour channel.

    With a white level the pixels are balanced first, as `network/white.py` says; the host does that before it sends them.
    """

    name: str
    shape: Shape
    offset: tuple[int, ...]
    scale: float
    inputs: tuple[str, ...] = ()
    white_level: int | None = None


@dataclass(frozen=True, eq=False)
class ConvNode:
    """Cross-correlation with kernel (out, in / groups, height, width); `bias` (out,) travels apart from the current."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    kernel: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    groups: int = 1
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class NormNode:
    """Batch norm at rest: the current times `scale`, the bias times `scale` plus `shift`, all (channels,)."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True, eq=False)
class AveragePoolNode:
    """Mean of the current over non-overlapping windows; the bias passes unchanged."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    window: int


@dataclass(frozen=True, eq=False)
class GlobalAverageNode:
    """Mean of the spikes over space."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, eq=False)
class DenseNode:
    """Weight (out, in) on a vector, or on a feature map flattened in (height, width, channels) order.

    With `shared`, weight (out, channels) acts alike on every position of a feature map and the results are summed.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    weight: np.ndarray
    bias: np.ndarray
    shared: bool = False


@dataclass(frozen=True, eq=False)
class GateNode:
    """Squeeze and excitation on a current: `hard_sigmoid(excite @ relu(reduce @ mean + reduce_bias) + excite_bias)`.

    The mean over space is that of the current plus its bias; `hard_sigmoid(x) = clip(x / 6 + 1/2, 0, 1)`. The gate of
    step t uses the mean of step t - delay, and `hard_sigmoid(initial)` before that.

    Attributes:
        reduce: (hidden, channels).
        reduce_bias: (hidden,).
        excite: (channels, hidden).
        excite_bias: (channels,).
        initial: (channels,), None with delay 0.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    reduce: np.ndarray
    reduce_bias: np.ndarray
    excite: np.ndarray
    excite_bias: np.ndarray
    initial: np.ndarray | None
    delay: int


@dataclass(frozen=True, eq=False)
class LifNode:
    """Neurons; `inputs` is (current,) or (current, gate). The equations stand at the head of this module."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    du: float
    dv: float
    v_threshold: float


@dataclass(frozen=True, eq=False)
class ReadoutNode:
    """Mean over time of the current plus its bias: the class scores (logits)."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape


Node: TypeAlias = (
    InputNode | ConvNode | NormNode | AveragePoolNode | GlobalAverageNode | DenseNode | GateNode | LifNode | ReadoutNode
)


# --- The integer graph -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FixedInput:
    """The image as signed integers, `pixel - offset` per colour channel, sent once in step 0; zero is the padding.

    With a white level the pixels are balanced first, as in `InputNode`.
    """

    name: str
    shape: Shape
    offset: tuple[int, ...]
    inputs: tuple[str, ...] = ()
    white_level: int | None = None


@dataclass(frozen=True, eq=False)
class FixedConv:
    """Cross-correlation with even integer weights, int16 (out, in / groups, height, width).

    Hardware and every backend take [-256, 254]; `quantise` rounds to [-254, 254], alike on both sides.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    weight: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    groups: int = 1
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class FixedHold:
    """Keeps the current of the analogue first layer for T steps, divided by 2^shift and rounded towards zero.

    Adds no step: it puts the current out in the step it arrives in and in the T - 1 steps after it.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    shift: int


@dataclass(frozen=True, eq=False)
class FixedDense:
    """Even integer weights as in `FixedConv`, int16 (out, in); `shared` as in `DenseNode`."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    weight: np.ndarray
    shared: bool = False


@dataclass(frozen=True, eq=False)
class FixedGate:
    """Squeeze and excitation in integers; the gate is an integer in 0 .. 256, standing for 0 .. 1.

    With T(x, n) = sign(x) (|x| >> n), which rounds towards zero, and sums in 64 bits:

        squeeze = T(sum of the current over space, squeeze_shift)                       (channels,)
        hidden  = max(0, T(reduce @ squeeze + reduce_bias, hidden_shift))               (hidden,)
        gate    = clip(T(excite @ hidden + excite_bias, gate_shift), 0, 256)            (channels,)

    `excite_bias` holds the 128 << gate_shift of the hard sigmoid's middle. The gate of step t uses the current of step
    t - delay, and `initial` before that.

    Attributes:
        reduce: int16 (hidden, channels), in [-256, 254].
        reduce_bias: int64 (hidden,).
        excite: int16 (channels, hidden), in [-256, 254].
        excite_bias: int64 (channels,).
        gate_shift: int64 (channels,).
        initial: int64 (channels,) in 0 .. 256, None with delay 0.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    reduce: np.ndarray
    reduce_bias: np.ndarray
    excite: np.ndarray
    excite_bias: np.ndarray
    squeeze_shift: int
    hidden_shift: int
    gate_shift: np.ndarray
    initial: np.ndarray | None
    delay: int


@dataclass(frozen=True, eq=False)
class FixedLif:
    """Integer neurons; `inputs` is (current,) or (current, gate). The equations stand at the head of this module.

    Attributes:
        du: Lava's 12-bit decay of the current: `round(4096 du) - 1`, in 0 .. 4095.
        dv: Lava's 12-bit decay of the potential: `round(4096 dv)`, in 0 .. 4096.
        threshold: int32 (channels,), weight units, positive, 17 bit.
        bias: int32 (channels,), units of the potential.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    du: int
    dv: int
    threshold: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class FixedReadout:
    """Adds current and bias in every step of its window; class scores are the sum at its end, exact integers.

    Attributes:
        bias: int64 (classes,), weight units, added once per step.
        scale: Logit per unit of the score, so that `logits = scale * scores`.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    bias: np.ndarray
    scale: float


FixedNode: TypeAlias = FixedInput | FixedConv | FixedHold | FixedDense | FixedGate | FixedLif | FixedReadout


@dataclass(frozen=True, eq=False)
class Graph:
    """A network in floats; `nodes` in execution order, the input first, the read-out last.

    Attributes:
        nodes: The nodes.
        steps: T.
        classes: Class names in the order of the scores.
    """

    nodes: tuple[Node, ...]
    steps: int
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(self.nodes, self.steps, self.classes, first=InputNode, last=ReadoutNode)


@dataclass(frozen=True, eq=False)
class FixedGraph:
    """A network in integers; `nodes` in execution order, the input first, the read-out last.

    Attributes:
        nodes: The nodes.
        steps: T.
        classes: Class names in the order of the scores.
    """

    nodes: tuple[FixedNode, ...]
    steps: int
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(self.nodes, self.steps, self.classes, first=FixedInput, last=FixedReadout)


def find(graph: Graph | FixedGraph, name: str) -> Node | FixedNode:
    """Return the node called `name`.

    Raises:
        GraphError: There is none; the message lists those that exist.
    """
    for node in graph.nodes:
        if node.name == name:
            return node
    raise GraphError(f"no node {name!r}; there are {', '.join(node.name for node in graph.nodes)}")


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """Return `clip(x / 6 + 1/2, 0, 1)`: the gate that a learned number `x` stands for."""
    return np.clip(x / 6 + 0.5, 0, 1)


def neurons(graph: FixedGraph) -> tuple[FixedLif | FixedReadout, ...]:
    """Return the neuron layers in execution order, the read-out last."""
    return tuple(node for node in graph.nodes if isinstance(node, FixedLif | FixedReadout))


def windows(graph: Graph | FixedGraph) -> dict[str, Window]:
    """Return the window of every node: the steps in which it puts out something for the image's T steps.

    The input's starts at 0; every convolution or dense layer adds `MESSAGE_DELAY`; all else works in the step it hears.
    """
    result: dict[str, Window] = {}
    for node in graph.nodes:
        start = 0 if not node.inputs else result[node.inputs[0]].start
        if isinstance(node, ConvNode | DenseNode | FixedConv | FixedDense):
            start += MESSAGE_DELAY
        result[node.name] = Window(start, start + graph.steps)
    return result


def total_steps(graph: Graph | FixedGraph) -> int:
    """Return T + depth: the steps the whole network runs for one image."""
    return max(window.stop for window in windows(graph).values())


def _check(
    nodes: tuple[Node, ...] | tuple[FixedNode, ...],
    steps: int,
    classes: tuple[str, ...],
    *,
    first: type,
    last: type,
) -> None:
    if steps < 1:
        raise GraphError(f"steps is {steps}; a network runs for at least one step")
    if not nodes or not isinstance(nodes[0], first) or not isinstance(nodes[-1], last):
        raise GraphError(f"a graph begins with {first.__name__} and ends with {last.__name__}")
    seen: set[str] = set()
    for node in nodes:
        missing = [name for name in node.inputs if name not in seen]
        if missing:
            raise GraphError(f"node {node.name!r}: its input {missing[0]!r} does not come before it")
        if node.name in seen:
            raise GraphError(f"two nodes are called {node.name!r}")
        seen.add(node.name)
    if nodes[-1].shape != (len(classes),):
        raise GraphError(f"{len(classes)} classes, but the read-out has shape {nodes[-1].shape}")
    for node in nodes:
        _check_arrays(node)


def _check_arrays(node: Node | FixedNode) -> None:
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isfinite(value).all():
            raise GraphError(f"node {node.name!r}: {field.name} holds NaN or infinity")
        if isinstance(value, float) and not math.isfinite(value):
            raise GraphError(f"node {node.name!r}: {field.name} is {value}")
