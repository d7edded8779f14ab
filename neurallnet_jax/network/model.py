"""The Flax (linen) model of a `spec.Network`. Knows neither data nor training.

Between layers travels a `Signal`: a current with the bias that belongs to it, or spikes. Its leading axis is time, and a
time axis of length 1 stands for something that is the same in every step: the convolution of an analogue image is
computed once, not T times. Time is folded into the batch for everything stateless; only the neurons walk the steps.
"""

import math
from functools import singledispatch
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurallnet_jax import spec
from neurallnet_jax.network import attention, spiking, surrogate
from neurallnet_jax.runnable import Output

__all__ = ["SHUFFLE_KEY", "Model", "Part", "Signal", "run_layer"]

SHUFFLE_KEY = "shuffle"
"""Name of the key that a network with shuffled gates draws from."""

_GATE_INIT = 1.5
"""Pre-activation at which gates start: 0.75, open and well inside the slope of the hard sigmoid."""

_FEW_CHANNELS = 4
"""An image has at most so many; convolutions of more are fast as they are."""


class Signal(NamedTuple):
    """What one layer hands to the next.

    Attributes:
        value: Current or spikes, (time, batch, ...); time is T or 1.
        bias: (channels,), added to the current by the neuron in every step; zero for spikes.
        gate: (time, batch, channels) in [0, 1], multiplies current and bias at the neuron; None without attention.
        factor: (channels,), multiplies the value and not the bias, put off to the neuron; None for 1.
    """

    value: Array
    bias: Array
    gate: Array | None = None
    factor: Array | None = None


class Model(nn.Module):
    """A network as its spec describes it."""

    spec: spec.Network

    @nn.compact
    def __call__(self, inputs: Float[Array, "time batch height width channels"], *, train: bool = False) -> Output:
        """Run the network.

        Args:
            inputs: What `encoding.encode` returned.
            train: Whether batch norms use and update the statistics of this batch.
        """
        signal = Signal(inputs, jnp.zeros(inputs.shape[-1]))
        rates = {}
        for name, layer in spec.named_layers(self.spec):
            signal = run_layer(layer, signal, name=name, steps=self.spec.steps, train=train)
            if isinstance(layer, spec.Lif):
                rates[name] = signal.value.mean()
        return Output(signal.value, rates)


class Part(nn.Module):
    """The layers of a network from one to another, at rest, with the weights of the whole.

    Attributes:
        spec: The whole network.
        after: Layer of neurons whose output is the input; None for the encoded image.
        until: Layer whose output is returned; None for the class scores.
    """

    spec: spec.Network
    after: str | None = None
    until: str | None = None

    @nn.compact
    def __call__(self, inputs: Float[Array, "time batch ..."]) -> Float[Array, "..."]:
        """Return what the last of these layers puts out."""
        signal = Signal(inputs, jnp.zeros(inputs.shape[-1]))
        running = self.after is None
        for name, layer in spec.named_layers(self.spec):
            if running:
                signal = run_layer(layer, signal, name=name, steps=self.spec.steps, train=False)
            if name == self.until:
                break
            running = running or name == self.after
        return signal.value


