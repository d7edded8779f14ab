"""Temperature, conformal sets, abstention and warnings fitted on held-out images, and measured on others than those.

Every figure here is cross-fitted: groups of neighbouring captures are dealt into parts, and what is measured on a part was
fitted on the rest. What goes into the checkpoint is fitted on all of them. Knows no command line.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import novelty
from neurallnet_jax.evaluation.held_out import HeldOut
from neurallnet_jax.metrics import calibration, conformal, selective
from neurallnet_jax.metrics.calibration import ReliabilityBins
from neurallnet_jax.metrics.conformal import Coverage
from neurallnet_jax.metrics.selective import RiskCoverage
from neurallnet_jax.trust import Abstention, ConformalRule, Region, Trust, trust_from_json, trust_to_json

__all__ = ["Quality", "Settings", "TrustReport", "calibrate", "deal", "from_json", "to_json"]


@dataclass(frozen=True)
class Settings:
    """What to fit.

    Attributes:
        coverage: Share of true classes that the conformal sets are to hold.
        method: Score of the sets, `lac` or `aps`.
        by_class: Whether each class gets a quantile of its own.
        risk: Share of wrong answers that abstention aims at, or None.
        answered: Share of images answered that it aims at instead, or None.
        false_warnings: Share of unseen images that may be warned of.
        parts: Parts that groups are dealt into for the cross-fitted figures.
    """

    coverage: float = 0.9
    method: str = "lac"
    by_class: bool = False
    risk: float | None = 0.01
    answered: float | None = None
    false_warnings: float = novelty.FALSE_WARNINGS
    parts: int = 5

    def __post_init__(self) -> None:
        if (self.risk is None) == (self.answered is None):
            raise ValueError("abstention aims at a risk or at a share of images answered; name one of the two")
        for name, value in (("coverage", self.coverage), ("false warnings", self.false_warnings)):
            if not 0 < value < 1:
                raise ValueError(f"{name}: {value} is not between 0 and 1; name a share such as 0.9 or 0.02")


@dataclass(frozen=True)
class Quality:
    """How far probabilities may be believed: expected calibration error, negative log-likelihood (nats), Brier score."""

    ece: float
    nll: float
    brier: float


@dataclass(frozen=True, eq=False)
class TrustReport:
    """What was fitted, and how it does on images that it was not fitted on.

    Attributes:
        temperature: What the checkpoint gets; None where none is best and it had none.
        previous: What it had.
        n: Held-out images.
        groups: Groups of neighbouring captures among them.
        parts: Parts that the groups were dealt into.
        reference: Training images behind the regions of warnings.
        source: In words, which images were used.
        classes: Class names.
        uncalibrated: Quality at temperature 1.
        before: Quality with the temperature that the checkpoint had.
        after: Quality with temperatures fitted on the other parts.
        reliability: Diagrams before and after.
        trust: What the checkpoint gets.
        sets: Conformal sets on held-out groups.
        part_coverage: Their coverage in each part.
        curve: Risk and share answered on held-out groups.
        aurc: Area under it.
        answered: Share answered at thresholds fitted on the other parts; None without abstention.
        risk: Wrong answers among those; None where nothing is answered.
        warned: Share of images warned of on held-out groups, by kind and `any`; empty without regions.
        notes: What could not be fitted, and why.
    """

    temperature: float | None
    previous: float | None
    n: int
    groups: int
    parts: int
    reference: int
    source: str
    classes: tuple[str, ...]
    uncalibrated: Quality
    before: Quality
    after: Quality
    reliability: tuple[ReliabilityBins, ReliabilityBins]
    trust: Trust
    sets: Coverage
    part_coverage: tuple[float, ...]
    curve: RiskCoverage
    aurc: float
    answered: float | None
    risk: float | None
    warned: Mapping[str, float]
    notes: tuple[str, ...] = ()


def calibrate(
    saved: Checkpoint, held: HeldOut, settings: Settings, *, record: Mapping[str, Any] | None = None
) -> tuple[Checkpoint, TrustReport]:
    """Return the checkpoint with everything fitted, and the report on it.

    Args:
        saved: The RUN.
        held: Its held-out images.
        settings: What to fit.
        record: What else the provenance should say (command, data).

    Raises:
        ValueError: Too few images for the coverage, or all of them neighbours; one line.
    """
    notes: list[str] = []
    temperature, problem = _temperature(held.labels, held.logits, saved.temperature)
    if problem:
        kept = "stays as it was" if saved.temperature else "stays at 1"
        notes.append(f"the temperature {kept}: {problem}")
    probabilities = calibration.apply_temperature(held.logits, temperature or 1.0)
    try:
        quantiles = conformal.fit(
            held.labels,
            probabilities,
            coverage=settings.coverage,
            method=settings.method,
            by_class=settings.by_class,
        )
    except ValueError as error:
        raise ValueError(_with_name(str(error), saved.classes)) from None
    rule = ConformalRule(settings.method, settings.coverage, quantiles, len(held.labels))
    abstention = None
    try:
        abstention = _abstention(_curve(held.labels, probabilities), settings)
    except ValueError as error:
        notes.append(f"abstention was not fitted: {error}")
    regions = _regions(saved, held, settings, notes)
    parts = deal(held.labels, held.groups, settings.parts)
    crossed = _cross_fit(held, settings, parts, saved.temperature)
    figures = _figures(held, crossed, saved.temperature, parts, abstains=abstention is not None)
    report = TrustReport(
        temperature=temperature,
        previous=saved.temperature,
        n=len(held.labels),
        groups=len(np.unique(held.groups)),
        parts=int(parts.max()) + 1,
        reference=held.reference,
        source=held.source,
        classes=saved.classes,
        trust=Trust(rule, abstention, regions),
        notes=tuple(notes),
        **figures,
    )
    trust = dataclasses.replace(report.trust, provenance={**(record or {}), **_summary(report)})
    report = dataclasses.replace(report, trust=trust)
    return dataclasses.replace(saved, temperature=temperature, trust=trust), report


def deal(labels: np.ndarray, groups: np.ndarray, parts: int) -> np.ndarray:
    """Return the part of every image, so that no group is cut and every class is spread over the parts.

    Groups go, from the largest, to the part that has the fewest images of their classes; with fewer groups than parts there
    are as many parts as groups.

    Raises:
        ValueError: There is one group only, so nothing can be measured on others than it.
    """
    names, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    parts = min(parts, len(names))
    if parts < 2:
        raise ValueError(
            f"the {len(labels)} held-out images are neighbours of one another (one group); add images from elsewhere"
        )
    counts = np.zeros((parts, int(labels.max()) + 1))
    chosen = np.zeros(len(names), int)
    for group in np.argsort(-sizes, kind="stable"):
        own = np.bincount(labels[place == group], minlength=counts.shape[1])
        crowd = (counts * (own > 0)).sum(axis=1)
        best = np.lexsort((counts.sum(axis=1), crowd))[0]
        counts[best] += own
        chosen[group] = best
    # No part may be left without an image.
    used = np.unique(chosen)
    return np.searchsorted(used, chosen)[place]


@dataclass(frozen=True, eq=False)
class _Crossed:
    """What rules fitted on the other parts say of every image."""

    probabilities: np.ndarray
    held: np.ndarray
    answered: np.ndarray
    warned: np.ndarray | None


def _cross_fit(held: HeldOut, settings: Settings, parts: np.ndarray, previous: float | None) -> _Crossed:
    n, classes = held.logits.shape
    probabilities, members = np.zeros((n, classes)), np.ones((n, classes), bool)
    answered, beyond = np.ones(n, bool), np.zeros((n, len(held.places)))
    for part in range(int(parts.max()) + 1):
        own, rest = parts == part, parts != part
        temperature, _ = _temperature(held.labels[rest], held.logits[rest], previous)
        fitted, probabilities[own] = (
            calibration.apply_temperature(held.logits[places], temperature or 1.0) for places in (rest, own)
        )
        quantiles = _quantiles(held.labels[rest], fitted, settings)
        members[own] = conformal.sets(probabilities[own], quantiles, method=settings.method)
        try:
            threshold = _abstention(_curve(held.labels[rest], fitted), settings).threshold
        except ValueError:
            threshold = np.inf  # no confidence among the rest reaches the target: nothing is answered
        answered[own] = probabilities[own].max(axis=1) >= threshold
        if held.places:
            unseen = {kind: values[rest] for kind, values in held.distances.items()}
            for column, region in enumerate(novelty.regions(held.places, unseen, settings.false_warnings)):
                beyond[own, column] = held.distances[region.kind][own] > region.threshold
    return _Crossed(probabilities, members, answered, beyond if held.places else None)


def _figures(
    held: HeldOut, crossed: _Crossed, previous: float | None, parts: np.ndarray, *, abstains: bool
) -> dict[str, Any]:
    labels = held.labels
    plain = calibration.apply_temperature(held.logits, 1.0)
    before = calibration.apply_temperature(held.logits, previous or 1.0)
    curve = _curve(labels, crossed.probabilities)
    inside = conformal.covered(labels, crossed.held)
    warned: dict[str, float] = {}
    if crossed.warned is not None:
        warned = {kind: float(column.mean()) for kind, column in zip(held.places, crossed.warned.T, strict=True)}
        warned["any"] = float(crossed.warned.any(axis=1).mean())
    wrong = crossed.probabilities.argmax(axis=1) != labels
    answered = crossed.answered & abstains
    return {
        "uncalibrated": _quality(labels, plain),
        "before": _quality(labels, before),
        "after": _quality(labels, crossed.probabilities),
        "reliability": (
            calibration.reliability(labels, before),
            calibration.reliability(labels, crossed.probabilities),
        ),
        "sets": conformal.measure(labels, crossed.held),
        "part_coverage": tuple(float(inside[parts == part].mean()) for part in range(int(parts.max()) + 1)),
        "curve": curve,
        "aurc": selective.aurc(curve),
        "answered": float(answered.mean()) if abstains else None,
        "risk": float(wrong[answered].mean()) if answered.any() else None,
        "warned": warned,
    }


def _regions(saved: Checkpoint, held: HeldOut, settings: Settings, notes: list[str]) -> tuple[Region, ...]:
    if held.places:
        found = novelty.regions(held.places, held.distances, settings.false_warnings)
        promised = novelty.bound(len(held.labels), len(found), settings.false_warnings)
        if promised > settings.false_warnings:
            notes.append(
                f"{len(held.labels)} held-out images promise at most {100 * promised:.1f} % false warnings, "
                f"not {100 * settings.false_warnings:g} %"
            )
        return found
    kept = saved.trust.regions if saved.trust else ()
    notes.append(
        "warnings of unlike images were not fitted, because the folder holds fewer than 10 of the training images"
        + ("; those of before stay" if kept else "")
    )
    return kept


def _temperature(labels: np.ndarray, logits: np.ndarray, previous: float | None) -> tuple[float | None, str]:
    """Return the temperature, and why it is the previous one where no temperature is best."""
    try:
        return calibration.fit_temperature(labels, logits), ""
    except ValueError as error:
        return previous, str(error)


def _quantiles(labels: np.ndarray, probabilities: np.ndarray, settings: Settings) -> tuple[float, ...]:
    try:
        return conformal.fit(
            labels, probabilities, coverage=settings.coverage, method=settings.method, by_class=settings.by_class
        )
    except ValueError:
        # Too few in this part of the images: the set that keeps the promise holds every class.
        return (np.inf,)


def _curve(labels: np.ndarray, probabilities: np.ndarray) -> RiskCoverage:
    return selective.risk_coverage(probabilities.max(axis=1), probabilities.argmax(axis=1) != labels)


def _abstention(curve: RiskCoverage, settings: Settings) -> Abstention:
    if settings.answered is not None:
        threshold = selective.threshold_for_answered(curve, settings.answered)
        return Abstention(threshold, "answered", settings.answered)
    assert settings.risk is not None
    return Abstention(selective.threshold_for_risk(curve, settings.risk), "risk", settings.risk)


def _quality(labels: np.ndarray, probabilities: np.ndarray) -> Quality:
    return Quality(
        calibration.ece(labels, probabilities),
        calibration.nll(labels, probabilities),
        calibration.brier(labels, probabilities),
    )


def _with_name(message: str, classes: tuple[str, ...]) -> str:
    """Return a message about `class <label>` with the name of the class instead."""
    head, colon, rest = message.partition(":")
    if head.startswith("class ") and head[6:].isdigit():
        return f"class {classes[int(head[6:])]}{colon}{rest}"
    return message


def _summary(report: TrustReport) -> dict[str, Any]:
    """Return what a checkpoint says about how it was calibrated."""
    return {
        "source": report.source,
        "images": report.n,
        "groups": report.groups,
        "reference": report.reference,
        "ece": report.after.ece,
        "coverage": report.sets.coverage,
        "warned": dict(report.warned),
    }


def to_json(report: TrustReport) -> dict[str, Any]:
    """Return a report as plain data; `temperature`, and `ece` before and after, are what scripts rely on."""
    pairs = ("ece", "nll", "brier")
    return {
        "temperature": report.temperature,
        "previous_temperature": report.previous,
        **{
            name: {when: getattr(getattr(report, when), name) for when in ("uncalibrated", "before", "after")}
            for name in pairs
        },
        "n": report.n,
        "groups": report.groups,
        "parts": report.parts,
        "reference": report.reference,
        "source": report.source,
        "classes": list(report.classes),
        "reliability": {
            when: {name: values.tolist() for name, values in vars(bins).items()}
            for when, bins in zip(("before", "after"), report.reliability, strict=True)
        },
        "sets": {**vars(report.sets), "by_class": list(report.sets.by_class)},
        "part_coverage": list(report.part_coverage),
        "curve": {name: values.tolist() for name, values in vars(report.curve).items()},
        "aurc": report.aurc,
        "answered": report.answered,
        "risk": report.risk,
        "warned": dict(report.warned),
        "notes": list(report.notes),
        "trust": trust_to_json(report.trust),
    }


def from_json(data: Mapping[str, Any]) -> TrustReport:
    """Return what `to_json` wrote.

    Raises:
        ValueError: It is something else.
    """
    try:
        bins = tuple(
            ReliabilityBins(**{name: np.asarray(values) for name, values in data["reliability"][when].items()})
            for when in ("before", "after")
        )
        qualities = {
            when: Quality(*(data[name][when] for name in ("ece", "nll", "brier")))
            for when in ("uncalibrated", "before", "after")
        }
        return TrustReport(
            temperature=data["temperature"],
            previous=data["previous_temperature"],
            classes=tuple(data["classes"]),
            reliability=(bins[0], bins[1]),
            trust=trust_from_json(data["trust"]),
            sets=Coverage(**{**data["sets"], "by_class": tuple(data["sets"]["by_class"])}),
            part_coverage=tuple(data["part_coverage"]),
            curve=RiskCoverage(**{name: np.asarray(values) for name, values in data["curve"].items()}),
            notes=tuple(data["notes"]),
            **qualities,
            **{
                name: data[name]
                for name in ("n", "groups", "parts", "reference", "source", "aurc", "answered", "risk", "warned")
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no result of `neurallnet calibrate` ({error!r}); write it again with --json") from None
