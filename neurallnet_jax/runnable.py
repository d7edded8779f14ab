"""What runs a model, whatever it is: pure functions of variables, prepared input and a key.

Knows arrays; knows neither specs, nor pixels, nor files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from jaxtyping import Array, Float

__all__ = ["Output", "Runnable", "Variables", "known"]

Variables: TypeAlias = dict[str, Any]
"""`params` (trained) and `batch_stats` (running statistics), each a tree of arrays: layer -> weight."""


class Output(NamedTuple):
    """What a model returns.

    Attributes:
        logits: (batch, classes).
        rates: Spikes per neuron and step of every spiking layer by name, averaged over the batch.
    """

    logits: Float[Array, "batch classes"]
    rates: dict[str, Float[Array, ""]]


@dataclass(frozen=True, eq=False)
class Runnable:
    """A model as functions; inputs are (time, batch, height, width, channels), as `network.encoding` returns them.

    Attributes:
        initial: `key -> variables`, freshly drawn.
        shapes: `() -> variables` of shapes alone, for which nothing is drawn.
        apply: `(variables, inputs, key) -> Output`, at rest.
        train: `(variables, inputs, key) -> (Output, batch_stats)`, with the statistics of the batch.
        layers: Names of the layers whose output `features` returns, in order of execution.
        pooled: The one of them whose mean over space goes straight into the linear class scores; None where none does.
        features: `(variables, inputs, key, layer) -> (time, batch, height, width, channels)`.
        tail: `(variables, features, key, layer) -> (batch, classes)`.
        trained: Names of the layers with trained weights, in order of execution.
    """

    initial: Callable[[Array], Variables]
    shapes: Callable[[], Variables]
    apply: Callable[[Variables, Array, Array], Output]
    train: Callable[[Variables, Array, Array], tuple[Output, Any]]
    layers: tuple[str, ...]
    pooled: str | None
    features: Callable[[Variables, Array, Array, str], Array]
    tail: Callable[[Variables, Array, Array, str], Array]
    trained: tuple[str, ...]


def known(layer: str, layers: tuple[str, ...]) -> str:
    """Return a layer's name where it is one of `layers`.

    Raises:
        ValueError: It is none of them; the message lists them.
    """
    if layer not in layers:
        raise ValueError(f"no layer {layer!r} to look at; there are {', '.join(layers)}")
    return layer
