"""What a training run is: frozen dataclasses of its settings, and presets that state command, time and result.

Knows the standard library and `spec` only.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from neurallnet_jax import spec

__all__ = [
    "NO_AUGMENTATION",
    "PRESETS",
    "Augmentation",
    "Preset",
    "Training",
    "preset",
    "training_from_json",
    "training_of_twin",
    "training_to_json",
]


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the transforms; hashable, so that it can be static under jit. The defaults suit blood smears.

    Attributes:
        flip: Mirror along height and width, each with probability 1/2.
        quarter_turns: Turn by 0, 90, 180 or 270 degrees; with `flip` the eight symmetries of the square, each equally
            likely. Needs square images.
        shift: Largest shift along each axis, fraction of the image's extent.
        scale: Least and largest magnification about the centre.
        gain: Each channel is multiplied by 1 - gain to 1 + gain.
        offset: To each channel -offset to +offset is added, fraction of full scale (255).
        stain: The amount of each stain is multiplied by 1 - stain to 1 + stain, then -stain to +stain is added, in
            optical density (natural logarithm). 0.05 is the light and 0.2 the strong setting of Tellez et al. (2019),
            Med. Image Anal. 58:101544.
        sharpness: Between -sharpness and +sharpness times an image's difference from its own blurred self (one pixel of
            standard deviation) is added to it: at 1, from what is left of it out of focus to twice its edges.

    Raises:
        ValueError: A strength is out of range; the message names it.
    """

    flip: bool = True
    quarter_turns: bool = True
    shift: float = 0.04
    scale: tuple[float, float] = (0.95, 1.05)
    gain: float = 0.15
    offset: float = 0.06
    stain: float = 0.05
    sharpness: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shift", "gain", "offset", "stain"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"augmentation '{name}' is {value}; expected 0 <= {name} < 1, where 0 switches it off")
        if not 0 <= self.sharpness <= 1:
            raise ValueError(
                f"augmentation 'sharpness' is {self.sharpness}; expected 0 <= sharpness <= 1, where 0 switches it off"
            )
        low, high = self.scale
        if not (0 < low <= high and math.isfinite(high)):
            raise ValueError(f"augmentation 'scale' is {self.scale}; expected 0 < low <= high, where (1, 1) is off")

    @property
    def resamples(self) -> bool:
        """Whether pixels are interpolated, not merely moved and recoloured."""
        return self.shift > 0 or self.scale != (1, 1)


