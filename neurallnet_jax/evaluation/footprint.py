"""What a model costs on a CPU: parameters, bytes, multiply-accumulates of a dense pass, latency and buffers at batch 1.

Knows neither scores nor energy. Latencies of several models are taken in turns, so that whatever else the machine does
meets them alike.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import jax
import numpy as np

from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import models, spec
from neurallnet_jax.baselines import alexnet, macs
from neurallnet_jax.checkpoint import Checkpoint

__all__ = ["Footprint", "Latency", "dense_macs", "from_json", "layer_macs", "measure", "to_json"]

_WARM_UP = 3
_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Latency:
    """Seconds from the pixels of one image in memory to its logits in memory; compiled before.

    Attributes:
        median: Median over the passes.
        low: First quartile.
        high: Third quartile.
        passes: How many were timed.
    """

    median: float
    low: float
    high: float
    passes: int


@dataclass(frozen=True)
class Footprint:
    """What a model costs.

    Attributes:
        kind: `spiking`, `relu`, or the name of one of the networks of others.
        steps: T; the dense pass is run once, a spiking network's layers behind the first T times.
        image_size: Height and width of its input, pixels.
        parameters: Trained numbers.
        bytes: Bytes of the trained numbers and running statistics, float32.
        macs: Multiply-accumulates of one dense pass: every input counts, zero or not; a padding's zeros do not.
        latency: Time of one image; None where it was not measured.
        buffer_bytes: Bytes that the compiled pass holds at once, at most, as the compiler plans them: arguments with the
            weights, results and temporaries; not the process, which holds JAX as well. None where it does not say.
    """

    kind: str
    steps: int
    image_size: tuple[int, int]
    parameters: int
    bytes: int
    macs: int
    latency: Latency | None
    buffer_bytes: int | None


@singledispatch
def layer_macs(layer: object, shape: spec.Shape, name: str) -> int:
    """Return the multiply-accumulates of one layer in one dense pass.

    A convolution counts the taps that meet the image, its zeros of padding left out; attention the two dense layers of
    its excitation. Norms and gates fold into what is before them or are one product per value, pooling and the squeeze
    are sums: neither is a multiply-accumulate.

    Args:
        layer: The layer.
        shape: Its input, (height, width, channels) or (units,).
        name: How messages call it.

    Raises:
        TypeError: No rule knows the layer.
    """
    raise TypeError(
        f"layer {name!r}: no count for {type(layer).__name__}; add one with @layer_macs.register in "
        "neurallnet_jax/evaluation/footprint.py"
    )


@layer_macs.register
def _(layer: spec.Conv, shape: spec.Shape, name: str) -> int:
    positions = 1
    out = spec.output_shape(layer, shape, name)
    for axis in range(2):
        positions *= macs.taps(
            shape[axis],
            out[axis],
            kernel=layer.kernel[axis],
            stride=layer.stride[axis],
            dilation=layer.dilation[axis],
            before=layer.padding[axis][0],
        )
    return positions * (shape[2] // layer.groups) * layer.features


@layer_macs.register
def _(layer: spec.Dense, shape: spec.Shape, name: str) -> int:
    return math.prod(shape) * layer.features


@layer_macs.register
def _(layer: spec.SqueezeExcite, shape: spec.Shape, name: str) -> int:
    return 2 * shape[-1] * layer.hidden(shape[-1])


@layer_macs.register(spec.BatchNorm)
@layer_macs.register(spec.AveragePool)
@layer_macs.register(spec.StaticGate)
@layer_macs.register(spec.Lif)
@layer_macs.register(spec.Relu)
@layer_macs.register(spec.GlobalAverage)
@layer_macs.register(spec.Readout)
def _(layer: object, shape: spec.Shape, name: str) -> int:
    return 0


def dense_macs(network: spec.AnyNetwork) -> dict[str, int]:
    """Return the multiply-accumulates of every layer by name, in one dense pass.

    Raises:
        ValueError: A network of Keras, and Keras cannot be had.
        TypeError: No rule knows a layer; the message names it.
    """
    if isinstance(network, spec.KerasNetwork):
        return macs.keras_macs(network)
    if isinstance(network, spec.AlexNet):
        return {name: layer_macs(layer, shape, name) for name, layer, shape in alexnet.named_layers(network)}
    shape: spec.Shape = (*network.image_size, network.channels)
    found = {}
    for name, layer in spec.named_layers(network):
        found[name] = layer_macs(layer, shape, name)
        shape = spec.output_shape(layer, shape, name)
    return found


def measure(
    saved: Sequence[Checkpoint], *, passes: int = 50, progress: Callable[[int, int], None] | None = None
) -> tuple[Footprint, ...]:
    """Return the footprint of every model.

    Each is compiled for one image and run a few times before the clock starts; then round after round all of them take
    their turn, the first of a round changing from one to the next.

    Args:
        saved: The models.
        passes: Timed passes of each; 0 measures no latency.
        progress: Called with passes done and passes in all.
    """
    device = jax.devices("cpu")[0]
    with jax.default_device(device):
        runs = [_compiled(one) for one in saved]
    seconds = [np.zeros(passes) for _ in saved]
    for turn in range(-_WARM_UP if passes else 0, passes):
        for offset in range(len(runs)):
            place = (turn + offset) % len(runs)
            run = runs[place][0]
            start = time.perf_counter()
            run()
            if turn >= 0:
                seconds[place][turn] = time.perf_counter() - start
        if progress and turn >= 0:
            progress(turn + 1, passes)
    return tuple(_footprint(one, times, buffers) for one, times, (_, buffers) in zip(saved, seconds, runs, strict=True))


def to_json(found: Footprint) -> dict[str, Any]:
    """Return a footprint as plain data; latencies in milliseconds."""
    latency = found.latency
    return {
        "kind": found.kind,
        "steps": found.steps,
        "image_size": list(found.image_size),
        "parameters": found.parameters,
        "bytes": found.bytes,
        "macs": found.macs,
        "latency_ms": None if latency is None else 1e3 * latency.median,
        "latency_quartiles_ms": None if latency is None else [1e3 * latency.low, 1e3 * latency.high],
        "latency_passes": 0 if latency is None else latency.passes,
        "buffer_bytes": found.buffer_bytes,
    }


def from_json(data: Mapping[str, Any]) -> Footprint:
    """Return the footprint that `to_json` wrote; other keys are left alone."""
    quartiles = data["latency_quartiles_ms"]
    latency = None
    if quartiles is not None:
        low, high = (value / 1e3 for value in quartiles)
        latency = Latency(data["latency_ms"] / 1e3, low, high, data["latency_passes"])
    same = {key: data[key] for key in ("kind", "steps", "parameters", "bytes", "macs", "buffer_bytes")}
    return Footprint(**same, image_size=tuple(data["image_size"]), latency=latency)


def _footprint(saved: Checkpoint, seconds: np.ndarray, buffers: int | None) -> Footprint:
    rows = checkpoints.layer_sizes(saved)
    latency = None
    if len(seconds):
        low, median, high = (float(value) for value in np.quantile(seconds, _QUARTILES))
        latency = Latency(median, low, high, len(seconds))
    return Footprint(
        kind=_kind(saved.spec),
        steps=saved.spec.steps,
        image_size=saved.spec.image_size,
        parameters=sum(row.parameters for row in rows),
        bytes=sum(row.bytes for row in rows),
        macs=sum(dense_macs(saved.spec).values()),
        latency=latency,
        buffer_bytes=buffers,
    )


def _kind(network: spec.AnyNetwork) -> str:
    if isinstance(network, spec.Network):
        return "spiking" if network.spiking else "relu"
    return spec.called(network)


def _compiled(saved: Checkpoint) -> tuple[Callable[[], np.ndarray], int | None]:
    """Return a pass over one image, from its pixels to its logits, and the bytes of its buffers."""
    classifier = models.from_checkpoint(saved)
    pixels = np.random.default_rng(0).integers(0, 256, (1, *saved.spec.image_size, saved.spec.channels), dtype=np.uint8)
    key = jax.random.key(0)
    forward = jax.jit(lambda variables, batch, key: classifier.apply(variables, batch, key).logits)
    compiled = forward.lower(classifier.variables, pixels, key).compile()
    return lambda: np.asarray(compiled(classifier.variables, pixels, key)), _buffers(compiled.memory_analysis())


def _buffers(analysis: Any) -> int | None:
    # What the compiler says of itself differs between releases and devices; nothing is made up where it is silent.
    names = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    sizes = [getattr(analysis, name, None) for name in names]
    known = [size for size in sizes if isinstance(size, int)]
    if len(known) < len(names):
        return None
    return sum(known) - int(getattr(analysis, "alias_size_in_bytes", 0))
