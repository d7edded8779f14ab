"""Squeeze and excitation: as two processes, one message each, and as one process with its neurons, simulation only.

Each process has two models, in integers (`fixed_pt`) and in floats (`floating_pt`). Knows the equations of `FixedGate` and
`GateNode` in `lava_port/graph.py` and no layer around them.
"""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_port.runtime.processes.neuron import AbstractPyFixedLif, AbstractPyFloatLif, Lif, towards_zero

__all__ = [
    "AttentiveLif",
    "Excite",
    "PyAttentiveLifModel",
    "PyAttentiveLifModelFloat",
    "PyExciteModel",
    "PyExciteModelFloat",
    "PySqueezeModel",
    "PySqueezeModelFloat",
    "Squeeze",
]

_WIRE = 1 << 31


class Squeeze(AbstractProcess):
    """Sums a current over space and sends it one step later.

    Args:
        shape: (..., channels) of the current.
        weights: What it needs of `Excite`'s: in integers `squeeze_shift`, the bits dropped; in floats `bias` (channels,),
            added to the mean.
        name: Name of the node.
    """

    def __init__(self, *, shape: tuple[int, ...], weights: dict[str, Any], name: str) -> None:
        super().__init__(weights=weights, name=name)
        self.squeezed = Var(shape=shape[-1:], init=0)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape[-1:])


@implements(proc=Squeeze, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySqueezeModel(PyLoihiProcessModel):
    """Hands on what it computed in the step before, as `Conv` does."""

    proc_params: Any
    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=32)
    squeezed: Any = LavaPyType(np.ndarray, np.int64, precision=32)

    def run_spk(self) -> None:
        """Send the last step's sums, then add up this step's current."""
        self.s_out.send(self.squeezed.astype(np.int32))
        self.squeezed = _squeeze(self.a_in.recv(), self.proc_params["weights"])
        if np.abs(self.squeezed).max() >= _WIRE:
            raise ValueError(f"squeeze reaches {np.abs(self.squeezed).max()}, beyond 32 bits; raise squeeze_shift")


@implements(proc=Squeeze, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PySqueezeModelFloat(PyLoihiProcessModel):
    """The mean instead of the sum."""

    proc_params: Any
    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, float)
    squeezed: Any = LavaPyType(np.ndarray, float)

    def run_spk(self) -> None:
        """Send the last step's mean, then take that of this step's current."""
        self.s_out.send(self.squeezed)
        self.squeezed = _mean(self.a_in.recv(), self.proc_params["weights"])


class Excite(AbstractProcess):
    """Turns a squeeze into a gate per channel, 0 .. 256 in integers and [0, 1] in floats, and sends it one step later.

    Args:
        weights: The fields of a `FixedGate` or `GateNode` by name: `reduce`, `reduce_bias`, `excite`, `excite_bias`, and in
            integers `hidden_shift` and `gate_shift`.
        name: Name of the node.
    """

    def __init__(self, *, weights: dict[str, np.ndarray], name: str) -> None:
        super().__init__(weights=weights, name=name)
        channels = weights["excite"].shape[0]
        self.gate = Var(shape=(channels,), init=0)
        self.s_in = InPort(shape=(channels,))
        self.g_out = OutPort(shape=(channels,))


@implements(proc=Excite, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyExciteModel(PyLoihiProcessModel):
    """Hands on what it computed in the step before, as `Dense` does."""

    proc_params: Any
    s_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=32)
    g_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=9)
    gate: Any = LavaPyType(np.ndarray, np.int32, precision=9)

    def run_spk(self) -> None:
        """Send the last step's gate, then work on this step's squeeze."""
        self.g_out.send(self.gate)
        self.gate = _excite(self.s_in.recv(), self.proc_params["weights"]).astype(np.int32)


@implements(proc=Excite, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyExciteModelFloat(PyLoihiProcessModel):
    """The same in floats."""

    proc_params: Any
    s_in: Any = LavaPyType(PyInPort.VEC_DENSE, float)
    g_out: Any = LavaPyType(PyOutPort.VEC_DENSE, float)
    gate: Any = LavaPyType(np.ndarray, float)

    def run_spk(self) -> None:
        """Send the last step's gate, then work on this step's mean."""
        self.g_out.send(self.gate)
        self.gate = _hard_sigmoid_of(self.s_in.recv(), self.proc_params["weights"])


class AttentiveLif(Lif):
    """Squeeze, excitation and neurons in one: **simulation only**, since no core sees a whole channel in one step.

    Args:
        weights: As for `Squeeze` and `Excite` together.
        initial: (channels,), the gate of the first `delay` steps; None with delay 0.
        delay: Steps between a current and the gate it sets: 0, or 1, which two messages cannot reach either.
        kwargs: As for `Lif`.
    """

    def __init__(self, *, weights: dict[str, np.ndarray], initial: np.ndarray | None, delay: int, **kwargs) -> None:
        super().__init__(weights=weights, initial=initial, delay=delay, **kwargs)


class _Attentive:
    """Neurons whose gate is computed in place."""

    proc_params: Any
    a_in: Any

    def gate(self, current: np.ndarray) -> np.ndarray:
        """Return the gate that a current sets."""
        raise NotImplementedError

    def receive(self, tick: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the current, and the gate that the current `delay` steps ago sets."""
        current = self.a_in.recv()
        if tick <= 0:
            self._gates = []
        self._gates.append(self.gate(current))
        delay = self.proc_params["delay"]
        return current, self._gates[tick - delay] if tick >= delay else self.proc_params["initial"]


@implements(proc=AttentiveLif, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyAttentiveLifModel(_Attentive, AbstractPyFixedLif):
    """In integers."""

    def gate(self, current: np.ndarray) -> np.ndarray:
        """Return the gate that a current sets, 0 .. 256."""
        weights = self.proc_params["weights"]
        return _excite(_squeeze(current, weights), weights)


@implements(proc=AttentiveLif, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyAttentiveLifModelFloat(_Attentive, AbstractPyFloatLif):
    """In floats."""

    def gate(self, current: np.ndarray) -> np.ndarray:
        """Return the gate that a current sets, in [0, 1]."""
        weights = self.proc_params["weights"]
        return _hard_sigmoid_of(_mean(current, weights), weights)


def _squeeze(current: np.ndarray, weights: dict[str, Any]) -> np.ndarray:
    return towards_zero(current.sum(axis=tuple(range(current.ndim - 1)), dtype=np.int64), weights["squeeze_shift"])


def _excite(squeezed: np.ndarray, weights: dict[str, Any]) -> np.ndarray:
    reduced = weights["reduce"].astype(np.int64) @ squeezed + weights["reduce_bias"]
    hidden = np.maximum(towards_zero(reduced, weights["hidden_shift"]), 0)
    excited = weights["excite"].astype(np.int64) @ hidden + weights["excite_bias"]
    return np.clip(towards_zero(excited, weights["gate_shift"]), 0, 256)


def _mean(current: np.ndarray, weights: dict[str, Any]) -> np.ndarray:
    return current.mean(axis=tuple(range(current.ndim - 1))) + weights["bias"]


def _hard_sigmoid_of(mean: np.ndarray, weights: dict[str, Any]) -> np.ndarray:
    hidden = np.maximum(weights["reduce"] @ mean + weights["reduce_bias"], 0)
    return np.clip((weights["excite"] @ hidden + weights["excite_bias"]) / 6 + 0.5, 0, 1)
