"""LIF neurons that work within a window of steps, with a threshold and a bias per channel, gated or not.

Each process has two models, in integers (`fixed_pt`) and in floats (`floating_pt`). Knows the equations at the head of
`lava_port/graph.py` and no layer around it.
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

__all__ = [
    "AbstractPyFixedLif",
    "AbstractPyFloatLif",
    "GatedLif",
    "Lif",
    "PyGatedLifModel",
    "PyGatedLifModelFloat",
    "PyLifModel",
    "PyLifModelFloat",
    "towards_zero",
]

_LIMIT = 1 << 23


class Lif(AbstractProcess):
    """Neurons that integrate and spike in the steps `window[0] .. window[1] - 1` of every period, else rest.

    Args:
        shape: (..., channels).
        du: Decay of the current: Lava's 12 bits in integers, in [0, 1] in floats.
        dv: Decay of the potential, likewise.
        threshold: (channels,), in integers in weight units.
        bias: (channels,), in units of the potential.
        window: First step, and the step after the last.
        period: Steps the network runs for one image.
        record: Shared arrays written step by step: `spikes` and `potential` (steps, *shape), `gate` (steps, channels), and
            of integer neurons `overflows`, `active` and `charged` (steps,), see `LayerTrace` in `lava_port/trace.py`.
        name: Name of the node.
        kwargs: Further parameters for the model.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        du: float,
        dv: float,
        threshold: np.ndarray,
        bias: np.ndarray,
        window: tuple[int, int],
        period: int,
        record: dict[str, np.ndarray],
        name: str,
        **kwargs: object,
    ) -> None:
        super().__init__(record=record, name=name, **kwargs)
        self.u = Var(shape=shape, init=0)
        self.v = Var(shape=shape, init=0)
        self.du = Var(shape=(1,), init=du)
        self.dv = Var(shape=(1,), init=dv)
        self.threshold = Var(shape=threshold.shape, init=threshold)
        self.bias = Var(shape=bias.shape, init=bias)
        self.window = Var(shape=(2,), init=np.array(window))
        self.period = Var(shape=(1,), init=period)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


class GatedLif(Lif):
    """`Lif` whose current and bias are multiplied by a gate per channel that arrives as a message.

    A squeeze and an excitation take two messages, so what arrives belongs to the current of two steps ago; for a longer
    `delay` the neurons keep it back.

    Args:
        initial: (channels,), the gate until the first message counts; 0 .. 256 in integers, [0, 1] in floats.
        delay: Steps between a current and the gate it sets, at least 2.
        kwargs: As for `Lif`.
    """

    def __init__(self, *, initial: np.ndarray, delay: int, **kwargs) -> None:
        super().__init__(initial=initial, delay=delay, **kwargs)
        self.g_in = InPort(shape=initial.shape)