NO_AUGMENTATION = Augmentation(
    flip=False, quarter_turns=False, shift=0.0, scale=(1.0, 1.0), gain=0.0, offset=0.0, stain=0.0, sharpness=0.0
)
"""Leaves every image as it is."""


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images per step; the images that do not fill a last batch wait for another epoch's order.
        learning_rate: Peak of the schedule: linear warm-up, then a cosine to 1 % of the peak.
        warmup_epochs: Length of the warm-up.
        weight_decay: Decoupled weight decay (AdamW), on kernels only.
        label_smoothing: Share of the target spread over all classes.
        class_weighting: Weigh classes inversely to their number of images.
        logit_adjustment: The loss, not the network, adds this many times the logarithm of a class's share of the training
            images to its score, so that a rare class has to win by more; 1 aims at balanced accuracy and holds where a
            network tells all its training images right and weights no longer act. 0 switches it off.
        clip_norm: Largest global norm of the gradient.
        ema_decay: Decay per step of the moving average of weights that is evaluated and kept.
        rate_low: Firing rate per neuron and step below which a layer is pushed up.
        rate_high: Firing rate per neuron and step above which a layer is pushed down.
        rate_strength: Factor of that penalty, in units of the loss; 0 switches it off.
        augmentation: Random transforms of the training images.
        mixing: Strength of blending pairs of training images (mixup); 0 switches it off.
        white_level: Grey level that the background of every image is brought to, per channel, before anything else; None
            leaves light and tint as they were photographed. Weights taken from another RUN keep theirs.
        keep: Which epoch becomes the trained network: the `best` on the validation images, or the `last`, which a
            moving average of weights and a schedule that ends make the better choice where validation saturates.
        weight_bits: Bits, sign included, that kernels are rounded to whenever the network runs, and in the checkpoint;
            None leaves them as they are.
        twin_epochs: Epochs that the ReLU twin of a spiking network is trained for first, on the same images; the network
            then begins with the twin's weights (`training/beginning.py`). 0: from random weights.
    """

    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 3e-3
    warmup_epochs: float = 2.0
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    class_weighting: bool = True
    logit_adjustment: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.99
    rate_low: float = 0.01
    rate_high: float = 0.3
    rate_strength: float = 1.0
    augmentation: Augmentation = Augmentation()
    mixing: float = 0.0
    white_level: int | None = None
    keep: Literal["best", "last"] = "best"
    weight_bits: int | None = None
    twin_epochs: int = 0

    def __post_init__(self) -> None:
        for name, low in (
            ("epochs", 1), ("batch_size", 1), ("warmup_epochs", 0), ("weight_decay", 0), ("twin_epochs", 0)
        ):  # fmt: skip
            if getattr(self, name) < low:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least {low}")
        for name in ("learning_rate", "clip_norm"):
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name} is {getattr(self, name)}; expected > 0")
        for name in ("label_smoothing", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected in [0, 1)")
        for name in ("mixing", "logit_adjustment"):
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 0, where 0 switches it off")
        if self.weight_bits is not None and not (isinstance(self.weight_bits, int) and 2 <= self.weight_bits <= 8):
            raise ValueError(f"weight_bits is {self.weight_bits}; expected 2 to 8, or None, which rounds nothing")
        if self.white_level is not None and not (isinstance(self.white_level, int) and 1 <= self.white_level <= 255):
            raise ValueError(f"white_level is {self.white_level}; expected 1 to 255, or None, which balances nothing")
        if self.keep not in ("best", "last"):
            raise ValueError(f"keep is {self.keep!r}; expected best or last")
        if not 0 <= self.rate_low <= self.rate_high <= 1 or self.rate_strength < 0:
            raise ValueError(
                f"firing rates {self.rate_low}..{self.rate_high} with strength {self.rate_strength}; expected "
                "0 <= rate_low <= rate_high <= 1 and a strength of at least 0"
            )


def training_of_twin(training: Training) -> Training:
    """Return how the twin of a network is trained: as the network, for its own number of epochs, with whole weights."""
    return dataclasses.replace(training, epochs=training.twin_epochs, twin_epochs=0, keep="last", weight_bits=None)


@dataclass(frozen=True)
class Preset:
    """A network and its training by name."""

    network: spec.AnyNetwork
    training: Training


def _tiny() -> Preset:
    """Small enough for tests and the demo: 64 px, T = 4, three blocks, 25,604 parameters.

    Command: neurallnet demo
    Time: 60 s, the whole demo, on two cores of an AMD EPYC.
    Result: accuracy 0.89 on the 80 drawn smears kept apart (seed 0, JAX 0.10.2; 0.96 with JAX 0.12, whose draws differ).
    """
    network = spec.neurallnet(widths=(16, 32, 64), image_size=(64, 64), attention=spec.SqueezeExcite(delay=2))
    return Preset(network, Training(epochs=30, learning_rate=6e-3))


def _neurallnet() -> Preset:
    """Our reconstruction of NeurALLNet: 224 px, T = 4, five blocks, 342,236 parameters.

    The first convolution is 8 x 8 with stride 4, so that the images are seen at their own resolution and every later layer
    costs what it costs at 112 px. `docs/accuracy.md` tells how the recipe was found.

    Command: neurallnet crossvalidate --data taleqani --out folds
    Time: 10 minutes a fold on one core of an AMD EPYC, which had other work as well.
    Result: mean balanced accuracy 0.969 over the five contiguous test folds, where colour alone gives 0.941.
    """
    training = Training(
        epochs=12,
        twin_epochs=20,
        learning_rate=4e-3,
        warmup_epochs=1.0,
        weight_decay=0.05,
        class_weighting=False,
        logit_adjustment=1.0,
        augmentation=Augmentation(scale=(0.8, 1.25), shift=0.1, gain=0.06, offset=0.02, stain=0.0, sharpness=1.0),
        white_level=235,
        keep="last",
    )
    return Preset(_reconstruction(), training)


def _reconstruction() -> spec.Network:
    return spec.neurallnet(
        widths=(24, 32, 64, 128, 192), image_size=(224, 224), stem=(8, 4), attention=spec.SqueezeExcite(delay=2)
    )


def _neurallnet_relu() -> Preset:
    """The ReLU twin of `neurallnet`: the same layers, one step instead of T, no spikes; the first stage of its training.

    It is the network that `neurallnet energy --ann` compares with, on the share of its activations that are not zero.

    Command: neurallnet train --data taleqani --model neurallnet-relu --out runs/relu
    Time: 5 minutes a fold on one core of an AMD EPYC, which had other work as well.
    Result: balanced accuracy 0.956 and 0.981 on the contiguous test folds 2 and 4.
    """
    return Preset(spec.relu_twin(_reconstruction()), training_of_twin(_neurallnet().training))


def _other(network: spec.AnyNetwork, learning_rate: float, batch_size: int = 32) -> Preset:
    """Return another network under the images, augmentation and loss of `neurallnet`, for 40 epochs.

    The peak learning rate is the one thing that suits each: AdamW's usual 1e-3 where norms keep the activations in range,
    less where there are none.
    """
    training = dataclasses.replace(
        _neurallnet().training,
        epochs=40,
        twin_epochs=0,
        batch_size=batch_size,
        learning_rate=learning_rate,
        rate_strength=0.0,
    )
    return Preset(network, training)


def _resnet50() -> Preset:
    """ResNet50 (keras.applications), from random weights: 224 px, 23.5 M parameters.

    Command: neurallnet train --data taleqani --model resnet50 --image-size 96 --split blocks --epochs 3 --out runs/resnet50
    Time and result: docs/baselines.md, for 96 px and few epochs; at 224 px and 40 epochs it was not trained.
    """
    return _other(spec.KerasNetwork("resnet50"), 1e-3)


def _vgg19() -> Preset:
    """VGG19 (keras.applications), from random weights: 224 px, 139.6 M parameters, no norms.

    Command: neurallnet train --data taleqani --model vgg19 --split blocks --out runs/vgg19
    Time and result: none; it was not trained.
    """
    return _other(spec.KerasNetwork("vgg19"), 1e-4)


def _densenet121() -> Preset:
    """DenseNet121 (keras.applications), from random weights: 224 px, 7.0 M parameters.

    Command: neurallnet train --data taleqani --model densenet121 --split blocks --out runs/densenet121
    Time and result: none; it was not trained.
    """
    return _other(spec.KerasNetwork("densenet121"), 1e-3)


def _inception_resnet_v2() -> Preset:
    """InceptionResNetV2 (keras.applications), from random weights: 224 px, 54.3 M parameters.

    Command: neurallnet train --data taleqani --model inception-resnet-v2 --split blocks --out runs/inception
    Time and result: none; it was not trained.
    """
    return _other(spec.KerasNetwork("inception-resnet-v2"), 1e-3)


def _efficientnet_b7() -> Preset:
    """EfficientNetB7 (keras.applications), from random weights: 224 px, 63.8 M parameters, 16 images per step.

    Command: neurallnet train --data taleqani --model efficientnet-b7 --split blocks --out runs/b7
    Time and result: none; it was not trained.
    """
    return _other(spec.KerasNetwork("efficientnet-b7"), 1e-3, batch_size=16)


def _alexnet() -> Preset:
    """AlexNet with one column: 224 px, 57.0 M parameters, no norms.

    Command: neurallnet train --data taleqani --model alexnet --image-size 96 --split blocks --epochs 6 --out runs/alexnet
    Time and result: docs/baselines.md, for 96 px and few epochs; at 224 px and 40 epochs it was not trained.
    """
    return _other(spec.AlexNet(), 2e-4)


PRESETS = {
    "tiny": _tiny(),
    "neurallnet": _neurallnet(),
    "neurallnet-relu": _neurallnet_relu(),
    "efficientnet-b7": _efficientnet_b7(),
    "vgg19": _vgg19(),
    "inception-resnet-v2": _inception_resnet_v2(),
    "resnet50": _resnet50(),
    "densenet121": _densenet121(),
    "alexnet": _alexnet(),
}


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        ValueError: Unknown; the message lists those that exist.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def training_to_json(training: Training) -> dict[str, Any]:
    """Return the settings as plain data."""
    return dataclasses.asdict(training)


def training_from_json(data: Mapping[str, Any]) -> Training:
    """Return the settings that `training_to_json` wrote.

    Raises:
        ValueError: An unknown or missing field, by name, or a value out of range.
    """
    fields = dict(data)
    try:
        augmentation = dict(fields.pop("augmentation"))
        augmentation["scale"] = tuple(augmentation["scale"])
        return Training(**fields, augmentation=Augmentation(**augmentation))
    except (KeyError, TypeError) as error:
        raise ValueError(f"settings of the training: {error}; another version wrote them") from None
