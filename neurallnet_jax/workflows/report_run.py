"""The report of a RUN on a folder: every part computed, read from a file, or named as missing with what makes it.

Knows the rooms of evaluation and their order; neither how a result is found nor how it is said.
"""

import base64
import dataclasses
import io
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

import neurallnet_jax
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import doubt, edits, evaluate, held_out, leaks, origin, selection, shortcuts, trust
from neurallnet_jax.evaluation.evaluate import Evaluation
from neurallnet_jax.evaluation.leaks import Leaks
from neurallnet_jax.evaluation.robustness_result import Robustness
from neurallnet_jax.evaluation.selection import Selection
from neurallnet_jax.evaluation.shortcut_audit import Audit
from neurallnet_jax.evaluation.trust import TrustReport
from neurallnet_jax.images import corruptions, splits
from neurallnet_jax.images.folder import Dataset, open_folder
from neurallnet_jax.workflows import report_inputs, robustness
from neurallnet_jax.workflows.page import Absent
from neurallnet_jax.workflows.report_content import (
    Entry,
    Failure,
    Failures,
    Layer,
    Manifest,
    RunReport,
    Subject,
)
from neurallnet_jax.workflows.report_inputs import Given, Wanted

__all__ = ["ROBUSTNESS_LIMIT", "SHOWN", "Watching", "report"]

ROBUSTNESS_LIMIT = 128
"""Images of the robustness test, unless another number is asked for."""
SHOWN = 48
"""Images told wrong that are listed."""

