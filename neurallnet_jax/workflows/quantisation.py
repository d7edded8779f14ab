"""A conversion with images: ranges and biases from them, and how the integer network agrees with the float one on them.

Knows both packages and no command line.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lava_port import calibrate, passes, reference
from lava_port.graph import ConvNode, DenseNode, FixedLif
from lava_port.port import Port
from lava_port.scales import MARGIN
from lava_port.trace import Trace
from neurallnet_jax.metrics import scores
from neurallnet_jax.metrics.calibration import apply_temperature
from neurallnet_jax.workflows.convert import Source, to_port
from neurallnet_jax.workflows.simulate import BATCH, open_backend

__all__ = ["Agreement", "Calibration", "LayerAgreement", "compare", "convert_with_images", "to_json"]

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class LayerAgreement:
    """One spiking layer in floats and in integers.

    Attributes:
        name: The layer.
        float_rate: Spikes per neuron and step of the float network.
        integer_rate: Of the integer network.
        differing: Share of the neuron-steps in which one spikes and the other does not.
    """

    name: str
    float_rate: float
    integer_rate: float
    differing: float


@dataclass(frozen=True)
class Agreement:
    """The integer network against the float one on labelled images.

    Attributes:
        images: Number of images.
        seen: How many of them training or selection has used.
        layers: One entry per spiking layer, in execution order.
        classes_differing: Share of the images that the two tell to be of different classes.
        float_balanced_accuracy: Mean recall of the float network over the classes that occur.
        integer_balanced_accuracy: Of the integer network.
        logit_error: Root mean square of the difference of the logits.
    """

    images: int
    seen: int
    layers: tuple[LayerAgreement, ...]
    classes_differing: float
    float_balanced_accuracy: float
    integer_balanced_accuracy: float
    logit_error: float


@dataclass(frozen=True)
class Calibration:
    """What a conversion with images made of them.

    Attributes:
        margin: A measured range counts this many times.
        bias_corrected: Whether biases are corrected; they are where that makes `logit_error` smaller.
        logit_error_otherwise: The error without, or with, that correction.
        agreement: How the integer network that was written agrees with the float one on these images.
    """

    margin: float
    bias_corrected: bool
    logit_error_otherwise: float
    agreement: Agreement


def convert_with_images(
    source: Source,
    pixels: np.ndarray,
    labels: np.ndarray,
    *,
    seen: int,
    bits: int | None = None,
    progress: Advance | None = None,
) -> tuple[Port, Calibration]:
    """Return the PORT of a float network, calibrated on images, and what that was worth on them.

    Args:
        source: The float network.
        pixels: uint8 (images, height, width, channels) at the network's size.
        labels: True class of each image.
        seen: How many of them training or selection has used, for the record.
        bits: Of the weights; None for those that the network was trained for.
        progress: Called with stages done and stages in all: ranges, the bias of every layer, two comparisons.

    Raises:
        ValueError: No image, images that do not fit, too few or too many bits, or a network that does not convert.
    """
    bits = source.bits if bits is None else bits
    folded = passes.fold(source.graph)
    stages = 3 + sum(isinstance(node, ConvNode | DenseNode) for node in folded.nodes)
    tell = lambda done: progress(done, stages) if progress else None
    measured = calibrate.measure(folded, pixels)
    tell(1)
    corrected = calibrate.correct_biases(
        folded, pixels, bits=bits, measured=measured, progress=lambda done, _: tell(1 + done)
    )
    found = []
    for place, graph in enumerate((folded, corrected)):
        port = to_port(source, bits=bits, measured=measured, folded=graph)
        found.append((port, compare(port, pixels, labels, seen=seen)))
        tell(stages - 1 + place)
    (_, plain), (_, shifted) = found
    better = shifted.logit_error < plain.logit_error
    (port, agreement), (_, other) = found[::-1] if better else found
    calibration = Calibration(MARGIN, better, other.logit_error, agreement)
    return dataclasses.replace(port, provenance={**port.provenance, "calibration": to_json(calibration)}), calibration


def to_json(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as plain data, the agreement's entries among its own."""
    data = dataclasses.asdict(calibration)
    agreement = data.pop("agreement")
    return {**data, **agreement, "layers": list(agreement["layers"])}


def compare(
    port: Port, pixels: np.ndarray, labels: np.ndarray, *, seen: int = 0, progress: Advance | None = None
) -> Agreement:
    """Return how the integer network of a PORT, in the emulator, agrees with its float graph in the reference."""
    folded = passes.fold(port.graph)
    logits: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    spikes: list[np.ndarray] = []
    with open_backend("emulator", port.fixed) as emulator:
        for start in range(0, len(pixels), BATCH):
            batch = pixels[start : start + BATCH]
            real, whole = reference.run_float(folded, batch), emulator.run(batch)
            spikes.append(_spikes(real, whole))
            for kept, trace in zip(logits, (real, whole), strict=True):
                kept.append(trace.scores)
            if progress:
                progress(start + len(batch), len(pixels))
    left, right = np.concatenate(logits[0]), port.logit_scale * np.concatenate(logits[1])
    shares = np.sum(spikes, axis=0)
    names = [node.name for node in port.fixed.nodes if isinstance(node, FixedLif)]
    return Agreement(
        images=len(pixels),
        seen=seen,
        layers=tuple(
            LayerAgreement(name, *(row[:3] / row[3]).tolist()) for name, row in zip(names, shares, strict=True)
        ),
        classes_differing=float((left.argmax(axis=1) != right.argmax(axis=1)).mean()),
        float_balanced_accuracy=_balanced(port, labels, left),
        integer_balanced_accuracy=_balanced(port, labels, right),
        logit_error=float(np.sqrt(((left - right) ** 2).mean())),
    )


def _spikes(real: Trace, whole: Trace) -> np.ndarray:
    """Return, per layer, spikes in floats, spikes in integers, events in one of the two only, and neuron-steps."""
    return np.array(
        [
            [left.spikes.sum(), right.spikes.sum(), (left.spikes != right.spikes).sum(), left.spikes.size]
            for left, right in zip(real.layers, whole.layers, strict=True)
        ],
        np.float64,
    )


def _balanced(port: Port, labels: np.ndarray, logits: np.ndarray) -> float:
    return scores.score(labels, apply_temperature(logits, 1.0), port.classes).balanced_accuracy
