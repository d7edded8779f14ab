"""Starts the Lava worker, hands it network and images, and sees to it that nothing of it outlives its use.

Knows files, processes and time-outs; imports neither Lava nor JAX.
"""

import contextlib
import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

import lava_port
from lava_port.graph import FixedDense, FixedGraph, FixedHold, FixedInput, FixedLif, FixedReadout, Graph
from lava_port.runtime import compat, limits
from lava_port.runtime.handover import load_trace, save_graph
from lava_port.trace import Trace

__all__ = ["LavaCheck", "LavaNetwork", "check"]

_SHARED_MEMORY = Path("/dev/shm")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Every layer is a process of its own; more threads in each only get into each other's way."""


class LavaNetwork:
    """A network running in Lava, for use in a `with` block.

    Args:
        graph: The network: in integers, or folded in floats, which Lava then runs in its `floating_pt` models.
        timeout_s: Seconds that one image may take before everything is killed.
        build_timeout_s: The same for starting and building the network.
        stock_conv: Whether to use Lava's own model of convolution: the same integers, 10 to 50 times slower.

    Attributes:
        build_seconds: What starting and building took.
        pid: Process id of the worker, which leads a process group of its own; None while it does not run.
        versions: Versions of Python and packages in the worker.

    Raises:
        ValueError: Lava cannot run on this system, or not this network; the message says what to do.
    """

    def __init__(
        self,
        graph: Graph | FixedGraph,
        *,
        timeout_s: float = 60.0,
        build_timeout_s: float = 120.0,
        stock_conv: bool = False,
    ) -> None:
        compat.require_lava()
        limits.check(graph, stock_conv=stock_conv)
        self.build_seconds = float("nan")
        self.versions: dict[str, str] = {}
        self._graph, self._stock_conv = graph, stock_conv
        self._timeout_s, self._build_timeout_s = timeout_s, build_timeout_s
        self._segments = f"neurallnet_{secrets.token_hex(6)}_"
        self._folder: Path | None = None
        self._worker: subprocess.Popen[str] | None = None
        self._reports: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._listener: threading.Thread | None = None
        self._batches = 0

    @property
    def pid(self) -> int | None:
        """Process id of the worker."""
        return None if self._worker is None else self._worker.pid

    def __enter__(self) -> "LavaNetwork":
        start = time.perf_counter()
        try:
            self._start()
            built = self._await(self._build_timeout_s, "building the network")
        except BaseException:
            self._end()
            raise
        self.versions = built["versions"]
        self.build_seconds = time.perf_counter() - start
        return self

    def __exit__(self, *_: object) -> None:
        worker = self._worker
        if worker is not None and worker.stdin is not None:
            with contextlib.suppress(OSError):
                worker.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(timeout=10.0)
        self._end()

    def run(
        self, images: np.ndarray, *, potentials: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> Trace:
        """Return what the network does with a batch of images, each from rest.

        Args:
            images: uint8 (batch, height, width, channels) at the network's size.
            potentials: Whether to keep the potential of every neuron after every step.
            progress: Called after each image with how many are done and how many there are.

        Raises:
            ValueError: The images do not fit the network, or Lava refuses it.
            RuntimeError: The worker failed or took too long; the message names the file that holds its log.
        """
        shape = self._graph.nodes[0].shape
        if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
            wanted = ", ".join(map(str, shape))
            raise ValueError(f"images are {images.dtype} {images.shape}; the network reads uint8 (batch, {wanted})")
        if self._folder is None or self._worker is None or self._worker.stdin is None:
            raise RuntimeError(
                "the Lava network does not run; use it in a with block, and open a new one after a failure"
            )
        self._batches += 1
        names = {"images": f"images_{self._batches}.npy", "trace": f"trace_{self._batches}.npz"}
        np.save(self._folder / names["images"], images)
        try:
            with contextlib.suppress(BrokenPipeError):  # its last report says why
                self._worker.stdin.write(json.dumps({**names, "potentials": potentials}) + "\n")
                self._worker.stdin.flush()
            while (report := self._await(self._timeout_s, "an image"))["event"] != "done":
                if progress is not None:
                    progress(report["number"], len(images))
            return load_trace(self._graph, self._folder / names["trace"])
        except BaseException:
            self._end()
            raise
        finally:
            if self._folder is not None:
                for name in names.values():
                    (self._folder / name).unlink(missing_ok=True)

    def _start(self) -> None:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="neurallnet-lava-"))
        save_graph(self._graph, folder)
        options = {"segments": self._segments, "stock_conv": self._stock_conv}
        (folder / "options.json").write_text(json.dumps(options), encoding="utf-8")
        paths = (str(Path(lava_port.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
        with (folder / "log.txt").open("wb") as log:
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "lava_port.runtime.worker", str(folder), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,  # so that no folder of the user's shadows a package
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
                start_new_session=True,
            )
        assert self._worker.stdout is not None
        self._listener = threading.Thread(target=_forward, args=(self._worker.stdout, self._reports), daemon=True)
        self._listener.start()

    def _await(self, timeout_s: float, what: str) -> dict[str, Any]:
        """Return the next report; a failure is raised in one line."""
        try:
            line = self._reports.get(timeout=timeout_s)
        except queue.Empty:
            raise RuntimeError(f"Lava: {what} took more than {timeout_s:g} s; its log is {self._keep_log()}") from None
        if line is None:
            raise RuntimeError(f"Lava: the worker died without a word; its log is {self._keep_log()}")
        report = json.loads(line)
        if report["event"] == "error":
            if report["refused"]:
                raise ValueError(report["message"])
            raise RuntimeError(f"Lava: {report['message']}; its log is {self._keep_log()}")
        return report

    def _keep_log(self) -> Path:
        assert self._folder is not None
        kept = Path(tempfile.gettempdir()) / f"{self._folder.name}.log"
        shutil.copy(self._folder / "log.txt", kept)
        return kept

    def _end(self) -> None:
        """Kill what is left of the worker's group, remove its shared memory and its files."""
        worker, folder = self._worker, self._folder
        self._worker = self._folder = None
        if worker is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            if self._listener is not None:
                self._listener.join(timeout=5)
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        for segment in _SHARED_MEMORY.glob(self._segments + "*"):
            segment.unlink(missing_ok=True)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class LavaCheck:
    """That Lava runs here.

    Attributes:
        versions: Versions of Python and packages in the worker.
        seconds: What building and running a network of two neurons took.
    """

    versions: dict[str, str]
    seconds: float


def check(*, timeout_s: float = 60.0) -> LavaCheck:
    """Run two neurons in Lava for two steps and return how that went.

    The image is one pixel of value 3, the weights 2 and -2, the threshold 4: the first neuron holds 6 and spikes in both
    steps, the second never does, and the class score is 2 spikes times weight 10.

    Raises:
        ValueError: Lava cannot run on this system.
        RuntimeError: It ran and failed, or counted otherwise.
    """
    start = time.perf_counter()
    threshold, nothing = np.full(2, 4, np.int32), np.zeros(2, np.int32)
    nodes = (
        FixedInput("input", (1, 1, 1), (0,)),
        FixedDense("dense_1", ("input",), (2,), np.array([[2], [-2]], np.int16)),
        FixedHold("hold", ("dense_1",), (2,), 0),
        FixedLif("lif_1", ("hold",), (2,), 4095, 0, threshold, nothing),
        FixedDense("dense_2", ("lif_1",), (1,), np.array([[10, -20]], np.int16)),
        FixedReadout("readout", ("dense_2",), (1,), np.zeros(1, np.int64), 1.0),
    )
    with LavaNetwork(FixedGraph(nodes, 2, ("check",)), timeout_s=timeout_s) as network:
        trace = network.run(np.full((1, 1, 1, 1), 3, np.uint8))
    spikes, score = trace.layer("lif_1").spikes[:, 0].tolist(), int(trace.scores[0, 0])
    if (spikes, score) != ([[1, 0], [1, 0]], 20):
        raise RuntimeError(
            f"Lava ran two neurons but counted spikes {spikes} and score {score}, not [[1, 0], [1, 0]], 20"
        )
    return LavaCheck(network.versions, time.perf_counter() - start)


def _forward(stdout: IO[str], reports: "queue.SimpleQueue[str | None]") -> None:
    with contextlib.suppress(ValueError, OSError):  # closed while reading
        for line in stdout:
            reports.put(line)
    reports.put(None)
