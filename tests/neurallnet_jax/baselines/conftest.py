"""A small graph that Keras built, with every kind of layer that matters, and lively variables for it."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from neurallnet_jax.baselines import applications, backend, keras_running
from neurallnet_jax.baselines.applications import Graph
from neurallnet_jax.runnable import Variables

SIZE = (9, 7)


def small_model(**dropout: Any) -> Any:
    """Return conv -> norm -> ReLU -> two branches that meet -> ReLU -> dropout -> mean -> dense, most of it unnamed."""
    keras = backend.load()
    layers = keras.layers
    image = keras.Input((*SIZE, 3))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.ZeroPadding2D(((0, 1), (1, 1)))(x)
    x = layers.Conv2D(6, 3, strides=2)(x)
    x = layers.BatchNormalization()(x)
    x = first = layers.Activation("relu", name="stem")(x)
    x = layers.Conv2D(6, 3, padding="same")(x)
    x = layers.Activation("relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.Add()([x, first])
    x = layers.Activation("relu", name="top")(x)
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(**dropout)(x)
    return keras.Model(image, layers.Dense(4, name="predictions")(x))


@pytest.fixture(scope="session")
def model_of() -> Callable[..., Any]:
    """Return a function of the options of dropout: a new small model, which has numbers."""
    return small_model


@pytest.fixture(scope="session")
def graph() -> Graph:
    """The graph of the small model, with dropout."""
    return applications.graph_of(small_model(rate=0.5))


@pytest.fixture(scope="session")
def lively() -> Callable[[Graph], Variables]:
    """Return a function of a graph: variables in which no statistic and no factor is where it began."""

    def draw(graph: Graph) -> Variables:
        rng = np.random.default_rng(3)
        move = lambda leaf: (leaf + rng.uniform(0.1, 0.6, leaf.shape)).astype(np.float32)
        return jax.tree.map(move, keras_running.of_graph(graph).initial(jax.random.key(1)))

    return draw