Watching: TypeAlias = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""Shows how far a step is, whose name it is told; as `cli.output.progress`."""

_SIDE = 144
_T = TypeVar("_T")


@dataclass(eq=False)
class _Work:
    """What all parts need, and the clock they are timed by."""

    run: str
    data: Path
    saved: Checkpoint
    dataset: Dataset
    chosen: Selection | None
    only: str | None
    quick: bool
    watching: Watching
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, str]:
        """What folder and RUN are called on the page."""
        return self.data.resolve().name, Path(self.run).name

    @contextmanager
    def timed(self, part: str) -> Iterator[Callable[[int, int], None]]:
        began = time.perf_counter()
        with self.watching(part) as progress:
            yield progress
        self.seconds[part] = round(time.perf_counter() - began, 1)

    def missing(self, what: str, reason: str, command: str, *, option: str = "") -> Absent:
        """Return what stands in the place of a part, with the command that makes it and the option that takes it."""
        data, run = self.names
        for root in (str(self.data), str(self.data.resolve())):
            reason = reason.replace(root, data)
        reason = reason.replace(self.run, run) if self.run else reason
        hint = f" Hand the result in with {option}." if option else ""
        sentence = f"{reason[:1].upper()}{reason[1:].rstrip('.')}."
        return Absent(what, sentence + hint, command.format(run=run, data=data))


def report(
    run: str,
    data: Path,
    *,
    command: str,
    given: Given | None = None,
    quick: bool = False,
    pictures: bool = True,
    limit: int = ROBUSTNESS_LIMIT,
    watching: Watching,
) -> RunReport:
    """Return the report of a RUN on the images of a folder.

    Args:
        run: The RUN.
        data: The folder, one sub-folder per class.
        command: The command line, for the page.
        given: Results that exist already.
        quick: Whether parts that take over a minute are left out.
        pictures: Whether thumbnails of images told wrong are part of it.
        limit: Images of the robustness test.
        watching: Shows how far a step is.

    Raises:
        ValueError: No RUN, no folder that fits it, or a given result of other images or another RUN; one line.
    """
    given = given or Given()
    saved = checkpoints.load(run)
    with watching("reading images") as progress:
        dataset = open_folder(
            data, saved.spec.image_size, classes=saved.classes, on_bad_image="skip", progress=progress
        )
    only, chosen = selection.kept_apart(dataset, seen=saved.seen, test=saved.test) or (None, None)
    work = _Work(run, Path(data), saved, dataset, chosen, only, quick, watching)
    read = _read(work, given)
    scores = _scores(work)
    fitted, rules = _trust(work) if given.calibration is None else (read["trust"], None)
    failures = _failures(work, scores, rules, pictures=pictures)
    return RunReport(
        command=command,
        quick=quick,
        pictures=pictures,
        only=only,
        subject=_subject(work.names[1], saved),
        manifest=_manifest(work),
        scores=scores,
        leaks=read.get("leaks") or _leaks(work),
        shortcuts=read.get("shortcuts") or _shortcuts(work),
        crossvalidation=read.get("crossvalidation")
        or work.missing(
            "Cross-validation",
            "no folder of folds was named; it takes one training per fold",
            "neurallnet crossvalidate --data {data} --out FOLDER",
            option="--crossvalidation FOLDER",
        ),
        trust=fitted,
        robustness=read.get("robustness") or _robustness(work, limit),
        explain=read.get("explain")
        or work.missing(
            "Explanations",
            "no table of faithfulness was handed in; it takes seconds per method and image",
            "neurallnet explain {run} --data {data} --limit 100 --json F",
            option="--explain F",
        ),
        ablation=read.get("ablation")
        or work.missing(
            "Ablations",
            "no folder of ablations was named; they take one training per part and seed",
            "neurallnet ablate --data {data} --out FOLDER",
            option="--ablation FOLDER",
        ),
        failures=failures,
        made=_made(),
        seconds=work.seconds,
    )


def _read(work: _Work, given: Given) -> dict[str, Any]:
    """Return what was handed in, all of it checked before anything is computed."""
    wanted = Wanted(origin.of(work.dataset, work.saved), work.names, work.saved)
    readers: dict[str, tuple[Path | None, Callable[[Path, Wanted], object]]] = {
        "leaks": (given.leaks, report_inputs.read_leaks),
        "shortcuts": (given.shortcuts, report_inputs.read_shortcuts),
        "robustness": (given.robustness, report_inputs.read_robustness),
        "trust": (given.calibration, report_inputs.read_trust),
        "crossvalidation": (given.crossvalidation, report_inputs.read_crossvalidation),
        "explain": (given.explain, report_inputs.read_explain),
        "ablation": (given.ablation, report_inputs.read_ablation),
    }
    return {name: reader(path, wanted) for name, (path, reader) in readers.items() if path is not None}


# --- Parts that are computed


def _scores(work: _Work) -> Evaluation | Absent:
    if work.chosen is None:
        reason = (
            "this RUN has seen every image of the folder, and scores on those flatter; train one that keeps some apart"
        )
        command = "neurallnet train --data {data} --out RUN --split contiguous"
        return work.missing("Scores", reason, command)
    with work.timed("scores") as progress:
        found = evaluate.evaluate(work.saved, work.dataset, work.chosen, progress=progress)
        line = shortcuts.colour_line_of(work.saved, work.dataset, work.chosen)
    data, _ = work.names
    reason = None if line.reason is None else line.reason.replace(str(work.dataset.root), data)
    return dataclasses.replace(found, colour_line=line.value, colour_line_reason=reason)


def _leaks(work: _Work) -> Leaks | Absent:
    known = {*work.saved.seen, *work.saved.test}
    split = work.run if any(record.sha256 in known for record in work.dataset.records) else None
    try:
        with work.timed("leaks") as progress:
            found = leaks.audit(work.data, split=split, progress=lambda _, done, total: progress(done, total))
    except ValueError as error:
        return work.missing(
            "Leaks", str(error), "neurallnet audit leaks {data} --split {run} --json F", option="--leaks F"
        )
    return dataclasses.replace(found, split=None if split is None else work.names[1])


def _shortcuts(work: _Work) -> Audit | Absent:
    command = "neurallnet audit shortcuts {data} --run {run} --json F"
    if work.quick:
        return work.missing(
            "Shortcuts", "left out by --quick, because it takes more than a minute", command, option="--shortcuts F"
        )
    try:
        with work.timed("shortcuts") as progress:
            return _audit_shortcuts(work, progress)
    except ValueError as error:
        return work.missing("Shortcuts", str(error), command, option="--shortcuts F")


def _audit_shortcuts(work: _Work, progress: Callable[[int, int], None]) -> Audit:
    dataset, chosen, only = edits.open_for(work.saved, work.data, run=work.names[1], on_bad_image="skip")
    whole = open_folder(work.data, shortcuts.SIZE, classes=work.saved.classes, on_bad_image="skip")
    features = shortcuts.measure(whole, progress=progress)
    mine = shortcuts.reordered(features, whole, dataset)
    scored = edits.score_run(work.saved, dataset, chosen, mine, run=work.names[1], only=only, progress=progress)
    scheme, margin, seed = _same_split(work.saved)
    folds = tuple(range(splits.FOLDS))
    return Audit(
        data=work.names[0],
        images=len(whole),
        classes=whole.classes,
        scheme=scheme,
        folds=folds,
        margin=margin if scheme == "contiguous" else None,
        seed=seed,
        shortcuts=shortcuts.score_folds(whole, features, scheme=scheme, folds=folds, margin=margin, seed=seed),
        runs=(scored,),
    )


def _same_split(saved: Checkpoint) -> tuple[splits.Scheme, int, int]:
    """Return scheme, margin and seed of the split of a RUN; `contiguous` where it has none of the known ones."""
    recorded = dict(saved.provenance.get("split") or {})
    margin = recorded.get("margin")
    seed = saved.provenance.get("seed")
    scheme: splits.Scheme = "contiguous"
    for known in ("blocks", "random"):
        scheme = known if recorded.get("scheme") == known else scheme
    return scheme, margin if isinstance(margin, int) else splits.TEST_MARGIN, seed if isinstance(seed, int) else 0


def _robustness(work: _Work, limit: int) -> Robustness | Absent:
    command = "neurallnet robustness {run} --data {data} --json F"
    if work.quick:
        return work.missing(
            "Robustness", "left out by --quick, because it takes more than a minute", command, option="--robustness F"
        )
    if work.chosen is None:
        return work.missing(
            "Robustness", "the RUN has seen every image of the folder", command, option="--robustness F"
        )
    with work.timed("robustness") as progress:
        side = (corruptions.SIDE, corruptions.SIDE)
        dataset = open_folder(work.data, side, classes=work.saved.classes, on_bad_image="skip")
        seen, test = work.saved.seen, work.saved.test
        chosen = selection.select(dataset, seen=seen, test=test, only=work.only, limit=limit)  # type: ignore[arg-type]
        return robustness.measure(work.saved, dataset, chosen, progress=progress)


def _trust(work: _Work) -> tuple[TrustReport | Absent, Checkpoint | None]:
    """Return what `calibrate` finds on the images that the RUN has not seen, and the RUN with these rules."""
    try:
        with work.timed("trust") as progress:
            held = held_out.of_unseen(work.saved, work.dataset, progress=progress)
            made, found = trust.calibrate(work.saved, held, trust.Settings())
    except ValueError as error:
        command = "neurallnet calibrate {run} --data {data} --out RUN2 --json F"
        why = f"{error} (--folds FOLDER takes the folds of a RUN that has seen everything)"
        return work.missing("Calibration and trust", why, command, option="--calibration F"), None
    return found, made


def _failures(
    work: _Work, scores: Evaluation | Absent, rules: Checkpoint | None, *, pictures: bool
) -> Failures | Absent:
    if isinstance(scores, Absent) or work.chosen is None:
        return Absent("Images told wrong", "there are no scores, so there are none to choose from; see there")
    table = scores.table
    assert table is not None
    answers = table.probabilities.argmax(axis=1)
    sure = table.probabilities.max(axis=1)
    wrong = np.flatnonzero(answers != table.labels)
    wrong = wrong[np.lexsort((wrong, -sure[wrong]))]
    shown = wrong[:SHOWN]
    ruled, said = (
        (work.saved, "the rules that the RUN holds")
        if work.saved.trust
        else (rules, "rules that this report has fitted on the images that the RUN has not seen, these among them")
    )
    warned: list[tuple[str, ...]] = [()] * len(shown)
    if ruled is not None and ruled.trust is not None and len(shown):
        pixels = np.asarray(work.dataset.pixels[work.chosen.places[shown]])
        warned = [one.warnings for one in doubt.doubts(ruled.trust, table.classes, table.probabilities[shown], pixels)]
    else:
        said = "none, because no rules of warning are fitted"
    found = tuple(
        Failure(
            path=table.paths[place],
            truth=table.classes[table.labels[place]],
            answer=table.classes[answers[place]],
            probability=float(sure[place]),
            of_truth=float(table.probabilities[place, table.labels[place]]),
            warnings=(*warnings, *(("seen in training or selection",) if table.seen[place] else ())),
            image=_thumbnail(work.data / table.paths[place]) if pictures else None,
        )
        for place, warnings in zip(shown.tolist(), warned, strict=True)
    )
    return Failures(len(table), len(wrong), found, said)


def _thumbnail(path: Path) -> str | None:
    """Return a picture as a data URI; None where the file has gone since."""
    from PIL import Image

    from neurallnet_jax.images.decode import open_rgb, quiet_pillow, read_bytes

    try:
        with quiet_pillow():
            picture = open_rgb(read_bytes(path, name=path.name), name=path.name)
    except ValueError:
        return None
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


# --- What is known without computing


def _subject(name: str, saved: Checkpoint) -> Subject:
    described = spec.network_to_json(saved.spec)
    sizes = checkpoints.layer_sizes(saved, models.output_shapes(saved.spec))
    layers = tuple(
        Layer(size.name, size.kind, tuple(size.shape), size.parameters, _settings(layer))
        for size, layer in zip(sizes, described.get("layers", [{}] * len(sizes)), strict=True)
    )
    return Subject(
        name=name,
        digest=checkpoints.digest(saved),
        classes=saved.classes,
        image_size=saved.spec.image_size,
        steps=saved.spec.steps,
        offset=tuple(saved.preprocessing.offset),
        scale=saved.preprocessing.scale,
        layers=layers,
        bytes=sum(array.nbytes for array in saved.weights.values()),
        seen=len(saved.seen),
        test=len(saved.test),
        temperature=saved.temperature,
        calibrated=saved.trust is not None,
        provenance=_bare(dict(saved.provenance)),
    )


def _settings(layer: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in layer.items() if name not in ("type", "name"))


def _bare(value: Any) -> Any:
    """Return plain data in which no text names a folder."""
    if isinstance(value, dict):
        return {name: _bare(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_bare(one) for one in value]
    folders = isinstance(value, str) and ("/" in value or "\\" in value)
    return report_inputs.without_folders(value) if folders else value


def _manifest(work: _Work) -> Manifest:
    saved, dataset = work.saved, work.dataset
    seen, test = set(saved.seen), set(saved.test)
    parts = ["test" if one.sha256 in test else "seen" if one.sha256 in seen else "new" for one in dataset.records]
    source = (
        "hashes in the checkpoint: `seen` trained the RUN or selected it, `test` was kept apart, `new` is unknown to it"
    )
    file = Path(work.run) / "split.csv"
    if work.run != checkpoints.PRETRAINED and file.is_file() and {"seen", "test"} & set(parts):
        try:
            parts, source = list(splits.read_split(file, dataset).parts), "split.csv of the RUN"
        except ValueError:
            source += "; split.csv of the RUN is of other images"
    entries = tuple(
        Entry(one.path, one.sha256, dataset.classes[one.label], one.number, part)
        for one, part in zip(dataset.records, parts, strict=True)
    )
    return Manifest(work.names[0], splits.digest(dataset), source, entries, tuple(one.error for one in dataset.bad))


def _made() -> dict[str, str]:
    import jax

    return {
        "neurallnet-jax": neurallnet_jax.__version__,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "device": jax.devices()[0].device_kind,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
    }
