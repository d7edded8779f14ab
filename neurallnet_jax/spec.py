"""What a model is: its layers, sizes and constants, as frozen dataclasses that survive a trip through JSON.

Knows the standard library only: neither arrays, nor JAX, nor files.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, Literal, TypeAlias, get_args, get_type_hints

__all__ = [
    "GATE_PATH_MESSAGES",
    "KERAS_NETWORKS",
    "AlexNet",
    "AnyNetwork",
    "AveragePool",
    "BatchNorm",
    "Conv",
    "Dense",
    "GlobalAverage",
    "KerasNetwork",
    "LayerSpec",
    "Lif",
    "Network",
    "Readout",
    "Relu",
    "Shape",
    "SqueezeExcite",
    "StaticGate",
    "called",
    "last_dense",
    "layered",
    "named_layers",
    "network_from_json",
    "network_to_json",
    "neurallnet",
    "output_shape",
    "relu_twin",
    "shapes",
    "validate",
    "with_classes",
]

Shape: TypeAlias = tuple[int, ...]
Encoding: TypeAlias = Literal["direct", "rate", "latency"]
Surrogate: TypeAlias = Literal["triangle", "atan", "fast_sigmoid", "sigmoid"]
Shuffle: TypeAlias = Literal["none", "images", "channels"]

GATE_PATH_MESSAGES = 2
"""Messages between the squeeze of a current and the gate that multiplies it: squeeze -> excite, excite -> neuron."""


@dataclass(frozen=True)
class Conv:
    """Two-dimensional cross-correlation with explicit, symmetric padding.

    Attributes:
        features: Output channels.
        kernel: Height and width of the kernel, pixels.
        stride: Stride along height and width.
        padding: Zeros on each side, `((top, bottom), (left, right))`; top equals bottom, left equals right.
        groups: Channel groups; divides input and output channels.
        bias: Whether it has a bias of its own (off where a batch norm follows).
        dilation: Pixels from one tap of the kernel to the next, along height and width.
    """

    features: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((1, 1), (1, 1))
    groups: int = 1
    bias: bool = False
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class BatchNorm:
    """Normalisation over batch, time and space; its scale multiplies the current, its shift is the neuron's bias."""

    momentum: float = 0.9
    epsilon: float = 1e-5


@dataclass(frozen=True)
class AveragePool:
    """Mean over non-overlapping square windows; folds into the convolution before it."""

    window: int = 2


