"""Exact operation counts of every node, per step and image: what the network did, before anybody puts a price on it.

Knows neither joules nor profiles. Counts classify by meaning, never by value: a spike at a weight is one accumulation
(synop), an analogue or graded value at a weight one multiply-accumulate (MAC), zero or not.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any, Literal, TypeAlias

import numpy as np

from lava_port.energy.activity import Activity, LayerActivity, SynapseActivity
from lava_port.energy.connections import fan_out
from lava_port.energy.messages import Sent, deliver
from lava_port.energy.placement import Placement
from lava_port.energy.traffic import AnnTraffic, Traffic, Work, ann_traffic, traffic
from lava_port.graph import (
    FixedConv,
    FixedDense,
    FixedGate,
    FixedGraph,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedNode,
    FixedReadout,
    GraphError,
    Shape,
    Window,
    find,
    total_steps,
    windows,
)

__all__ = [
    "PER_STEP",
    "AnnCounts",
    "Counts",
    "NodeCounts",
    "Setting",
    "Tally",
    "Traffic",
    "count_node",
    "counts",
    "fan_out",
]

Signal: TypeAlias = Literal["image", "held", "current", "spikes", "gate", "scores"]
"""What a node puts out: the analogue image (once), a value held for T steps, a value per step, spikes, gates, scores."""

PER_STEP = (
    "events",
    "synops_stored",
    "synops_nonzero",
    "macs",
    "macs_nonzero",
    "additions",
    "multiplies",
    "updates",
    "active",
    "charged",
    "spikes",
    "messages",
    "hops",
    "hops_east_west",
)
"""The counts of `NodeCounts` that are int64 (steps, images); some are None where nobody counted them."""

_OVER_MESH = ("messages", "hops", "hops_east_west")


@dataclass(frozen=True)
class AnnCounts(AnnTraffic):
    """What the node costs in one pass of the ANN of the same topology, every input dense; its traffic as in `AnnTraffic`.

    Attributes:
        macs: Multiply-accumulates with the image's own pixels and activations; the padding's zeros cost nothing.
        additions: Additions of the squeeze.
        multiplies: Products with the gate.
        activations: Rectified linear units that stand where the neurons do.
    """

    macs: int = 0
    additions: int = 0
    multiplies: int = 0
    activations: int = 0


@dataclass(frozen=True, eq=False)
class NodeCounts:
    """What one node did; arrays are int64 (steps, images), axis 0 running over the steps of `window`.

    An event is counted at the node whose weights it meets, in the step in which its result arrives there.

    Attributes:
        name: Name of the node.
        kind: Its type, such as `FixedConv`.
        signal: What it puts out.
        window: Its window.
        neurons: Neurons it holds, 0 where it holds none.
        events: Values that arrive at its weights: spikes, or every element of an analogue input.
        synops_stored: Spikes times the weights stored for them.
        synops_nonzero: Spikes times their weights that are not zero.
        macs: Multiply-accumulates of an analogue or graded input, or of a gate's two dense layers.
        macs_nonzero: The same with weights that are not zero; inputs count whatever their value.
        additions: Additions of the squeeze.
        multiplies: Products of gate and current, one per gated element.
        updates: Neuron updates, one per neuron in every step of its window.
        active: Those of neurons at which a current other than zero arrived, after the gate; all those of a read-out. None
            where the trace did not count them.
        charged: Those after which the potential is not zero; all those of a read-out. None likewise.
        spikes: Spikes put out.
        messages: Messages sent under the placement, one per spike or value and destination core; None without a placement.
        hops: Hops of those messages on the mesh; None likewise.
        hops_east_west: Those of the hops that go along a row, which cost less on Loihi 1; None likewise.
        idle_updates: Neuron updates in the steps of T + depth outside the window, int64 (images,).
        passes: How often per image it works through its dense input: once for the image, T times otherwise.
        ann: One pass of the same node in an ANN.
        traffic: Bits it moves per image.
        weight_bytes: Bytes of its weights.
        state_bytes: Bytes of all else that a memory must hold for it.
    """

    name: str
    kind: str
    signal: Signal
    window: Window
    neurons: int
    events: np.ndarray
    synops_stored: np.ndarray
    synops_nonzero: np.ndarray
    macs: np.ndarray
    macs_nonzero: np.ndarray
    additions: np.ndarray
    multiplies: np.ndarray
    updates: np.ndarray
    active: np.ndarray | None
    charged: np.ndarray | None
    spikes: np.ndarray
    messages: np.ndarray | None
    hops: np.ndarray | None
    hops_east_west: np.ndarray | None
    idle_updates: np.ndarray
    passes: int
    ann: AnnCounts
    traffic: Traffic
    weight_bytes: int
    state_bytes: int

    @property
    def macs_each_step(self) -> int:
        """MACs per image if the analogue input were convolved anew in every step, as most tools count it."""
        return self.ann.macs * len(self.events)


@dataclass(frozen=True, eq=False)
class Counts:
    """Operation counts of one network on a run of images.

    Attributes:
        nodes: One entry per node of the graph, in execution order.
        images: Number of images.
        steps: T.
        total_steps: T + depth.
        membrane_updates: NeuroBench's count, int64 (images,); None where the traces held no potentials.
        placement: Where the network lies, as given.
        neurons_per_core: int64 (cores,); None without a placement.
        events_per_core: Synaptic events that each core works off, int64 (cores, T + depth, images); None likewise.
    """

    nodes: tuple[NodeCounts, ...]
    images: int
    steps: int
    total_steps: int
    membrane_updates: np.ndarray | None
    placement: Placement | None = None
    neurons_per_core: np.ndarray | None = None
    events_per_core: np.ndarray | None = None

    def node(self, name: str) -> NodeCounts:
        """Return the counts of the node called `name`.

        Raises:
            GraphError: There is none.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise GraphError(f"no counts of a node {name!r}; there are {', '.join(node.name for node in self.nodes)}")


