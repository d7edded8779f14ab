"""What a backend saw while it ran a batch: spikes, potentials and gates per layer and step, and the class scores.

Knows no backend and no energy; two traces of one network can be compared event by event.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from lava_port.graph import FixedGraph, FixedLif, Graph, GraphError, LifNode, Window

__all__ = [
    "FACTS",
    "LayerTrace",
    "Mismatch",
    "Trace",
    "add_up",
    "check_belongs",
    "compare",
    "concatenate",
    "first_mismatch",
    "shifted",
]

FACTS = ("overflows", "active", "charged")
"""What interpreters of integers count beside the spikes, each int64 (steps, batch)."""


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """What one layer of neurons did within its window.

    Attributes:
        name: Name of the LIF node.
        window: The steps of the window; axis 0 of the arrays runs over it.
        spikes: uint8 (steps, batch, *shape), 0 or 1.
        potential: Potential after each step (zero where it just spiked), (steps, batch, *shape); int32 or float; None
            where it was not asked for.
        gate: Gate of each step, (steps, batch, channels), integers in 0 .. 256 or floats in [0, 1]; None without one.
        overflows: Neurons whose current wrapped around 24 bits or whose potential met its limit, int64 (steps, batch).
            Always zero where the ranges are proven; None of a float network.
        active: Neurons at which a current other than zero arrived, gated where there is a gate, int64 (steps, batch);
            None of a float network.
        charged: Neurons whose potential after the step is not zero, int64 (steps, batch); None of a float network.
    """

    name: str
    window: Window
    spikes: np.ndarray
    potential: np.ndarray | None = None
    gate: np.ndarray | None = None
    overflows: np.ndarray | None = None
    active: np.ndarray | None = None
    charged: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """A batch through one network.

    Attributes:
        layers: One entry per LIF node, in execution order.
        scores: Class scores, (batch, classes): exact integers of the integer network, logits of the float one.
        steps: T.
        total_steps: T + depth, the steps the whole network ran.
    """

    layers: tuple[LayerTrace, ...]
    scores: np.ndarray
    steps: int
    total_steps: int

    def layer(self, name: str) -> LayerTrace:
        """Return the layer called `name`.

        Raises:
            GraphError: There is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise GraphError(f"the trace has no layer {name!r}; it has {', '.join(layer.name for layer in self.layers)}")


@dataclass(frozen=True)
class Mismatch:
    """How two traces of one layer differ.

    Attributes:
        name: The layer (`readout` for the class scores).
        spikes: Spikes in the first trace.
        mismatches: Events that stand in one trace only; potentials, gates, `FACTS` or scores that differ count as well.
        first: (image, step, *neuron) of the first difference, or None.
    """

    name: str
    spikes: int
    mismatches: int
    first: tuple[int, ...] | None


def compare(left: Trace, right: Trace, *, tolerance: float = 0.0) -> tuple[Mismatch, ...]:
    """Return the differences of two traces, one entry per layer and one for the class scores.

    Potentials, gates and `FACTS` are compared where both traces hold them.

    Args:
        left: One trace.
        right: The other.
        tolerance: How far potentials, gates and scores may lie apart; zero for integers. Spikes always have to agree.

    Raises:
        GraphError: The traces are of different networks or batches.
    """
    if [layer.name for layer in left.layers] != [layer.name for layer in right.layers]:
        raise GraphError("the traces are of different networks: their layers differ")
    if left.scores.shape != right.scores.shape:
        raise GraphError(f"the traces are of different batches: {left.scores.shape} and {right.scores.shape}")
    result = []
    for mine, other in zip(left.layers, right.layers, strict=True):
        if mine.window != other.window or mine.spikes.shape != other.spikes.shape:
            raise GraphError(f"layer {mine.name!r}: windows or shapes differ, {mine.window} and {other.window}")
        differs = mine.spikes != other.spikes
        if mine.potential is not None and other.potential is not None:
            differs = differs | _apart(mine.potential, other.potential, tolerance)
        if mine.gate is not None and other.gate is not None:
            gates = _apart(mine.gate, other.gate, tolerance)
            differs = differs | gates.reshape(*gates.shape[:2], *(1,) * (differs.ndim - 3), -1)
        for fact in FACTS:
            ours, theirs = getattr(mine, fact), getattr(other, fact)
            if ours is not None and theirs is not None:
                counted = ours != theirs
                differs = differs | counted.reshape(*counted.shape, *(1,) * (differs.ndim - 2))
        result.append(Mismatch(mine.name, int(mine.spikes.sum()), int(differs.sum()), _first(differs)))
    scores = _apart(left.scores, right.scores, tolerance)
    where = np.argwhere(scores)
    first = (int(where[0][0]), left.total_steps - 1, int(where[0][1])) if len(where) else None
    result.append(Mismatch("readout", 0, int(scores.sum()), first))
    return tuple(result)


def first_mismatch(mismatches: tuple[Mismatch, ...]) -> Mismatch | None:
    """Return the first layer, in execution order, in which two traces differ, or None."""
    return next((entry for entry in mismatches if entry.mismatches), None)


def shifted(mismatches: tuple[Mismatch, ...], images: int) -> tuple[Mismatch, ...]:
    """Return the differences of a batch that comes after `images` other images: the first difference counts them."""
    return tuple(
        dataclasses.replace(entry, first=(entry.first[0] + images, *entry.first[1:])) if entry.first else entry
        for entry in mismatches
    )


def add_up(batches: list[tuple[Mismatch, ...]]) -> tuple[Mismatch, ...]:
    """Return the differences of several batches as one entry per layer."""
    return tuple(
        Mismatch(
            parts[0].name,
            sum(part.spikes for part in parts),
            sum(part.mismatches for part in parts),
            next((part.first for part in parts if part.first), None),
        )
        for parts in zip(*batches, strict=True)
    )


def concatenate(traces: list[Trace]) -> Trace:
    """Return one trace of several batches of one network."""
    if not traces:
        raise GraphError("no traces to join")
    layers = []
    for parts in zip(*(trace.layers for trace in traces), strict=True):
        joined = {
            key: None if values[0] is None else np.concatenate(values, axis=1)
            for key in ("spikes", "potential", "gate", *FACTS)
            for values in [[getattr(part, key) for part in parts]]
        }
        layers.append(dataclasses.replace(parts[0], **joined))
    return dataclasses.replace(
        traces[0], layers=tuple(layers), scores=np.concatenate([trace.scores for trace in traces])
    )


def check_belongs(graph: Graph | FixedGraph, trace: Trace) -> None:
    """Refuse a trace that does not belong to `graph`: other layers, other steps."""
    names = [node.name for node in graph.nodes if isinstance(node, LifNode | FixedLif)]
    if names != [layer.name for layer in trace.layers] or trace.steps != graph.steps:
        raise GraphError("the trace is of another network: its layers or steps differ")


def _apart(left: np.ndarray, right: np.ndarray, tolerance: float) -> np.ndarray:
    return np.abs(left - right) > tolerance if tolerance else left != right


def _first(differs: np.ndarray) -> tuple[int, ...] | None:
    where = np.argwhere(np.moveaxis(differs, 1, 0))
    return tuple(int(index) for index in where[0]) if len(where) else None
