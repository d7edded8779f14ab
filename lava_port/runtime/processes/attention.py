"""Squeeze and excitation: as two processes, one message each, and as one process with its neurons, simulation only.

Knows the integer equations of `FixedGate` in `lava_port/graph.py` and no layer around it.
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

from lava_port.runtime.processes.neuron import AbstractPyWindowedLif, Lif, towards_zero

__all__ = [
    "AttentiveLif",
    "Excite",
    "PyAttentiveLifModel",
    "PyExciteModel",
    "PySqueezeModel",
    "Squeeze",
]

_WIRE = 1 << 31


class Squeeze(AbstractProcess):
    """Sums a current over space, divides by 2^shift towards zero, and sends it one step later.

    Args:
        shape: (..., channels) of the current.
        shift: Bits dropped.
        name: Name of the node.
    """

    def __init__(self, *, shape: tuple[int, ...], shift: int, name: str) -> None:
        super().__init__(name=name)
        self.shift = Var(shape=(1,), init=shift)
        self.squeezed = Var(shape=shape[-1:], init=0)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape[-1:])


@implements(proc=Squeeze, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySqueezeModel(PyLoihiProcessModel):
    """Hands on what it computed in the step before, as `Conv` does."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=32)
    shift: Any = LavaPyType(np.ndarray, np.int64)
    squeezed: Any = LavaPyType(np.ndarray, np.int64, precision=32)

    def run_spk(self) -> None:
        """Send the last step's sums, then add up this step's current."""
        self.s_out.send(self.squeezed.astype(np.int32))
        self.squeezed = _squeeze(self.a_in.recv(), self.shift.item())
        if np.abs(self.squeezed).max() >= _WIRE:
            raise ValueError(f"squeeze reaches {np.abs(self.squeezed).max()}, beyond 32 bits; raise squeeze_shift")


class Excite(AbstractProcess):
    """Turns a squeeze into a gate in 0 .. 256 per channel, and sends it one step later.

    Args:
        weights: The fields of a `FixedGate` by name: `reduce`, `reduce_bias`, `hidden_shift`, `excite`, `excite_bias`,
            `gate_shift`.
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


class AttentiveLif(Lif):
    """Squeeze, excitation and neurons in one: **simulation only**, since no core sees a whole channel in one step.

    Args:
        weights: As for `Excite`, and `squeeze_shift`.
        initial: (channels,), the gate of the first `delay` steps; None with delay 0.
        delay: Steps between a current and the gate it sets: 0, or 1, which two messages cannot reach either.
        kwargs: As for `Lif`.
    """

    def __init__(self, *, weights: dict[str, np.ndarray], initial: np.ndarray | None, delay: int, **kwargs) -> None:
        super().__init__(weights=weights, initial=initial, delay=delay, **kwargs)


@implements(proc=AttentiveLif, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyAttentiveLifModel(AbstractPyWindowedLif):
    """Neurons whose gate is computed in place."""

    def receive(self, tick: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the current, and the gate that the current `delay` steps ago sets."""
        current, weights = self.a_in.recv(), self.proc_params["weights"]
        if tick <= 0:
            self._gates = []
        self._gates.append(_excite(_squeeze(current, weights["squeeze_shift"]), weights))
        delay = self.proc_params["delay"]
        return current, self._gates[tick - delay] if tick >= delay else self.proc_params["initial"]


def _squeeze(current: np.ndarray, shift: int) -> np.ndarray:
    return towards_zero(current.sum(axis=tuple(range(current.ndim - 1)), dtype=np.int64), shift)


def _excite(squeezed: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    reduced = weights["reduce"].astype(np.int64) @ squeezed + weights["reduce_bias"]
    hidden = np.maximum(towards_zero(reduced, weights["hidden_shift"]), 0)
    excited = weights["excite"].astype(np.int64) @ hidden + weights["excite_bias"]
    return np.clip(towards_zero(excited, weights["gate_shift"]), 0, 256)