@dataclass(frozen=True, eq=False)
class Setting:
    """What the rule of one node may look at.

    Attributes:
        graph: The network.
        activity: What it did.
        signals: What the nodes before this one put out.
        window: The node's window.
        idle_steps: Steps of T + depth outside it.
    """

    graph: FixedGraph
    activity: Activity
    signals: Mapping[str, Signal]
    window: Window
    idle_steps: int

    def input_shape(self, node: FixedNode) -> Shape:
        """Return the shape of the node's first input."""
        return find(self.graph, node.inputs[0]).shape

    def every_step(self, count: int) -> np.ndarray:
        """Return `count` in every step of the window and image."""
        return np.full((self.activity.steps, self.activity.images), count, np.int64)

    def once(self, count: int) -> np.ndarray:
        """Return `count` in the first step of the window, for every image."""
        result = self.every_step(0)
        result[0] = count
        return result


@dataclass(frozen=True, eq=False)
class Tally:
    """What the rule of one node found; the fields are those of `NodeCounts`.

    Attributes:
        signal: What the node puts out.
        counted: Arrays by their name in `PER_STEP`, None for what was not recorded; the node did nothing of a kind that is
            not named.
        neurons: Neurons it holds.
        passes: How often per image it works through its dense input.
        ann: One pass of the same node in an ANN.
    """

    signal: Signal
    counted: Mapping[str, np.ndarray | None] = field(default_factory=dict)
    neurons: int = 0
    passes: int = 1
    ann: AnnCounts = AnnCounts()


def counts(graph: FixedGraph, activity: Activity, *, placement: Placement | None = None) -> Counts:
    """Return the exact operation counts of `activity` in `graph`.

    Args:
        graph: The network.
        activity: What `measure` recorded of it.
        placement: Where its neurons lie, for messages, hops and what each core works off.

    Raises:
        GraphError: The activity or the placement is of another network.
        TypeError: The graph holds a node that no rule counts; the message names it.
    """
    _check(graph, activity)
    signals: dict[str, Signal] = {}
    nodes = []
    node_windows = windows(graph)
    delivery = None if placement is None else deliver(graph, activity, placement)
    for node in graph.nodes:
        window = node_windows[node.name]
        setting = Setting(graph, activity, signals, window, total_steps(graph) - graph.steps)
        tally = count_node(node, setting)
        signals[node.name] = tally.signal
        nodes.append(_node_counts(node, setting, tally, None if delivery is None else delivery.sent[node.name]))
    return Counts(
        tuple(nodes),
        activity.images,
        activity.steps,
        activity.total_steps,
        _membrane_updates(activity),
        placement,
        None if delivery is None else delivery.neurons_per_core,
        None if delivery is None else delivery.events_per_core,
    )


