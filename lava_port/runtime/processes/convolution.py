"""Models of Lava's own `Conv` process: a fast one in integers and in floats, and Lava's integers to judge it by.

Knows one convolution and nothing of the network; the process itself is Lava's.
"""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.conv.models import PyConvModelFixed
from lava.proc.conv.process import Conv

__all__ = ["PyConvModelExact", "PyConvModelExactFloat", "PyConvModelStock"]


class _AbstractPyConv(PyLoihiProcessModel):
    """A convolution as one matrix product per group; sends in each step what it computed in the step before."""

    s_in: Any
    a_out: Any
    a_buf: Any
    weight: Any
    kernel_size: Any = LavaPyType(np.ndarray, np.int32)
    stride: Any = LavaPyType(np.ndarray, np.int32)
    padding: Any = LavaPyType(np.ndarray, np.int32)
    dilation: Any = LavaPyType(np.ndarray, np.int32)
    groups: Any = LavaPyType(np.ndarray, np.int32)
    num_message_bits: Any = LavaPyType(np.ndarray, np.int32, precision=5)
    weight_exp: Any = LavaPyType(np.ndarray, np.int32, precision=8)
    num_weight_bits: Any = LavaPyType(np.ndarray, np.int32, precision=5)

    def run_spk(self) -> None:
        """Send the last step's result, then work on this step's input."""
        self.a_out.send(self.a_buf)
        s_in = self.s_in.recv()
        if not self.num_message_bits.item():
            s_in = s_in.astype(bool)
        self.a_buf = self._convolve(s_in) if s_in.any() else np.zeros_like(self.a_buf)

    def _convolve(self, s_in: np.ndarray) -> np.ndarray:
        padded = np.pad(s_in.astype(np.float64), [(side, side) for side in self.padding] + [(0, 0)])
        # A true convolution: Lava stores the kernel flipped against the cross-correlation computed here.
        kernel = self.weight[:, ::-1, ::-1].astype(np.float64)
        extent = tuple(self.dilation * (self.kernel_size - 1) + 1)
        views = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(0, 1))
        views = views[:: self.stride[0], :: self.stride[1], :, :: self.dilation[0], :: self.dilation[1]]
        ins, outs = kernel.shape[3], kernel.shape[0] // self.groups.item()
        parts = [
            np.tensordot(
                views[:, :, group * ins : (group + 1) * ins],
                kernel[group * outs : (group + 1) * outs],
                axes=((2, 3, 4), (3, 1, 2)),
            )
            for group in range(self.groups.item())
        ]
        return np.concatenate(parts, axis=-1).astype(self.a_buf.dtype)


@implements(proc=Conv, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyConvModelExact(_AbstractPyConv):
    """Lava's integers: sums of products of integers below 2^53 are exact in float64.

    So this equals the stock model, which walks through pairs of channels, wherever that one stays below 2^23.
    """

    s_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    a_buf: Any = LavaPyType(np.ndarray, np.int32, precision=24)
    weight: Any = LavaPyType(np.ndarray, np.int32, precision=8)


@implements(proc=Conv, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyConvModelExactFloat(_AbstractPyConv):
    """Floats of 64 bits."""

    s_in: Any = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: Any = LavaPyType(PyOutPort.VEC_DENSE, float)
    a_buf: Any = LavaPyType(np.ndarray, float)
    weight: Any = LavaPyType(np.ndarray, float)


@implements(proc=Conv, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyConvModelStock(PyConvModelFixed):
    """Lava's own fixed-point model, its sizes in 32 bits: in 8 bits, NumPy 2 refuses inputs of 128 pixels and more."""

    kernel_size: Any = LavaPyType(np.ndarray, np.int32)
    stride: Any = LavaPyType(np.ndarray, np.int32)
    padding: Any = LavaPyType(np.ndarray, np.int32)
    dilation: Any = LavaPyType(np.ndarray, np.int32)
    groups: Any = LavaPyType(np.ndarray, np.int32)
