"""A network of keras.applications as pure functions of its variables. Knows neither pixels nor training.

Keras keeps no number of its own here: variables are handed in by name at every call, and so are the seeds of dropout, which
come from the key of the call.
"""

from collections.abc import Callable, Sequence
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

__all__ = ["MOMENTUM", "output_shapes", "runnable"]

MOMENTUM = 0.9
"""Share of the running statistics that batch norms keep per step, as our own do. Keras keeps 0.99: the few hundred steps of a
small data set would not bring them to where they belong."""


def runnable(network: spec.KerasNetwork) -> Runnable:
    """Return what runs a network of Keras.

    Raises:
        ValueError: Keras cannot be had, or does not take this network; one line.
    """
    graph = applications.build(network)
    spots = {graph.name(layer): layer for layer in choke.chokes(graph)}
    end = choke.pooled(graph)
    shapes = _shapes(graph)

    def apply(variables: Variables, inputs: Array, key: Array) -> Output:
        return Output(_part(network, None, None)(variables, inputs[0], key, False)[0], {})

    def train(variables: Variables, inputs: Array, key: Array) -> tuple[Output, Any]:
        logits, statistics = _part(network, None, None)(variables, inputs[0], key, True)
        return Output(logits, {}), statistics

    def features(variables: Variables, inputs: Array, key: Array, layer: str) -> Array:
        return _part(network, None, known(layer, tuple(spots)))(variables, inputs[0], key, False)[0][None]

    def tail(variables: Variables, features: Array, key: Array, layer: str) -> Array:
        return _part(network, known(layer, tuple(spots)), None)(variables, features[0], key, False)[0]

    return Runnable(
        initial=lambda key: initial.draw(graph, key),
        shapes=lambda: shapes,
        apply=apply,
        train=train,
        layers=tuple(spots),
        pooled=None if end is None else graph.name(end),
        features=features,
        tail=tail,
        trained=tuple(graph.name(layer) for layer in graph.layers if layer.trainable_variables),
    )


def output_shapes(network: spec.KerasNetwork) -> dict[str, tuple[int, ...]]:
    """Return the output shape, without batch, of every layer with weights by name, in order of execution."""
    graph = applications.build(network)
    return {graph.name(layer): tuple(layer.output.shape[1:]) for layer in graph.layers if layer.variables}


@lru_cache(maxsize=64)
def _part(network: spec.KerasNetwork, after: str | None, until: str | None) -> Callable[..., tuple[Array, Any]]:
    """Return `(variables, inputs, key, training) -> (outputs, batch_stats)` for the layers between two."""
    keras = backend.load()
    graph = applications.build(network)
    outputs = {graph.name(layer): layer.output for layer in graph.layers}
    start = graph.inputs if after is None else outputs[after]
    with backend.broadcasting():
        model = keras.Model(start, graph.outputs if until is None else outputs[until])
    trained, others = model.trainable_variables, model.non_trainable_variables
    owners = {id(one): graph.name(layer) for layer in graph.layers for one in layer.variables}

    def run(variables: Variables, inputs: Array, key: Array, training: bool) -> tuple[Array, Any]:
        params, statistics = variables["params"], variables["batch_stats"]
        values = [params[owners[id(one)]][one.name] for one in trained]
        seeds = iter(_seeds(key, others))
        states = [next(seeds) if _is_seed(one) else statistics[owners[id(one)]][one.name] for one in others]
        with backend.broadcasting():
            found, updated = model.stateless_call(values, states, inputs, training=training)
        changed = {layer: dict(own) for layer, own in statistics.items()}
        for one, value in zip(others, updated, strict=True):
            if not _is_seed(one):
                changed[owners[id(one)]][one.name] = value
        return found, changed

    for layer in model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = MOMENTUM
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


def _seeds(key: Array, variables: Sequence[Any]) -> list[Array]:
    count = sum(map(_is_seed, variables))
    if not count:
        return []
    key = key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)
    return list(jax.random.bits(key, (count, 2), jnp.uint32))
