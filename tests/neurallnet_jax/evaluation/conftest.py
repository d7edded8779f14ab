"""A data set in memory and an untrained checkpoint for it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.images.folder import Dataset, Record

CLASSES = ("calm", "wild")


def sha_of(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


@pytest.fixture(scope="session")
def dataset_of() -> Callable[[np.ndarray, list[int]], Dataset]:
    """Return a function of uint8 images and labels; numbers count within each class."""

    def dataset(pixels: np.ndarray, labels: list[int]) -> Dataset:
        records = tuple(
            Record(f"{CLASSES[label]}/{place}.png", sha_of(image), label, 1 + labels[:place].count(label))
            for place, (image, label) in enumerate(zip(pixels, labels, strict=True))
        )
        return Dataset(Path("folder"), CLASSES, records, pixels)

    return dataset


@pytest.fixture(scope="module")
def dataset(dataset_of: Callable[[np.ndarray, list[int]], Dataset]) -> Dataset:
    """20 images of noise, 10 of each class."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    return dataset_of(pixels, [0] * 10 + [1] * 10)


@pytest.fixture(scope="module")
def saved(classifier_of: Callable[..., models.Classifier], dataset: Dataset) -> Checkpoint:
    """A checkpoint that has seen the images 0 to 4 and kept 5 to 7 apart for the test."""
    network = spec.neurallnet(2, widths=(4,), image_size=(8, 8), steps=2)
    classifier = classifier_of(network, CLASSES)
    hashes = [record.sha256 for record in dataset.records]
    return Checkpoint(
        network,
        models.to_weights(classifier.variables),
        classifier.preprocessing,
        CLASSES,
        seen=tuple(hashes[:5]),
        test=tuple(hashes[5:8]),
    )
