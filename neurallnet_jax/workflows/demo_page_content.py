"""What a report shows, as frozen dataclasses of results, or of the reason why there is none.

Knows the types of the results; neither how they are said nor how they are computed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np

from lava_port.energy.activity import Activity
from lava_port.energy.results import EnergyReport
from lava_port.quantise import LayerRounding
from lava_port.trace import Mismatch, Trace
from neurallnet_jax import spec
from neurallnet_jax.checkpoint import Checkpoint, layer_sizes
from neurallnet_jax.metrics.intervals import Intervals
from neurallnet_jax.metrics.scores import Scores
from neurallnet_jax.training.loop import EpochRecord
from neurallnet_jax.workflows.page import Card

__all__ = ["LayerFigures", "Missing", "Parity", "ReportContent", "Samples", "epoch_records", "layer_figures"]


@dataclass(frozen=True)
class Missing:
    """Stands in place of a result that there is none of; `reason` is a sentence for the reader."""

    reason: str


@dataclass(frozen=True, eq=False)
class Samples:
    """Images with what they are and what the network says.

    Attributes:
        images: uint8 (n, height, width, 3).
        labels: True class of each.
        predicted: Predicted class of each.
        probabilities: Predicted probabilities, (n, classes).
    """

    images: np.ndarray
    labels: Sequence[int] | np.ndarray
    predicted: Sequence[int] | np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class LayerFigures:
    """One layer of neurons with the weights before it.

    Attributes:
        name: Name of the neurons' layer.
        shape: Its neurons, (height, width, channels) or (units,).
        parameters: Trained numbers of the layer and of those since the neurons before.
        spikes: Mean per image; None for the read-out, which does not spike.
        rate: Spikes per neuron and step; None for the read-out.
        images: Images that the means are over.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    spikes: float | None
    rate: float | None
    images: int


@dataclass(frozen=True)
class Parity:
    """Two executions of the integer network, compared event by event.

    Attributes:
        first: Name of one, such as `NumPy reference`.
        second: Name of the other.
        images: Images compared; 0 if the comparison is missing.
        layers: What `lava_port.trace.compare` returned, or why nothing was compared.
    """

    first: str
    second: str
    images: int
    layers: tuple[Mismatch, ...] | Missing


Facts: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class ReportContent:
    """All that a report shows. Where there is no result, `Missing` says why, and the page repeats it.

    Attributes:
        title: Title.
        subtitle: One sentence below it.
        command: The command that made it.
        data: One sentence on where the images come from, such as that a program drew them.
        facts: Versions and machine, (name, value).
        classes: Class names in the order of the scores.
        samples: Some test images.
        scores: Scores on the test images.
        intervals: Their intervals by metric.
        interval_level: Level of those intervals.
        epochs: The log of the training; `epoch_records` reads it.
        layers: One row per layer of neurons; `layer_figures` makes them.
        parity: One entry per pair of executions.
        rounding: What the rounding to integers cost per layer.
        trace: A run of the integer network.
        raster_image: Place in the trace of the image whose spikes are shown.
        energy: The energy estimate.
        headline: Cards that follow those made from the results.
        notes: Further sentences for the end of the page.
    """

    title: str
    subtitle: str
    command: str
    data: str
    facts: Facts
    classes: Sequence[str]
    samples: Samples | Missing
    scores: Scores | Missing
    intervals: Mapping[str, Intervals] | Missing
    epochs: Sequence[EpochRecord] | Missing
    layers: Sequence[LayerFigures] | Missing
    parity: Sequence[Parity]
    rounding: Sequence[LayerRounding] | Missing
    trace: Trace | Missing
    energy: EnergyReport | Missing
    interval_level: float = 0.95
    raster_image: int = 0
    headline: Sequence[Card] = ()
    notes: Sequence[str] = ()


def epoch_records(log: Iterable[Mapping[str, Any]]) -> tuple[EpochRecord, ...]:
    """Return the epochs that `training.logs.read` found, typed; fields that a newer version added are left out."""
    known = [field.name for field in fields(EpochRecord)]
    return tuple(EpochRecord(**{name: entry[name] for name in known}) for entry in log)


def layer_figures(checkpoint: Checkpoint, run: Trace | Activity) -> tuple[LayerFigures, ...]:
    """Return one row per layer of neurons of a trained network, with what it did in `run`.

    Raises:
        ValueError: A layer of the network is not in the run.
    """
    # Both hold the images on axis 1 and differ in what comes after.
    spikes = {layer.name: layer.spikes for layer in run.layers}
    images = next((array.shape[1] for array in spikes.values()), 0)
    rows, parameters = [], 0
    for layer in layer_sizes(checkpoint):
        parameters += layer.parameters
        if layer.kind == spec.Lif.__name__:
            if layer.name not in spikes:
                raise ValueError(f"layer '{layer.name}' is not in the run, which has {', '.join(spikes) or 'no layer'}")
            mean = float(spikes[layer.name].sum(dtype=np.int64)) / images
            rate = mean / (math.prod(layer.shape) * run.steps)
            rows.append(LayerFigures(layer.name, layer.shape, parameters, mean, rate, images))
            parameters = 0
        elif layer.kind == spec.Readout.__name__:
            rows.append(LayerFigures(layer.name, layer.shape, parameters, None, None, images))
    return tuple(rows)
