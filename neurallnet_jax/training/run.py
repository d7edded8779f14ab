"""A RUN: the folder that training writes, from its first file to the checkpoint. Knows no command line.

run.json                what was asked for, the versions, and how it ended
split.csv               the part of every image, with its SHA-256
log.jsonl, tensorboard/ one entry per epoch
states/                 the last states of an unfinished training
twin/                   log and states of the ReLU twin, where one is trained first
checkpoint.safetensors  the trained model, once the training has ended
"""

import dataclasses
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import numpy as np

import neurallnet_jax
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import config, models, spec
from neurallnet_jax.images import folder, splits
from neurallnet_jax.metrics import calibration
from neurallnet_jax.training import allocator, beginning, logs, loop, records
from neurallnet_jax.training import request as requests
from neurallnet_jax.training.alone import alone
from neurallnet_jax.training.request import Request
from neurallnet_jax.training.states import StateStore

__all__ = ["RUN_NAME", "SPLIT_NAME", "Request", "Result", "Watcher", "begun", "check_classes", "train"]

FORMAT_VERSION = 1
RUN_NAME = "run.json"
SPLIT_NAME = "split.csv"
STATES_NAME = "states"
TWIN_NAME = "twin"


@dataclass(frozen=True, eq=False)
class Result:
    """How a training ended.

    Attributes:
        checkpoint: The trained model; None where the training was stopped before its end.
        best_epoch: The epoch that was kept.
        validation: Its balanced accuracy on the validation images; None without any.
        test: Number of images kept apart for the test.
        step: Steps done.
    """

    checkpoint: checkpoints.Checkpoint | None
    best_epoch: int
    validation: float | None
    test: int
    step: int


class Watcher:
    """Who is told how a training goes; the base class hears and says nothing. Times are seconds."""

    def opened(self, dataset: folder.Dataset, split: splits.Split) -> None:
        """Hear of the images and their split."""

    def stage(self, name: Literal["", "twin"], epochs: int, steps_per_epoch: int, start: int) -> None:
        """Hear that the twin, or the network itself, is trained from now on, and after which step."""

    def decoding(self, done: int, total: int) -> None:
        """Hear of decoded images."""

    def step(self, epoch: int, step: int, steps_per_epoch: int, metrics: loop.StepMetrics) -> None:
        """Hear of a finished step."""

    def epoch(self, record: loop.EpochRecord) -> None:
        """Hear of a finished epoch."""

    def should_stop(self) -> bool:
        """Return whether the training should end after this step."""
        return False


