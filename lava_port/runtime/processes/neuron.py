"""Fixed-point LIF neurons that work within a window of steps, with a threshold and a bias per channel, gated or not.

Knows the equations at the head of `lava_port/graph.py` and no layer around it.
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

__all__ = ["AbstractPyWindowedLif", "GatedLif", "Lif", "PyGatedLifModel", "PyLifModel", "towards_zero"]

_LIMIT = 1 << 23


class Lif(AbstractProcess):
    """Neurons that integrate and spike in the steps `window[0] .. window[1] - 1` of every period, else rest.

    Args:
        shape: (..., channels).
        du: Lava's 12-bit decay of the current.
        dv: Lava's 12-bit decay of the potential.
        threshold: (channels,), weight units.
        bias: (channels,), units of the potential.
        window: First step, and the step after the last.
        period: Steps the network runs for one image.
        record: Shared arrays written step by step: `spikes` and `potential` (steps, *shape), `gate` (steps, channels).
        name: Name of the node.
        kwargs: Further parameters for the model.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        du: int,
        dv: int,
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
        initial: (channels,), the gate until the first message counts.
        delay: Steps between a current and the gate it sets, at least 2.
        kwargs: As for `Lif`.
    """

    def __init__(self, *, initial: np.ndarray, delay: int, **kwargs) -> None:
        super().__init__(initial=initial, delay=delay, **kwargs)
        self.g_in = InPort(shape=initial.shape)


class AbstractPyWindowedLif(PyLoihiProcessModel):
    """What the models of `Lif` and its kin share; each says in `receive` where current and gate come from."""

    proc_params: Any
    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    u: Any = LavaPyType(np.ndarray, np.int64, precision=24)
    v: Any = LavaPyType(np.ndarray, np.int64, precision=24)
    du: Any = LavaPyType(np.ndarray, np.int64, precision=12)
    dv: Any = LavaPyType(np.ndarray, np.int64, precision=12)
    threshold: Any = LavaPyType(np.ndarray, np.int64, precision=17)
    bias: Any = LavaPyType(np.ndarray, np.int64, precision=24)
    window: Any = LavaPyType(np.ndarray, np.int32)
    period: Any = LavaPyType(np.ndarray, np.int32)

    def receive(self, tick: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the current of this step and its gate, or None; `tick` counts the steps of the window from 0."""
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
        spikes = self._integrate(current.astype(np.int64), gate)
        self.s_out.send(spikes.astype(np.int32))
        record = self.proc_params["record"]
        record["spikes"][tick] = spikes
        record["potential"][tick] = self.v
        if gate is not None:
            record["gate"][tick] = gate

    def _integrate(self, current: np.ndarray, gate: np.ndarray | None) -> np.ndarray:
        bias = self.bias
        if gate is not None:
            current, bias = towards_zero(gate * current, 8), towards_zero(gate * bias, 8)
        u = towards_zero(self.u * (4095 - self.du), 12) + (current << 6)
        self.u[:] = np.where(u > _LIMIT, u - 2 * _LIMIT, np.where(u <= -_LIMIT, u + 2 * _LIMIT, u))
        v = towards_zero(self.v * (4096 - self.dv), 12) + self.u + bias
        self.v[:] = np.clip(v, 1 - _LIMIT, _LIMIT - 1)
        spikes = self.v > self.threshold << 6
        self.v[spikes] = 0
        return spikes


@implements(proc=Lif, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyLifModel(AbstractPyWindowedLif):
    """Neurons without a gate."""

    def receive(self, tick: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the current."""
        return self.a_in.recv(), None


@implements(proc=GatedLif, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyGatedLifModel(AbstractPyWindowedLif):
    """Neurons with a gate from a message."""

    g_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=9)

    def receive(self, tick: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the current, and the gate that arrived `delay - 2` steps ago."""
        current, heard = self.a_in.recv(), self.g_in.recv()
        if tick <= 0:
            self._heard = []
        self._heard.append(heard)
        delay = self.proc_params["delay"]
        return current, self._heard[tick - delay + 2] if tick >= delay else self.proc_params["initial"]


def towards_zero(x: np.ndarray, bits: int | np.ndarray) -> np.ndarray:
    """Return x / 2^bits, rounded towards zero."""
    return np.where(x < 0, -(-x >> bits), x >> bits)
