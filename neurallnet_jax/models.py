"""A spec or a checkpoint as a `Classifier`: pure functions and their variables, whatever the model.

Knows how to run a model; knows neither how to train one nor files.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jaxtyping import Array

from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import spec
from neurallnet_jax.network import encoding, running, white
from neurallnet_jax.runnable import Output, Runnable, Variables

__all__ = [
    "Classifier",
    "Predict",
    "Variables",
    "batches",
    "create",
    "from_checkpoint",
    "make_predict",
    "output_shapes",
    "prepare",
    "rounded",
    "to_weights",
    "trained_layers",
    "with_weights",
]

_PREPARED = 64
"""Images that are balanced at a time."""

_EVALUATION_SEED = 0
"""Seed of the rate encoding outside training, so that a score can be repeated."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """A model ready to run.

    Attributes:
        spec: The network.
        preprocessing: How pixels become input.
        classes: Class names in the order of the logits.
        variables: Its parameters and statistics.
        apply: `(variables, pixels, key) -> Output`, at rest; pixels (batch, height, width, channels), 0 to 255.
        train: `(variables, pixels, key) -> (Output, batch_stats)`, with the statistics of the batch; takes pixels that
            `prepare` returned, augmented or not.
        layers: Names of the layers whose output `features` returns, in order of execution.
        pooled: The one of them whose mean over space (and time) goes straight into the linear class scores, as class
            activation mapping needs it; None where no layer does.
        features: `(variables, pixels, key, layer) -> (time, batch, height, width, channels)`, what a layer puts out at
            rest: spikes in every step, or activations with a time of 1. Takes real-valued pixels that `prepare`
            returned, and has gradients with respect to them.
        tail: `(variables, features, key, layer) -> (batch, classes)`, the class scores from what that layer puts out.
        weight_bits: Bits that all round kernels to before they run, gradients straight through; None: to none.
    """

    spec: spec.AnyNetwork
    preprocessing: checkpoints.Preprocessing
    classes: tuple[str, ...]
    variables: Variables
    apply: Callable[[Variables, Array, Array], Output]
    train: Callable[[Variables, Array, Array], tuple[Output, Any]]
    layers: tuple[str, ...]
    pooled: str | None
    features: Callable[[Variables, Array, Array, str], Array]
    tail: Callable[[Variables, Array, Array, str], Array]
    weight_bits: int | None = None


def create(
    network: spec.AnyNetwork,
    classes: tuple[str, ...],
    *,
    preprocessing: checkpoints.Preprocessing,
    key: Array,
    weight_bits: int | None = None,
) -> Classifier:
    """Return a freshly initialised classifier.

    Args:
        network: The network; its number of outputs is that of the class names.
        classes: Class names in the order of the logits.
        preprocessing: How pixels become input.
        key: Key of the initial weights.
        weight_bits: Bits that kernels are rounded to before the network runs, gradients straight through; None: to none.

    Raises:
        ValueError: The number of class names differs from the network's outputs, or rounded kernels do not suit it.
    """
    if len(classes) != network.classes:
        raise ValueError(f"{len(classes)} class names for a network of {network.classes} classes")
    run = _runnable(network, weight_bits)
    return _classifier(network, classes, preprocessing, run, run.initial(key), weight_bits)


def from_checkpoint(saved: checkpoints.Checkpoint) -> Classifier:
    """Return the classifier of a trained model.

    Raises:
        ValueError: The weights do not fit the spec; the message names the first that does not.
    """
    run = _runnable(saved.spec, None)
    return with_weights(_classifier(saved.spec, saved.classes, saved.preprocessing, run, run.shapes()), saved.weights)


def with_weights(classifier: Classifier, weights: Mapping[str, np.ndarray]) -> Classifier:
    """Return `classifier` with other weights, names as in `checkpoint.Checkpoint`.

    Raises:
        ValueError: A weight is missing, unknown or of another shape.
    """
    expected: dict[str, Any] = traverse_util.flatten_dict(classifier.variables, sep="/")
    for name in sorted(set(expected) | set(weights)):
        if name not in weights:
            raise ValueError(f"weight {name!r} is missing; the checkpoint does not fit its spec")
        if name not in expected:
            raise ValueError(f"weight {name!r} is unknown to this network; the checkpoint does not fit its spec")
        if weights[name].shape != expected[name].shape:
            raise ValueError(f"weight {name!r} has shape {weights[name].shape}, the network {expected[name].shape}")
    tree = traverse_util.unflatten_dict({name: jnp.asarray(array) for name, array in weights.items()}, sep="/")
    variables = {"params": tree.get("params", {}), "batch_stats": tree.get("batch_stats", {})}
    return dataclasses.replace(classifier, variables=variables)


def rounded(classifier: Classifier, variables: Variables) -> Variables:
    """Return variables with the kernels that the classifier runs: rounded ones where it has weight bits."""
    if classifier.weight_bits is None:
        return variables
    network = spec.layered(classifier.spec, "has no kernels to round")
    return running.as_run(variables, network, classifier.weight_bits)


def output_shapes(network: spec.AnyNetwork) -> dict[str, spec.Shape]:
    """Return the output shape, without time and batch, of every layer by name; of networks of others, where it has weights.

    Raises:
        ValueError: A network of Keras, and Keras cannot be had.
    """
    match network:
        case spec.KerasNetwork():
            from neurallnet_jax.baselines import keras_running

            return keras_running.output_shapes(network)
        case spec.AlexNet():
            from neurallnet_jax.baselines import alexnet

            return alexnet.output_shapes(network)
    return spec.shapes(network)


def trained_layers(network: spec.AnyNetwork) -> tuple[str, ...]:
    """Return the names of a network's layers with trained weights, in order of execution."""
    return _runnable(network, None).trained