@dataclass(frozen=True)
class SqueezeExcite:
    """Channel attention: spatial mean -> dense -> ReLU -> dense -> hard sigmoid (Hu et al. 2018, arXiv:1709.01507).

    Attributes:
        reduction: Channels per hidden unit.
        min_hidden: Least number of hidden units.
        delay: Steps between the statistics and the gate. 0 gates each step with its own statistics; k >= 1 gates step t
            with the statistics of step t - k, and with a learned gate per channel before that.
        shuffle: A control of ablations, in training and at rest: `images` gives every image the gates of another image
            of its batch, `channels` gives every image its own gates in a random order of channels, drawn anew for each
            image and batch. Both keep the values of the gates and break what they tell; neither runs on hardware.
    """

    reduction: int = 8
    min_hidden: int = 4
    delay: int = 0
    shuffle: Shuffle = "none"

    def hidden(self, channels: int) -> int:
        """Return the number of hidden units for `channels` gated channels."""
        return max(self.min_hidden, channels // self.reduction)


@dataclass(frozen=True)
class StaticGate:
    """A learned gate per channel, the same in every step and for every image: attention without its statistics.

    It folds into the weights of its channel and costs hardware nothing.

    Attributes:
        learned: Whether the gate is trained; otherwise it is 1, which changes nothing: a control of ablations.
    """

    learned: bool = True


@dataclass(frozen=True)
class Lif:
    """Leaky integrate-and-fire neurons, as Lava computes them; the equations stand in `network/neurons.py`.

    Attributes:
        du: Decay of the synaptic current per step, in (0, 1]; 1 is the plain LIF without synaptic memory.
        dv: Decay of the membrane potential per step, in [0, 1].
        v_threshold: Potential above which (strictly) a neuron spikes.
        learn_decay: Whether `dv` (and `du`, where it is below 1) is trained, one value per layer.
        reset: `hard` sets the potential to 0, `soft` subtracts the threshold.
        surrogate: Name of the surrogate derivative in `network/surrogate.py`.
    """

    du: float = 1.0
    dv: float = 0.5
    v_threshold: float = 1.0
    learn_decay: bool = False
    reset: Literal["hard", "soft"] = "hard"
    surrogate: Surrogate = "atan"


@dataclass(frozen=True)
class Relu:
    """Rectified linear units: what stands in place of `Lif` in the non-spiking twin of a network."""


@dataclass(frozen=True)
class GlobalAverage:
    """Mean over space; folds into the dense layer after it."""


@dataclass(frozen=True)
class Dense:
    """Fully connected layer; a feature map is flattened in (height, width, channels) order.

    Attributes:
        features: Output units.
        bias: Whether it has a bias.
    """

    features: int
    bias: bool = True


@dataclass(frozen=True)
class Readout:
    """Sums its current over the T steps without spiking; class scores are the mean over time."""


LayerSpec: TypeAlias = (
    Conv | BatchNorm | AveragePool | SqueezeExcite | StaticGate | Lif | Relu | GlobalAverage | Dense | Readout
)

_PREFIX: Mapping[type, str] = {
    Conv: "conv",
    BatchNorm: "norm",
    AveragePool: "pool",
    SqueezeExcite: "gate",
    StaticGate: "static_gate",
    Lif: "lif",
    Relu: "relu",
    GlobalAverage: "average",
    Dense: "dense",
    Readout: "readout",
}


@dataclass(frozen=True)
class Network:
    """A feed-forward network over an image, run for `steps` time steps.

    Attributes:
        layers: Layers in order of execution; the last is a `Readout`.
        image_size: Height and width of the input, pixels.
        channels: Colour channels of the input.
        steps: T, the number of time steps.
        encoding: `direct` feeds the analogue image in every step; `rate` draws Bernoulli spikes whose probability is
            the pixel's intensity; `latency` spikes once per pixel, the brighter the earlier.
    """

    layers: tuple[LayerSpec, ...]
    image_size: tuple[int, int] = (128, 128)
    channels: int = 3
    steps: int = 4
    encoding: Encoding = "direct"

    @property
    def classes(self) -> int:
        """Number of outputs, which is that of the last dense layer."""
        return next(layer.features for layer in reversed(self.layers) if isinstance(layer, Dense))

    @property
    def spiking(self) -> bool:
        """Whether any layer spikes."""
        return any(isinstance(layer, Lif) for layer in self.layers)

    @property
    def shuffles(self) -> Shuffle:
        """What the gates of its layers are shuffled over; `images` where any takes those of another image."""
        found = {layer.shuffle for layer in self.layers if isinstance(layer, SqueezeExcite)}
        return "images" if "images" in found else "channels" if "channels" in found else "none"


class _Analogue:
    """What a network without time and spikes answers where one with them is asked."""

    @property
    def steps(self) -> int:
        """One: nothing changes over time."""
        return 1

    @property
    def encoding(self) -> Encoding:
        """The analogue image."""
        return "direct"

    @property
    def spiking(self) -> bool:
        """No."""
        return False

    @property
    def shuffles(self) -> Shuffle:
        """Nothing."""
        return "none"


KERAS_NETWORKS: Mapping[str, int] = {
    "efficientnet-b7": 32,
    "vgg19": 32,
    "inception-resnet-v2": 75,
    "resnet50": 32,
    "densenet121": 32,
}
"""Networks of keras.applications that are known by name, with the least side of an image that each takes, pixels."""

ALEXNET_LEAST = 64
"""Least side of an image that `AlexNet` takes, pixels: below it nothing is left for the last pooling."""


@dataclass(frozen=True)
class KerasNetwork(_Analogue):
    """A network of keras.applications, as Keras builds it.

    Attributes:
        name: One of `KERAS_NETWORKS`.
        image_size: Height and width of the input, pixels.
        classes: Number of outputs.
        channels: Colour channels of the input.
    """

    name: str
    image_size: tuple[int, int] = (224, 224)
    classes: int = 4
    channels: int = 3


@dataclass(frozen=True)
class AlexNet(_Analogue):
    """AlexNet with one column (Krizhevsky 2014, arXiv:1404.5997); `baselines/alexnet.py` has its layers.

    Attributes:
        image_size: Height and width of the input, pixels.
        classes: Number of outputs.
        channels: Colour channels of the input.
        dropout: Share of the inputs of the two hidden dense layers that is zero in training.
    """

    image_size: tuple[int, int] = (224, 224)
    classes: int = 4
    channels: int = 3
    dropout: float = 0.5


AnyNetwork: TypeAlias = Network | KerasNetwork | AlexNet
"""Any model that this package trains."""


def neurallnet(
    classes: int = 4,
    *,
    widths: Sequence[int] = (16, 32, 64, 128, 192),
    image_size: tuple[int, int] = (128, 128),
    steps: int = 4,
    attention: SqueezeExcite | StaticGate | None = SqueezeExcite(),
    neuron: Lif | Relu = Lif(),
    downsample: Literal["stride", "pool"] = "stride",
    stem: tuple[int, int] = (3, 2),
    encoding: Encoding = "direct",
) -> Network:
    """Return our reconstruction of NeurALLNet: blocks of conv 3x3 -> batch norm -> SE -> LIF, then a linear read-out.

    The paper (Hassan et al., Digital Health 2026, doi 10.1177/20552076261466149) publishes the parts and the size,
    about 0.3 M parameters, but no architecture; widths and order are ours.

    Args:
        classes: Number of classes.
        widths: Channels per block; every block halves height and width.
        image_size: Height and width of the input, pixels; divisible by two once per block, by the stride in the first.
        steps: T, the number of time steps.
        attention: Channel attention of every block, learned gates that never change, or None.
        neuron: Neuron of every block.
        downsample: Whether a block halves with a stride-2 convolution or with average pooling.
        stem: Side of the kernel and stride of the first convolution, which sees the analogue image and is computed once,
            not T times: a larger stride takes a larger image at the same cost of everything after it.
        encoding: How the image becomes input over time.

    Returns:
        A validated network.

    Raises:
        ValueError: A field is out of range or a size does not fit; the message names the layer.
    """
    layers: list[LayerSpec] = []
    for block, width in enumerate(widths):
        if downsample == "pool":
            if stem != (3, 2):
                raise ValueError(f"stem is {stem}; with average pooling the first convolution is 3 x 3 with stride 1")
            layers += [Conv(width), AveragePool(2)]
        else:
            kernel, stride = stem if block == 0 else (3, 2)
            pad = max(kernel - stride + 1, 0) // 2
            layers += [Conv(width, (kernel, kernel), (stride, stride), ((pad, pad), (pad, pad)))]
        layers += [BatchNorm(), *([attention] if attention else []), neuron]
    layers += [GlobalAverage(), Dense(classes), Readout()]
    network = Network(tuple(layers), image_size=image_size, steps=steps, encoding=encoding)
    validate(network)
    return network


def called(network: AnyNetwork) -> str:
    """Return what messages and tables call a network."""
    match network:
        case KerasNetwork():
            return network.name
        case AlexNet():
            return "alexnet"
        case _:
            return "the spiking network" if network.spiking else "the network without spikes"


def layered(network: AnyNetwork, need: str) -> Network:
    """Return a network that is made of our own layers, where nothing else will do.

    Args:
        network: Any network.
        need: What the message says after the network's name: what cannot be done with it, and what to do.

    Raises:
        ValueError: It is one of others.
    """
    if not isinstance(network, Network):
        raise ValueError(f"{called(network)} {need}")
    return network


@singledispatch
def with_classes(network: Any, classes: int) -> Any:
    """Return a network, of the same type, with another number of outputs."""
    return dataclasses.replace(network, classes=classes)


@with_classes.register
def _(network: Network, classes: int) -> Network:
    last = max(place for place, layer in enumerate(network.layers) if isinstance(layer, Dense))
    layers = list(network.layers)
    layers[last] = dataclasses.replace(network.layers[last], features=classes)
    return dataclasses.replace(network, layers=tuple(layers))


def relu_twin(network: Network) -> Network:
    """Return the non-spiking network of the same topology: ReLU instead of LIF, one step instead of T, no delays."""
    layers = []
    for layer in network.layers:
        if isinstance(layer, SqueezeExcite):
            layer = dataclasses.replace(layer, delay=0)
        layers.append(Relu() if isinstance(layer, Lif) else layer)
    return dataclasses.replace(network, layers=tuple(layers), steps=1)


def last_dense(network: AnyNetwork) -> str:
    """Return the name of the layer that has one output per class."""
    match network:
        case KerasNetwork():
            return "predictions"
        case AlexNet():
            return "dense_3"
    return [name for name, layer in named_layers(network) if isinstance(layer, Dense)][-1]


def named_layers(network: Network) -> Iterator[tuple[str, LayerSpec]]:
    """Yield each layer with its name: the kind and its running number, such as `conv_2` (a read-out is `readout`)."""
    counts: dict[type, int] = {}
    for layer in network.layers:
        kind = type(layer)
        if kind not in _PREFIX:
            raise TypeError(f"{kind.__name__} is no layer; known are {', '.join(t.__name__ for t in _PREFIX)}")
        counts[kind] = counts.get(kind, 0) + 1
        single = kind in (Readout, GlobalAverage)
        yield (_PREFIX[kind] if single else f"{_PREFIX[kind]}_{counts[kind]}"), layer


def output_shape(layer: LayerSpec, shape: Shape, name: str = "layer") -> Shape:
    """Return the shape a layer puts out, without time and batch.

    Args:
        layer: The layer.
        shape: Its input, (height, width, channels) or (units,).
        name: How messages call the layer.

    Raises:
        ValueError: The input does not fit the layer.
    """
    if isinstance(layer, Conv | AveragePool | GlobalAverage) and len(shape) != 3:
        raise ValueError(
            f"layer '{name}': needs (height, width, channels), got {shape}; put it before the dense layers"
        )
    match layer:
        case Conv():
            size = tuple(
                (extent + sum(pad) - dilation * (kernel - 1) - 1) // stride + 1
                for extent, kernel, stride, pad, dilation in zip(
                    shape[:2], layer.kernel, layer.stride, layer.padding, layer.dilation, strict=True
                )
            )
            if min(size) < 1:
                apart = "" if layer.dilation == (1, 1) else f" with dilation {layer.dilation}"
                raise ValueError(
                    f"layer '{name}': kernel {layer.kernel}{apart} is larger than its input, {shape[0]} x {shape[1]}"
                )
            if shape[2] % layer.groups or layer.features % layer.groups:
                raise ValueError(
                    f"layer '{name}': {layer.groups} groups do not divide {shape[2]} inputs and {layer.features} outputs"
                )
            return (*size, layer.features)
        case AveragePool():
            if shape[0] % layer.window or shape[1] % layer.window:
                raise ValueError(
                    f"layer '{name}': window {layer.window} does not divide its input, {shape[0]} x {shape[1]}; "
                    "crop or pad the image first"
                )
            return (shape[0] // layer.window, shape[1] // layer.window, shape[2])
        case GlobalAverage():
            return (shape[2],)
        case Dense():
            return (layer.features,)
        case _:
            return shape


def shapes(network: Network) -> dict[str, Shape]:
    """Return the output shape of every layer by name, without time and batch."""
    shape: Shape = (*network.image_size, network.channels)
    result = {}
    for name, layer in named_layers(network):
        shape = output_shape(layer, shape, name)
        result[name] = shape
    return result


def validate(network: AnyNetwork) -> None:
    """Refuse a network that cannot be run.

    Raises:
        ValueError: The message names the layer, the value found and what is expected.
        TypeError: A layer of an unknown kind.
    """
    if isinstance(network, Network):
        _validate_layers(network)
        return
    if isinstance(network, KerasNetwork) and network.name not in KERAS_NETWORKS:
        raise ValueError(f"no Keras network {network.name!r}; there are {', '.join(KERAS_NETWORKS)}")
    if isinstance(network, AlexNet) and not 0 <= network.dropout < 1:
        raise ValueError(f"alexnet: dropout is {network.dropout}; expected in [0, 1)")
    name = called(network)
    least = ALEXNET_LEAST if isinstance(network, AlexNet) else KERAS_NETWORKS[network.name]
    if len(network.image_size) != 2 or min(network.image_size) < least:
        size = " x ".join(map(str, network.image_size))
        raise ValueError(f"{name} takes images of at least {least} x {least} pixels, not {size}; name a larger size")
    if network.classes < 1 or network.channels != 3:
        raise ValueError(
            f"{name}: {network.classes} classes and {network.channels} channels; expected at least one class and 3 channels"
        )


def _validate_layers(network: Network) -> None:
    if network.steps < 1:
        raise ValueError(f"steps is {network.steps}; a network runs for at least one step")
    if min(network.image_size) < 1 or network.channels < 1:
        raise ValueError(f"image is {network.image_size} with {network.channels} channels; each is at least 1")
    if network.encoding not in get_args(Encoding):
        raise ValueError(f"encoding is {network.encoding!r}; expected one of {', '.join(get_args(Encoding))}")
    if not network.layers or not isinstance(network.layers[-1], Readout):
        raise ValueError("a network ends with a Readout")
    for name, layer in named_layers(network):
        _validate_layer(layer, name, network.steps)
    before = None
    for name, layer in named_layers(network):
        _validate_order(before, layer, name)
        before = layer
    shapes(network)


def _validate_order(before: LayerSpec | None, layer: LayerSpec, name: str) -> None:
    source = "the image" if before is None else type(before).__name__
    current = isinstance(before, Conv | Dense | BatchNorm | AveragePool)
    if isinstance(layer, BatchNorm | SqueezeExcite | StaticGate | AveragePool) and not current:
        raise ValueError(f"layer '{name}': gates or scales a current, but follows {source}")
    if isinstance(layer, Conv | Dense | GlobalAverage) and current:
        raise ValueError(
            f"layer '{name}': hears spikes or the image, but follows {source}; put neurons between the two"
        )
    if isinstance(layer, Readout) and not isinstance(before, Dense):
        raise ValueError(f"layer '{name}': reads a dense layer, but follows {source}")
    if isinstance(before, SqueezeExcite | StaticGate) and not isinstance(layer, Lif | Relu):
        raise ValueError(f"layer '{name}': an attention gate acts on a neuron; {type(layer).__name__} follows it")
    if isinstance(before, Readout):
        raise ValueError(f"layer '{name}': follows the read-out, which is the last layer")


def _validate_layer(layer: LayerSpec, name: str, steps: int) -> None:
    def need(condition: bool, text: str) -> None:
        if not condition:
            raise ValueError(f"layer '{name}': {text}")

    match layer:
        case Conv():
            need(
                min(layer.features, layer.groups, *layer.kernel, *layer.stride, *layer.dilation) >= 1,
                f"bad sizes in {layer}",
            )
            need(
                all(before == after >= 0 for before, after in layer.padding),
                f"padding {layer.padding} is not symmetric; Lava pads both sides alike",
            )
        case Lif():
            need(0 < layer.du <= 1, f"du is {layer.du}; expected in (0, 1]")
            need(0 <= layer.dv <= 1, f"dv is {layer.dv}; expected in [0, 1]")
            need(
                layer.v_threshold > 0 and math.isfinite(layer.v_threshold),
                f"v_threshold is {layer.v_threshold}; expected > 0",
            )
            need(layer.reset in ("hard", "soft"), f"reset is {layer.reset!r}; expected hard or soft")
            need(layer.surrogate in get_args(Surrogate), f"unknown surrogate {layer.surrogate!r}")
        case SqueezeExcite():
            need(layer.reduction >= 1 and layer.min_hidden >= 1, f"bad sizes in {layer}")
            need(layer.shuffle in get_args(Shuffle), f"unknown shuffle {layer.shuffle!r}")
            need(
                0 <= layer.delay < max(steps, 1),
                f"delay {layer.delay} does not lie in 0..{steps - 1}; with {steps} steps no later statistics arrive",
            )
        case BatchNorm():
            need(0 <= layer.momentum < 1 and layer.epsilon > 0, f"bad constants in {layer}")
        case Dense():
            need(layer.features >= 1, f"features is {layer.features}; expected at least 1")
        case AveragePool():
            need(layer.window >= 1, f"window is {layer.window}; expected at least 1")


def network_to_json(network: AnyNetwork) -> dict[str, Any]:
    """Return a network as plain data: the `type` of one of others, or every layer of ours with its `type` and fields.

    What has no `type` is a `Network`, as it was before there were others, so that digests stay what they were.
    """
    fields = dataclasses.asdict(network)
    if not isinstance(network, Network):
        return {"type": type(network).__name__, **fields}
    fields["layers"] = [{"type": type(layer).__name__, **dataclasses.asdict(layer)} for layer in network.layers]
    return fields


def network_from_json(data: Mapping[str, Any]) -> AnyNetwork:
    """Return the network that `network_to_json` wrote, validated.

    Raises:
        ValueError: An unknown type, layer or field, by name; a missing field; a value out of range.
    """
    data = dict(data)
    kind = data.pop("type", Network.__name__)
    kinds = {one.__name__: one for one in get_args(AnyNetwork)}
    if kind not in kinds:
        raise ValueError(f"network: unknown type {kind!r}; known are {', '.join(kinds)}")
    network = (
        _layers_from_json(data) if kinds[kind] is Network else _from_fields(kinds[kind], data, f"network ({kind})")
    )
    try:
        validate(network)
    except TypeError as error:
        raise ValueError(f"network: a field is of another type than it should be ({error})") from None
    return network


def _layers_from_json(data: Mapping[str, Any]) -> Network:
    known = {kind.__name__: kind for kind in get_args(LayerSpec)}
    layers = []
    for index, entry in enumerate(data.get("layers", ())):
        entry = dict(entry)
        kind = entry.pop("type", None)
        if kind not in known:
            raise ValueError(f"layer {index}: unknown type {kind!r}; known are {', '.join(known)}")
        layers.append(_from_fields(known[kind], entry, f"layer {index} ({kind})"))
    return _from_fields(Network, {**data, "layers": layers}, "network")


def _from_fields(kind: type, fields: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    unknown = sorted(set(fields) - set(hints))
    if unknown:
        raise ValueError(f"{where}: unknown field {unknown[0]!r}; a newer version may have written it")
    try:
        return kind(**{key: _tuples(value) for key, value in fields.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
