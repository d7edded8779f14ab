"""A checkpoint or a NIR file becomes a PORT: lower, fold, quantise. Knows both packages and no command line."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import neurallnet_jax
from lava_port import lower, passes, port, quantise
from lava_port.graph import Graph
from lava_port.port import Port
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax.checkpoint import Checkpoint

__all__ = ["convert", "convert_nir", "float_graph", "open_port"]


def convert(saved: Checkpoint) -> Port:
    """Return the integer network of a trained one, with its float graph and what rounding cost.

    Raises:
        GraphError: The network holds something that the hardware does not have; the message names the layer.
    """
    origin = {
        "checkpoint": checkpoints.digest(saved),
        "temperature": saved.temperature,
        "training": dict(saved.provenance),
    }
    return _port(float_graph(saved), seen=saved.seen, test=saved.test, origin=origin)


def convert_nir(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    steps: int | None = None,
    offset: Sequence[int] | None = None,
    scale: float | None = None,
    dt: float | None = None,
) -> Port:
    """Return the integer network of a NIR file; which images trained it is not known, so none counts as seen.

    Args:
        path: The file.
        classes: Class names in the order of the outputs; None here and below takes what the file says.
        steps: T, the number of time steps.
        offset: Whole number that is subtracted from a pixel, one, or one per colour channel.
        scale: What that is divided by.
        dt: Length of the step the network was made for, seconds.

    Raises:
        ValueError: The file is damaged, a node has no counterpart, or something is known from nowhere.
    """
    from lava_port import from_nir

    graph = from_nir.from_nir(from_nir.read(path), classes=classes, steps=steps, offset=offset, scale=scale, dt=dt)
    origin = {"nir": {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}, "temperature": None}
    return _port(graph, seen=(), test=(), origin=origin)


def float_graph(saved: Checkpoint) -> Graph:
    """Return the float graph of a trained network, nothing folded.

    Raises:
        GraphError: A layer without a place in it; the message names the layer.
    """
    return lower.lower(
        saved.spec,
        saved.weights,
        offset=saved.preprocessing.offset,
        scale=saved.preprocessing.scale,
        classes=saved.classes,
    )


def open_port(name: str | Path) -> Port:
    """Return a PORT; `pretrained` converts the shipped checkpoint.

    Raises:
        ValueError: There is none, or it is damaged; a RUN is refused with what to do.
    """
    if str(name) == checkpoints.PRETRAINED:
        return convert(checkpoints.load(name))
    if checkpoints.is_run(str(name)):
        raise ValueError(f"{name}: is a RUN, not a PORT; run `neurallnet convert-to-lava {name} --out PORT` first")
    return port.load(Path(name))


def _port(graph: Graph, *, seen: Sequence[str], test: Sequence[str], origin: Mapping[str, Any]) -> Port:
    fixed, rounding = quantise.quantise(passes.fold(graph))
    return Port(
        graph=graph,
        fixed=fixed,
        rounding=rounding,
        seen=tuple(seen),
        test=tuple(test),
        provenance={"neurallnet-jax": neurallnet_jax.__version__, **origin},
    )
