"""Which groups of neurons a network needs on a chip, what each neuron keeps, and which weights lead to it from where.

Knows what a chip can do and refuses by name what it cannot; knows nothing of cores, nor how many neurons fit into one.

A layer becomes one population: its neurons with the weights before them. A gate becomes two, so that its path has the two
messages that its delay of two steps pays for (squeeze -> excite, excite -> neuron):

- `gate.squeeze`, one neuron per channel. The sum of a current over space is linear in what the layer hears, so that these
  neurons hear the same spikes as the layer does, in the same step; the weight between a spike and a channel is the sum of
  the layer's weights between them. A sum of m weights takes ceil(log2 m) bits more than one.
- `gate.excite`, one neuron per hidden unit, hears the squeeze through `reduce`.
- The gated neurons hear the hidden units through `excite` and clip and multiply in their own programme.

What neurons keep, beside their weights:

    lif       per neuron: current, potential;   per channel: threshold, bias
    on hold   per neuron: held as well
    gated     per neuron: sum, and a gate for each step that the delay exceeds two;
              per channel: sum_bias, gate_shift, gate (the initial one)
    read-out  per neuron: sum;                  per channel: sum_bias
    squeeze   per neuron: sum
    excite    per neuron: sum;                  per channel: sum_bias
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from lava_port.energy.chips import Chip, Item
from lava_port.energy.connections import Reach, reach
from lava_port.graph import (
    FixedConv,
    FixedDense,
    FixedGate,
    FixedGraph,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedReadout,
    GraphError,
    Shape,
    find,
)
from neurallnet_jax.spec import GATE_PATH_MESSAGES

__all__ = ["Population", "Projection", "Survey", "survey"]


@dataclass(frozen=True, eq=False)
class Projection:
    """Weights that lead to a population.

    Attributes:
        source: Name of the population, or of the image, that sends.
        reach: Which of its neurons reach which.
        extra_bits: Bits that an unrolled weight takes beyond those of a single one.
    """

    source: str
    reach: Reach
    extra_bits: int = 0


@dataclass(frozen=True, eq=False)
class Population:
    """A group of neurons that is cut into tiles, one per core.

    Attributes:
        name: Name of the neurons' node, or of the gate with `.squeeze` or `.excite` behind it.
        nodes: Names of the nodes that it stands for.
        shape: As in the graph, (height, width, channels) or (units,).
        projections: What leads to it.
        per_neuron: What is kept per neuron.
        per_channel: What is kept once per channel in every core that holds some of it.
        spikes: Whether it sends anything.
    """

    name: str
    nodes: tuple[str, ...]
    shape: Shape
    projections: tuple[Projection, ...]
    per_neuron: tuple[Item, ...]
    per_channel: tuple[Item, ...]
    spikes: bool = True

    @property
    def extents(self) -> tuple[int, int, int]:
        """Height, width and channels; a vector is one position."""
        height, width = self.shape[:2] if len(self.shape) == 3 else (1, 1)
        return height, width, self.shape[-1]


@dataclass(frozen=True, eq=False)
class Survey:
    """What of a network a chip could hold, were there cores enough.

    Attributes:
        populations: In execution order.
        reasons: One sentence per kind of refusal, naming the layers.
        shapes: Shape of everything that sends to a population, by name; what is refused sends from outside.
    """

    populations: tuple[Population, ...]
    reasons: tuple[str, ...]
    shapes: Mapping[str, Shape]


@dataclass(frozen=True, eq=False)
class _Current:
    """What a layer with weights hands to its neurons."""

    source: str
    reach: Reach
    nodes: tuple[str, ...]
    analogue: bool
    held: bool = False


@dataclass(frozen=True, eq=False)
class _Piece:
    """What a rule makes of one node: a current, populations, or the reason why there are none."""

    current: _Current | None = None
    populations: tuple[Population, ...] = ()
    refused: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class _Setting:
    """What a rule may look at."""

    graph: FixedGraph
    chip: Chip
    currents: Mapping[str, _Current]
    known: Mapping[str, Population]

    def current(self, node: FixedGate | FixedHold | FixedLif | FixedReadout) -> _Current:
        """Return the current that `node` hears."""
        if node.inputs[0] not in self.currents:
            raise GraphError(
                f"node {node.name!r}: hears {node.inputs[0]!r}, which is no current; "
                "expected a convolution or dense layer, or the hold behind it"
            )
        return self.currents[node.inputs[0]]


def survey(graph: FixedGraph, chip: Chip) -> Survey:
    """Return the populations that `chip` could run, and why it could not run the others.

    Raises:
        GraphError: A node hears what no hardware could give it; the message names it.
        TypeError: The graph holds a node that no rule knows; the message names it.
    """
    currents: dict[str, _Current] = {}
    known: dict[str, Population] = {}
    refused: dict[str, list[str]] = {}
    for node in graph.nodes:
        piece = _populate(node, _Setting(graph, chip, currents, known))
        if piece.current is not None:
            currents[node.name] = piece.current
        if piece.refused is not None:
            refused.setdefault(piece.refused[1], []).append(piece.refused[0])
        known |= {population.name: population for population in piece.populations}
    shapes = {node.name: node.shape for node in graph.nodes if isinstance(node, FixedInput | FixedLif)}
    shapes |= {name: population.shape for name, population in known.items()}
    order = [node.name for node in graph.nodes]
    reasons = tuple(
        f"{'layer' if len(names) == 1 else 'layers'} {', '.join(map(repr, names))}: {why}"
        for why, names in sorted(refused.items(), key=lambda entry: order.index(entry[1][0]))
    )
    return Survey(tuple(known.values()), reasons, shapes)


@singledispatch
def _populate(node: object, setting: _Setting) -> _Piece:
    """Return what one node needs on a chip.

    Raises:
        TypeError: No rule knows the node: it is refused, never taken as nothing.
    """
    raise TypeError(
        f"node {getattr(node, 'name', '?')!r}: no placement for {type(node).__name__}; "
        "add one with @_populate.register in lava_port/energy/populations.py"
    )


@_populate.register
def _(node: FixedInput, setting: _Setting) -> _Piece:
    return _Piece()


@_populate.register(FixedConv)
@_populate.register(FixedDense)
def _(node: FixedConv | FixedDense, setting: _Setting) -> _Piece:
    source = find(setting.graph, node.inputs[0])
    if not isinstance(source, FixedInput | FixedLif):
        raise GraphError(
            f"node {node.name!r}: hears {source.name!r}, a {type(source).__name__}; expected the image or spikes"
        )
    analogue = isinstance(source, FixedInput)
    return _Piece(_Current(source.name, reach(node, source.shape), (node.name,), analogue))


@_populate.register
def _(node: FixedHold, setting: _Setting) -> _Piece:
    current = setting.current(node)
    return _Piece(dataclasses.replace(current, nodes=(*current.nodes, node.name), held=True))


@_populate.register
def _(node: FixedGate, setting: _Setting) -> _Piece:
    chip, current = setting.chip, setting.current(node)
    if node.delay < GATE_PATH_MESSAGES:
        why = (
            f"a gate with delay {node.delay} is simulation only, since no core sees a whole channel in one step; "
            f"train with a delay of {GATE_PATH_MESSAGES} or more"
        )
        return _Piece(refused=(node.name, why))
    if lacking := chip.lacks(graded=True, programmable=True):
        why = (
            f"squeeze and excitation need {lacking}, which {chip.title} lacks; "
            "train without attention, or with a static gate"
        )
        return _Piece(refused=(node.name, why))
    most = math.prod(int(table.sum(axis=1).max()) for table in (current.reach.rows, current.reach.columns))
    summed = dataclasses.replace(
        current.reach,
        rows=current.reach.rows.sum(axis=1, keepdims=True),
        columns=current.reach.columns.sum(axis=1, keepdims=True),
    )
    bits = max(most - 1, 0).bit_length()
    hidden, channels = node.reduce.shape
    squeeze = Population(
        f"{node.name}.squeeze", (node.name,), (channels,), (Projection(current.source, summed, bits),), ("sum",), ()
    )
    excite = Population(
        f"{node.name}.excite", (node.name,), (hidden,),
        (Projection(squeeze.name, _all_to_all(1, 1, channels, hidden)),), ("sum",), ("sum_bias",),
    )  # fmt: skip
    return _Piece(populations=(squeeze, excite))


@_populate.register
def _(node: FixedLif, setting: _Setting) -> _Piece:
    chip, current = setting.chip, setting.current(node)
    refused = _analogue(current, chip)
    if refused is not None:
        return _Piece(refused=(current.nodes[0], refused))
    projections = (Projection(current.source, current.reach),)
    per_neuron: tuple[Item, ...] = ("current", "potential", *(("held",) if current.held else ()))
    per_channel: tuple[Item, ...] = ("threshold", "bias")
    nodes = (*current.nodes, node.name)
    population = Population(node.name, nodes, node.shape, projections, per_neuron, per_channel)
    gate = find(setting.graph, node.inputs[-1])
    excite = setting.known.get(f"{gate.name}.excite")
    if not isinstance(gate, FixedGate) or excite is None:
        return _Piece(populations=(population,))
    height, width, channels = population.extents
    kept: tuple[Item, ...] = ("gate",) * (gate.delay - GATE_PATH_MESSAGES)
    gated = dataclasses.replace(
        population,
        projections=(*projections, Projection(excite.name, _all_to_all(height, width, excite.shape[0], channels))),
        per_neuron=(*per_neuron, "sum", *kept),
        per_channel=(*per_channel, "sum_bias", "gate_shift", "gate"),
    )
    return _Piece(populations=(gated,))


@_populate.register
def _(node: FixedReadout, setting: _Setting) -> _Piece:
    chip, current = setting.chip, setting.current(node)
    refused = _analogue(current, chip)
    if refused is not None:
        return _Piece(refused=(current.nodes[0], refused))
    if lacking := chip.lacks(graded=False, programmable=True):
        why = f"adding up without spiking needs {lacking}, which {chip.title} lacks; add up on the host"
        return _Piece(refused=(node.name, why))
    projection = Projection(current.source, current.reach)
    nodes = (*current.nodes, node.name)
    readout = Population(node.name, nodes, node.shape, (projection,), ("sum",), ("sum_bias",), spikes=False)
    return _Piece(populations=(readout,))


def _analogue(current: _Current, chip: Chip) -> str | None:
    """Return why neurons of `chip` cannot hear a current of the analogue image."""
    lacking = chip.lacks(graded=current.analogue, programmable=current.held)
    if not lacking:
        return None
    return f"the analogue image needs {lacking}, which {chip.title} lacks; compute this layer on the host"


def _all_to_all(height: int, width: int, sources: int, channels: int) -> Reach:
    """Return the reach of a vector all of whose units meet every neuron of a layer."""
    shapes = ((1, height), (1, width), (sources, channels))
    return Reach(*(np.ones(shape, np.int64) for shape in shapes), taps=1)
