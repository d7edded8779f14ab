"""How far colour, corner, file and focus alone get, on the folds that a model is judged on.

Knows folders, splits and plain rules, and which images a checkpoint has seen; no network is run here, that is done in
`edits.py`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation.selection import Selection
from neurallnet_jax.images import regions, splits, statistics
from neurallnet_jax.images.folder import Dataset, open_folder
from neurallnet_jax.metrics import rules, scores

__all__ = [
    "COLOUR",
    "REFERENCE",
    "SIZE",
    "ColourAnswers",
    "ColourLine",
    "Features",
    "Shortcut",
    "balanced_accuracy",
    "colour_answers",
    "colour_answers_of",
    "colour_line",
    "colour_line_of",
    "known_places",
    "measure",
    "reordered",
    "score_folds",
    "score_places",
]

SIZE = (224, 224)
"""Height and width at which images are measured, pixels."""

COLOUR = "18 colour statistics"
"""The numbers of the colour line."""

REFERENCE = "nearest neighbour"
"""The rule of the colour line."""

_CHUNK = 32


@dataclass(frozen=True)
class Features:
    """A few numbers per image, or why there are none.

    Attributes:
        name: What they describe.
        values: float64 (images, numbers), None where the files do not have them.
        reason: Why `values` is None; or why they can tell nothing apart.
    """

    name: str
    values: np.ndarray | None
    reason: str | None = None


@dataclass(frozen=True)
class Shortcut:
    """What a rule reaches with a few numbers.

    Attributes:
        name: What the numbers describe.
        numbers: How many there are; 0 where the files do not have them.
        rule: A name of `rules.RULES`.
        folds: Balanced accuracy on the test images of every fold; empty where there are no numbers.
        reason: Why `folds` is empty, or why it cannot exceed chance.
    """

    name: str
    numbers: int
    rule: str
    folds: tuple[float, ...]
    reason: str | None = None

    @property
    def mean(self) -> float | None:
        """Mean over the folds."""
        return float(np.mean(self.folds)) if self.folds else None


class ColourLine(NamedTuple):
    """The colour line on a model's own images, or why there is none."""

    value: float | None
    reason: str | None


class ColourAnswers(NamedTuple):
    """What colour alone says of the scored images, labels (n,), or why it says nothing."""

    labels: np.ndarray | None
    reason: str | None


def colour_line(
    dataset: Dataset, known_places: np.ndarray, test_places: np.ndarray, *, values: np.ndarray | None = None
) -> float:
    """Return the balanced accuracy of the nearest neighbour on 18 colour statistics; arguments as in `colour_answers`.

    A model whose score lies near this line has not been shown to read cells.
    """
    predicted = colour_answers(dataset, known_places, test_places, values=values)
    return balanced_accuracy(dataset.labels[test_places], predicted)


def colour_answers(
    dataset: Dataset, known_places: np.ndarray, test_places: np.ndarray, *, values: np.ndarray | None = None
) -> np.ndarray:
    """Return the class of the nearest known neighbour in 18 colour statistics of every scored image, integers (n,).

    The statistics are those of `statistics.colour_statistics`, each divided by its standard deviation over the known
    images.

    Args:
        dataset: The folder, opened at `SIZE` for the figures that are quoted elsewhere.
        known_places: Places of the images whose classes are known: training and validation together.
        test_places: Places of the images that are scored.
        values: The statistics of all images of the folder, where they are at hand.

    Raises:
        ValueError: One of the two is empty.
    """
    for what, places in (("known", known_places), ("scored", test_places)):
        if not len(places):
            raise ValueError(f"{dataset.root}: the colour line needs {what} images, and there are none")
    known, test = (
        _colours(dataset.pixels, places) if values is None else values[places] for places in (known_places, test_places)
    )
    return rules.nearest_neighbour(known, dataset.labels[known_places], test)


