"""A conversion with images: ranges measured on them, and how far the integer network agrees with the float one on them.

Knows both packages and no command line.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lava_port import calibrate, passes, reference
from lava_port.graph import FixedLif, FixedReadout
from lava_port.port import Port
from lava_port.scales import MARGIN
from lava_port.trace import Trace
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.metrics import calibration, scores
from neurallnet_jax.workflows.convert import convert, float_graph
from neurallnet_jax.workflows.simulate import BATCH, open_backend

__all__ = ["Agreement", "LayerAgreement", "compare", "convert_with_images"]

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
    """

    images: int
    seen: int
    layers: tuple[LayerAgreement, ...]
    classes_differing: float
    float_balanced_accuracy: float
    integer_balanced_accuracy: float


def convert_with_images(
    saved: Checkpoint,
    pixels: np.ndarray,
    labels: np.ndarray,
    *,
    seen: int,
    bits: int | None = None,
    progress: Advance | None = None,
) -> tuple[Port, Agreement]:
    """Return the PORT of a trained network, calibrated on images, and how it agrees with the float network on them.

    Args:
        saved: The trained network.
        pixels: uint8 (images, height, width, channels) at the network's size.
        labels: True class of each image.
        seen: How many of them training or selection has used, for the record.
        bits: Of the weights; None for those that the network was trained for.
        progress: Called with runs done and runs in all: each image runs once to be measured and once to be compared.

    Raises:
        ValueError: No image, images that do not fit, too few or too many bits, or a network that does not convert.
    """
    tell = progress or (lambda done, total: None)
    count = len(pixels)
    measured = calibrate.measure(
        passes.fold(float_graph(saved)), pixels, progress=lambda done, _: tell(done, 2 * count)
    )
    port = convert(saved, bits=bits, measured=measured)
    agreement = compare(port, pixels, labels, seen=seen, progress=lambda done, _: tell(count + done, 2 * count))
    record: dict[str, Any] = {"margin": MARGIN, **dataclasses.asdict(agreement)}
    record["layers"] = list(record["layers"])
    return dataclasses.replace(port, provenance={**port.provenance, "calibration": record}), agreement


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
    scale = next(node.scale for node in port.fixed.nodes if isinstance(node, FixedReadout))
    left, right = np.concatenate(logits[0]), scale * np.concatenate(logits[1])
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
    return scores.score(labels, calibration.apply_temperature(logits, 1.0), port.classes).balanced_accuracy
