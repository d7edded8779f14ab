"""What a model still tells once background, scale bar or colour are taken out of the images it is tested on.

Knows checkpoints, folders and edits of pixels; no command line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurallnet_jax import models
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import shortcuts
from neurallnet_jax.evaluation.selection import Selection, groups_of, kept_apart, spread
from neurallnet_jax.evaluation.shortcuts import Features, Shortcut
from neurallnet_jax.images import regions, resize
from neurallnet_jax.images.folder import Dataset, open_folder
from neurallnet_jax.metrics import intervals, scores

__all__ = ["EDITS", "UNEDITED", "EditScore", "RunScore", "drop_interval", "edited", "open_for", "score_run"]

UNEDITED = "unedited"

EDITS: Mapping[str, tuple[str, ...]] = {
    UNEDITED: (),
    "background": ("background",),
    "scale bar": ("bar",),
    "colour": ("colour",),
    "background, scale bar": ("bar", "background"),
    "background, colour": ("background", "colour"),
    "scale bar, colour": ("bar", "colour"),
    "background, scale bar, colour": ("bar", "background", "colour"),
    "control: background evened, own colour": ("even",),
    "control: other corner painted over": ("other corner",),
}
"""What is taken out, by name, in the order in which it is done; controls do as much to an image and take nothing out."""

_CHUNK = 32
_SAMPLE = 256
"""Images that the common background colour is averaged over."""


@dataclass(frozen=True)
class EditScore:
    """A model on edited images.

    Attributes:
        name: A name of `EDITS`.
        balanced_accuracy: Of the model on the edited images.
        drop: How much less that is than on the unedited ones.
        interval: 95 % interval of the drop over groups of neighbouring images, None with a reason.
        changed: Share of the images that are told to be of another class than unedited.
        reason: Why `interval` is None.
    """

    name: str
    balanced_accuracy: float
    drop: float
    interval: tuple[float, float] | None
    changed: float
    reason: str | None = None


@dataclass(frozen=True)
class RunScore:
    """A RUN beside the shortcuts, on the same images.

    Attributes:
        run: Its name.
        only: Which images were scored: `test` or `unseen`.
        images: How many.
        known: Images of the folder that it has seen, which the shortcuts know the classes of.
        groups: Groups of neighbouring images in each class.
        fill: The one background colour, grey levels.
        shortcuts: On the same images, one fold; empty with a reason.
        edits: One per entry of `EDITS`, the unedited images first.
        reason: Why `shortcuts` is empty.
    """

    run: str
    only: str
    images: int
    known: int
    groups: tuple[int, ...]
    fill: tuple[float, float, float]
    shortcuts: tuple[Shortcut, ...]
    edits: tuple[EditScore, ...]
    reason: str | None = None

    @property
    def colour_line(self) -> float | None:
        """The nearest neighbour on 18 colour statistics, on the same images."""
        wanted = (shortcuts.COLOUR, shortcuts.REFERENCE)
        return next((each.mean for each in self.shortcuts if (each.name, each.rule) == wanted), None)


def open_for(checkpoint: Checkpoint, root: Path, *, run: str, on_bad_image: str) -> tuple[Dataset, Selection, str]:
    """Return a folder with the classes of a model, the images of it to score, and what these are called.

    They are the test images of the model's split, or, where the folder holds none of these, the ones it has not seen. The
    folder is opened at 224 pixels or the size of the model, whichever is larger.

    Raises:
        ValueError: The folder has other classes than the model, or the model has seen every image; one line.
    """
    size = (
        max(shortcuts.SIZE[0], checkpoint.spec.image_size[0]),
        max(shortcuts.SIZE[1], checkpoint.spec.image_size[1]),
    )
    try:
        dataset = open_folder(root, size, classes=checkpoint.classes, on_bad_image=on_bad_image)  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        raise ValueError(f"RUN {run}: {error}") from None
    found = kept_apart(dataset, seen=checkpoint.seen, test=checkpoint.test)
    if found is None:
        raise ValueError(
            f"RUN {run}: has seen every image of {root} in training or selection; name a RUN that kept some of them apart"
        )
    only, chosen = found
    return dataset, chosen, only


def score_run(
    checkpoint: Checkpoint,
    dataset: Dataset,
    selection: Selection,
    features: tuple[Features, ...],
    *,
    run: str,
    only: str,
    progress: Callable[[int, int], None] | None = None,
) -> RunScore:
    """Return how a model fares on its test images under every edit, and how the shortcuts fare on the same images.

    Args:
        checkpoint: The model.
        dataset: What `open_for` returned.
        selection: The images to score.
        features: What `shortcuts.measure` returned for the same images in the same order.
        run: Name of the model.
        only: What the chosen images are called.
        progress: Called with edited images scored and images to score.
    """
    known, places = shortcuts.known_places(checkpoint, dataset), selection.places
    labels = dataset.labels[places]
    fill = regions.background_colours(dataset.pixels[spread(known if len(known) else places, _SAMPLE)]).mean(axis=0)
    predicted = _predict(checkpoint, dataset.pixels, places, fill, progress)
    groups = groups_of(dataset, places)
    before = predicted[UNEDITED]
    base = shortcuts.balanced_accuracy(labels, before)
    edits = []
    for name, after in predicted.items():
        value = shortcuts.balanced_accuracy(labels, after)
        interval, reason = drop_interval(labels, before == labels, after == labels, groups)
        edits.append(EditScore(name, value, base - value, interval, float((after != before).mean()), reason))
    test = places[~selection.seen]
    lacking = set(dataset.labels[test].tolist()) - set(dataset.labels[known].tolist())
    reason = "the folder holds no image of every scored class that the model has seen" if lacking else None
    return RunScore(
        run=run,
        only=only,
        images=len(places),
        known=len(known),
        groups=tuple(len(np.unique(groups[labels == label])) for label in range(len(dataset.classes))),
        fill=(float(fill[0]), float(fill[1]), float(fill[2])),
        shortcuts=() if reason else shortcuts.score_places(dataset.labels, features, known, test),
        edits=tuple(edits),
        reason=reason,
    )


def edited(pixels: np.ndarray, steps: tuple[str, ...], fill: np.ndarray, found: regions.Regions) -> np.ndarray:
    """Return images after the steps of one of `EDITS`.

    Args:
        pixels: Images, uint8 (n, height, width, 3).
        steps: A value of `EDITS`.
        fill: The one background colour, grey levels (3,).
        found: The regions of the images.

    Returns:
        Images, uint8, of the same shape.

    Raises:
        ValueError: A step is unknown.
    """
    result = pixels
    for step in steps:
        if step == "background":
            # Once a bar is painted over, the slide below it is background as well.
            masks = regions.background(result) if "bar" in steps else found.background
            result = regions.neutralise_background(result, fill, masks=masks)
        elif step == "even":
            result = regions.neutralise_background(result, masks=found.background)
        elif step == "bar":
            result = regions.mask_scale_bar(result, masks=found.scale_bar)
        elif step == "other corner":
            result = regions.mask_scale_bar(result, masks=found.scale_bar[:, :, ::-1])
        elif step == "colour":
            result = regions.without_colour(result)
        else:
            raise ValueError(f"edit {step!r} is unknown; expected one of background, bar, colour, even, other corner")
    return result


def drop_interval(
    labels: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    groups: np.ndarray,
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[tuple[float, float] | None, str | None]:
    """Return the percentile interval of a drop in balanced accuracy, from drawing whole groups within each class.

    Both scores are taken on the same draws, so that what makes a draw easy for both cancels.

    Args:
        labels: Classes, integers (n,).
        before: Whether each image is told right unedited, bool (n,).
        after: The same once edited.
        groups: Group of every image, integers (n,).
        draws: Number of resamples.
        seed: Seed of the generator.
        level: Coverage aimed at.

    Returns:
        The interval and None, or None and the reason: a class with one group has nothing to draw.
    """
    if reason := intervals.why_not(labels, groups, "group"):
        return None, reason
    both = np.array([before, after])

    def drop(weights: np.ndarray) -> np.ndarray:
        kept, left = scores.weighted_mean_recall(labels, both, weights)
        return kept - left

    found = intervals.percentiles(intervals.drawn(drop, labels, groups, draws=draws, seed=seed), level)
    return (found.low, found.high), None


def _predict(
    checkpoint: Checkpoint,
    pixels: np.ndarray,
    places: np.ndarray,
    fill: np.ndarray,
    progress: Callable[[int, int], None] | None,
) -> dict[str, np.ndarray]:
    classifier = models.from_checkpoint(checkpoint)
    predict = models.make_predict(classifier)
    size = checkpoint.spec.image_size
    result = {name: np.empty(len(places), np.int64) for name in EDITS}
    total, done = len(places) * len(EDITS), 0
    for start in range(0, len(places), _CHUNK):
        chosen = slice(start, start + _CHUNK)
        some = np.asarray(pixels[places[chosen]])
        found = regions.find(some)
        for name, steps in EDITS.items():
            changed = edited(some, steps, fill, found)
            small = np.stack([resize.by_area(image, size) for image in changed])
            # Batches of one size, so that one compilation serves all.
            result[name][chosen] = predict(classifier.variables, _filled(small))[: len(some)].argmax(axis=1)
            done += len(some)
            if progress:
                progress(done, total)
    return result


def _filled(pixels: np.ndarray) -> np.ndarray:
    return np.pad(pixels, ((0, _CHUNK - len(pixels)), (0, 0), (0, 0), (0, 0)))
