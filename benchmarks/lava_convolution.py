"""One step of a convolution in Lava: our model against Lava's own, the same integers from both.

Both models run without Lava's runtime, in turn, on the same spikes; the time is that of `run_spk`. Lava's model walks
through pairs of channels with `scipy.signal.convolve2d` and drops what a stride skips.

Command: OMP_NUM_THREADS=1 uv run python benchmarks/lava_convolution.py
"""

import argparse
import platform
import statistics
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from lava_port.runtime import compat

GEOMETRIES = (
    # height and width, channels in, channels out
    (64, 16, 32),
    (64, 32, 32),
    (32, 32, 64),
    (16, 64, 128),
    (8, 128, 192),
)
STRIDES, RATE, ROUNDS = (1, 2), 0.1, 5


def main() -> None:
    """Print milliseconds per step and their ratio, per geometry and stride."""
    compat.install()
    from lava.proc.conv.process import Conv

    from lava_port.runtime.processes.convolution import PyConvModelExact, PyConvModelStock

    rng = np.random.default_rng(0)
    print(
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, Lava {compat.lava_version()}"
    )
    print(f"{'input':>16} {'outputs':>7} {'stride':>6} {'Lava, ms':>9} {'ours, ms':>9} {'ratio':>6}")
    for size, ins, outs in GEOMETRIES:
        for stride in STRIDES:
            weight = 2 * rng.integers(-128, 128, (outs, 3, 3, ins))
            conv = Conv(weight=weight, input_shape=(size, size, ins), stride=(stride, stride), padding=(1, 1))
            spikes = (rng.random((size, size, ins)) < RATE).astype(np.int32)
            models = [loaded(kind, conv, spikes) for kind in (PyConvModelStock, PyConvModelExact)]
            times: list[list[float]] = [[], []]
            for number in range(ROUNDS + 1):
                for model, own in zip(models, times, strict=True):
                    started = time.perf_counter()
                    model.run_spk()
                    if number:
                        own.append(1e3 * (time.perf_counter() - started))
            assert (models[0].a_buf == models[1].a_buf).all(), "both give the same integers"
            stock, ours = map(statistics.median, times)
            shape = f"{size} x {size} x {ins}"
            print(f"{shape:>16} {outs:>7} {stride:>6} {stock:>9.3g} {ours:>9.3g} {stock / ours:>6.3g}")


def loaded(kind: Any, conv: Any, spikes: np.ndarray) -> Any:
    """Return a model with the process's variables, hearing the same spikes in every step."""
    model = kind({})
    for name in ("kernel_size", "stride", "padding", "dilation", "groups", "num_message_bits", "weight"):
        var = getattr(conv, name)
        setattr(model, name, np.zeros(var.shape, getattr(kind, name).d_type))
        getattr(model, name)[:] = var.init
    model.a_buf = np.zeros(conv.a_out.shape, np.int32)
    model.s_in, model.a_out = SimpleNamespace(recv=lambda: spikes), SimpleNamespace(send=lambda message: None)
    return model


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
