"""What the report of a RUN holds: a result per part, or what is missing and how to make it; and its JSON.

Knows the types of the results; neither how they are computed nor how they are said.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from neurallnet_jax.evaluation import (
    ablation_results,
    crossvalidation_table,
    evaluate,
    leaks,
    robustness_result,
    shortcut_audit,
    trust,
)
from neurallnet_jax.evaluation.ablation_results import Ablation
from neurallnet_jax.evaluation.crossvalidation_table import CrossValidation
from neurallnet_jax.evaluation.evaluate import Evaluation
from neurallnet_jax.evaluation.leaks import Leaks
from neurallnet_jax.evaluation.robustness_result import Robustness
from neurallnet_jax.evaluation.shortcut_audit import Audit
from neurallnet_jax.evaluation.trust import TrustReport
from neurallnet_jax.explain import faithfulness_result
from neurallnet_jax.explain.faithfulness_result import Faithfulness
from neurallnet_jax.workflows.page import Absent

__all__ = ["PARTS", "Entry", "Failure", "Failures", "Layer", "Manifest", "RunReport", "Subject", "from_json", "to_json"]

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Layer:
    """One layer of the network: output without time and batch, trained numbers, and its settings in words."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    settings: str


@dataclass(frozen=True)
class Subject:
    """The RUN.

    Attributes:
        name: Last part of its path.
        digest: `checkpoint.digest`.
        classes: Class names in the order of its scores.
        image_size: Height and width it takes, pixels.
        steps: Time steps, T.
        offset: Subtracted from the pixels, per channel.
        scale: What they are divided by then.
        layers: Its layers.
        bytes: Of its weights.
        seen: Number of images that trained or selected it.
        test: Number of images that its split kept apart.
        temperature: Divisor of its logits, None where none was fitted.
        calibrated: Whether it holds conformal rule, abstention and regions of warnings.
        provenance: What its training recorded, without folders.
    """

    name: str
    digest: str
    classes: tuple[str, ...]
    image_size: tuple[int, int]
    steps: int
    offset: tuple[int, ...]
    scale: float
    layers: tuple[Layer, ...]
    bytes: int
    seen: int
    test: int
    temperature: float | None
    calibrated: bool
    provenance: Mapping[str, Any]

    @property
    def parameters(self) -> int:
        """Trained numbers of all layers."""
        return sum(layer.parameters for layer in self.layers)


@dataclass(frozen=True)
class Entry:
    """One image: path below the folder, SHA-256 of its bytes, class, capture number, and its part for the RUN."""

    path: str
    sha256: str
    label: str
    number: int
    part: str


