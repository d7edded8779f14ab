"""Ablations: every arm and seed trained as a RUN of its own below one folder, scored on its test images, resumable.

Knows no command line and draws nothing. The folder holds

ablation.json   the protocol that all arms share, and the command
runs/ARM/seed-S the RUNs; once one is scored, its training states are removed
results.jsonl   one line per finished network, in the order of finishing
compiled/       what JAX compiled for a first seed and uses again for the next ones
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import numpy as np

from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import config, models, spec
from neurallnet_jax.config import Training
from neurallnet_jax.evaluation import ablation_results, arms
from neurallnet_jax.evaluation.ablation_results import Ablation, Outcome
from neurallnet_jax.evaluation.selection import groups_of
from neurallnet_jax.images import folder, splits
from neurallnet_jax.metrics import calibration, scores
from neurallnet_jax.training import allocator, loop, records
from neurallnet_jax.training import request as requests
from neurallnet_jax.training import run as runs
from neurallnet_jax.training.alone import alone

__all__ = ["Begun", "Protocol", "ablate", "begun", "described", "firing_rates", "read_results", "table"]

FORMAT_VERSION = 1
ABLATION_NAME = "ablation.json"
RESULTS_NAME = "results.jsonl"
RUNS_NAME = "runs"
COMPILED_NAME = "compiled"

Watching = Callable[[str], AbstractContextManager[runs.Watcher]]
"""Gives the watcher of a training, whose name it is told."""


@dataclass(frozen=True)
class Protocol:
    """What all arms of an ablation share.

    Attributes:
        data: Image folder with one sub-folder per class.
        network: The baseline, see `arms.baseline`.
        training: How every arm is trained; none is tuned for itself.
        split: `contiguous`, `blocks`, `random`, or the path of a manifest.
        fold: Fold of the split.
        on_bad_image: Whether a file that is no image is skipped or stops the ablation.
    """

    data: str
    network: spec.Network
    training: Training
    split: str = "contiguous"
    fold: int = 0
    on_bad_image: Literal["skip", "fail"] = "fail"

    def __post_init__(self) -> None:
        if self.split == "all":
            raise ValueError("split 'all' keeps no images for a test; use contiguous, blocks or random")


@dataclass(frozen=True)
class Begun:
    """What a folder was begun with: the protocol, studies and arms asked for, and the number of seeds."""

    protocol: Protocol
    words: tuple[str, ...]
    seeds: int


def ablate(
    protocol: Protocol,
    out: Path,
    *,
    words: Sequence[str] = ("all",),
    seeds: int = 3,
    resume: bool = False,
    command: str = "",
    watching: Watching | None = None,
    heard: Callable[[Outcome, int, int], None] | None = None,
) -> Ablation | None:
    """Train and score what is missing, seed by seed, and return the table; None where a training was asked to stop.

    Args:
        protocol: What all arms share; with `resume` it must be what the folder was begun with.
        out: The folder.
        words: Studies, arms or `all`; other ones than before may be asked of the same folder, RUNs are shared.
        seeds: Number of seeds, from 0.
        resume: Go on with a folder that was begun; finished networks are not trained again.
        command: The command line, for the record.
        watching: Gives the watcher of a training.
        heard: Told of every outcome, its place and their number, old ones included.

    Raises:
        ValueError: Bad input; the message says what, where and what to do.
    """
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; expected at least 1, and 3 or more for a spread that can be quoted")
    every = arms.arms(protocol.network)
    chosen = arms.chosen(every, words)
    _check(out, protocol, resume=resume)
    with alone(out):
        _begin(out, protocol, words, seeds, resume=resume, command=command)
        found = {(one.arm, one.seed): one for one in read_results(out)}
        # All arms of a seed before the next seed, so that an early look compares.
        todo = [(arm, seed) for seed in range(seeds) for arm in chosen]
        missing = any((arm.name, seed) not in found for arm, seed in todo)
        dataset = _open(protocol) if missing else None
        if missing and jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
            jax.config.update("jax_compilation_cache_dir", str((out / COMPILED_NAME).resolve()))
        for place, (arm, seed) in enumerate(todo, start=1):
            key = (arm.name, seed)
            if key not in found:
                assert dataset is not None, "something is missing, so the images were opened"
                name = f"{arm.name}, seed {seed} ({place} of {len(todo)})"
                with watching(name) if watching else nullcontext(runs.Watcher()) as watcher:
                    outcome = _measure(protocol, arm, seed, out, dataset, watcher=watcher, command=command)
                if outcome is None:
                    return None
                found[key] = outcome
                with (out / RESULTS_NAME).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(dataclasses.asdict(outcome), allow_nan=False) + "\n")
            if heard:
                heard(found[key], place, len(todo))
    asked = [found[arm.name, seed] for arm, seed in todo]
    return ablation_results.summarise(chosen, asked, described(protocol, seeds))


def begun(out: Path) -> Begun:
    """Return what a folder was begun with.

    Raises:
        ValueError: There is no ablation, or another version wrote it.
    """
    path = out / ABLATION_NAME
    data = records.read(
        path,
        version=FORMAT_VERSION,
        missing=f"{out}: no ablation to resume ({ABLATION_NAME} is missing); begin without --resume",
        elsewhere="begin in another folder",
    )
    try:
        fields = dict(data["protocol"])
        fields["network"] = spec.layered(spec.network_from_json(fields["network"]), "is no network to ablate")
        fields["training"] = config.training_from_json(fields["training"])
        return Begun(Protocol(**fields), tuple(data["studies"]), int(data["seeds"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: does not say what was asked for ({error}); begin in another folder") from None


def read_results(out: Path) -> list[Outcome]:
    """Return the outcomes of a folder; a last line that a killed command left unfinished is left out.

    Raises:
        ValueError: A line is none that this release wrote; the message names it.
    """
    path = out / RESULTS_NAME
    return [_outcome(line, f"{path}, line {number}") for number, line in enumerate(_lines(path), start=1)]


def table(out: Path, *, words: Sequence[str] = (), seeds: int | None = None) -> Ablation:
    """Return what is finished in a folder, and train nothing; the folder may be at work.

    Args:
        out: The folder.
        words: Studies, arms or `all`; none for those that were asked for.
        seeds: Number of seeds, from 0; None for that which was asked for.

    Raises:
        ValueError: There is no ablation, nothing of it is finished, or a word is unknown.
    """
    before = begun(out)
    chosen = arms.chosen(arms.arms(before.protocol.network), words or before.words)
    seeds = seeds or before.seeds
    found = [one for one in read_results(out) if one.seed < seeds]
    if not any(one.arm == arm.name for one in found for arm in chosen):
        raise ValueError(f"{out}: nothing of this is finished yet; go on with --resume")
    return ablation_results.summarise(chosen, found, described(before.protocol, seeds))


def described(protocol: Protocol, seeds: int) -> dict[str, Any]:
    """Return what all arms share as plain data for the table."""
    return {
        "data": Path(protocol.data).name,
        "image_size": list(protocol.network.image_size),
        "steps": protocol.network.steps,
        "split": protocol.split,
        "fold": protocol.fold,
        "seeds": seeds,
        "epochs": protocol.training.epochs,
        "network": spec.network_to_json(protocol.network),
        "training": config.training_to_json(protocol.training),
    }


# --- The folder


def _lines(path: Path) -> list[str]:
    # A complete line ends with a line feed, so what stands after the last one was cut short.
    try:
        return path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is no text; restore it, or begin in another folder") from None


def _outcome(line: str, where: str) -> Outcome:
    try:
        return ablation_results.outcome_from_json(json.loads(line))
    except (json.JSONDecodeError, TypeError, AttributeError) as error:
        raise ValueError(f"{where}: is no result of this release ({error}); remove the line") from None


def _check(out: Path, protocol: Protocol, *, resume: bool) -> None:
    """Refuse what cannot be begun or gone on with, before anything is written."""
    if resume:
        if changes := requests.differences(begun(out).protocol, protocol):
            raise ValueError(
                f"{out}: was begun with other settings ({'; '.join(changes)}); leave them out, or begin in another folder"
            )
    elif (out / ABLATION_NAME).exists() or (out / RESULTS_NAME).exists():
        raise ValueError(f"{out}: holds an ablation already; add --resume to go on with it, or name another folder")
    else:
        _test_places(_open(protocol), protocol, 0)


def _begin(out: Path, protocol: Protocol, words: Sequence[str], seeds: int, *, resume: bool, command: str) -> None:
    path = out / ABLATION_NAME
    if resume:
        before = begun(out)
        command = json.loads(path.read_text(encoding="utf-8")).get("command", command)
        words, seeds = tuple(dict.fromkeys((*before.words, *words))), max(seeds, before.seeds)
    fields = dataclasses.asdict(protocol)
    fields["network"] = spec.network_to_json(protocol.network)
    fields["training"] = config.training_to_json(protocol.training)
    record = {
        "format_version": FORMAT_VERSION,
        "command": command,
        "protocol": fields,
        "studies": list(words),
        "seeds": seeds,
    }
    checkpoints.write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())
    # What a killed command left unfinished would spoil the next line.
    checkpoints.write_atomically(
        out / RESULTS_NAME, "".join(f"{line}\n" for line in _lines(out / RESULTS_NAME)).encode()
    )


def _open(protocol: Protocol) -> folder.Dataset:
    # Before images are decoded in threads, which would keep heaps of their own for good.
    allocator.keep_freed_memory()
    return folder.open_folder(Path(protocol.data), protocol.network.image_size, on_bad_image=protocol.on_bad_image)


def _test_places(dataset: folder.Dataset, protocol: Protocol, seed: int) -> np.ndarray:
    """Return the places of the test images of a seed, refusing a split that has none."""
    scheme = next((one for one in get_args(splits.Scheme) if one == protocol.split), None)
    if scheme:
        split = splits.make_split(dataset.records, scheme=scheme, fold=protocol.fold, seed=seed)
    else:
        split = splits.read_split(Path(protocol.split), dataset)
    places = splits.indices(split, "test")
    if not len(places):
        raise ValueError(
            f"{protocol.split}: names no image for the test, and an ablation is scored on those; name some"
        )
    return places


# --- One network


def _measure(
    protocol: Protocol,
    arm: arms.Arm,
    seed: int,
    out: Path,
    dataset: folder.Dataset,
    *,
    watcher: runs.Watcher,
    command: str,
) -> Outcome | None:
    """Train one network, or go on with it, and score it; None where the training was asked to stop."""
    place = Path(RUNS_NAME) / arm.name / f"seed-{seed}"
    run = out / place
    request = runs.Request(
        data=protocol.data,
        network=arm.network,
        training=protocol.training,
        split=protocol.split,
        fold=protocol.fold,
        seed=seed,
        on_bad_image=protocol.on_bad_image,
    )
    try:
        # A RUN that was killed before its first file was complete begins anew.
        resume = (run / runs.RUN_NAME).exists()
        result = runs.train(request, run, resume=resume, command=command, watcher=watcher)
    except loop.DivergedError as error:
        return Outcome(arm.name, seed, place.as_posix(), error=str(error))
    if result.checkpoint is None:
        return None
    outcome = _score(result, dataset, _test_places(dataset, protocol, seed), arm.name, seed, place.as_posix())
    shutil.rmtree(run / runs.STATES_NAME, ignore_errors=True)
    return outcome


def _score(result: runs.Result, dataset: folder.Dataset, test: np.ndarray, arm: str, seed: int, place: str) -> Outcome:
    saved = result.checkpoint
    assert saved is not None, "the training has ended"
    classifier = models.from_checkpoint(saved)
    labels, pixels = dataset.labels[test], np.asarray(dataset.pixels[test])
    probabilities = calibration.apply_temperature(
        models.make_predict(classifier)(classifier.variables, pixels), saved.temperature or 1.0
    )
    found = scores.score(labels, probabilities, saved.classes)
    rates = firing_rates(classifier, pixels)
    network = spec.layered(saved.spec, "is no arm of an ablation")
    neurons = {name: int(np.prod(shape)) for name, shape in spec.shapes(network).items() if name in rates}
    spikes = sum(rates[name] * neurons[name] for name in rates) * saved.spec.steps
    return Outcome(
        arm=arm,
        seed=seed,
        run=place,
        balanced_accuracy=found.balanced_accuracy,
        accuracy=found.accuracy,
        validation=result.validation,
        best_epoch=result.best_epoch,
        parameters=sum(array.size for name, array in saved.weights.items() if name.startswith("params/")),
        rates=rates,
        rate=spikes / (sum(neurons.values()) * saved.spec.steps) if rates else None,
        spikes=spikes if rates else None,
        silent=tuple(name for name, rate in rates.items() if rate < loop.SILENT),
        saturated=tuple(name for name, rate in rates.items() if rate > loop.SATURATED),
        seconds=saved.provenance["seconds"],
        weights=_digest(saved.weights),
        labels=tuple(labels.tolist()),
        groups=tuple(groups_of(dataset, test).tolist()),
        predicted=tuple(probabilities.argmax(axis=1).tolist()),
        machine=saved.provenance["versions"],
    )


def firing_rates(classifier: models.Classifier, pixels: np.ndarray, *, batch_size: int = 32) -> dict[str, float]:
    """Return spikes per neuron and step of every spiking layer, averaged over images."""
    if not classifier.spec.spiking:
        return {}
    run = jax.jit(lambda variables, batch, key: classifier.apply(variables, batch, key).rates)
    total: dict[str, float] = {}
    for start, places in models.batches(classifier.spec, len(pixels), batch_size):
        own = places[: len(pixels) - start]
        found = run(classifier.variables, np.asarray(pixels[own]), jax.random.fold_in(jax.random.key(0), start))
        total = {name: total.get(name, 0.0) + float(rate) * len(own) for name, rate in found.items()}
    return {name: value / len(pixels) for name, value in total.items()}


def _digest(weights: Mapping[str, np.ndarray]) -> str:
    parts = [name.encode() + np.ascontiguousarray(weights[name]).tobytes() for name in sorted(weights)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
