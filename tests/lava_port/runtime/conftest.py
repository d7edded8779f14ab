"""One integer network with everything in it, and Lava's own models in a subprocess of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lava_port import graph

CLASSES = ("benign", "early", "pre", "pro")


def _even(rng: np.random.Generator, *shape: int, largest: int = 128) -> np.ndarray:
    return (2 * rng.integers(-largest, largest, shape)).astype(np.int16)


def _gate(rng: np.random.Generator, number: int, source: str, channels: int, delay: int) -> graph.FixedGate:
    hidden, gate_shift = 3, rng.integers(4, 9, channels)
    return graph.FixedGate(
        f"gate_{number}", (source,), (channels,),
        reduce=_even(rng, hidden, channels), reduce_bias=rng.integers(-2_000, 2_000, hidden),
        excite=_even(rng, channels, hidden), excite_bias=rng.integers(-500, 500, channels) + (128 << gate_shift),
        squeeze_shift=8, hidden_shift=7, gate_shift=gate_shift,
        initial=rng.integers(0, 257, channels) if delay else None, delay=delay,
    )  # fmt: skip


def _lif(
    rng: np.random.Generator, number: int, inputs: tuple[str, ...], shape: tuple[int, ...], du: int, dv: int, top: int
) -> graph.FixedLif:
    threshold, bias = rng.integers(1, top, shape[-1]), rng.integers(-5_000, 20_000, shape[-1])
    return graph.FixedLif(f"lif_{number}", inputs, shape, du, dv, threshold.astype(np.int32), bias.astype(np.int32))


def draw_everything(seed: int = 2) -> graph.FixedGraph:
    """Return a network with every node: gates of delay 0 to 3, groups, strides, dilation, memory, wraps, dense layers."""
    rng = np.random.default_rng(seed)
    conv = graph.FixedConv
    one = ((1, 1), (1, 1))
    # Not one positive weight: Lava would take such a matrix for inhibitory, and -256 for -255, unless told otherwise.
    inhibitory = np.where(np.eye(5, 7), -256, -np.abs(_even(rng, 5, 7))).astype(np.int16)
    nodes = (
        graph.FixedInput("input", (12, 10, 3), (100, 128, 255), white_level=240),
        conv("conv_1", ("input",), (6, 5, 6), _even(rng, 6, 3, 3, 3), (2, 2), one),
        # Currents of up to 2^18 wrap in 24 bits once they are shifted by 6.
        graph.FixedHold("hold", ("conv_1",), (6, 5, 6), 1),
        _gate(rng, 1, "hold", 6, 0),
        _lif(rng, 1, ("hold", "gate_1"), (6, 5, 6), 4095, 2048, 3_000),
        conv("conv_2", ("lif_1",), (6, 3, 8), _even(rng, 8, 3, 1, 3), (1, 2), ((0, 0), (1, 1)), 2),
        _gate(rng, 2, "conv_2", 8, 2),
        _lif(rng, 2, ("conv_2", "gate_2"), (6, 3, 8), 1000, 300, 500),
        conv("conv_3", ("lif_2",), (4, 1, 6), _even(rng, 6, 8, 3, 3)[:, :, :2, :2], (1, 1), ((0, 0), (0, 0)), 1, (2, 2)),
        _gate(rng, 3, "conv_3", 6, 3),
        _lif(rng, 3, ("conv_3", "gate_3"), (4, 1, 6), 4095, 0, 500),
        graph.FixedDense("dense_1", ("lif_3",), (7,), _even(rng, 7, 24)),
        _gate(rng, 4, "dense_1", 7, 1),
        _lif(rng, 4, ("dense_1", "gate_4"), (7,), 3000, 4096, 300),
        graph.FixedDense("dense_2", ("lif_4",), (5,), inhibitory),
        _lif(rng, 5, ("dense_2",), (5,), 4095, 2048, 50),
        graph.FixedDense("dense_3", ("lif_5",), (4,), _even(rng, 4, 5)),
        graph.FixedReadout("readout", ("dense_3",), (4,), rng.integers(-500, 500, 4), 0.25),
    )  # fmt: skip
    return graph.FixedGraph(nodes, 5, CLASSES)


def draw_shared() -> graph.FixedGraph:
    """Return a small network that ends in a dense layer shared by every position."""
    rng = np.random.default_rng(1)
    nodes = (
        graph.FixedInput("input", (7, 6, 1), (77,)),
        graph.FixedConv("conv_1", ("input",), (5, 4, 4), _even(rng, 4, 1, 3, 3)),
        graph.FixedHold("hold", ("conv_1",), (5, 4, 4), 5),
        _lif(rng, 1, ("hold",), (5, 4, 4), 2000, 1000, 2_000),
        graph.FixedDense("dense_1", ("lif_1",), (4,), _even(rng, 4, 4), shared=True),
        graph.FixedReadout("readout", ("dense_1",), (4,), rng.integers(-500, 500, 4), 0.25),
    )
    return graph.FixedGraph(nodes, 3, CLASSES)


def group_members(leader: int) -> list[int]:
    """Return the living processes of a process group, without zombies."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            members.append(int(stat.parent.name))
    return members


