"""The image as a Lava process, sent once per image, and the current it raises, held for T steps.

Each process has two models, in integers (`fixed_pt`) and in floats (`floating_pt`). Knows neither the network around it
nor where the image comes from.
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

__all__ = ["Hold", "ImageSource", "PyHoldModel", "PyHoldModelFloat", "PyImageSourceModel", "PyImageSourceModelFloat"]


class ImageSource(AbstractProcess):
    """Sends the image in the first of every `period` steps and zeros in the others.

    Integers are `pixel - offset`, floats `(pixel - offset) / scale`.

    Args:
        image: uint8 (height, width, channels) in memory shared with whoever feeds images.
        offset: One integer per colour channel.
        period: Steps the network runs for one image.
        name: Name of the node.
        scale: Pixel values per unit of the float network.
    """

    def __init__(
        self, *, image: np.ndarray, offset: tuple[int, ...], period: int, name: str, scale: float = 1.0
    ) -> None:
        super().__init__(image=image, scale=scale, name=name)
        self.offset = Var(shape=(len(offset),), init=np.array(offset))
        self.period = Var(shape=(1,), init=period)
        self.s_out = OutPort(shape=image.shape)


@implements(proc=ImageSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyImageSourceModel(PyLoihiProcessModel):
    """Reads the shared image anew for every image."""

    proc_params: Any
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=9)
    offset: Any = LavaPyType(np.ndarray, np.int32)
    period: Any = LavaPyType(np.ndarray, np.int32)

    def run_spk(self) -> None:
        """Send the image, or silence."""
        if (self.time_step - 1) % self.period.item():
            self.s_out.send(np.zeros(self.s_out.shape, np.int32))
        else:
            self.s_out.send(self.proc_params["image"] - self.offset)


@implements(proc=ImageSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyImageSourceModelFloat(PyLoihiProcessModel):
    """The same, normalised."""

    proc_params: Any
    s_out: Any = LavaPyType(PyOutPort.VEC_DENSE, float)
    offset: Any = LavaPyType(np.ndarray, np.int32)
    period: Any = LavaPyType(np.ndarray, np.int32)

    def run_spk(self) -> None:
        """Send the image, or silence."""
        if (self.time_step - 1) % self.period.item():
            self.s_out.send(np.zeros(self.s_out.shape))
        else:
            self.s_out.send((self.proc_params["image"] - self.offset) / self.proc_params["scale"])


class Hold(AbstractProcess):
    """Keeps the current that arrives in step `window[0]` until `window[1]`; integers are divided by 2^shift towards zero.

    Receives and sends in the same step. Silent outside its window.

    Args:
        shape: Shape of the current.
        shift: Bits dropped.
        window: First step, and the step after the last.
        period: Steps the network runs for one image.
        name: Name of the node.
    """

    def __init__(self, *, shape: tuple[int, ...], shift: int, window: tuple[int, int], period: int, name: str) -> None:
        super().__init__(name=name)
        self.held = Var(shape=shape, init=0)
        self.shift = Var(shape=(1,), init=shift)
        self.window = Var(shape=(2,), init=np.array(window))
        self.period = Var(shape=(1,), init=period)
        self.a_in = InPort(shape=shape)
        self.a_out = OutPort(shape=shape)


class _AbstractPyHold(PyLoihiProcessModel):
    """What both models share: when to take a current and when to let it go."""

    a_in: Any
    a_out: Any
    held: Any
    window: Any = LavaPyType(np.ndarray, np.int32)
    period: Any = LavaPyType(np.ndarray, np.int32)

    def taken(self, current: np.ndarray) -> np.ndarray:
        """Return what is kept of a current."""
        raise NotImplementedError

    def run_spk(self) -> None:
        """Take the current in the first step of the window, let go after the last."""
        current = self.a_in.recv()
        step = (self.time_step - 1) % self.period.item()
        if step == self.window[0]:
            self.held[:] = self.taken(current)
        elif not self.window[0] < step < self.window[1]:
            self.held[:] = 0
        self.a_out.send(self.held)


@implements(proc=Hold, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyHoldModel(_AbstractPyHold):
    """Shifts the magnitude, so that negative currents round towards zero as well."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    held: Any = LavaPyType(np.ndarray, np.int32, precision=24)
    shift: Any = LavaPyType(np.ndarray, np.int32)

    def taken(self, current: np.ndarray) -> np.ndarray:
        """Return the current without its lowest bits."""
        return np.sign(current) * (np.abs(current) >> self.shift.item())


@implements(proc=Hold, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyHoldModelFloat(_AbstractPyHold):
    """Keeps floats as they are."""

    a_in: Any = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: Any = LavaPyType(PyOutPort.VEC_DENSE, float)
    held: Any = LavaPyType(np.ndarray, float)
    shift: Any = LavaPyType(np.ndarray, np.int32)

    def taken(self, current: np.ndarray) -> np.ndarray:
        """Return the current."""
        return current
