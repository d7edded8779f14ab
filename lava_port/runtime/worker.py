"""The subprocess that builds one Lava network, runs image after image through it and writes the traces into files.

Started by `host.py` as `python -m lava_port.runtime.worker FOLDER PARENT`; never imports JAX, and knows nothing of why.

Speaks JSON lines: requests on stdin (`images`, `trace`, `potentials`), reports on stdout (`event`: `built`, `image`,
`done`, `error`). End of stdin means: stop the network and leave.

State is reset between images without a word from outside: every process knows how many steps an image takes, and the
neurons start from rest in the first step of their window. Convolutions hold nothing but zeros by then, since the neurons
before them fell silent a step earlier.
"""

import functools
import importlib.metadata
import json
import mmap
import os
import platform
import sys
import time
import traceback
from dataclasses import dataclass, field
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np

from lava_port.graph import (
    ConvNode,
    DenseNode,
    FixedConv,
    FixedDense,
    FixedGate,
    FixedGraph,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedReadout,
    GateNode,
    Graph,
    GraphError,
    InputNode,
    LifNode,
    ReadoutNode,
    Window,
    find,
    hard_sigmoid,
    total_steps,
    windows,
)
from lava_port.runtime import compat, limits
from lava_port.runtime.guard import Guard, Segments
from lava_port.runtime.handover import load_graph, save_trace
from lava_port.trace import FACTS
from neurallnet_jax.network import white

__all__ = ["main"]

_PATH_MESSAGES = 2
"""Messages from a squeeze to the neurons; a gate with a shorter delay runs in one process with its neurons."""


def main() -> None:
    """Run the worker of the command line until stdin ends or something fails."""
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    # Lava and its children print to stdout as they like; the reports have a file descriptor of their own.
    channel = os.dup(1)
    os.dup2(2, 1)
    reports = os.fdopen(channel, "w", buffering=1)
    options = json.loads((folder / "options.json").read_text(encoding="utf-8"))
    guard = Guard(folder, parent, options["segments"], reports)
    guard.start()
    try:
        _serve(folder, options, guard)
    except BaseException as error:  # noqa: BLE001 - whatever it was, the host hears of it and no child stays behind
        refused = isinstance(error, ValueError)
        guard.abort(str(error) or type(error).__name__, traceback.format_exc(), refused=refused)


def _serve(folder: Path, options: dict[str, Any], guard: Guard) -> None:
    start = time.perf_counter()
    compat.install()
    _tame_lava(guard, options["segments"])
    network = _build(load_graph(folder), stock_conv=options["stock_conv"])
    guard.watch([actor.sentinel for actor in network.source.runtime._messaging_infrastructure.actors])
    guard.report(event="built", seconds=time.perf_counter() - start, versions=_versions())
    for line in sys.stdin:
        request = json.loads(line)
        images = np.load(folder / request["images"], allow_pickle=False)
        arrays = _run(network, images, request["potentials"], guard)
        save_trace(arrays, folder / request["trace"])
        guard.report(event="done")
    guard.rest()
    network.source.stop()
    guard.leave()


def _versions() -> dict[str, str]:
    names = ("lava-nc", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in names}}


def _tame_lava(guard: Guard, segments: str) -> None:
    """Make Lava's children pass on their traceback and die with this process, and name its shared memory."""
    import lava.magma.runtime.message_infrastructure.multiprocessing as infrastructure
    import lava.magma.runtime.runtime as runtime

    runtime.target_fn = guard.adopt(runtime.target_fn)
    infrastructure.SharedMemoryManager = functools.partial(Segments, segments)