@pytest.fixture(autouse=True)
def _linux_only() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("Lava runs on Linux only")


@pytest.fixture(scope="session")
def everything() -> graph.FixedGraph:
    return draw_everything()


@pytest.fixture(scope="session")
def shared() -> graph.FixedGraph:
    return draw_shared()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that temporary files go to."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def children() -> Callable[[int], list[int]]:
    """Return the processes of a worker's group that run a layer: all but itself and Python's resource tracker."""

    def find(leader: int) -> list[int]:
        everyone = [pid for pid in group_members(leader) if pid != leader]
        return [pid for pid in everyone if b"tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]

    return find


@pytest.fixture(scope="session")
def gone() -> Callable[[int, str], bool]:
    """Return whether a process group and the shared memory of a prefix are gone, at the latest after 10 seconds."""

    def check(leader: int, segments: str) -> bool:
        deadline = time.monotonic() + 10
        while group_members(leader) or list(Path("/dev/shm").glob(segments + "*")):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    return check


@pytest.fixture(scope="session")
def lava() -> Iterator[Callable[[str], str]]:
    """Yield a function that runs a script where Lava can be imported, and returns what it printed.

    Lava takes seconds to import: one process does that, and forks for every script.
    """
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_one_thread()
    )
    assert server.stdin is not None
    assert server.stdout is not None
    stdin, stdout = server.stdin, server.stdout

    def run(script: str) -> str:
        stdin.write(json.dumps(script) + "\n")
        stdin.flush()
        printed, error = json.loads(stdout.readline())
        assert not error, error
        return printed

    yield run
    stdin.close()
    assert server.wait(timeout=30) == 0
    stdout.close()


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


# Lava's models run without its runtime when their ports are replaced by lists.
_SERVER = """
from lava_port.runtime import compat
compat.install()

import contextlib, io, json, os, sys, traceback
import numpy as np
import lava.magma.core.run_configs
from lava_port.runtime.processes import attention, convolution, neuron, readout, source

class In:
    def __init__(self, messages): self.messages = list(messages)
    def recv(self): return self.messages.pop(0)

class Out:
    def __init__(self, shape): self.shape, self.messages = shape, []
    def send(self, message): self.messages.append(np.array(message))

def play(model, steps):
    for step in range(1, steps + 1):
        model.time_step = step
        model.run_spk()
    return model

for line in sys.stdin:
    if os.fork() == 0:
        printed, error = io.StringIO(), ""
        try:
            with contextlib.redirect_stdout(printed):
                exec(json.loads(line), {"np": np, "In": In, "Out": Out, "play": play})
        except BaseException:
            error = traceback.format_exc()
        print(json.dumps([printed.getvalue(), error]), flush=True)
        os._exit(0)
    os.wait()
"""
