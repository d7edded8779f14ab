"""The robustness test of a checkpoint, in floats or in the integers of its PORT. Knows both packages, no command line."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from lava_port import emulator
from lava_port.port import Port
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import robustness, shortcuts
from neurallnet_jax.evaluation.robustness import Score, Scored
from neurallnet_jax.evaluation.robustness_result import Robustness
from neurallnet_jax.evaluation.selection import Selection
from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.workflows.convert import convert
from neurallnet_jax.workflows.simulate import BATCH

__all__ = ["Arithmetic", "emulator_score", "measure"]

Arithmetic: TypeAlias = Literal["float", "emulator"]


def measure(
    saved: Checkpoint,
    dataset: Dataset,
    selection: Selection,
    *,
    backend: Arithmetic = "float",
    names: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Robustness:
    """Return what `evaluation.robustness.measure` finds of a checkpoint, or of its PORT, with the colour line beside it.

    Raises:
        ValueError: The images or names do not fit, or, in integers, the network does not convert.
    """
    score = robustness.float_score(saved) if backend == "float" else emulator_score(convert(saved))
    found = robustness.measure(
        dataset,
        selection,
        score,
        image_size=saved.spec.image_size,
        names=names,
        severities=severities,
        seed=seed,
        progress=progress,
    )
    line = shortcuts.colour_line_of(saved, dataset, selection)
    return dataclasses.replace(found, colour_line=line.value, colour_line_reason=line.reason)


def emulator_score(port: Port) -> Score:
    """Return the integer network of a PORT as a function of pixels, run by the emulator, which spikes as Lava does."""
    network = emulator.prepare(port.fixed, batch=BATCH)

    def score(pixels: np.ndarray) -> Scored:
        scores, spikes = [], {}
        for start in range(0, len(pixels), BATCH):
            trace = network.run(pixels[start : start + BATCH])
            scores.append(trace.scores)
            for layer in trace.layers:
                spikes.setdefault(layer.name, []).append(layer.spikes.mean(dtype=np.float64) * len(trace.scores))
        rates = {name: float(sum(parts) / len(pixels)) for name, parts in spikes.items()}
        return Scored(np.concatenate(scores), rates)

    return score