@dataclass(frozen=True)
class Manifest:
    """The images.

    Attributes:
        data: Last part of the path of the folder.
        digest: `splits.digest`.
        source: In words, where the parts come from.
        entries: One per readable image.
        skipped: One line per file that was none.
    """

    data: str
    digest: str
    source: str
    entries: tuple[Entry, ...]
    skipped: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that occur, in the order of a training."""
        order = ("train", "validation", "seen", "test", "unused", "new")
        return tuple(part for part in order if any(one.part == part for one in self.entries))


@dataclass(frozen=True)
class Failure:
    """An image told wrong.

    Attributes:
        path: Path below the folder.
        truth: Its class.
        answer: What the RUN says.
        probability: That the RUN gives its answer.
        of_truth: That it gives the true class.
        warnings: What makes the answer doubtful.
        image: A thumbnail as data URI; None without pictures, and in what `from_json` returns.
    """

    path: str
    truth: str
    answer: str
    probability: float
    of_truth: float
    warnings: tuple[str, ...]
    image: str | None = None


@dataclass(frozen=True)
class Failures:
    """The images told wrong, the surest answer first.

    Attributes:
        n: Images that were scored.
        wrong: How many of them were told wrong.
        shown: The first of these.
        rules: In words, which rules warn.
    """

    n: int
    wrong: int
    shown: tuple[Failure, ...]
    rules: str


@dataclass(frozen=True, eq=False)
class RunReport:
    """All of it. Where there is no result, `Absent` says why and names the command that makes it.

    Attributes:
        command: The command line, without folders.
        quick: Whether parts that take over a minute were left out.
        pictures: Whether the page holds images of the folder.
        only: Which images were scored: `test` (kept apart by the split) or `unseen`.
        subject: The RUN.
        manifest: The images.
        scores: Metrics on the images kept apart.
        leaks: Twins, within the folder and across the parts.
        shortcuts: What colour and the like reach alone, and the RUN without them.
        crossvalidation: The recipe on folds.
        trust: Calibration, conformal sets, abstention, warnings.
        robustness: On images that get worse.
        explain: How far heat maps of the network can be believed, and where they lie.
        ablation: Parts of the network changed one at a time.
        failures: The images told wrong.
        made: Versions and machine, by name.
        seconds: What each part took; a part that was read from a file is not among them.
    """

    command: str
    quick: bool
    pictures: bool
    only: str | None
    subject: Subject
    manifest: Manifest
    scores: Evaluation | Absent
    leaks: Leaks | Absent
    shortcuts: Audit | Absent
    crossvalidation: CrossValidation | Absent
    trust: TrustReport | Absent
    robustness: Robustness | Absent
    explain: Faithfulness | Absent
    ablation: Ablation | Absent
    failures: Failures | Absent
    made: Mapping[str, str]
    seconds: Mapping[str, float]

    @property
    def colour_reason(self) -> str | None:
        """Why there is no colour line beside the scores; None where there is one, or there are no scores."""
        return None if isinstance(self.scores, Absent) else self.scores.colour_line_reason


class _Form(NamedTuple):
    write: Callable[[Any], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], Any]


def _failures_from_json(data: Mapping[str, Any]) -> Failures:
    shown = tuple(Failure(**{**one, "warnings": tuple(one["warnings"])}) for one in data["shown"])
    return Failures(**{**data, "shown": shown})


def _failures_to_json(found: Failures) -> dict[str, Any]:
    bare = tuple(dataclasses.replace(one, image=None) for one in found.shown)
    return dataclasses.asdict(dataclasses.replace(found, shown=bare))


PARTS: Mapping[str, _Form] = {
    "leaks": _Form(leaks.to_json, leaks.from_json),
    "shortcuts": _Form(shortcut_audit.to_json, shortcut_audit.from_json),
    "scores": _Form(evaluate.to_json, evaluate.from_json),
    "crossvalidation": _Form(crossvalidation_table.to_json, crossvalidation_table.from_json),
    "trust": _Form(trust.to_json, trust.from_json),
    "robustness": _Form(robustness_result.to_json, robustness_result.from_json),
    "explain": _Form(faithfulness_result.to_json, faithfulness_result.from_json),
    "ablation": _Form(ablation_results.to_json, ablation_results.from_json),
    "failures": _Form(_failures_to_json, _failures_from_json),
}
"""Parts that may be missing, by their field, with how they are kept as JSON."""


def to_json(report: RunReport) -> dict[str, Any]:
    """Return a report as plain data, without its pictures; a missing part is `{"missing": [what, reason, command]}`."""
    parts: dict[str, Any] = {}
    for name, form in PARTS.items():
        found = getattr(report, name)
        parts[name] = (
            {"missing": [found.what, found.reason, found.command]} if isinstance(found, Absent) else form.write(found)
        )
    return {
        "format_version": FORMAT_VERSION,
        "run": report.subject.name,
        "data": report.manifest.data,
        "command": report.command,
        "quick": report.quick,
        "only": report.only,
        "subject": dataclasses.asdict(report.subject),
        "manifest": dataclasses.asdict(report.manifest),
        "colour_reason": report.colour_reason,
        **parts,
        "missing": [name for name in PARTS if isinstance(getattr(report, name), Absent)],
        "made": dict(report.made),
        "seconds": dict(report.seconds),
    }


def from_json(data: Mapping[str, Any]) -> RunReport:
    """Return the report that `to_json` was given, without pictures; further keys are left alone.

    Raises:
        ValueError: It is no such data, or of another version.
    """
    if data.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"report: format version {data.get('format_version')}, this release reads {FORMAT_VERSION}")
    try:
        parts: dict[str, Any] = {
            name: Absent(*data[name]["missing"]) if "missing" in data[name] else form.read(data[name])
            for name, form in PARTS.items()
        }
        subject, manifest = dict(data["subject"]), dict(data["manifest"])
        for name in ("classes", "image_size", "offset"):
            subject[name] = tuple(subject[name])
        subject["layers"] = tuple(Layer(**{**one, "shape": tuple(one["shape"])}) for one in subject["layers"])
        manifest["entries"] = tuple(Entry(**one) for one in manifest["entries"])
        manifest["skipped"] = tuple(manifest["skipped"])
        names = ("command", "quick", "only", "made", "seconds")
        plain: dict[str, Any] = {name: data[name] for name in names}
        return RunReport(pictures=False, subject=Subject(**subject), manifest=Manifest(**manifest), **plain, **parts)
    except (KeyError, TypeError) as error:
        raise ValueError(f"report: is incomplete ({error!r}); run `neurallnet report` again") from None
