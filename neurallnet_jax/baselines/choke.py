"""Where all that a network knows of an image goes through one layer, and which layer a global average reads.

Knows the graph that Keras built; computes nothing.
"""

from typing import Any

from neurallnet_jax.baselines.applications import Graph, tensors

__all__ = ["chokes", "pooled"]

_RECTIFIERS = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU")


def chokes(graph: Graph) -> tuple[Any, ...]:
    """Return the layers of activations over space whose output alone determines the scores, in order of execution.

    A layer is one where no edge of the graph leads past it. Of these the activations count, because they hold evidence
    as spikes do: convolutions, norms and sums on the way to one are left out, and so is what it is padded or pooled to.
    """
    edges = list(graph.edges())
    reach = [-1] * (len(graph.layers) + 1)
    for before, after in edges:
        reach[before + 1] = max(reach[before + 1], after)
    found, furthest = [], reach[0]
    for place, layer in enumerate(graph.layers):
        # All edges from before this layer end here or earlier.
        if furthest <= place and len(layer.output.shape) == 4 and _activates(layer):
            found.append(layer)
        furthest = max(furthest, reach[place + 1])
    return tuple(found)


def pooled(graph: Graph) -> Any | None:
    """Return the layer whose mean over space goes straight into the linear scores; None where no layer does.

    Dropout on the way is nothing at rest.
    """
    sources: dict[int, Any] = {id(layer.output): layer for layer in graph.layers}
    last = graph.layers[-1]
    if type(last).__name__ != "Dense" or last.activation.__name__ != "linear":
        return None
    before = sources.get(id(tensors(last.input)[0]))
    while before is not None and type(before).__name__ == "Dropout":
        before = sources.get(id(tensors(before.input)[0]))
    if before is None or type(before).__name__ != "GlobalAveragePooling2D":
        return None
    return sources.get(id(tensors(before.input)[0]))


def _activates(layer: Any) -> bool:
    if type(layer).__name__ in _RECTIFIERS:
        return True
    activation = getattr(layer, "activation", None)
    return activation is not None and activation.__name__ != "linear"
