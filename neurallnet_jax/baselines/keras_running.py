"""A network of keras.applications as pure functions of its variables. Knows neither pixels nor training.

Keras keeps no number of its own here: variables are handed in by name at every call, and so are the seeds of dropout, which
come from the key of the call.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurallnet_jax import spec
from neurallnet_jax.baselines import applications, backend, choke, initial
from neurallnet_jax.baselines.applications import Graph
from neurallnet_jax.runnable import Output, Runnable, Variables, known

__all__ = ["MOMENTUM", "of_graph", "output_shapes", "runnable"]

MOMENTUM = 0.9
"""Share of the running statistics that batch norms keep per step, as our own do. Keras keeps 0.99: the few hundred steps of
a small data set would not bring them to where they belong."""


def runnable(network: spec.KerasNetwork) -> Runnable:
    """Return what runs a network of keras.applications.

    Raises:
        ValueError: Keras cannot be had, or does not take this network; one line.
    """
    return of_graph(applications.build(network))


def of_graph(graph: Graph) -> Runnable:
    """Return what runs a graph that Keras built; from one call to the next only compiled parts of it are remembered."""
    spots = tuple(graph.name(layer) for layer in choke.chokes(graph))
    end = choke.pooled(graph)
    shapes = _shapes(graph)

    def apply(variables: Variables, inputs: Array, key: Array) -> Output:
        return Output(_part(graph, None, None)(variables, inputs[0], key, False)[0], {})

    def train(variables: Variables, inputs: Array, key: Array) -> tuple[Output, Any]:
        logits, statistics = _part(graph, None, None)(variables, inputs[0], key, True)
        return Output(logits, {}), statistics

    def features(variables: Variables, inputs: Array, key: Array, layer: str) -> Array:
        return _part(graph, None, known(layer, spots))(variables, inputs[0], key, False)[0][None]

    def tail(variables: Variables, features: Array, key: Array, layer: str) -> Array:
        return _part(graph, known(layer, spots), None)(variables, features[0], key, False)[0]

    return Runnable(
        initial=lambda key: initial.draw(graph, key),
        shapes=lambda: shapes,
        apply=apply,
        train=train,
        layers=spots,
        pooled=None if end is None else graph.name(end),
        features=features,
        tail=tail,
        trained=tuple(graph.name(layer) for layer in graph.layers if layer.trainable_variables),
    )


def output_shapes(network: spec.KerasNetwork) -> dict[str, tuple[int, ...]]:
    """Return the output shape, without batch, of every layer with weights by name, in order of execution."""
    graph = applications.build(network)
    return {
        graph.name(layer): tuple(layer.output.shape[1:])
        for layer in graph.layers
        if any(not _is_seed(one) for one in layer.variables)
    }


@lru_cache(maxsize=64)
def _part(graph: Graph, after: str | None, until: str | None) -> Callable[..., tuple[Array, Any]]:
    """Return `(variables, inputs, key, training) -> (outputs, batch_stats)` for the layers between two."""
    keras = backend.load()
    outputs = {graph.name(layer): layer.output for layer in graph.layers}
    start = graph.inputs if after is None else outputs[after]
    with backend.broadcasting():
        model = keras.Model(start, graph.outputs if until is None else outputs[until])
    for layer in model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = MOMENTUM
    trained, others = model.trainable_variables, model.non_trainable_variables
    owners = {id(one): graph.name(layer) for layer in graph.layers for one in layer.variables}

    def run(variables: Variables, inputs: Array, key: Array, training: bool) -> tuple[Array, Any]:
        params, statistics = variables["params"], variables["batch_stats"]
        values = [params[owners[id(one)]][one.name] for one in trained]
        seeds = iter(_seeds(key, sum(map(_is_seed, others))))
        states = [next(seeds) if _is_seed(one) else statistics[owners[id(one)]][one.name] for one in others]
        with backend.broadcasting():
            found, updated = model.stateless_call(values, states, inputs, training=training)
        changed = {layer: dict(own) for layer, own in statistics.items()}
        for one, value in zip(others, updated, strict=True):
            if not _is_seed(one):
                changed[owners[id(one)]][one.name] = value
        return found, changed

    return run


def _shapes(graph: Graph) -> Variables:
    tree: Variables = {"params": {}, "batch_stats": {}}
    for layer in graph.layers:
        for kind, own in (("params", layer.trainable_variables), ("batch_stats", layer.non_trainable_variables)):
            found = {one.name: jax.ShapeDtypeStruct(one.shape, np.float32) for one in own if not _is_seed(one)}
            if found:
                tree[kind][graph.name(layer)] = found
    return tree


def _is_seed(variable: Any) -> bool:
    return np.dtype(variable.dtype) == np.uint32


def _seeds(key: Array, count: int) -> list[Array]:
    """Return one seed for every layer that draws, each of two words."""
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return list(jax.random.bits(key if typed else jax.random.wrap_key_data(key), (count, 2), jnp.uint32))