# --- The network ------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Network:
    """A Lava network under construction, then running.

    Attributes:
        graph: What it is built from, in integers or in floats.
        period: Steps per image.
        windows: Window of every node.
        ports: Port on which a node hands on its result.
        records: Shared arrays by `NAME/WHAT`, written by the processes, and `image`, read by the source.
        biases: Of float currents, the bias that belongs to them, by node.
        source: The first process.
        white_level: Grey level that the background of an image is brought to before it is sent; None leaves it.
    """

    graph: Graph | FixedGraph
    period: int
    windows: dict[str, Window]
    ports: dict[str, Any] = field(default_factory=dict)
    records: dict[str, np.ndarray] = field(default_factory=dict)
    biases: dict[str, np.ndarray] = field(default_factory=dict)
    source: Any = None
    white_level: int | None = None

    def record(self, key: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return a new array that this process and Lava's children share."""
        size = max(1, int(np.prod(shape))) * np.dtype(dtype).itemsize
        self.records[key] = np.frombuffer(mmap.mmap(-1, size), dtype).reshape(shape)
        return self.records[key]

    def window(self, node: Any) -> tuple[int, int]:
        """Return the window of a node as Lava's variables hold it."""
        return self.windows[node.name].start, self.windows[node.name].stop


def _build(graph: Graph | FixedGraph, *, stock_conv: bool) -> _Network:
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.conv.process import Conv

    from lava_port.runtime.processes.convolution import PyConvModelExact, PyConvModelExactFloat, PyConvModelStock

    limits.check(graph, stock_conv=stock_conv)
    network = _Network(graph, total_steps(graph), windows(graph))
    for node in graph.nodes:
        _place(node, network)
    if isinstance(graph, FixedGraph):
        precision, conv = "fixed_pt", PyConvModelStock if stock_conv else PyConvModelExact
    else:
        precision, conv = "floating_pt", PyConvModelExactFloat
    models: dict[Any, Any] = {Conv: conv}
    network.source.create_runtime(Loihi2SimCfg(select_tag=precision, exception_proc_model_map=models))
    return network


def _run(network: _Network, images: np.ndarray, potentials: bool, guard: Guard) -> dict[str, np.ndarray]:
    from lava.magma.core.run_conditions import RunSteps

    kept = [key for key in network.records if key != "image" and (potentials or not key.endswith("/potential"))]
    seen: dict[str, list[np.ndarray]] = {key: [] for key in kept}
    for number, image in enumerate(images):
        network.records["image"][:] = white.balanced(image, network.white_level, np)
        network.source.run(RunSteps(num_steps=network.period))
        for key in kept:
            seen[key].append(network.records[key].copy())
        guard.report(event="image", number=number + 1)
    return {key: np.stack(arrays, axis=0 if key == "scores" else 1) for key, arrays in seen.items()}


@singledispatch
def _place(node: Any, network: _Network) -> None:
    """Add the Lava process of `node` to the network and connect it."""
    raise GraphError(
        f"node {node.name!r}: no Lava process for {type(node).__name__}; "
        "add one with @_place.register in lava_port/runtime/worker.py"
    )


@_place.register
def _(node: InputNode, network: _Network) -> None:
    _place_image(node, network, scale=node.scale)


@_place.register
def _(node: FixedInput, network: _Network) -> None:
    _place_image(node, network)


@_place.register
def _(node: ConvNode, network: _Network) -> None:
    network.biases[node.name] = node.bias.astype(np.float64)
    _place_conv(node, node.kernel.astype(np.float64), network)
    _hold_image_current(node, network)


@_place.register
def _(node: FixedConv, network: _Network) -> None:
    _place_conv(node, node.weight.astype(np.int32), network)


@_place.register
def _(node: DenseNode, network: _Network) -> None:
    network.biases[node.name] = node.bias.astype(np.float64)
    _place_dense(node, node.weight.astype(np.float64), network)
    _hold_image_current(node, network)


@_place.register
def _(node: FixedDense, network: _Network) -> None:
    _place_dense(node, node.weight.astype(np.int32), network)


@_place.register
def _(node: FixedHold, network: _Network) -> None:
    _place_hold(node, network, source=node.inputs[0], shift=node.shift, name=node.name)


@_place.register
def _(node: GateNode, network: _Network) -> None:
    _place_gate(node, network)


@_place.register
def _(node: FixedGate, network: _Network) -> None:
    _place_gate(node, network)


@_place.register
def _(node: LifNode, network: _Network) -> None:
    record = {"potential": network.record(f"{node.name}/potential", (network.graph.steps, *node.shape), np.float64)}
    threshold = np.full(node.shape[-1], node.v_threshold)
    _place_neurons(node, network, record, threshold=threshold, bias=network.biases[node.inputs[0]])


@_place.register
def _(node: FixedLif, network: _Network) -> None:
    steps = network.graph.steps
    record = {
        "potential": network.record(f"{node.name}/potential", (steps, *node.shape), np.int32),
        **{fact: network.record(f"{node.name}/{fact}", (steps,), np.int64) for fact in FACTS},
    }
    _place_neurons(node, network, record, threshold=node.threshold, bias=node.bias)


@_place.register
def _(node: ReadoutNode, network: _Network) -> None:
    _place_readout(node, network, network.biases[node.inputs[0]], np.float64)


@_place.register
def _(node: FixedReadout, network: _Network) -> None:
    _place_readout(node, network, node.bias, np.int64)


# --- Processes, for either kind of graph ------------------------------------------------------------------------------


def _place_image(node: InputNode | FixedInput, network: _Network, *, scale: float = 1.0) -> None:
    from lava_port.runtime.processes.source import ImageSource

    image = network.record("image", node.shape, np.uint8)
    network.source = ImageSource(image=image, offset=node.offset, period=network.period, name=node.name, scale=scale)
    network.ports[node.name] = network.source.s_out
    network.white_level = node.white_level


def _place_conv(node: ConvNode | FixedConv, weight: np.ndarray, network: _Network) -> None:
    from lava.proc.conv.process import Conv

    port = network.ports[node.inputs[0]]
    conv = Conv(
        # Lava convolves in the strict sense: kernels flipped against a cross-correlation.
        weight=weight[:, :, ::-1, ::-1].transpose(0, 2, 3, 1),
        input_shape=port.shape,
        stride=node.stride,
        padding=(node.padding[0][0], node.padding[1][0]),
        dilation=node.dilation,
        groups=node.groups,
        num_message_bits=_message_bits(node, network),
        name=node.name,
    )
    port.connect(conv.s_in)
    network.ports[node.name] = conv.a_out


def _place_dense(node: DenseNode | FixedDense, weight: np.ndarray, network: _Network) -> None:
    from lava.proc.dense.process import Dense
    from lava.utils.weightutils import SignMode

    port = network.ports[node.inputs[0]]
    positions = int(np.prod(port.shape[:-1])) if node.shared else 1
    dense = Dense(
        weights=np.tile(weight, (1, positions)),
        # Said, not guessed: a matrix without positive weights would lose its -256.
        sign_mode=SignMode.MIXED,
        num_message_bits=_message_bits(node, network),
        name=node.name,
    )
    (port.flatten() if len(port.shape) > 1 else port).connect(dense.s_in)
    network.ports[node.name] = dense.a_out


def _hold_image_current(node: ConvNode | DenseNode, network: _Network) -> None:
    """A float graph has no node that holds the image's current, which is sent once: it is the same in every step."""
    if isinstance(find(network.graph, node.inputs[0]), InputNode):
        _place_hold(node, network, source=node.name, shift=0, name=f"{node.name}_hold")


def _place_hold(node: Any, network: _Network, *, source: str, shift: int, name: str) -> None:
    from lava_port.runtime.processes.source import Hold

    window = network.window(node)
    hold = Hold(shape=node.shape, shift=shift, window=window, period=network.period, name=name)
    network.ports[source].connect(hold.a_in)
    network.ports[node.name] = hold.a_out


def _place_gate(node: GateNode | FixedGate, network: _Network) -> None:
    from lava_port.runtime.processes.attention import Excite, Squeeze

    port = network.ports[node.inputs[0]]
    if node.delay < _PATH_MESSAGES:
        return  # the neurons compute it in place
    weights = _gate_weights(node, network)
    squeeze = Squeeze(shape=port.shape, weights=weights, name=f"{node.name}_squeeze")
    excite = Excite(weights=weights, name=f"{node.name}_excite")
    port.connect(squeeze.a_in)
    squeeze.s_out.connect(excite.s_in)
    network.ports[node.name] = excite.g_out


def _place_neurons(
    node: LifNode | FixedLif,
    network: _Network,
    record: dict[str, np.ndarray],
    *,
    threshold: np.ndarray,
    bias: np.ndarray,
) -> None:
    from lava_port.runtime.processes.attention import AttentiveLif
    from lava_port.runtime.processes.neuron import GatedLif, Lif

    port, steps = network.ports[node.inputs[0]], network.graph.steps
    record["spikes"] = network.record(f"{node.name}/spikes", (steps, *node.shape), np.uint8)
    common: dict[str, Any] = {
        "shape": node.shape, "du": node.du, "dv": node.dv, "threshold": threshold, "bias": bias,
        "window": network.window(node), "period": network.period, "record": record, "name": node.name,
    }  # fmt: skip
    if len(node.inputs) == 1:
        lif = Lif(**common)
    else:
        gate = find(network.graph, node.inputs[1])
        assert isinstance(gate, GateNode | FixedGate)
        initial = _initial_gate(gate)
        kind = np.int64 if isinstance(gate, FixedGate) else np.float64
        record["gate"] = network.record(f"{node.name}/gate", (steps, *gate.shape), kind)
        if gate.delay < _PATH_MESSAGES:
            lif = AttentiveLif(weights=_gate_weights(gate, network), initial=initial, delay=gate.delay, **common)
        else:
            assert initial is not None
            lif = GatedLif(initial=initial, delay=gate.delay, **common)
            network.ports[gate.name].connect(lif.g_in)
    port.connect(lif.a_in)
    network.ports[node.name] = lif.s_out


def _place_readout(node: ReadoutNode | FixedReadout, network: _Network, bias: np.ndarray, kind: Any) -> None:
    from lava_port.runtime.processes.readout import Readout

    scores = network.record("scores", node.shape, kind)
    readout = Readout(bias=bias, window=network.window(node), period=network.period, scores=scores, name=node.name)
    network.ports[node.inputs[0]].connect(readout.a_in)


def _initial_gate(gate: GateNode | FixedGate) -> np.ndarray | None:
    if isinstance(gate, FixedGate) or gate.initial is None:
        return gate.initial
    return hard_sigmoid(gate.initial.astype(np.float64))


def _gate_weights(node: GateNode | FixedGate, network: _Network) -> dict[str, Any]:
    names = ["reduce", "reduce_bias", "excite", "excite_bias"]
    if isinstance(node, FixedGate):
        return {name: getattr(node, name) for name in (*names, "squeeze_shift", "hidden_shift", "gate_shift")}
    weights = {name: getattr(node, name).astype(np.float64) for name in names}
    return {**weights, "bias": network.biases[node.inputs[0]]}


def _message_bits(node: ConvNode | DenseNode | FixedConv | FixedDense, network: _Network) -> int:
    """Return 0 for spikes, else bits enough for signed pixels; with 0 Lava casts messages to bool unasked."""
    return 0 if isinstance(find(network.graph, node.inputs[0]), LifNode | FixedLif) else 9


if __name__ == "__main__":
    main()
