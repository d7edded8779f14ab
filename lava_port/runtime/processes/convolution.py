"""Two models of Lava's own `Conv` process with the same integers: a fast one, and Lava's.

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

__all__ = ["PyConvModelExact", "PyConvModelStock"]


@implements(proc=Conv, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyConvModelExact(PyLoihiProcessModel):
    """Lava's fixed-point convolution as one matrix product per group.

    Sums of products of integers below 2^53 are exact in float64, so this equals the stock model, which walks through
    pairs of channels, wherever that one stays below 2^23. Sends in each step what it computed in the step before.
    """

    s_in: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    a_buf: Any = LavaPyType(np.ndarray, np.int32, precision=24)
    weight: Any = LavaPyType(np.ndarray, np.int32, precision=8)
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
        views = np.lib.stride_tricks.sliding_window_view(padded, tuple(self.kernel_size), axis=(0, 1))
        views = views[:: self.stride[0], :: self.stride[1]]
        ins, outs = kernel.shape[3], kernel.shape[0] // self.groups.item()
        parts = [
            np.tensordot(
                views[:, :, group * ins : (group + 1) * ins],
                kernel[group * outs : (group + 1) * outs],
                axes=((2, 3, 4), (3, 1, 2)),
            )
            for group in range(self.groups.item())
        ]
        return np.concatenate(parts, axis=-1).astype(np.int32)


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
