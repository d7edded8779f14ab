"""Methods compared on a folder: which methods, images, class and regions; then the measuring.

Knows evaluation and explanations, which do not know each other; no command line, no page.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from neurallnet_jax import models
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import selection
from neurallnet_jax.evaluation.selection import Only, Selection
from neurallnet_jax.explain import localisation, sanity, summary, trial
from neurallnet_jax.explain import methods as table
from neurallnet_jax.explain.attribution import Explain
from neurallnet_jax.explain.faithfulness_result import Faithfulness
from neurallnet_jax.explain.trial import Case, Settings
from neurallnet_jax.images import decode, regions, weak_masks
from neurallnet_jax.images.classes import class_name
from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.metrics import intervals
from neurallnet_jax.models import Classifier
from neurallnet_jax.runnable import known

__all__ = [
    "ALL",
    "PREDICTED",
    "REGION_SIZE",
    "Chosen",
    "choose",
    "class_place",
    "measure",
    "regions_of",
    "same_network",
    "select",
    "with_temperature",
]

ALL = "all"
"""Stands for every method that the model can have."""

PREDICTED = "predicted"
"""Stands for the class that the model gives an image."""

REGION_SIZE = (224, 224)
"""Height and width, pixels, at which regions are looked for."""

_SETTLING = 16
"""Images that the statistics of newly drawn layers are taken from."""


@dataclass(frozen=True)
class Chosen:
    """Methods that were asked for.

    Attributes:
        ready: Those that the model can have, by name.
        refused: Why the model cannot have the others, where all were asked for.
    """

    ready: Mapping[str, Explain]
    refused: Mapping[str, str]


def select(classifier: Classifier, names: Sequence[str], *, layer: str | None = None) -> Chosen:
    """Return the methods of some names for a model.

    Args:
        classifier: The model.
        names: Of methods, or `all` alone.
        layer: Which layer methods look at that look at one; None for what each takes by itself.

    Raises:
        ValueError: No such method or layer, or a method by name that the model cannot have; one line that lists those
            that there are.
    """
    available = table.for_classifier(classifier)
    if layer is not None:
        known(layer, classifier.layers)
    every = list(names) == [ALL]
    for name in () if every else names:
        if name not in table.METHODS:
            raise ValueError(f"no method {name!r}; there are {', '.join(table.METHODS)}, and {ALL}")
        if name in available.refused:
            raise ValueError(f"{name}: {available.refused[name]}")
    wanted = available.names if every else tuple(dict.fromkeys(names))
    looking = [name for name in wanted if "layer" in table.options(name)]
    if layer is not None and not looking:
        takers = [name for name in available.names if "layer" in table.options(name)]
        raise ValueError(f"--layer {layer}: {', '.join(wanted)} looks at no layer; {', '.join(takers)} do")
    ready = {name: table.make(name, **({"layer": layer} if layer and name in looking else {})) for name in wanted}
    return Chosen(ready, available.refused if every else {})


def choose(
    saved: Checkpoint, dataset: Dataset, *, only: Only | None = None, limit: int | None = None, seed: int = 0
) -> Selection:
    """Return the images of a folder to explain, drawn at random where there are more than asked for.

    Args:
        saved: The model.
        dataset: The folder.
        only: Which images; None for those that the model may be judged by, see `selection.kept_apart`.
        limit: At most so many.
        seed: Of the draw.

    Raises:
        ValueError: There is none.
    """
    if only is None:
        apart = selection.kept_apart(dataset, seen=saved.seen, test=saved.test)
        if apart is None:
            raise ValueError(
                f"{dataset.root}: the model has seen every image of it; name other images, or say --only all and read the "
                "figures as those of known images"
            )
        chosen = apart[1]
    else:
        chosen = selection.select(dataset, seen=saved.seen, test=saved.test, only=only)
    if limit is None or limit >= len(chosen.places):
        return chosen
    kept = np.sort(np.random.default_rng(seed).choice(len(chosen.places), limit, replace=False))
    return Selection(chosen.places[kept], chosen.seen[kept])


def measure(
    saved: Checkpoint,
    dataset: Dataset,
    chosen: Selection,
    *,
    names: Sequence[str],
    layer: str | None = None,
    target: str | None = None,
    masks: Path | None = None,
    shuffled: Checkpoint | None = None,
    settings: Settings | None = None,
    draws: int = 2000,
    progress: Callable[[int, int], None] | None = None,
) -> Faithfulness:
    """Return how faithful methods are on some images of a folder.

    Args:
        saved: The model.
        dataset: The folder, at the size of the model.
        chosen: Which of its images.
        names: Methods, or `all` alone.
        layer: Which layer to look at.
        target: Name of the class to explain; None for the one that the model gives each image.
        masks: Folder of weak masks, see `images.weak_masks`.
        shuffled: The same network, trained on shuffled labels.
        settings: How methods are tested.
        draws: Resamples of the intervals.
        progress: Called with steps done and steps in all.

    Raises:
        ValueError: An unknown method, layer or class, masks of other images, or another network with shuffled labels.
    """
    classifier = models.from_checkpoint(saved)
    methods = select(classifier, names, layer=layer)
    if shuffled is not None:
        same_network(saved, shuffled)
    settings = with_temperature(settings, saved)
    cases = _cases(classifier, saved, dataset, chosen, target, masks)
    fresh = models.create(
        saved.spec, saved.classes, preprocessing=saved.preprocessing, key=jax.random.key(settings.seed)
    )
    stages = sanity.cascade(classifier)
    randomised = sanity.randomised(
        classifier, fresh.variables, stages, np.stack([case.image for case in cases[:_SETTLING]]), jax.random.key(0)
    )
    trials = trial.measure(
        classifier, cases, methods.ready, settings=settings, randomised=randomised,
        shuffled=None if shuffled is None else models.from_checkpoint(shuffled).variables, progress=progress,
    )  # fmt: skip
    labels = dataset.labels[chosen.places]
    groups = selection.groups_of(dataset, chosen.places)
    reason = intervals.why_not(labels, groups, "group", saved.classes)
    counts = [len(np.unique(groups[labels == k])) for k in range(len(saved.classes))]
    down_to = [one.down_to for one in stages]
    rows = summary.summarise(trials, labels, groups, stages=down_to, draws=draws, seed=settings.seed)
    return Faithfulness(
        rows=rows,
        refused=methods.refused,
        n=len(cases),
        seen=int(chosen.seen.sum()),
        masks=sum(case.mask is not None for case in cases),
        checked=min(settings.checks, len(cases)),
        groups=len(np.unique(groups)),
        no_interval=reason,
        note=None if reason else intervals.few(counts, saved.classes),
        target=target or PREDICTED,
        settings={
            "steps": settings.steps, "replacement": settings.replacement, "temperature": settings.temperature,
            "noise": settings.noise, "draws": settings.draws, "seed": settings.seed, "layer": layer or "",
        },
    )  # fmt: skip


def same_network(saved: Checkpoint, other: Checkpoint) -> None:
    """Refuse a network that was not made as the first one is, whatever it was trained on.

    Raises:
        ValueError: Layers, classes or preprocessing differ; the message says which.
    """
    for what, one, two in (
        ("layers", saved.spec, other.spec),
        ("classes", saved.classes, other.classes),
        ("preprocessing", saved.preprocessing, other.preprocessing),
    ):
        if one != two:
            raise ValueError(
                f"the RUN of shuffled labels has other {what}; train it as the first was, on a copy with shuffled labels"
            )


def _cases(
    classifier: Classifier,
    saved: Checkpoint,
    dataset: Dataset,
    chosen: Selection,
    target: str | None,
    masks: Path | None,
) -> list[Case]:
    place = class_place(saved, target)
    size = saved.spec.image_size
    records = [dataset.records[one] for one in chosen.places.tolist()]
    weak = [None] * len(records) if masks is None else weak_masks.find(masks, [one.path for one in records])
    pixels = np.asarray(dataset.pixels[chosen.places])
    told = models.make_predict(classifier)(classifier.variables, pixels).argmax(axis=1)
    images = models.prepare(pixels, saved.preprocessing.white_level)
    with decode.quiet_pillow():
        return [
            Case(
                image,
                int(said) if place is None else place,
                regions_of(_whole(dataset.root, record.path), size),
                None if mask is None else _at_size(mask, size),
            )
            for image, said, record, mask in zip(images, told, records, weak, strict=True)
        ]


def _whole(root: Path, path: str) -> np.ndarray:
    data = decode.read_bytes(root / path, name=path, root=root)
    return decode.decode_bytes(data, REGION_SIZE, name=path)


def regions_of(whole: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return what share of every pixel of a smaller image each of `trial.REGIONS` covers, (height, width), 0 to 1.

    Args:
        whole: The image at `REGION_SIZE`, uint8 (height, width, 3), before white balance.
        size: Height and width wanted.
    """
    found = regions.find(whole[None])
    return {name: localisation.coverage(getattr(found, name)[0], size) for name in trial.REGIONS}


def _at_size(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Return a mask at another size; None where nothing is left of it."""
    smaller = localisation.coverage(mask, size) >= 0.5
    return smaller if smaller.any() else None


def class_place(saved: Checkpoint, target: str | None) -> int | None:
    """Return the place of a class by name or alias; None for the class that the model says.

    Raises:
        ValueError: No such class; the message lists those that exist.
    """
    if target is None or target == PREDICTED:
        return None
    name = class_name(target, saved.classes)
    if name not in saved.classes:
        raise ValueError(f"no class {target!r}; there are {', '.join(saved.classes)}")
    return saved.classes.index(name)


def with_temperature(settings: Settings | None, saved: Checkpoint) -> Settings:
    """Return settings under which the score is the probability that `predict` prints."""
    return dataclasses.replace(settings or Settings(), temperature=saved.temperature or 1.0)
