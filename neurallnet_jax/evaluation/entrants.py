"""What `compare` is given, RUNs and tables of predictions, opened and scored on the images each may be judged by.

Knows which images those are; neither tests nor the command line.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import evaluate, footprint, predictions, shortcuts, trained
from neurallnet_jax.evaluation.comparison import Entrant
from neurallnet_jax.evaluation.predictions import PredictionTable
from neurallnet_jax.evaluation.selection import Selection, kept_apart
from neurallnet_jax.images.decode import one_line
from neurallnet_jax.images.folder import BadImage, Dataset, open_folder

__all__ = ["THUMBNAIL", "open_entrants", "own_images"]

Steps: TypeAlias = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]

THUMBNAIL = (32, 32)
"""Size at which a folder is opened whose hashes alone are needed, pixels."""


def open_entrants(
    names: Sequence[str],
    *,
    data: Path | None,
    on_bad_image: Literal["skip", "fail"] = "fail",
    passes: int = 50,
    steps: Steps = lambda name: nullcontext(lambda done, total: None),
) -> tuple[tuple[Entrant, ...], tuple[BadImage, ...]]:
    """Return the models that names stand for, and the files of the folder that were skipped.

    Args:
        names: RUNs, `pretrained`, or CSV files that `evaluate --predictions` wrote.
        data: The folder to score RUNs on, and to check tables against; None for neither.
        on_bad_image: What to do about files that are no readable image.
        passes: Timed passes of each RUN.
        steps: Who is told of the steps.

    Raises:
        ValueError: A name stands for nothing, is there twice or was made for another folder, classes differ or one is
            missing in the folder, a RUN beside a table has no folder, or nothing is left to score a RUN on; one line.
    """
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"{name} is named twice; a model is compared with others, not with itself")
    tables = {name: predictions.read(Path(name)) for name in names if predictions.is_file(name)}
    saved = {name: checkpoints.load(name) for name in names if name not in tables}
    _check_classes({name: (tables[name] if name in tables else saved[name]).classes for name in names})
    if tables and saved and data is None:
        raise ValueError(
            f"{next(iter(saved))} has no images to be compared with {next(iter(tables))} on; name with --data the folder "
            "of the predictions"
        )
    datasets = _Folder(data, on_bad_image, steps) if data is not None else None
    scored = dict(tables)
    colours: dict[str, tuple[PredictionTable | None, str | None]] = dict.fromkeys(
        tables, (None, "only its predictions were given, not which images it has seen")
    )
    for name, model in saved.items():
        if datasets is not None:
            dataset = datasets.open(model.spec.image_size, model.classes)
            chosen = own_images(dataset, model, name=name)
            with steps(f"scoring {name}") as progress:
                scored[name] = evaluate.tabulate_model(model, dataset, chosen, progress=progress)
            with steps("reading colours") as progress:
                colours[name] = _of_colour(model, dataset, chosen, scored[name], progress)
    for name, table in tables.items():
        if datasets is not None:
            predictions.match(table, datasets.any(table.classes), source=name)
    with steps("timing") as progress:
        costs = dict(zip(saved, footprint.measure(list(saved.values()), passes=passes, progress=progress), strict=True))
    entrants = tuple(
        Entrant(
            name,
            _digest(name, saved.get(name)),
            scored.get(name),
            costs.get(name),
            *colours.get(name, (None, "no images; name a folder with --data")),
            trained=trained.of(saved[name]) if name in saved else None,
        )
        for name in names
    )
    return entrants, datasets.bad if datasets is not None else ()


def _of_colour(
    model: Checkpoint,
    dataset: Dataset,
    chosen: Selection,
    table: PredictionTable,
    progress: Callable[[int, int], None],
) -> tuple[PredictionTable | None, str | None]:
    """Return what colour alone says of the images of a table, as a table, or why it says nothing."""
    said, reason = shortcuts.colour_answers_of(model, dataset, chosen.places, progress=progress)
    if said is None:
        return None, reason
    return dataclasses.replace(table, probabilities=np.eye(len(table.classes))[said]), None


def own_images(dataset: Dataset, model: Checkpoint, *, name: str) -> Selection:
    """Return the images of a folder that a model may be judged by, as `selection.kept_apart` does.

    Raises:
        ValueError: The model has seen every image.
    """
    found = kept_apart(dataset, seen=model.seen, test=model.test)
    if found is None:
        raise ValueError(
            f"{name}: training or selection has seen all {len(dataset)} images of {one_line(str(dataset.root))}; "
            "name a folder that it was not trained on, or a RUN with a test part"
        )
    return found[1]


@dataclasses.dataclass
class _Folder:
    """A folder at the sizes that models take it."""

    root: Path
    on_bad_image: Literal["skip", "fail"]
    steps: Steps
    opened: dict[tuple[tuple[int, int], tuple[str, ...]], Dataset] = dataclasses.field(default_factory=dict)

    def open(self, size: tuple[int, int], classes: tuple[str, ...]) -> Dataset:
        if (size, classes) not in self.opened:
            with self.steps("reading images") as progress:
                found = open_folder(self.root, size, classes=classes, on_bad_image=self.on_bad_image, progress=progress)
            _check_complete(found)
            self.opened[size, classes] = found
        return self.opened[size, classes]

    def any(self, classes: tuple[str, ...]) -> Dataset:
        same = (found for (_, own), found in self.opened.items() if own == classes)
        return next(same, None) or self.open(THUMBNAIL, classes)

    @property
    def bad(self) -> tuple[BadImage, ...]:
        return next(iter(self.opened.values())).bad if self.opened else ()


def _check_complete(dataset: Dataset) -> None:
    present = np.bincount(dataset.labels, minlength=len(dataset.classes))
    missing = [name for name, count in zip(dataset.classes, present.tolist(), strict=True) if not count]
    if missing:
        raise ValueError(
            f"{one_line(str(dataset.root))}: holds no image of class {', '.join(missing)}, and balanced figures need every "
            "class; add it, or score each model apart with `neurallnet evaluate`"
        )


def _check_classes(classes: dict[str, tuple[str, ...]]) -> None:
    first = next(iter(classes))
    for name, own in classes.items():
        if set(own) != set(classes[first]):
            raise ValueError(
                f"{name} knows the classes {', '.join(own)}, and {first} {', '.join(classes[first])}; "
                "only models of the same classes can be compared"
            )


def _digest(name: str, model: Checkpoint | None) -> str:
    if model is None:
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()
    # The temperature changes what a model says, if not its classes.
    return f"{checkpoints.digest(model)} {model.temperature}"