class _AbstractPyWindowedLif(PyLoihiProcessModel):
    """What all models of `Lif` and its kin share; each says where current and gate come from, and how it counts."""

    proc_params: Any
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    window: Any = LavaPyType(np.ndarray, np.int32)
    period: Any = LavaPyType(np.ndarray, np.int32)
    u: Any
    v: Any

    def receive(self, tick: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the current of this step and its gate, or None; `tick` counts the steps of the window from 0."""
        raise NotImplementedError

    def integrate(self, current: np.ndarray, gate: np.ndarray | None, tick: int) -> np.ndarray:
        """Move `u` and `v` one step on and return where `v` lies above its threshold."""
        raise NotImplementedError

    def run_spk(self) -> None:
        """Hear, and within the window integrate, spike, reset and record."""
        start, stop = self.window
        tick = (self.time_step - 1) % self.period.item() - start
        current, gate = self.receive(tick)
        if not 0 <= tick < stop - start:
            self.s_out.send(np.zeros(self.s_out.shape, np.int32))
            return
        if tick == 0:
            self.u[:] = 0
            self.v[:] = 0
        spikes = self.integrate(current, gate, tick)
        self.v[spikes] = 0
        self.s_out.send(spikes.astype(np.int32))
        record = self.proc_params["record"]
        record["spikes"][tick] = spikes
        record["potential"][tick] = self.v
        if gate is not None:
            record["gate"][tick] = gate


class AbstractPyFixedLif(_AbstractPyWindowedLif):
    """The neuron in Lava's integers."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    u: Any = LavaPyType(np.ndarray, np.int64, precision=24)
    v: Any = LavaPyType(np.ndarray, np.int64, precision=24)
    du: Any = LavaPyType(np.ndarray, np.int64, precision=12)
    dv: Any = LavaPyType(np.ndarray, np.int64, precision=12)
    threshold: Any = LavaPyType(np.ndarray, np.int64, precision=17)
    bias: Any = LavaPyType(np.ndarray, np.int64, precision=24)

    def integrate(self, current: np.ndarray, gate: np.ndarray | None, tick: int) -> np.ndarray:
        """Decay towards zero, wrap the current at 24 bits, clip the potential."""
        current, bias = current.astype(np.int64), self.bias
        if gate is not None:
            current, bias = towards_zero(gate * current, 8), towards_zero(gate * bias, 8)
        filled = towards_zero(self.u * (4095 - self.du), 12) + (current << 6)
        self.u[:] = np.where(
            filled > _LIMIT, filled - 2 * _LIMIT, np.where(filled <= -_LIMIT, filled + 2 * _LIMIT, filled)
        )
        charged = towards_zero(self.v * (4096 - self.dv), 12) + self.u + bias
        self.v[:] = np.clip(charged, 1 - _LIMIT, _LIMIT - 1)
        spikes = self.v > self.threshold << 6
        record = self.proc_params["record"]
        record["overflows"][tick] = np.count_nonzero((self.u != filled) | (self.v != charged))
        record["active"][tick] = np.count_nonzero(current)
        record["charged"][tick] = np.count_nonzero(self.v[~spikes])
        return spikes


class AbstractPyFloatLif(_AbstractPyWindowedLif):
    """The neuron in floats, 64 bits."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, float)
    u: Any = LavaPyType(np.ndarray, float)
    v: Any = LavaPyType(np.ndarray, float)
    du: Any = LavaPyType(np.ndarray, float)
    dv: Any = LavaPyType(np.ndarray, float)
    threshold: Any = LavaPyType(np.ndarray, float)
    bias: Any = LavaPyType(np.ndarray, float)

    def integrate(self, current: np.ndarray, gate: np.ndarray | None, tick: int) -> np.ndarray:
        """Decay, add; nothing rounds but the floats themselves."""
        gate = np.ones(1) if gate is None else gate
        self.u[:] = (1 - self.du) * self.u + gate * current
        self.v[:] = (1 - self.dv) * self.v + self.u + gate * self.bias
        return self.v > self.threshold


class _Ungated:
    """Neurons that hear a current only."""

    a_in: Any

    def receive(self, tick: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the current."""
        return self.a_in.recv(), None


class _Gated:
    """Neurons whose gate arrives as a message."""

    proc_params: Any
    a_in: Any
    g_in: Any

    def receive(self, tick: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the current, and the gate that arrived `delay - 2` steps ago."""
        current, heard = self.a_in.recv(), self.g_in.recv()
        if tick <= 0:
            self._heard = []
        self._heard.append(heard)
        delay = self.proc_params["delay"]
        return current, self._heard[tick - delay + 2] if tick >= delay else self.proc_params["initial"]


@implements(proc=Lif, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyLifModel(_Ungated, AbstractPyFixedLif):
    """Neurons without a gate, in integers."""


@implements(proc=Lif, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyLifModelFloat(_Ungated, AbstractPyFloatLif):
    """Neurons without a gate, in floats."""


@implements(proc=GatedLif, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyGatedLifModel(_Gated, AbstractPyFixedLif):
    """Neurons with a gate from a message, in integers."""

    g_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=9)


@implements(proc=GatedLif, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyGatedLifModelFloat(_Gated, AbstractPyFloatLif):
    """Neurons with a gate from a message, in floats."""

    g_in: Any = LavaPyType(PyInPort.VEC_DENSE, float)


def towards_zero(x: np.ndarray, bits: int | np.ndarray) -> np.ndarray:
    """Return x / 2^bits, rounded towards zero."""
    return np.where(x < 0, -(-x >> bits), x >> bits)