def train(
    request: Request,
    out: Path,
    *,
    resume: bool = False,
    command: str = "",
    watcher: Watcher | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Result:
    """Train, and leave a RUN.

    Args:
        request: What to do; with `resume` it must be what the RUN was begun with.
        out: The RUN.
        resume: Go on with a RUN that was stopped; a RUN that has ended returns at once.
        command: The command line, for the record.
        watcher: Who is told.
        clock: Source of time, seconds.

    Raises:
        ValueError: Bad input; the message says what, where and what to do.
    """
    watcher = watcher or Watcher()
    allocator.keep_freed_memory()
    if not resume and any((out / name).exists() for name in (RUN_NAME, STATES_NAME, checkpoints.FILE_NAME)):
        raise ValueError(f"{out}: holds a RUN already; add --resume to go on with it, or name another folder")
    if resume and (changes := requests.differences(begun(out), request)):
        raise ValueError(
            f"{out}: was begun with other settings ({'; '.join(changes)}); resume with the same, or train into another "
            "folder"
        )
    if resume and (out / checkpoints.FILE_NAME).exists():
        return _ended(checkpoints.load(out))
    dataset = folder.open_folder(
        Path(request.data),
        request.network.image_size,
        on_bad_image=request.on_bad_image,
        progress=watcher.decoding,
    )
    check_classes(dataset)
    split = splits.read_split(out / SPLIT_NAME, dataset) if resume else _split(request, dataset)
    return _train(request, out, dataset, split, resume=resume, command=command, watcher=watcher, clock=clock)


def check_classes(dataset: folder.Dataset) -> None:
    """Refuse images that cannot teach to tell their classes apart.

    Raises:
        ValueError: There is one class, or one without an image.
    """
    labels = sorted(set(dataset.labels.tolist()))
    if len(dataset.classes) < 2 or len(labels) < len(dataset.classes):
        present = [str(dataset.classes[label]) for label in labels]
        raise ValueError(
            f"{dataset.root}: images of {', '.join(present)} alone cannot teach {', '.join(dataset.classes)}; "
            "every class needs its folder with images"
        )


def begun(out: Path) -> Request:
    """Return what a RUN was begun with.

    Raises:
        ValueError: There is no RUN, or another version wrote it.
    """
    path = out / RUN_NAME
    data = records.read(
        path,
        version=FORMAT_VERSION,
        missing=f"{out}: no RUN to resume ({RUN_NAME} is missing); train without --resume",
        elsewhere="train into another folder",
    )
    try:
        return requests.from_json(data["request"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: does not say what was asked for ({error}); train into another folder") from None


def _train(
    request: Request,
    out: Path,
    dataset: folder.Dataset,
    split: splits.Split,
    *,
    resume: bool,
    command: str,
    watcher: Watcher,
    clock: Callable[[], float],
) -> Result:
    started = clock()
    source = checkpoints.load(request.source) if request.source else None
    # Weights that have learned with one white level go on with it.
    level = source.preprocessing.white_level if source else request.training.white_level
    dataset = dataclasses.replace(dataset, pixels=models.prepare(dataset.pixels, level))
    parts = {part: splits.indices(split, part) for part in ("train", "validation", "test")}
    data = loop.TrainingData(dataset.pixels, dataset.labels, parts["train"], parts["validation"])
    loop.steps_per_epoch(data, request.training)  # refuses a split that leaves nothing to train on
    classifier, seen_before, given = _classifier(request, source, dataset, parts["train"])
    twin = beginning.twin(classifier, jax.random.key(request.seed)) if request.training.twin_epochs else None
    stages = _Stages(data, request.seed, watcher, clock)
    # Only now, so that a request that cannot be met leaves nothing behind.
    with alone(out):
        if not resume:
            splits.write_split(split, dataset, out / SPLIT_NAME)
            _write_run(out, request, command=command)
        watcher.opened(dataset, split)
        if twin:
            first = stages.train(TWIN_NAME, twin, config.training_of_twin(request.training), out / TWIN_NAME)
            if not first.finished:
                return Result(None, 0, None, len(parts["test"]), int(first.state.step))
            classifier = beginning.begin(classifier, first.best.variables)
        fitted = stages.train("", classifier, request.training, out)
    best = fitted.best
    validation = best.score if len(parts["validation"]) else None
    result = Result(None, best.epoch, validation, len(parts["test"]), int(fitted.state.step))
    if not fitted.finished:
        return result
    saved = checkpoints.Checkpoint(
        spec=classifier.spec,
        weights=models.to_weights(models.rounded(classifier, best.variables)),
        preprocessing=classifier.preprocessing,
        classes=classifier.classes,
        seen=(*seen_before, *_hashes(dataset, parts["train"]), *_hashes(dataset, parts["validation"])),
        test=tuple(_hashes(dataset, parts["test"])),
        provenance={
            **_provenance(request, dataset, parts, result, command=command, seconds=clock() - started),
            **given,
        },
        temperature=_temperature(classifier, best.variables, data),
    )
    checkpoints.save(saved, out)
    return dataclasses.replace(result, checkpoint=saved)


def _ended(saved: checkpoints.Checkpoint) -> Result:
    record = saved.provenance
    return Result(
        checkpoint=saved,
        best_epoch=record["best_epoch"],
        validation=record["validation_balanced_accuracy"],
        test=record["split"]["test"],
        step=record["steps"],
    )


@dataclass(frozen=True, eq=False)
class _Stages:
    """Trains one classifier after the other on the same images, each with a folder for its states and its log."""

    data: loop.TrainingData
    seed: int
    watcher: Watcher
    clock: Callable[[], float]

    def train(
        self, name: Literal["", "twin"], classifier: models.Classifier, settings: config.Training, folder: Path
    ) -> loop.Fitted:
        """Train a classifier, from where its folder says that it was left."""
        folder.mkdir(exist_ok=True)
        per_epoch = loop.steps_per_epoch(self.data, settings)
        with StateStore(folder / STATES_NAME) as store:
            first = loop.begin(classifier, settings, per_epoch)
            resumed = store.restore(first) if store.latest is not None else first
            step = int(resumed[0].step)
            self.watcher.stage(name, settings.epochs, per_epoch, step)
            with logs.EpochLog(folder, keep=step // per_epoch) as log:
                fitted = loop.fit(
                    classifier,
                    self.data,
                    settings,
                    seed=self.seed,
                    progress=_Recorder(self.watcher, store, log, self.clock),
                    resumed=resumed,
                )
            store.save(fitted.state, fitted.best)
        return fitted


class _Recorder:
    """Passes on what the loop tells to the watcher, the log and the store of states."""

    def __init__(self, watcher: Watcher, store: StateStore, log: logs.EpochLog, clock: Callable[[], float]) -> None:
        self._watcher, self._store, self._log = watcher, store, log
        self.step, self.should_stop, self.clock = watcher.step, watcher.should_stop, clock

    def epoch(self, record: loop.EpochRecord, state: loop.TrainState, best: loop.Best) -> None:
        self._log.add(record)
        self._store.save(state, best)
        self._watcher.epoch(record)


def _split(request: Request, dataset: folder.Dataset) -> splits.Split:
    if scheme := _scheme(request):
        fold, seed, margin = request.fold, request.seed, request.margin
        return splits.make_split(dataset.records, scheme=scheme, fold=fold, seed=seed, margin=margin)
    return splits.read_split(Path(request.split), dataset)


def _scheme(request: Request) -> splits.Scheme | None:
    """Return the scheme that a request names, or None where it names a file."""
    return next((scheme for scheme in get_args(splits.Scheme) if scheme == request.split), None)


def _classifier(
    request: Request, source: checkpoints.Checkpoint | None, dataset: folder.Dataset, train: np.ndarray
) -> tuple[models.Classifier, tuple[str, ...], dict[str, Any]]:
    """Return where training begins, the hashes of images that its weights have seen before, and where these are from."""
    key = jax.random.key(request.seed)
    network, bits = spec.with_classes(request.network, len(dataset.classes)), request.training.weight_bits
    if request.weights:
        classifier, given = _published(request, network, dataset.classes, key)
        return classifier, (), given
    if source is None:
        mean = np.asarray(dataset.pixels[train]).reshape(-1, dataset.pixels.shape[-1]).mean(axis=0)
        preprocessing = checkpoints.Preprocessing(
            offset=tuple(round(value) for value in mean.tolist()), white_level=request.training.white_level
        )
        return models.create(network, dataset.classes, preprocessing=preprocessing, key=key, weight_bits=bits), (), {}
    fresh = models.create(network, dataset.classes, preprocessing=source.preprocessing, key=key, weight_bits=bits)
    weights = models.to_weights(fresh.variables)
    same_classes = source.classes == dataset.classes
    last = f"params/{spec.last_dense(network)}/"
    kept = {name: array for name, array in source.weights.items() if same_classes or not name.startswith(last)}
    return models.with_weights(fresh, {**weights, **kept}), source.seen, {}


def _published(
    request: Request, network: spec.AnyNetwork, classes: tuple[str, ...], key: jax.Array
) -> tuple[models.Classifier, dict[str, Any]]:
    """Return a network with the weights of a file, and the record of these."""
    from neurallnet_jax.baselines import pretrained

    path = Path(request.weights or "")
    digest = pretrained.check_file(network, path, request.weights_sha256)
    assert isinstance(network, spec.KerasNetwork), "other networks take no such file"
    found = pretrained.load(network, path)
    preprocessing = checkpoints.Preprocessing(
        offset=found.convention.offset, scale=found.convention.scale, white_level=request.training.white_level
    )
    bits = request.training.weight_bits
    fresh = models.create(network, classes, preprocessing=preprocessing, key=key, weight_bits=bits)
    classifier = models.with_weights(fresh, {**models.to_weights(fresh.variables), **found.weights})
    return classifier, {"weights": {"file": path.name, "sha256": digest, "fresh": list(found.fresh)}}


def _temperature(classifier: models.Classifier, variables: models.Variables, data: loop.TrainingData) -> float | None:
    """Return the temperature that suits the validation images, None where none is best or there are no such images."""
    if not len(data.validation):
        return None
    logits = models.make_predict(classifier)(variables, np.asarray(data.pixels[data.validation]))
    try:
        return calibration.fit_temperature(data.labels[data.validation], logits)
    except ValueError:  # all right or no better than chance: no finite temperature is best
        return None


def _hashes(dataset: folder.Dataset, places: np.ndarray) -> list[str]:
    return [dataset.records[place].sha256 for place in places.tolist()]


def _provenance(
    request: Request,
    dataset: folder.Dataset,
    parts: Mapping[str, np.ndarray],
    result: Result,
    *,
    command: str,
    seconds: float,
) -> dict[str, Any]:
    return {
        "command": command,
        "data": {"digest": splits.digest(dataset), "images": len(dataset), "skipped": len(dataset.bad)},
        "split": {
            "scheme": _scheme(request) or "manifest",
            "fold": request.fold,
            **({"margin": request.margin} if request.split == "contiguous" else {}),
            **{part: len(places) for part, places in parts.items()},
        },
        "seed": request.seed,
        "training": config.training_to_json(request.training),
        "source": request.source,
        "steps": result.step,
        "best_epoch": result.best_epoch,
        "validation_balanced_accuracy": result.validation,
        "seconds": round(seconds, 1),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    # Only where it has been loaded: what trains without it knows nothing of it.
    keras = {"keras": sys.modules["keras"].__version__} if "keras" in sys.modules else {}
    return {
        **keras,
        "neurallnet-jax": neurallnet_jax.__version__,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
    }


def _write_run(out: Path, request: Request, *, command: str) -> None:
    fields = requests.to_json(request)
    record = {"format_version": FORMAT_VERSION, "command": command, "request": fields, "versions": _versions()}
    checkpoints.write_atomically(out / RUN_NAME, (json.dumps(record, indent=1) + "\n").encode())
