"""A toy that a tiny network learns within a second: reddish and bluish squares of noise."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from neurallnet_jax import config, spec
from neurallnet_jax.training import loop

SIDE = 8


def squares(count: int, seed: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images and labels; the classes take turns, and each is brighter in a channel of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % classes
    pixels = rng.integers(60, 140, (count, SIDE, SIDE, 3))
    pixels[np.arange(count), :, :, labels] += 60
    return pixels.astype(np.uint8), labels


@dataclass
class Listener:
    """Hears everything, counts seconds as it is asked, and may ask to stop after some steps."""

    stop_after: int | None = None
    steps: list[loop.StepMetrics] = field(default_factory=list)
    records: list[loop.EpochRecord] = field(default_factory=list)
    seconds: float = -1.0

    def step(self, epoch: int, step: int, steps_per_epoch: int, metrics: loop.StepMetrics) -> None:
        self.steps.append(metrics)

    def epoch(self, record: loop.EpochRecord, state: loop.TrainState, best: loop.Best) -> None:
        self.records.append(record)

    def should_stop(self) -> bool:
        return self.stop_after is not None and len(self.steps) >= self.stop_after

    def clock(self) -> float:
        self.seconds += 1
        return self.seconds


@pytest.fixture(scope="session")
def listener() -> type[Listener]:
    return Listener


@pytest.fixture(scope="session")
def squares_of() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return squares


@pytest.fixture(scope="session")
def network() -> spec.Network:
    return spec.neurallnet(2, widths=(4,), image_size=(SIDE, SIDE), steps=2, attention=None)


@pytest.fixture(scope="session")
def training() -> config.Training:
    return config.Training(
        epochs=3, batch_size=8, learning_rate=0.02, warmup_epochs=0, augmentation=config.NO_AUGMENTATION
    )