def to_weights(variables: Variables) -> dict[str, np.ndarray]:
    """Return variables as flat float32 arrays, names as in `checkpoint.Checkpoint`."""
    flat = traverse_util.flatten_dict(variables, sep="/")
    return {name: np.asarray(array, np.float32) for name, array in flat.items()}


def prepare(pixels: np.ndarray, level: int | None) -> np.ndarray:
    """Return images after white balance, uint8, as `Classifier.train` takes them; without a white level the same array."""
    if level is None or not len(pixels):
        return pixels
    parts = [pixels[start : start + _PREPARED] for start in range(0, len(pixels), _PREPARED)]
    return np.concatenate([white.balanced(np.asarray(part), level, np).astype(np.uint8) for part in parts])


class Predict(Protocol):
    """Logits of images under given variables."""

    def __call__(
        self,
        variables: Variables,
        pixels: np.ndarray,
        *,
        batch_size: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Return the logits of images, float32 (images, classes).

        Args:
            variables: Parameters and statistics.
            pixels: uint8 (images, height, width, channels) at the network's size.
            batch_size: Images per call; the last batch is filled up, so that one compilation serves all.
            progress: Called with images done and images in all.

        Raises:
            ValueError: The images have another size than the network.
        """
        ...


def make_predict(classifier: Classifier) -> Predict:
    """Return a function that scores images; it is compiled once and serves any variables.

    Where gates come from another image of the batch, the images are dealt out to batches in a random order, so that the
    order of a folder, which is that of its classes, tells nothing; it is the same order in every call.
    """
    run = jax.jit(lambda variables, batch, key: classifier.apply(variables, batch, key).logits)
    expected = (*classifier.spec.image_size, classifier.spec.channels)
    key = jax.random.key(_EVALUATION_SEED)

    def predict(
        variables: Variables,
        pixels: np.ndarray,
        *,
        batch_size: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        if pixels.shape[1:] != expected:
            raise ValueError(f"images are {pixels.shape[1:]}, the network takes {expected}; decode them at that size")
        batch_size = min(batch_size, max(len(pixels), 1))
        logits = np.zeros((len(pixels), classifier.spec.classes), np.float32)
        for start, places in batches(classifier.spec, len(pixels), batch_size):
            count = min(batch_size, len(pixels) - start)
            found = run(variables, np.asarray(pixels[places]), jax.random.fold_in(key, start))
            logits[places[:count]] = np.asarray(found)[:count]
            if progress:
                progress(start + count, len(pixels))
        return logits

    return predict


def batches(network: spec.AnyNetwork, count: int, batch_size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield how many images came before, and the places of the `batch_size` images of every batch.

    The last batch is filled up with images that were scored before; what it says of these is to be dropped.
    """
    order = np.arange(count)
    if network.shuffles == "images":
        order = np.random.default_rng(_EVALUATION_SEED).permutation(order)
    for start in range(0, count, batch_size):
        yield start, np.resize(np.roll(order, -start), batch_size)


@singledispatch
def _runnable(network: Any, weight_bits: int | None) -> Runnable:
    raise TypeError(
        f"no rule runs a {type(network).__name__}; add one with @_runnable.register in neurallnet_jax/models.py"
    )


@_runnable.register
def _(network: spec.Network, weight_bits: int | None) -> Runnable:
    return running.runnable(network, weight_bits)


@_runnable.register
def _(network: spec.AlexNet, weight_bits: int | None) -> Runnable:
    from neurallnet_jax.baselines import alexnet

    _refuse_bits(network, weight_bits)
    return alexnet.runnable(network)


@_runnable.register
def _(network: spec.KerasNetwork, weight_bits: int | None) -> Runnable:
    from neurallnet_jax.baselines import keras_running

    _refuse_bits(network, weight_bits)
    return keras_running.runnable(network)


def _refuse_bits(network: spec.AnyNetwork, weight_bits: int | None) -> None:
    if weight_bits is not None:
        spec.layered(network, f"has no kernels to round to {weight_bits} bits; leave --weight-bits out")


def _classifier(
    network: spec.AnyNetwork,
    classes: tuple[str, ...],
    preprocessing: checkpoints.Preprocessing,
    run: Runnable,
    variables: Variables,
    weight_bits: int | None = None,
) -> Classifier:
    balanced = dataclasses.replace(preprocessing, white_level=None)

    def encoded(pixels: Array, key: Array, prepare: checkpoints.Preprocessing = balanced) -> Array:
        return encoding.encode(network.encoding, jnp.asarray(pixels, jnp.float32), prepare, key, steps=network.steps)

    return Classifier(
        spec=network,
        preprocessing=preprocessing,
        classes=classes,
        variables=variables,
        apply=lambda variables, pixels, key: run.apply(variables, encoded(pixels, key, preprocessing), key),
        train=lambda variables, pixels, key: run.train(variables, encoded(pixels, key), key),
        layers=run.layers,
        pooled=run.pooled,
        features=lambda variables, pixels, key, layer: run.features(variables, encoded(pixels, key), key, layer),
        tail=run.tail,
        weight_bits=weight_bits,
    )
