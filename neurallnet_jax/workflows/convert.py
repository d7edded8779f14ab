"""A checkpoint becomes a PORT: lower, fold, quantise. Knows both packages and no command line."""

from collections.abc import Mapping
from pathlib import Path

import neurallnet_jax
from lava_port import lower, passes, port, quantise
from lava_port.graph import Graph
from lava_port.port import Port
from lava_port.scales import Measured
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.network import rounding

__all__ = ["convert", "float_graph", "open_port", "trained_bits"]


def convert(
    saved: Checkpoint,
    *,
    bits: int | None = None,
    measured: Mapping[str, Measured] | None = None,
    folded: Graph | None = None,
) -> Port:
    """Return the integer network of a trained one, with its float graph and what rounding cost.

    Args:
        saved: The trained network.
        bits: Of the weights, sign included; None for those that it was trained for.
        measured: Ranges that calibration measured on its folded float graph.
        folded: What to round; None for its folded float graph, another for one whose biases calibration corrected.

    Raises:
        GraphError: The network holds something that the hardware does not have; the message names the layer.
        ValueError: Too few or too many bits.
    """
    graph = float_graph(saved)
    bits = trained_bits(saved) if bits is None else bits
    fixed, rounded = quantise.quantise(folded or passes.fold(graph), bits=bits, measured=measured)
    return Port(
        network=saved.spec,
        graph=graph,
        fixed=fixed,
        rounding=rounded,
        seen=saved.seen,
        test=saved.test,
        provenance={
            "checkpoint": checkpoints.digest(saved),
            "temperature": saved.temperature,
            "weight_bits": bits,
            "neurallnet-jax": neurallnet_jax.__version__,
            "training": dict(saved.provenance),
        },
    )


def float_graph(saved: Checkpoint) -> Graph:
    """Return the float graph of a trained network, nothing folded."""
    return lower.lower(
        saved.spec,
        saved.weights,
        offset=saved.preprocessing.offset,
        scale=saved.preprocessing.scale,
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
