"""The colour line against scikit-learn, and where it must be perfect or blind."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from neurallnet_jax.evaluation import shortcuts


def statistics(pixels: np.ndarray) -> np.ndarray:
    flat = pixels.reshape(len(pixels), -1, 3).astype(float)
    return np.hstack([flat.mean(1), flat.std(1), *(np.percentile(flat, level, axis=1) for level in (10, 50, 75, 90))])


@pytest.fixture
def coloured(dataset_of):
    """60 images of noise whose classes differ a little in red."""
    rng = np.random.default_rng(2)
    labels = [0] * 30 + [1] * 30
    pixels = rng.integers(0, 200, (60, 6, 6, 3))
    pixels[:, :, :, 0] += 25 * np.array(labels)[:, None, None]
    return dataset_of(pixels.astype(np.uint8), labels)


def test_it_is_the_nearest_neighbour_of_scikit_learn(coloured) -> None:
    known, test = np.arange(0, 60, 2), np.arange(1, 60, 2)
    numbers = statistics(coloured.pixels)
    scaled = (numbers - numbers[known].mean(axis=0)) / numbers[known].std(axis=0)
    peer = KNeighborsClassifier(n_neighbors=1).fit(scaled[known], coloured.labels[known])
    expected = balanced_accuracy_score(coloured.labels[test], peer.predict(scaled[test]))
    assert shortcuts.colour_line(coloured, known, test) == pytest.approx(expected)
    assert 0.5 < expected < 1


def test_images_that_are_known_are_told_right(coloured) -> None:
    assert shortcuts.colour_line(coloured, np.arange(60), np.arange(60)) == 1.0


def test_one_colour_in_all_images_tells_nothing(dataset_of) -> None:
    dull = dataset_of(np.full((8, 4, 4, 3), 90, np.uint8), [0] * 4 + [1] * 4)
    assert shortcuts.colour_line(dull, np.arange(0, 8, 2), np.arange(1, 8, 2)) == 0.5
