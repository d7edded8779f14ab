"""The read-out: adds up a current over a window of steps without spiking.

Two models, in integers (`fixed_pt`) and in floats (`floating_pt`). Knows no classes and no scale.
"""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

__all__ = ["PyReadoutModel", "PyReadoutModelFloat", "Readout"]


class Readout(AbstractProcess):
    """Adds current and bias in every step of its window and records the sum at the window's end.

    Args:
        bias: (classes,), in integers in weight units.
        window: First step, and the step after the last.
        period: Steps the network runs for one image.
        scores: Shared array (classes,) that holds the sum at the window's end, in floats the mean over its steps.
        name: Name of the node.
    """

    def __init__(
        self, *, bias: np.ndarray, window: tuple[int, int], period: int, scores: np.ndarray, name: str
    ) -> None:
        super().__init__(scores=scores, name=name)
        self.bias = Var(shape=bias.shape, init=bias)
        self.score = Var(shape=bias.shape, init=0)
        self.window = Var(shape=(2,), init=np.array(window))
        self.period = Var(shape=(1,), init=period)
        self.a_in = InPort(shape=bias.shape)


class _AbstractPyReadout(PyLoihiProcessModel):
    """What both models share: when to begin, to add and to hand over."""

    proc_params: Any
    a_in: Any
    bias: Any
    score: Any
    window: Any = LavaPyType(np.ndarray, np.int32)
    period: Any = LavaPyType(np.ndarray, np.int32)

    def result(self, steps: int) -> np.ndarray:
        """Return what is handed over after `steps` steps."""
        raise NotImplementedError

    def run_spk(self) -> None:
        """Add within the window; hand over in its last step."""
        current = self.a_in.recv()
        start, stop = self.window
        step = (self.time_step - 1) % self.period.item()
        if step == start:
            self.score[:] = 0
        if start <= step < stop:
            self.score += current + self.bias
        if step == stop - 1:
            self.proc_params["scores"][:] = self.result(stop - start)


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyReadoutModel(_AbstractPyReadout):
    """Exact integers in 64 bits."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    bias: Any = LavaPyType(np.ndarray, np.int64)
    score: Any = LavaPyType(np.ndarray, np.int64)

    def result(self, steps: int) -> np.ndarray:
        """Return the sum."""
        return self.score


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyReadoutModelFloat(_AbstractPyReadout):
    """The mean over the steps, as the float network trains it."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, float)
    bias: Any = LavaPyType(np.ndarray, float)
    score: Any = LavaPyType(np.ndarray, float)

    def result(self, steps: int) -> np.ndarray:
        """Return the mean."""
        return self.score / steps
