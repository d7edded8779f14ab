"""The bridge: the judge of the conversion side, run on the weights of a Flax model, spikes as the model does."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest

from lava_port import passes
from lava_port.lower import lower
from lava_port.reference import run_float
from neurallnet_jax import spec

OFFSET, SCALE = (120, 130, 110), 64.0
CLASSES = ("benign", "early", "pre", "pro")


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Compute in float64 as the judge does, so that no membrane falls on the other side of its threshold."""
    import jax
    import jax.experimental

    try:
        context: AbstractContextManager[Any] = jax.enable_x64(True)
    except (AttributeError, TypeError):
        context = jax.experimental.enable_x64()  # pyright: ignore[reportAttributeAccessIssue]
    with context:
        yield


def model_spikes(network: spec.Network, weights: dict[str, np.ndarray], images: np.ndarray) -> tuple[Any, Any]:
    """Return the spikes of every layer and the logits of the Flax model, in float64."""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp
    from flax import traverse_util

    from neurallnet_jax.network.model import Signal, run_layer

    class Spikes(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
            signal, spikes = Signal(inputs, jnp.zeros(inputs.shape[-1])), {}
            for name, layer in spec.named_layers(network):
                signal = run_layer(layer, signal, name=name, steps=network.steps, train=False)
                if isinstance(layer, spec.Lif):
                    spikes[name] = signal.value
            return spikes, signal.value

    variables = traverse_util.unflatten_dict({name: np.float64(array) for name, array in weights.items()}, sep="/")
    inputs = (images.astype(np.float64)[None] - np.array(OFFSET)) / SCALE
    return jax.jit(Spikes().apply)(variables, inputs)  # pyright: ignore[reportReturnType]


def test_the_judge_spikes_as_the_flax_model_does(
    network: spec.Network, weights_of: Callable, images_of: Callable, double_precision: None
):
    weights = weights_of(network, 11)
    images = images_of((*network.image_size, network.channels), 3, 5)
    graph = lower(network, weights, offset=OFFSET, scale=SCALE, classes=CLASSES)
    trace = run_float(graph, images)
    spikes, logits = model_spikes(network, weights, images)
    assert [layer.name for layer in trace.layers] == list(spikes)
    for layer in trace.layers:
        np.testing.assert_array_equal(layer.spikes, spikes[layer.name], err_msg=layer.name)
    # Batch norms are lowered to float32 factors.
    np.testing.assert_allclose(trace.scores, logits, rtol=1e-5, atol=1e-6)
    assert sum(int(layer.spikes.sum()) for layer in trace.layers) > 0


def test_the_judge_scores_as_the_classifier_of_the_checkpoint_does(
    network: spec.Network, weights_of: Callable, images_of: Callable
):
    """In float32, pre-processing included; a membrane within rounding of its threshold would show."""
    from neurallnet_jax import checkpoint, models

    weights = weights_of(network, 12)
    images = images_of((*network.image_size, network.channels), 4, 6)
    graph = passes.fold(lower(network, weights, offset=OFFSET, scale=SCALE, classes=CLASSES, white_level=210))
    saved = checkpoint.Checkpoint(network, weights, checkpoint.Preprocessing(OFFSET, SCALE, 210), CLASSES)
    classifier = models.from_checkpoint(saved)
    logits = models.make_predict(classifier)(classifier.variables, images)
    np.testing.assert_allclose(run_float(graph, images).scores, logits, rtol=1e-3, atol=1e-4)