def colour_line_of(
    checkpoint: Checkpoint,
    data: Dataset,
    selection: Selection,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ColourLine:
    """Return the colour line on the images that a model is scored on; arguments as in `colour_answers_of`."""
    test = selection.places[~selection.seen]
    found, reason = colour_answers_of(checkpoint, data, test, progress=progress)
    return ColourLine(None if found is None else balanced_accuracy(data.labels[test], found), reason)


def colour_answers_of(
    checkpoint: Checkpoint,
    data: Dataset,
    places: np.ndarray,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ColourAnswers:
    """Return what colour alone says of images that a model has not seen, with those it has seen as neighbours.

    Args:
        checkpoint: The model.
        data: The folder, opened at any size.
        places: Places of the images; one that the model has seen would be its own neighbour.
        progress: Called with images decoded and images in all, where the folder has to be opened at `SIZE`.

    Raises:
        ValueError: The folder has changed since it was opened.
    """
    known = known_places(checkpoint, data)
    present = {data.records[place].sha256 for place in known.tolist()}
    lacking = len(set(checkpoint.seen) - present)
    if not checkpoint.seen or lacking:
        what = f"{lacking} of the {len(set(checkpoint.seen))} images" if checkpoint.seen else "a record of the images"
        return ColourAnswers(None, f"the folder lacks {what} that the model has seen, so colour has no neighbours")
    if not len(places):
        return ColourAnswers(None, "the model has seen every scored image; score it with --only unseen")
    if data.pixels.shape[1:3] != SIZE:
        paths = [record.path for record in data.records]
        data = open_folder(data.root, SIZE, classes=data.classes, on_bad_image="skip", progress=progress)
        if [record.path for record in data.records] != paths:
            raise ValueError(f"{data.root}: changed while it was read; run again once nothing writes to it")
    return ColourAnswers(colour_answers(data, known, places), None)


def known_places(checkpoint: Checkpoint, data: Dataset) -> np.ndarray:
    """Return the places of the images that a model has seen, by the hash of their bytes."""
    seen = frozenset(checkpoint.seen)
    return np.flatnonzero([record.sha256 in seen for record in data.records])


def measure(dataset: Dataset, *, progress: Callable[[int, int], None] | None = None) -> tuple[Features, ...]:
    """Return every kind of numbers of all images of a folder, opened at `SIZE`.

    Args:
        dataset: The folder.
        progress: Called with images done and images in all.
    """
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(dataset), _CHUNK):
        pixels = np.asarray(dataset.pixels[start : start + _CHUNK])
        for name, values in _of_pixels(pixels).items():
            found.setdefault(name, []).append(values)
        if progress:
            progress(start + len(pixels), len(dataset))
    paths = [dataset.root / record.path for record in dataset.records]
    features = [_checked(name, np.concatenate(parts)) for name, parts in found.items()]
    features.insert(-2, _checked("file size", statistics.file_sizes(paths)))
    try:
        features.insert(-2, _checked("JPEG settings of the file", statistics.jpeg_settings(paths)))
    except ValueError as error:
        features.insert(-2, Features("JPEG settings of the file", None, str(error)))
    return tuple(features)


def reordered(features: Sequence[Features], source: Dataset, target: Dataset) -> tuple[Features, ...]:
    """Return numbers of the images of one folder in the order of another opening of it.

    Args:
        features: What `measure` returned for `source`.
        source: The folder as it was measured.
        target: The same folder, with other classes or at another size.

    Raises:
        ValueError: The two do not hold the same images.
    """
    rows = {(record.path, record.sha256): row for row, record in enumerate(source.records)}
    try:
        order = [rows[record.path, record.sha256] for record in target.records]
    except KeyError:
        raise ValueError(f"{target.root}: changed while it was read; run again once nothing writes to it") from None
    return tuple(
        each if each.values is None else dataclasses.replace(each, values=each.values[order]) for each in features
    )


def score_folds(
    dataset: Dataset,
    features: Sequence[Features],
    *,
    scheme: splits.Scheme = "contiguous",
    folds: Sequence[int] = tuple(range(splits.FOLDS)),
    margin: int = splits.TEST_MARGIN,
    seed: int = 0,
) -> tuple[Shortcut, ...]:
    """Return what every rule reaches with every kind of numbers, on the test images of the folds.

    Args:
        dataset: The folder.
        features: What `measure` returned for it.
        scheme: How images are split.
        folds: Which folds of the scheme.
        margin: Capture numbers left out on either side of a contiguous test fifth.
        seed: Shuffles `random`.

    Raises:
        ValueError: A class is too small for the split, or an argument is out of range; one line.
    """
    parts = []
    for fold in folds:
        split = splits.make_split(dataset.records, scheme=scheme, fold=fold, seed=seed, margin=margin)
        known = np.concatenate([splits.indices(split, "train"), splits.indices(split, "validation")])
        parts.append((known, splits.indices(split, "test")))
    return tuple(_score(dataset.labels, each, rule, parts) for each in features for rule in rules.RULES)


def score_places(
    labels: np.ndarray, features: Sequence[Features], known: np.ndarray, test: np.ndarray
) -> tuple[Shortcut, ...]:
    """Return what every rule reaches on given images, as one fold.

    Args:
        labels: Classes of all images, integers (n,).
        features: What `measure` returned for them.
        known: Places of the images whose classes are known.
        test: Places of the images that are scored.
    """
    return tuple(_score(labels, each, rule, [(known, test)]) for each in features for rule in rules.RULES)


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean recall over the classes that occur; labels and predictions are integers (n,)."""
    classes = 1 + int(max(labels.max(), predicted.max()))
    ones = np.ones((len(labels), 1))
    return float(scores.weighted_balanced_accuracy(labels, np.eye(classes)[predicted], ones)[0])


def _colours(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    # In parts: a folder may be larger than memory.
    starts = range(0, len(places), _CHUNK)
    return np.concatenate([statistics.colour_statistics(pixels[places[start : start + _CHUNK]]) for start in starts])


def _of_pixels(pixels: np.ndarray) -> Mapping[str, np.ndarray]:
    found = regions.find(pixels)
    return {
        "background colour": regions.background_colours(pixels, found.background),
        "scale-bar corner": statistics.corner_colours(pixels),
        "scale bar alone": statistics.bar_statistics(pixels, found.scale_bar),
        "mean cell colour": statistics.cell_colours(pixels, found.cells),
        "image statistics": statistics.image_statistics(pixels),
        COLOUR: statistics.colour_statistics(pixels),
    }


def _checked(name: str, values: np.ndarray) -> Features:
    same = bool(len(values)) and bool((values == values[0]).all())
    return Features(name, values, "the same for every image" if same else None)


def _score(
    labels: np.ndarray, features: Features, rule: str, parts: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Shortcut:
    values = features.values
    if values is None:
        return Shortcut(features.name, 0, rule, (), features.reason)
    found = tuple(
        balanced_accuracy(labels[test], rules.RULES[rule](values[known], labels[known], values[test]))
        for known, test in parts
    )
    return Shortcut(features.name, values.shape[1], rule, found, features.reason)
