"""The networks of keras.applications that are known here: how Keras calls them, and what their published weights expect.

Knows the functional graph that Keras builds; neither runs nor trains it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from neurallnet_jax import spec
from neurallnet_jax.baselines import backend

__all__ = [
    "APPLICATIONS",
    "Application",
    "Convention",
    "Graph",
    "abstract_model",
    "build",
    "graph_of",
    "names_of",
    "tensors",
]

_INPUT_LAYERS = ("InputLayer", "Rescaling", "Normalization")
"""What a network does to its input by itself; `Preprocessing` does it here, so the graph begins behind it."""


@dataclass(frozen=True)
class Convention:
    """What published weights take for input, as `(pixel - offset) / scale` and factors of the first kernel.

    Attributes:
        offset: Whole grey levels per colour channel, red first.
        scale: Divisor.
        factors: What each channel of the first kernel is multiplied by, red first, so that one divisor serves all.
        blue_first: Whether the first kernel has blue as its first channel.
    """

    offset: tuple[int, int, int]
    scale: float
    factors: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blue_first: bool = False


_DEVIATIONS = (0.229, 0.224, 0.225)
_CAFFE = Convention((124, 117, 104), 1.0, blue_first=True)
"""Means 123.68, 116.779, 103.939, blue first (keras.applications, mode `caffe`); the means to whole grey levels."""
_TORCH = Convention((124, 116, 104), 64.0, factors=tuple(64 / (255 * one) for one in _DEVIATIONS))  # pyright: ignore[reportArgumentType]
"""Means 0.485, 0.456, 0.406 of 255 and deviations 0.229, 0.224, 0.225 (mode `torch`); the means to whole grey levels."""
_TF = Convention((128, 128, 128), 127.5)
"""Minus 127.5, divided by 127.5 (mode `tf`); half a grey level is left over."""


@dataclass(frozen=True)
class Application:
    """One network of keras.applications.

    Attributes:
        constructor: Its name there.
        convention: What its ImageNet weights take for input.
        source: Where the network was published.
    """

    constructor: str
    convention: Convention
    source: str


APPLICATIONS: Mapping[str, Application] = {
    "efficientnet-b7": Application("EfficientNetB7", _TORCH, "Tan and Le 2019, arXiv:1905.11946"),
    "vgg19": Application("VGG19", _CAFFE, "Simonyan and Zisserman 2015, arXiv:1409.1556"),
    "inception-resnet-v2": Application("InceptionResNetV2", _TF, "Szegedy et al. 2017, arXiv:1602.07261"),
    "resnet50": Application("ResNet50", _CAFFE, "He et al. 2016, arXiv:1512.03385"),
    "densenet121": Application("DenseNet121", _TORCH, "Huang et al. 2017, arXiv:1608.06993"),
}
"""By the names of `spec.KERAS_NETWORKS`."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as Keras builds it, behind its own input layers.

    Attributes:
        inputs: Symbolic tensor of the prepared image.
        outputs: Symbolic tensor of the class scores.
        layers: Layers from one to the other, in order of execution.
        names: Name of each by the name that Keras gave it; numbers count within this network, not since Keras started.
    """

    inputs: Any
    outputs: Any
    layers: tuple[Any, ...]
    names: Mapping[str, str]

    def name(self, layer: Any) -> str:
        """Return what a layer is called here."""
        return self.names[layer.name]

    def edges(self) -> Iterator[tuple[int, int]]:
        """Yield which layer hears which, by place; the image is place -1."""
        places = {id(self.inputs): -1}
        for place, layer in enumerate(self.layers):
            for tensor in tensors(layer.input):
                yield places[id(tensor)], place
            places[id(layer.output)] = place


@lru_cache(maxsize=4)
def build(network: spec.KerasNetwork) -> Graph:
    """Return the graph of a network; none of its variables holds numbers.

    Raises:
        ValueError: Keras cannot be had, or does not take this size.
    """
    spec.validate(network)
    return graph_of(abstract_model(network))


def graph_of(model: Any) -> Graph:
    """Return the graph of a functional model with one input and one output, in which every layer is used once."""
    layers = list(model.operations)
    behind = next(place for place, layer in enumerate(layers) if type(layer).__name__ not in _INPUT_LAYERS)
    own = layers[behind:]
    return Graph(layers[behind - 1].output, model.outputs[0], tuple(own), names_of(own))


def abstract_model(network: spec.KerasNetwork, **options: Any) -> Any:
    """Return a new model of keras.applications whose variables have shapes and no numbers: drawing these takes seconds.

    Args:
        network: Which.
        options: Further arguments of its constructor.
    """
    keras = backend.load()
    held = []

    def make() -> jax.Array:
        constructor = getattr(keras.applications, APPLICATIONS[network.name].constructor)
        shape = (*network.image_size, network.channels)
        given = {"classes": network.classes, "classifier_activation": None, **options}
        held.append(constructor(weights=None, input_shape=shape, **given))
        return jnp.zeros(())

    with backend.broadcasting():
        jax.eval_shape(make)
    return held[0]


def tensors(one: Any) -> list[Any]:
    """Return what a layer has for input or output as a list."""
    return list(one) if isinstance(one, list | tuple) else [one]


def names_of(layers: Sequence[Any]) -> dict[str, str]:
    """Return names by those of Keras, in which the numbers of layers that the network leaves unnamed begin anew.

    Keras counts these since it was started, so that a second model of a process has other names than the first.
    """
    unnamed: dict[str, list[tuple[int, str]]] = {}
    names = {layer.name: layer.name for layer in layers}
    for layer in layers:
        found = re.fullmatch(r"(\w+?)(?:_(\d+))?", layer.name)
        if found and found[1].replace("_", "") == type(layer).__name__.lower():
            unnamed.setdefault(found[1], []).append((int(found[2] or 0), layer.name))
    for kind, given in unnamed.items():
        for place, (_, name) in enumerate(sorted(given)):
            names[name] = kind if place == 0 else f"{kind}_{place}"
    return names