def _node_counts(node: FixedNode, setting: Setting, tally: Tally, over_mesh: Sent | None) -> NodeCounts:
    """Return what the rule of one node found, with what it sent and the bits that it moved."""
    counted = dict(tally.counted)
    for name in _OVER_MESH:
        counted[name] = None if over_mesh is None else getattr(over_mesh, name)
    arrays: dict[str, Any] = {name: counted.get(name, setting.every_step(0)) for name in PER_STEP}
    idle = np.full(setting.activity.images, tally.neurons * setting.idle_steps, np.int64)
    shape = setting.input_shape(node) if node.inputs else node.shape
    heard = setting.signals[node.inputs[0]] if node.inputs else ""
    work = Work(shape, heard, arrays, idle, tally.passes, setting.activity.steps)
    moved, weight_bits, state_bits = traffic(node, work)
    return NodeCounts(
        name=node.name,
        kind=type(node).__name__,
        signal=tally.signal,
        window=setting.window,
        neurons=tally.neurons,
        idle_updates=idle,
        passes=tally.passes,
        ann=dataclasses.replace(tally.ann, **dataclasses.asdict(ann_traffic(node, shape, tally.ann.macs))),
        traffic=moved,
        weight_bytes=-(-weight_bits // 8),
        state_bytes=-(-state_bits // 8),
        **arrays,
    )


@singledispatch
def count_node(node: object, setting: Setting) -> Tally:
    """Return what one node did.

    Raises:
        TypeError: No rule counts the node: it is refused, never taken as zero.
    """
    raise TypeError(
        f"node {getattr(node, 'name', '?')!r}: no counts for {type(node).__name__}; "
        "add some with @count_node.register in lava_port/energy/counts.py"
    )


@count_node.register
def _(node: FixedInput, setting: Setting) -> Tally:
    return Tally("image")


@count_node.register
def _(node: FixedHold, setting: Setting) -> Tally:
    return Tally("held")


@count_node.register(FixedConv)
@count_node.register(FixedDense)
def _(node: FixedConv | FixedDense, setting: Setting) -> Tally:
    source = node.inputs[0]
    shape = setting.input_shape(node)
    incoming = setting.signals[source]
    dense = int(fan_out(node, shape).sum())
    ann = AnnCounts(macs=dense)
    if incoming == "spikes":
        heard = _synapses(setting.activity, node.name)
        arrays = {
            "events": _layer(setting.activity, source).spikes,
            "synops_stored": heard.stored,
            "synops_nonzero": heard.nonzero,
        }
        return Tally("current", arrays, passes=setting.activity.steps, ann=ann)
    once = incoming == "image"
    spread = setting.once if once else setting.every_step
    arrays = {
        "events": spread(math.prod(shape)),
        "macs": spread(dense),
        "macs_nonzero": spread(int(fan_out(node, shape, nonzero=True).sum())),
    }
    passes = 1 if once else setting.activity.steps
    return Tally("image" if once else "current", arrays, passes=passes, ann=ann)


@count_node.register
def _(node: FixedGate, setting: Setting) -> Tally:
    elements = math.prod(setting.input_shape(node))
    gated = sum(math.prod(reader.shape) for reader in setting.graph.nodes if node.name in reader.inputs)
    macs = node.reduce.size + node.excite.size
    nonzero = int(np.count_nonzero(node.reduce) + np.count_nonzero(node.excite))
    # A held current has the same sum in every step, so that it is added up once.
    held = setting.signals[node.inputs[0]] == "held"
    arrays = {
        "additions": setting.once(elements) if held else setting.every_step(elements),
        "macs": setting.every_step(macs),
        "macs_nonzero": setting.every_step(nonzero),
        "multiplies": setting.every_step(gated),
    }
    ann = AnnCounts(macs=macs, additions=elements, multiplies=gated)
    return Tally("gate", arrays, passes=setting.activity.steps, ann=ann)


@count_node.register
def _(node: FixedLif, setting: Setting) -> Tally:
    neurons = math.prod(node.shape)
    layer = _layer(setting.activity, node.name)
    arrays = {
        "updates": setting.every_step(neurons),
        "active": layer.active,
        "charged": layer.charged,
        "spikes": layer.spikes,
    }
    return Tally("spikes", arrays, neurons=neurons, ann=AnnCounts(activations=neurons))


@count_node.register
def _(node: FixedReadout, setting: Setting) -> Tally:
    neurons = math.prod(node.shape)
    # A sum is read, added to and written in every step, and traces hold only what it is in the end.
    updates = setting.every_step(neurons)
    return Tally("scores", {"updates": updates, "active": updates, "charged": updates}, neurons=neurons)


def _layer(activity: Activity, name: str) -> LayerActivity:
    for entry in activity.layers:
        if entry.name == name:
            return entry
    raise GraphError(f"the activity is of another network: it has no layer {name!r}")


def _synapses(activity: Activity, name: str) -> SynapseActivity:
    for entry in activity.synapses:
        if entry.name == name:
            return entry
    raise GraphError(f"the activity is of another network: no spikes were counted at node {name!r}")


def _check(graph: FixedGraph, activity: Activity) -> None:
    layers = [(node.name, node.shape) for node in graph.nodes if isinstance(node, FixedLif)]
    if layers != [(entry.name, entry.shape) for entry in activity.layers]:
        raise GraphError("the activity is of another network: its layers or their shapes differ")
    if (activity.steps, activity.total_steps) != (graph.steps, total_steps(graph)):
        raise GraphError(
            f"the activity is of another network: {activity.steps} of {activity.total_steps} steps, expected "
            f"{graph.steps} of {total_steps(graph)}"
        )


def _membrane_updates(activity: Activity) -> np.ndarray | None:
    changes = [entry.changes for entry in activity.layers if entry.changes is not None]
    if len(changes) < len(activity.layers):
        return None
    return np.stack([entry.sum(axis=0) for entry in changes]).sum(axis=0) if changes else None
