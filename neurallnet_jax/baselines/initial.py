"""Initial weights of a Keras network, drawn from a key by the equations that its layers name.

Knows the graph that Keras built; runs nothing. NumPy draws them: compiling a generator for every shape takes minutes.
"""

import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from neurallnet_jax.baselines.applications import Graph
from neurallnet_jax.runnable import Variables

__all__ = ["draw", "variance_scaling"]

_TRUNCATED = 0.87962566103423978
"""Standard deviation of a normal distribution cut at two of its own."""

_CONSTANT = {"beta": 0.0, "bias": 0.0, "gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1.0}


def draw(graph: Graph, key: Array) -> Variables:
    """Return fresh variables: kernels as their layers ask for, offsets 0, factors 1, statistics of a standard input.

    Raises:
        ValueError: A layer has a weight of a kind no rule knows; the message names both.
    """
    typed = jax.numpy.issubdtype(key.dtype, jax.dtypes.prng_key)
    words = jax.random.key_data(key) if typed else key
    generator = np.random.default_rng(np.asarray(words, np.uint32))
    tree: Variables = {"params": {}, "batch_stats": {}}
    for layer in graph.layers:
        for kind, own in (("params", layer.trainable_variables), ("batch_stats", layer.non_trainable_variables)):
            for one in own:
                if np.dtype(one.dtype) != np.float32:
                    continue  # the state of a seed, which every call is given
                value = _value(layer, one.name, tuple(one.shape), generator, graph.name(layer))
                tree[kind].setdefault(graph.name(layer), {})[one.name] = jax.numpy.asarray(value)
    return tree


def variance_scaling(
    generator: np.random.Generator, shape: tuple[int, ...], *, scale: float, mode: str, distribution: str
) -> np.ndarray:
    """Return a kernel whose variance is `scale / fan`, float32.

    Args:
        generator: Drawn from.
        shape: (inputs, outputs) or (height, width, inputs, outputs).
        scale: Factor of the variance.
        mode: `fan_in`, `fan_out` or `fan_avg`, the mean of the two.
        distribution: `uniform`, `truncated_normal` (cut at two standard deviations) or `untruncated_normal`.

    Raises:
        ValueError: An unknown mode or distribution.

    References:
        Glorot and Bengio (2010); He et al. (2015), arXiv:1502.01852.
    """
    window = math.prod(shape[:-2])
    fans: dict[str, float] = {"fan_in": shape[-2] * window, "fan_out": shape[-1] * window}
    fans["fan_avg"] = (fans["fan_in"] + fans["fan_out"]) / 2
    if mode not in fans:
        raise ValueError(f"mode is {mode!r}; expected one of {', '.join(fans)}")
    deviation = math.sqrt(scale / max(1.0, fans[mode]))
    if distribution == "uniform":
        found = generator.uniform(-math.sqrt(3) * deviation, math.sqrt(3) * deviation, shape)
    elif distribution == "untruncated_normal":
        found = deviation * generator.standard_normal(shape)
    elif distribution == "truncated_normal":
        found = generator.standard_normal(shape)
        while (far := np.abs(found) > 2).any():
            found[far] = generator.standard_normal(int(far.sum()))
        found *= deviation / _TRUNCATED
    else:
        raise ValueError(f"distribution is {distribution!r}; expected uniform, truncated_normal or untruncated_normal")
    return found.astype(np.float32)


def _value(layer: Any, name: str, shape: tuple[int, ...], generator: np.random.Generator, called: str) -> np.ndarray:
    if name in _CONSTANT:
        return np.full(shape, _CONSTANT[name], np.float32)
    kernel: Any = getattr(layer, "depthwise_initializer", None) or getattr(layer, "kernel_initializer", None)
    if name.endswith("kernel") and hasattr(kernel, "distribution"):
        return variance_scaling(
            generator, shape, scale=kernel.scale, mode=kernel.mode, distribution=kernel.distribution
        )
    raise ValueError(
        f"layer {called!r}: no initial value for its {name!r} of {shape}; add one in neurallnet_jax/baselines/initial.py"
    )
