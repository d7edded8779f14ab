"""AlexNet as a small Flax module, and as the pure functions that run it. Knows neither pixels nor training.

The one-column network of Krizhevsky (2014), "One weird trick for parallelizing convolutional neural networks",
arXiv:1404.5997, not the two-column one of Krizhevsky, Sutskever and Hinton (2012): no local response normalisation, no
groups. What the last pooling leaves is averaged to 6 x 6 (at 224 px it is that already), so that any size from 64 px up
meets dense layers of the same size; below that a value is repeated. It is flattened, not averaged over space.
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurallnet_jax import spec
from neurallnet_jax.runnable import Output, Runnable, Variables, known

__all__ = ["adaptive_average", "named_layers", "output_shapes", "runnable"]

_CONVOLUTIONS = (
    spec.Conv(64, (11, 11), (4, 4), ((2, 2), (2, 2)), bias=True),
    spec.Conv(192, (5, 5), padding=((2, 2), (2, 2)), bias=True),
    spec.Conv(384, bias=True),
    spec.Conv(256, bias=True),
    spec.Conv(256, bias=True),
)
_POOLED = (1, 2, 5)
"""Convolutions whose rectified output is pooled: the maximum of 3 x 3, every second."""
_SIDE = 6
_HIDDEN = 4096
_LAYERS = tuple(f"relu_{place + 1}" for place in range(len(_CONVOLUTIONS)))


class _AlexNet(nn.Module):
    """The layers from one rectifier to another, with the weights of the whole.

    Attributes:
        network: The whole.
        after: Rectifier whose output is the input; None for the image.
        until: Rectifier whose output is returned; None for the class scores.
    """

    network: spec.AlexNet
    after: str | None = None
    until: str | None = None

    @nn.compact
    def __call__(self, x: Array, *, train: bool = False) -> Array:
        running = self.after is None
        for place, layer in enumerate(_CONVOLUTIONS, start=1):
            name = f"relu_{place}"
            if running:
                x = nn.relu(_convolution(layer, f"conv_{place}")(x))
            elif name == self.after:
                running = True
            else:
                continue
            if name == self.until:
                return x
            if place in _POOLED:
                x = nn.max_pool(x, (3, 3), strides=(2, 2))
        x = adaptive_average(x, _SIDE).reshape(len(x), -1)
        for place in (1, 2):
            x = nn.Dropout(self.network.dropout, deterministic=not train)(x)
            x = nn.relu(nn.Dense(_HIDDEN, kernel_init=nn.initializers.he_normal(), name=f"dense_{place}")(x))
        return nn.Dense(self.network.classes, name="dense_3")(x)


def runnable(network: spec.AlexNet) -> Runnable:
    """Return what runs AlexNet.

    Raises:
        ValueError: The image is too small for its poolings.
    """
    spec.validate(network)
    whole = _AlexNet(network)

    def initial(key: Array) -> Variables:
        image = jnp.zeros((1, *network.image_size, network.channels))
        return {"params": jax.jit(whole.init)(key, image)["params"], "batch_stats": {}}

    def apply(variables: Variables, inputs: Array, key: Array) -> Output:
        return Output(_run(whole, variables, inputs[0]), {})

    def train(variables: Variables, inputs: Array, key: Array) -> tuple[Output, Any]:
        return Output(_run(whole, variables, inputs[0], train=True, rngs={"dropout": key}), {}), {}

    def features(variables: Variables, inputs: Array, key: Array, layer: str) -> Array:
        return _run(_AlexNet(network, until=known(layer, _LAYERS)), variables, inputs[0])[None]

    def tail(variables: Variables, features: Array, key: Array, layer: str) -> Array:
        return _run(_AlexNet(network, after=known(layer, _LAYERS)), variables, features[0])

    return Runnable(
        initial=initial,
        shapes=lambda: jax.eval_shape(initial, jax.random.key(0)),
        apply=apply,
        train=train,
        layers=_LAYERS,
        pooled=None,
        features=features,
        tail=tail,
        trained=tuple(name for name, _, _ in named_layers(network)),
    )


def named_layers(network: spec.AlexNet) -> Iterator[tuple[str, spec.Conv | spec.Dense, spec.Shape]]:
    """Yield every layer with weights: its name, what it does, and the shape of its input."""
    shape: spec.Shape = (*network.image_size, network.channels)
    for place, layer in enumerate(_CONVOLUTIONS, start=1):
        yield f"conv_{place}", layer, shape
        height, width, features = spec.output_shape(layer, shape, f"conv_{place}")
        shape = (
            ((height - 3) // 2 + 1, (width - 3) // 2 + 1, features) if place in _POOLED else (height, width, features)
        )
    shape = (_SIDE, _SIDE, shape[2])
    for place, features in enumerate((_HIDDEN, _HIDDEN, network.classes), start=1):
        yield f"dense_{place}", spec.Dense(features), shape
        shape = (features,)


def output_shapes(network: spec.AlexNet) -> dict[str, spec.Shape]:
    """Return the output shape, without batch, of every layer with weights by name, in order of execution."""
    return {name: spec.output_shape(layer, shape, name) for name, layer, shape in named_layers(network)}


def adaptive_average(x: Array, side: int) -> Array:
    """Return means over `side` x `side` windows that cover a map of any size.

    Window i of an axis of n values holds those from floor(i n / side) to ceil((i + 1) n / side).

    Args:
        x: (batch, height, width, channels).
        side: Height and width of the result; where the map is smaller, values are repeated.
    """
    rows, columns = (jnp.asarray(_windows(extent, side)) for extent in x.shape[1:3])
    return jnp.einsum("ih,bhwc,jw->bijc", rows, x, columns, precision=jax.lax.Precision.HIGHEST)


def _windows(extent: int, side: int) -> np.ndarray:
    weights = np.zeros((side, extent), np.float32)
    for place in range(side):
        window = slice(place * extent // side, -(-(place + 1) * extent // side))
        weights[place, window] = 1 / (window.stop - window.start)
    return weights


def _convolution(layer: spec.Conv, name: str) -> nn.Conv:
    return nn.Conv(
        layer.features, layer.kernel, layer.stride, layer.padding, kernel_init=nn.initializers.he_normal(), name=name
    )


def _run(module: _AlexNet, variables: Variables, x: Array, **options: Any) -> Array:
    return module.apply({"params": variables["params"]}, x, **options)  # pyright: ignore[reportReturnType]
