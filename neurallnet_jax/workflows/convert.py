"""A checkpoint becomes a PORT: lower, fold, quantise. Knows both packages and no command line."""

from pathlib import Path

import neurallnet_jax
from lava_port import lower, passes, port, quantise
from lava_port.port import Port
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax.checkpoint import Checkpoint

__all__ = ["convert", "open_port"]


def convert(saved: Checkpoint) -> Port:
    """Return the integer network of a trained one, with its float graph and what rounding cost.

    Raises:
        GraphError: The network holds something that the hardware does not have; the message names the layer.
    """
    graph = lower.lower(
        saved.spec,
        saved.weights,
        offset=saved.preprocessing.offset,
        scale=saved.preprocessing.scale,
        classes=saved.classes,
    )
    fixed, rounding = quantise.quantise(passes.fold(graph))
    return Port(
        graph=graph,
        fixed=fixed,
        rounding=rounding,
        seen=saved.seen,
        test=saved.test,
        provenance={
            "checkpoint": checkpoints.digest(saved),
            "temperature": saved.temperature,
            "neurallnet-jax": neurallnet_jax.__version__,
            "training": dict(saved.provenance),
        },
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
