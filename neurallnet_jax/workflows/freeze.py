"""Gates frozen at their mean over calibration images, and what that changes. Knows both packages and no command line.

Both networks run in the float reference, the one with moving and the one with frozen gates, on the same images.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lava_port import passes, reference
from lava_port.graph import GateNode, Graph, GraphError
from lava_port.trace import Trace

__all__ = ["Freezing", "FrozenGate", "FrozenLayer", "freeze"]

Advance = Callable[[int, int], None]
_BATCH = 8


@dataclass(frozen=True)
class FrozenGate:
    """A gate and where it was frozen.

    Attributes:
        name: Name of the gate's node.
        low: Least frozen value of its channels.
        mean: Mean over its channels.
        high: Greatest.
        deviation: Root mean square by which the moving gate left its frozen value, over channels, steps and images.
    """

    name: str
    low: float
    mean: float
    high: float
    deviation: float


@dataclass(frozen=True)
class FrozenLayer:
    """What freezing did to the spikes of a layer.

    Attributes:
        name: Name of the layer.
        spikes: Spikes with moving gates, over all images.
        frozen_spikes: Spikes with frozen gates.
        differing: Spikes that only one of the two networks has.
    """

    name: str
    spikes: int
    frozen_spikes: int
    differing: int

    @property
    def share(self) -> float:
        """Differing spikes as a share of all that either network has."""
        either = (self.spikes + self.frozen_spikes + self.differing) // 2
        return self.differing / either if either else 0.0


@dataclass(frozen=True)
class Freezing:
    """What freezing changed on the calibration images.

    Attributes:
        images: How many there were.
        changed_classes: Images whose predicted class is another one with frozen gates.
        right: Images whose class is predicted rightly with moving gates; None without labels.
        frozen_right: The same with frozen gates.
        gates: One entry per gate.
        layers: One entry per layer of neurons.
    """

    images: int
    changed_classes: int
    right: int | None
    frozen_right: int | None
    gates: tuple[FrozenGate, ...]
    layers: tuple[FrozenLayer, ...]


def freeze(
    graph: Graph, pixels: np.ndarray, *, labels: np.ndarray | None = None, progress: Advance | None = None
) -> tuple[Graph, Freezing]:
    """Return `graph` with its gates frozen at their mean over images, and what that changed on these images.

    Args:
        graph: The network.
        pixels: uint8 (images, height, width, channels) at the network's size.
        labels: Class of each image, its place among the classes.
        progress: Called with image runs done and in all; each image runs twice.

    Raises:
        GraphError: The network has no gate that moves, or one whose values cannot be told.
        ValueError: The images do not fit.
    """
    if not any(isinstance(node, GateNode) for node in graph.nodes):
        raise GraphError("the network has no gate that moves; leave --freeze-gates out")
    if not len(pixels):
        raise ValueError("no images to take the mean of the gates over")
    batches = [pixels[start : start + _BATCH] for start in range(0, len(pixels), _BATCH)]

    def run(network: Graph, done: int) -> list[_Kept]:
        kept = []
        for batch in batches:
            kept.append(_kept(network, reference.run_float(network, batch)))
            done += len(batch)
            if progress:
                progress(done, 2 * len(pixels))
        return kept

    before = run(graph, 0)
    moving = {name: np.concatenate([one.gates[name] for one in before], axis=1) for name in before[0].gates}
    gates = {name: values.mean(axis=(0, 1)) for name, values in moving.items()}
    frozen = passes.freeze_gates(graph, gates)
    after = run(frozen, len(pixels))
    classes, frozen_classes = (np.concatenate([one.classes for one in kept]) for kept in (before, after))
    right, frozen_right = (
        None if labels is None else int((found == labels).sum()) for found in (classes, frozen_classes)
    )
    return frozen, Freezing(
        len(pixels),
        int((classes != frozen_classes).sum()),
        right,
        frozen_right,
        tuple(_frozen_gate(name, gates[name], values) for name, values in moving.items()),
        tuple(_frozen_layer(name, before, after) for name in before[0].spikes),
    )


@dataclass(frozen=True, eq=False)
class _Kept:
    """What is kept of a trace: spikes as bits, gates, and predicted classes."""

    spikes: Mapping[str, np.ndarray]
    gates: Mapping[str, np.ndarray]
    classes: np.ndarray


def _kept(graph: Graph, trace: Trace) -> _Kept:
    spikes = {layer.name: np.packbits(layer.spikes) for layer in trace.layers}
    return _Kept(spikes, passes.traced_gates(graph, trace), trace.scores.argmax(axis=1))


def _frozen_gate(name: str, frozen: np.ndarray, moving: np.ndarray) -> FrozenGate:
    deviation = float(np.sqrt(((moving - frozen) ** 2).mean()))
    return FrozenGate(name, float(frozen.min()), float(frozen.mean()), float(frozen.max()), deviation)


def _frozen_layer(name: str, before: Sequence[_Kept], after: Sequence[_Kept]) -> FrozenLayer:
    pairs = [(old.spikes[name], new.spikes[name]) for old, new in zip(before, after, strict=True)]
    return FrozenLayer(
        name,
        *(sum(map(_bits, ones)) for ones in ([a for a, _ in pairs], [b for _, b in pairs], [a ^ b for a, b in pairs])),
    )


def _bits(packed: np.ndarray) -> int:
    return int(np.unpackbits(packed).sum(dtype=np.int64))
