"""Functions of images as StableHLO, serialised by `jax.export`: the integer network of a PORT, or any other.

Knows neither files nor checkpoints. What is exported runs without this package, for any number of images, on every
platform of `PLATFORMS`.

The emulator tries on its own device whether float32 sums are exact there. An exported network cannot: it will run on a
device that nobody has tried. So all its sums are those of integers, which every device computes alike.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax import export

from lava_port.emulator import integer_scores
from lava_port.graph import FixedGraph

__all__ = ["PLATFORMS", "describe", "export_function", "export_port"]

PLATFORMS = ("cpu", "cuda", "tpu")
"""What an exported network is lowered for."""


def export_port(graph: FixedGraph) -> export.Exported:
    """Return the integer network: uint8 images (b, height, width, channels) -> class scores, int32 (b, classes).

    Raises:
        GraphError: A node the emulator has no rule for, or numbers that 32 bits cannot hold; the message names the layer.
    """
    return export_function(integer_scores(graph), graph.nodes[0].shape)


def export_function(function: Callable[[jax.Array], jax.Array], image: tuple[int, ...]) -> export.Exported:
    """Return a function of images for any batch size and all `PLATFORMS`; `.serialize()` gives its bytes.

    Args:
        function: uint8 images (batch, height, width, channels) -> class scores or logits (batch, classes).
        image: (height, width, channels).
    """
    (batch,) = export.symbolic_shape("b")
    images = jax.ShapeDtypeStruct((batch, *image), np.uint8)
    return export.export(jax.jit(function), platforms=PLATFORMS)(images)


def describe(exported: export.Exported) -> Mapping[str, Any]:
    """Return shapes, types, platforms and versions of an exported function, plain JSON data."""
    (images,), (scores,) = exported.in_avals, exported.out_avals
    return {
        "input": {"dtype": str(images.dtype), "shape": [str(extent) for extent in images.shape]},
        "output": {"dtype": str(scores.dtype), "shape": [str(extent) for extent in scores.shape]},
        "platforms": list(exported.platforms),
        "calling_convention_version": exported.calling_convention_version,
        "jax": jax.__version__,
    }