@singledispatch
def run_layer(layer: Any, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    """Run one layer inside a compact Flax module and return its signal.

    Raises:
        TypeError: No rule for this layer.
    """
    raise TypeError(f"layer '{name}': the model has no rule for {type(layer).__name__}; add one in network/model.py")


@run_layer.register
def _(layer: spec.Conv, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    x = signal.value
    shape = (*layer.kernel, x.shape[-1] // layer.groups, layer.features)
    kernel, bias = _Weights(shape, layer.bias, nn.initializers.he_normal(), name=name)()
    folded = _convolve(x.reshape(-1, *x.shape[2:]), kernel, layer)
    return Signal(folded.reshape(*x.shape[:2], *folded.shape[1:]), bias)


@run_layer.register
def _(layer: spec.BatchNorm, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    signal = _applied(signal)
    factor, shift = _BatchNorm(layer, name=name)(signal.value, train=train)
    return Signal(signal.value, signal.bias * factor + shift, factor=factor)


@run_layer.register
def _(layer: spec.AveragePool, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    time, batch, height, width, channels = signal.value.shape
    size = layer.window
    windows = signal.value.reshape(time, batch, height // size, size, width // size, size, channels)
    return signal._replace(value=windows.mean(axis=(3, 5)))


@run_layer.register
def _(layer: spec.SqueezeExcite, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    gate = _Gate(layer, name=name)(attention.squeeze(signal.value, signal.bias, signal.factor), steps)
    return signal._replace(gate=gate)


@run_layer.register
def _(layer: spec.StaticGate, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    channels = signal.value.shape[-1]
    return signal._replace(gate=_StaticGate(channels, name=name)() if layer.learned else jnp.ones((1, 1, channels)))


@run_layer.register
def _(layer: spec.Lif, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    du, dv = _Decays(layer, name=name)() if layer.learn_decay else (layer.du, layer.dv)
    spikes = spiking.fire(
        spiking.Drive(signal.value, signal.factor, signal.bias, signal.gate),
        du,
        dv,
        v_threshold=layer.v_threshold,
        spike=surrogate.SURROGATES[layer.surrogate],
        reset=layer.reset,
        steps=steps,
    )
    return Signal(spikes, jnp.zeros(spikes.shape[-1]))


@run_layer.register
def _(layer: spec.Relu, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    current, bias = _gated(signal)
    return Signal(jax.nn.relu(current + bias), jnp.zeros(current.shape[-1]))


@run_layer.register
def _(layer: spec.GlobalAverage, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    return signal._replace(value=signal.value.mean(axis=(2, 3)))


@run_layer.register
def _(layer: spec.Dense, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    x = signal.value.reshape(*signal.value.shape[:2], -1)
    shape = (x.shape[-1], layer.features)
    kernel, bias = _Weights(shape, layer.bias, nn.initializers.lecun_normal(), name=name)()
    return Signal(x @ kernel, bias)


@run_layer.register
def _(layer: spec.Readout, signal: Signal, *, name: str, steps: int, train: bool) -> Signal:
    signal = _applied(signal)
    logits = signal.value.mean(axis=0) + signal.bias[None]
    return Signal(logits, jnp.zeros_like(signal.bias))


def _applied(signal: Signal) -> Signal:
    """Return a signal whose factor has been multiplied in."""
    if signal.factor is None:
        return signal
    return signal._replace(value=signal.value * _over_channels(signal.factor, signal.value), factor=None)


def _convolve(x: Array, kernel: Array, layer: spec.Conv) -> Array:
    """Return the convolution of (batch, height, width, channels), by blocks of pixels where that is faster."""
    numbers = ("NHWC", "HWIO", "NHWC")
    blocks = _blocks(x.shape[1:], layer)
    if blocks:
        # A convolution of few channels with a large stride is 2 to 4 times slower on CPUs than the same with every block
        # of stride x stride pixels laid into channels, where it has stride 1.
        (side, taps), (above, left) = blocks, (layer.padding[0], layer.padding[1])
        x = jnp.pad(x, ((0, 0), above, left, (0, 0)))
        batch, height, width, channels = x.shape
        x = x.reshape(batch, height // side, side, width // side, side, channels).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(batch, height // side, width // side, -1)
        kernel = kernel.reshape(taps, side, taps, side, channels, -1).transpose(0, 2, 1, 3, 4, 5)
        kernel = kernel.reshape(taps, taps, side * side * channels, -1)
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=numbers)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=layer.stride,
        padding=layer.padding,
        rhs_dilation=layer.dilation,
        feature_group_count=layer.groups,
        dimension_numbers=numbers,
    )


def _blocks(shape: tuple[int, ...], layer: spec.Conv) -> tuple[int, int] | None:
    """Return the side of a block and the blocks per kernel side, where a convolution is one of whole blocks."""
    side, size = layer.stride[0], layer.kernel[0]
    square = layer.stride == (side, side) and layer.kernel == (size, size)
    plain = layer.groups == 1 and layer.dilation == (1, 1) and shape[-1] <= _FEW_CHANNELS
    whole = all((extent + sum(pad)) % side == 0 for extent, pad in zip(shape[:2], layer.padding, strict=True))
    return (side, size // side) if square and plain and whole and side >= 4 and size % side == 0 else None


def _gated(signal: Signal) -> tuple[Array, Array]:
    """Return current and bias as they reach the neuron, each (time, batch, ..., channels) or broadcast against it."""
    signal = _applied(signal)
    if signal.gate is None:
        return signal.value, _over_channels(signal.bias, signal.value)
    gate = signal.gate.reshape(*signal.gate.shape[:2], *(1,) * (signal.value.ndim - 3), -1)
    return gate * signal.value, gate * _over_channels(signal.bias, gate)


def _over_channels(vector: Array, like: Array) -> Array:
    """Return (channels,) with the leading axes it needs to broadcast against `like`."""
    return vector.reshape(*(1,) * (like.ndim - 1), -1)


class _Weights(nn.Module):
    """Kernel and bias of a convolution or dense layer; a bias that is switched off is zero and no parameter."""

    shape: tuple[int, ...]
    bias: bool
    initializer: nn.initializers.Initializer

    @nn.compact
    def __call__(self) -> tuple[Array, Array]:
        kernel = self.param("kernel", self.initializer, self.shape)
        features = (self.shape[-1],)
        return kernel, self.param("bias", nn.initializers.zeros, features) if self.bias else jnp.zeros(features)


class _BatchNorm(nn.Module):
    """Statistics over all axes but the last; returns the factor and the shift instead of applying them."""

    layer: spec.BatchNorm

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> tuple[Array, Array]:
        features = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (features,))
        bias = self.param("bias", nn.initializers.zeros, (features,))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (features,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (features,))
        mean, var = running_mean.value, running_var.value
        if train:
            axes = tuple(range(x.ndim - 1))
            mean = x.mean(axis=axes)
            # One pass over the activations; rounding may leave a tiny negative number.
            var = jnp.maximum(jnp.square(x).mean(axis=axes) - jnp.square(mean), 0)
            if not self.is_initializing():
                keep = self.layer.momentum
                running_mean.value = keep * running_mean.value + (1 - keep) * mean
                running_var.value = keep * running_var.value + (1 - keep) * var
        factor = scale * jax.lax.rsqrt(var + self.layer.epsilon)
        return factor, bias - mean * factor


class _Gate(nn.Module):
    layer: spec.SqueezeExcite

    @nn.compact
    def __call__(self, mean: Array, steps: int) -> Array:
        channels = mean.shape[-1]
        hidden = self.layer.hidden(channels)
        weights = attention.GateWeights(
            reduce_kernel=self.param("reduce_kernel", nn.initializers.he_normal(), (channels, hidden)),
            reduce_bias=self.param("reduce_bias", nn.initializers.zeros, (hidden,)),
            excite_kernel=self.param("excite_kernel", nn.initializers.lecun_normal(), (hidden, channels)),
            excite_bias=self.param("excite_bias", nn.initializers.constant(_GATE_INIT), (channels,)),
        )
        gate = attention.excite(mean, weights)
        # Drawing initial weights needs no shuffled gates, and no key for them.
        if self.layer.shuffle != "none" and not self.is_initializing():
            gate = attention.shuffled(gate, self.layer.shuffle, self.make_rng(SHUFFLE_KEY))
        if not self.layer.delay:
            return gate
        initial = self.param("initial", nn.initializers.constant(_GATE_INIT), (channels,))
        return attention.delayed(gate, attention.hard_sigmoid(initial), delay=self.layer.delay, steps=steps)


class _StaticGate(nn.Module):
    channels: int

    @nn.compact
    def __call__(self) -> Array:
        gate = self.param("gate", nn.initializers.constant(_GATE_INIT), (self.channels,))
        return attention.hard_sigmoid(gate)[None, None]


class _Decays(nn.Module):
    """Learned decays, kept in (0, 1) by a sigmoid."""

    layer: spec.Lif

    @nn.compact
    def __call__(self) -> tuple[Array | float, Array]:
        def decay(name: str, start: float) -> Array:
            start = min(max(start, 1e-3), 1 - 1e-3)
            return jax.nn.sigmoid(self.param(name, nn.initializers.constant(math.log(start / (1 - start))), ()))

        du = decay("du", self.layer.du) if self.layer.du < 1 else self.layer.du
        return du, decay("dv", self.layer.dv)
