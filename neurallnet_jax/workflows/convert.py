"""A checkpoint or a NIR file becomes a PORT: lower, fold, quantise. Knows both packages and no command line."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neurallnet_jax
from lava_port import lower, passes, port, quantise
from lava_port.graph import Graph
from lava_port.port import Port
from lava_port.scales import Measured
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import spec
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.network import rounding

__all__ = ["Source", "convert", "float_graph", "of_checkpoint", "of_nir", "open_port", "to_port", "trained_bits"]


@dataclass(frozen=True, eq=False)
class Source:
    """A float network that is to become a PORT.

    Attributes:
        graph: Its float graph, nothing folded.
        bits: Bits of the weights that it was trained for.
        seen: SHA-256 of every image that training or selection used.
        test: SHA-256 of every image that the split kept apart for the test.
        origin: Where it came from, for the PORT's provenance.
    """

    graph: Graph
    bits: int
    seen: tuple[str, ...]
    test: tuple[str, ...]
    origin: Mapping[str, Any]


def of_checkpoint(saved: Checkpoint) -> Source:
    """Return the float network of a checkpoint.

    Raises:
        GraphError: The network holds something that the hardware does not have; the message names the layer.
    """
    origin = {
        "checkpoint": checkpoints.digest(saved),
        "temperature": saved.temperature,
        "training": dict(saved.provenance),
    }
    return Source(float_graph(saved), trained_bits(saved), saved.seen, saved.test, origin)


def of_nir(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    steps: int | None = None,
    offset: Sequence[int] | None = None,
    scale: float | None = None,
    dt: float | None = None,
) -> Source:
    """Return the float network of a NIR file; which images trained it is not known, so none counts as seen.

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
    return Source(graph, rounding.MOST_BITS, (), (), origin)


def to_port(
    source: Source,
    *,
    bits: int | None = None,
    measured: Mapping[str, Measured] | None = None,
    folded: Graph | None = None,
) -> Port:
    """Return the integer network of a float one, with its float graph and what rounding cost.

    Args:
        source: The float network.
        bits: Of the weights, sign included; None for those that it was trained for.
        measured: Ranges that calibration measured on its folded float graph.
        folded: What to round; None for its folded float graph, another for one whose biases calibration corrected.

    Raises:
        GraphError: A layer's numbers fit no range; the message names the layer.
        ValueError: Too few or too many bits.
    """
    bits = source.bits if bits is None else bits
    fixed, rounded = quantise.quantise(folded or passes.fold(source.graph), bits=bits, measured=measured)
    provenance = {"neurallnet-jax": neurallnet_jax.__version__, "weight_bits": bits, **source.origin}
    return Port(source.graph, fixed, rounded, source.seen, source.test, provenance)


def convert(saved: Checkpoint, *, bits: int | None = None) -> Port:
    """Return the integer network of a trained one; `to_port` says what may be wrong with it."""
    return to_port(of_checkpoint(saved), bits=bits)


def float_graph(saved: Checkpoint) -> Graph:
    """Return the float graph of a trained network, nothing folded.

    Raises:
        ValueError: It is one of the networks of others.
        GraphError: A layer without a place in it; the message names the layer.
    """
    network = spec.layered(saved.spec, "does not spike and has no graph for Lava or NIR; convert a spiking network")
    return lower.lower(
        network,
        saved.weights,
        offset=saved.preprocessing.offset,
        scale=saved.preprocessing.scale,
        white_level=saved.preprocessing.white_level,
        classes=saved.classes,
    )


def trained_bits(saved: Checkpoint) -> int:
    """Return the bits that a network's weights were trained for, 8 where they were not rounded in training."""
    training = saved.provenance.get("training")
    bits = training.get("weight_bits") if isinstance(training, Mapping) else None
    return rounding.MOST_BITS if bits is None else rounding.check_bits(bits)


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
