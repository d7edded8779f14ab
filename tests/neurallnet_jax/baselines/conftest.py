"""A small graph that Keras built, with every kind of layer that matters, and lively variables for it."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from neurallnet_jax.baselines import applications, keras_running
from neurallnet_jax.baselines.applications import Graph
from neurallnet_jax.runnable import Variables


@pytest.fixture(scope="session")
def graph(model_of: Callable[..., Any]) -> Graph:
    """The graph of the small model, with dropout."""
    return applications.graph_of(model_of(rate=0.5))


@pytest.fixture(scope="session")
def lively() -> Callable[[Graph], Variables]:
    """Return a function of a graph: variables in which no statistic and no factor is where it began."""

    def draw(graph: Graph) -> Variables:
        rng = np.random.default_rng(3)
        move = lambda leaf: (leaf + rng.uniform(0.1, 0.6, leaf.shape)).astype(np.float32)
        return jax.tree.map(move, keras_running.of_graph(graph).initial(jax.random.key(1)))

    return draw
