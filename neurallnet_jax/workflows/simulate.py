"""A converted network on images, batch by batch, on any backend. Knows both packages and no command line."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np

from lava_port import trace as traces
from lava_port.energy import activity as activities
from lava_port.energy.activity import Activity
from lava_port.graph import FixedGraph, Graph
from lava_port.port import Port
from lava_port.trace import Mismatch, Trace
from neurallnet_jax.metrics import calibration

__all__ = [
    "BATCH",
    "FLOAT_TOLERANCE",
    "Backend",
    "Parity",
    "Simulation",
    "backends_named",
    "check_parity",
    "open_backend",
    "probabilities",
    "simulate",
]

Backend: TypeAlias = Literal["emulator", "lava", "reference"]
Advance: TypeAlias = Callable[[int, int], None]
BATCH = 16
"""Images whose spikes are held in memory at once."""
FLOAT_TOLERANCE = 1e-9
"""How far potentials, gates and scores of the float network may lie apart: backends add 64-bit floats in other orders."""


class Runner(Protocol):
    """A backend with a network in it."""

    def run(self, images: np.ndarray, *, potentials: bool = False) -> Trace:
        """Return what the network does with a batch of images."""
        ...


@dataclass(frozen=True, eq=False)
class Simulation:
    """The integer network on a set of images.

    Attributes:
        scores: Class scores, int64 (images, classes).
        activity: What every layer did.
        seconds: Time of the runs alone, building left out.
    """

    scores: np.ndarray
    activity: Activity
    seconds: float

    @property
    def overflows(self) -> dict[str, int]:
        """Neurons, steps and images at which a current wrapped or a potential was clipped, by layer."""
        return {
            layer.name: 0 if layer.overflows is None else int(layer.overflows.sum()) for layer in self.activity.layers
        }


@dataclass(frozen=True)
class Parity:
    """How two backends agree.

    Attributes:
        left: One backend.
        right: The other.
        layers: One entry per layer, added up over the images; `first` counts images from 0 over all of them.
    """

    left: str
    right: str
    layers: tuple[Mismatch, ...]

    @property
    def equal(self) -> bool:
        """Whether not one event differs."""
        return traces.first_mismatch(self.layers) is None


@contextmanager
def open_backend(name: Backend, graph: Graph | FixedGraph, *, timeout_s: float = 120.0) -> Iterator[Runner]:
    """Yield a backend that runs `graph`, in integers or, the emulator left out, folded in floats.

    Raises:
        ValueError: Unknown backend, or one that this machine does not have.
    """
    if name == "reference":
        yield _Reference(graph)
    elif name == "emulator":
        if not isinstance(graph, FixedGraph):
            raise ValueError("backend 'emulator' runs integers only; floats run in the reference and in lava")
        from lava_port import emulator

        # The emulator fills every batch up to its own size, so the two sizes must agree.
        yield emulator.prepare(graph, batch=BATCH)
    elif name == "lava":
        from lava_port.runtime.host import LavaNetwork

        with LavaNetwork(graph, timeout_s=timeout_s, build_timeout_s=timeout_s) as network:
            yield network
    else:
        raise ValueError(f"unknown backend {name!r}; expected one of {', '.join(get_args(Backend))}")


def simulate(
    graph: FixedGraph,
    pixels: np.ndarray,
    *,
    backend: Backend,
    potentials: bool = False,
    progress: Advance | None = None,
    timeout_s: float = 120.0,
) -> Simulation:
    """Run the integer network on images and return scores and activity; spikes are not kept.

    Args:
        graph: The network.
        pixels: uint8 (images, height, width, channels) at the network's size.
        backend: Who runs it.
        potentials: Whether the activity counts changes of the potential as well, which costs memory.
        progress: Called with images done and images in all.
        timeout_s: Seconds that Lava may take for building, and for one image.
    """
    scores, parts = [], []
    with open_backend(backend, graph, timeout_s=timeout_s) as runner:
        seconds = 0.0
        for batch in _batches(pixels, 1 if backend == "lava" else BATCH):
            began = time.perf_counter()
            trace = runner.run(batch, potentials=potentials)
            seconds += time.perf_counter() - began
            parts.append(activities.measure(graph, trace))
            scores.append(trace.scores)
            if progress:
                progress(sum(map(len, scores)), len(pixels))
    return Simulation(np.concatenate(scores), Activity.join(parts), seconds)


def check_parity(
    graph: Graph | FixedGraph,
    pixels: np.ndarray,
    *,
    backends: tuple[Backend, ...],
    progress: Advance | None = None,
    timeout_s: float = 120.0,
) -> tuple[Parity, ...]:
    """Compare every backend with the first, spike by spike, potentials, gates and class scores included.

    Integers have to agree to the last bit, and spikes always; floats otherwise within `FLOAT_TOLERANCE`.

    Returns:
        One entry per backend after the first.
    """
    tolerance = 0.0 if isinstance(graph, FixedGraph) else FLOAT_TOLERANCE
    found: list[list[tuple[Mismatch, ...]]] = [[] for _ in backends[1:]]
    with _all_backends(backends, graph, timeout_s) as runners:
        done = 0
        for batch in _batches(pixels, BATCH):
            judge, *others = [runner.run(batch, potentials=True) for runner in runners]
            for place, other in enumerate(others):
                found[place].append(traces.shifted(traces.compare(judge, other, tolerance=tolerance), done))
            done += len(batch)
            if progress:
                progress(done, len(pixels))
    return tuple(
        Parity(backends[0], name, traces.add_up(parts)) for name, parts in zip(backends[1:], found, strict=True)
    )


def probabilities(port: Port, scores: np.ndarray) -> np.ndarray:
    """Return class probabilities of integer class scores, with the temperature of the trained network."""
    return calibration.apply_temperature(scores * port.logit_scale, port.provenance.get("temperature") or 1.0)


def backends_named(text: str) -> tuple[Backend, ...]:
    """Return the backends of a list such as `emulator,lava`, the reference left out.

    Raises:
        ValueError: An unknown backend, or none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [name for name in get_args(Backend) if name != "reference"]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"--backends {text!r}: expected some of {', '.join(known)}, separated by commas")
    return tuple(name for name in known if name in names)


@contextmanager
def _all_backends(names: tuple[Backend, ...], graph: Graph | FixedGraph, timeout_s: float) -> Iterator[list[Runner]]:
    if not names:
        yield []
        return
    with (
        open_backend(names[0], graph, timeout_s=timeout_s) as first,
        _all_backends(names[1:], graph, timeout_s) as rest,
    ):
        yield [first, *rest]


def _batches(pixels: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(pixels), size):
        yield np.asarray(pixels[start : start + size])


@dataclass(frozen=True, eq=False)
class _Reference:
    graph: Graph | FixedGraph

    def run(self, images: np.ndarray, *, potentials: bool = False) -> Trace:
        from lava_port import reference

        if isinstance(self.graph, FixedGraph):
            return reference.run_fixed(self.graph, images, potentials=potentials)
        return reference.run_float(self.graph, images, potentials=potentials)
