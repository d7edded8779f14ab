"""Models side by side on the images that all of them share and none has seen, with paired tests and Holm's correction.

Knows predictions and footprints; neither files nor how either came about.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from neurallnet_jax.evaluation import footprint as footprints
from neurallnet_jax.evaluation import operations as all_operations
from neurallnet_jax.evaluation import trained as records
from neurallnet_jax.evaluation.footprint import Footprint
from neurallnet_jax.evaluation.operations import Operations
from neurallnet_jax.evaluation.predictions import PredictionTable, in_order, take
from neurallnet_jax.evaluation.trained import Trained
from neurallnet_jax.images.classes import malignant
from neurallnet_jax.images.twins import components
from neurallnet_jax.metrics import intervals, paired, scores

__all__ = ["ASSUMES", "Comparison", "Entrant", "ModelRow", "PairTest", "compare", "from_json", "to_json"]

LEVEL = 0.95
"""Coverage of every interval."""

ASSUMES: Mapping[str, str] = {
    "mcnemar": "independent images",
    "delong": "independent images",
    "group_bootstrap": "independent groups",
}
"""What each kind of test takes for independent; neighbouring captures are not."""

_SCORES = ("accuracy", "balanced_accuracy", "macro_precision", "macro_f1", "sensitivity", "specificity", "auroc",
           "mean_average_precision", "ece", "brier")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Entrant:
    """A model that takes part.

    Attributes:
        name: What it is called; distinct.
        digest: Hash of what it is, by which one that is named twice is known.
        table: What it says of its own test images; None where there are no images.
        footprint: What it costs; None where only its predictions are known.
        colour: What colour alone says of the same images, see `shortcuts.colour_answers_of`; None with a reason.
        colour_reason: Why there is none.
        trained: How it was trained; None where only its predictions are known.
        operations: What one image costs it; None where nobody counted.
    """

    name: str
    digest: str
    table: PredictionTable | None
    footprint: Footprint | None
    colour: PredictionTable | None = None
    colour_reason: str | None = None
    trained: Trained | None = None
    operations: Operations | None = None


@dataclass(frozen=True, eq=False)
class ModelRow:
    """A model and its scores on the shared images.

    Attributes:
        name: What it is called.
        footprint: What it costs; None where only its predictions are known.
        own: Images of its own that it has not seen, each counted once.
        own_balanced_accuracy: Balanced accuracy on all of these; None without any.
        seen: Images left out because it has seen them.
        left_out: Images of its own that another model lacks or has seen.
        scores: On the shared images; None where nothing is shared because there are no images.
        intervals: Likewise.
        colour_line: What colour alone gets on the shared images, knowing those that this model has seen; None with a
            reason.
        colour_line_reason: Why there is none.
        trained: How it was trained; None where only its predictions are known.
        operations: What one image costs it; None where nobody counted.
    """

    name: str
    footprint: Footprint | None
    own: int
    own_balanced_accuracy: float | None
    seen: int
    left_out: int
    scores: scores.Scores | None
    intervals: Mapping[str, intervals.Intervals]
    colour_line: float | None = None
    colour_line_reason: str | None = None
    trained: Trained | None = None
    operations: Operations | None = None


@dataclass(frozen=True)
class PairTest:
    """One test of two models.

    Attributes:
        first: Name of the first model.
        second: Name of the second.
        test: `mcnemar`, `delong` or `group_bootstrap`.
        of: The metric.
        class_name: The class that is told from the rest; None for all of them.
        difference: First minus second.
        low: Lower end of the interval of the difference; None where the test has none.
        high: Upper end.
        p: Two-sided p-value; None with a reason.
        p_holm: The same, adjusted for all tests of all pairs.
        reason: Why there is no p-value.
        detail: What else the test says: counts, mid-p, standard error, groups.
    """

    first: str
    second: str
    test: str
    of: str
    class_name: str | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None = None
    reason: str | None = None
    detail: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Attributes:
        classes: Class names in the order of the first model; empty without images.
        shared: Number of shared images that no model has seen.
        groups: Groups among them, by class.
        models: One row per model, in the order given.
        tests: All tests of all pairs; empty for one model or without images.
    """

    classes: tuple[str, ...]
    shared: int
    groups: tuple[int, ...]
    models: tuple[ModelRow, ...]
    tests: tuple[PairTest, ...]


def compare(
    entrants: Sequence[Entrant], *, draws: int = 10_000, progress: Callable[[int, int], None] | None = None
) -> Comparison:
    """Return models side by side.

    An image is known by its bytes and its class, and counts once. Those that a model has seen are left out for all.
    Every pair is compared by McNemar's test (accuracy), DeLong's (area under the ROC curve, macro and per class) and a
    bootstrap over groups (balanced accuracy); Holm's correction runs over all of them together.

    Args:
        entrants: The models.
        draws: Resamples of each bootstrap of a difference.
        progress: Called with tests done and tests in all, counted in pairs.

    Raises:
        ValueError: A model twice, other classes, an image of two classes, or no image that all share; one line.
    """
    _check_distinct(entrants)
    classes = next((one.table.classes for one in entrants if one.table is not None), ())
    tables = {one.name: _usable(one, classes) for one in entrants if one.table is not None}
    if not tables:
        rows = tuple(_row(one, None, None) for one in entrants)
        return Comparison((), 0, (), rows, ())
    _check_truths(tables)
    shared = _shared(tables)
    groups = _joined_groups(list(shared.values()))
    shared = {name: dataclasses.replace(table, groups=groups) for name, table in shared.items()}
    rows = tuple(_row(one, tables.get(one.name), shared.get(one.name)) for one in entrants)
    some = next(iter(shared.values()))
    counts = tuple(len(np.unique(groups[some.labels == k])) for k in range(len(classes)))
    tests = []
    pairs = list(combinations(shared, 2))
    for done, (first, second) in enumerate(pairs):
        tests += _tests(first, shared[first], second, shared[second], draws=draws)
        if progress:
            progress(done + 1, len(pairs))
    adjusted = paired.holm([one.p for one in tests])
    tests = [dataclasses.replace(one, p_holm=p) for one, p in zip(tests, adjusted, strict=True)]
    return Comparison(classes, len(some), counts, rows, tuple(tests))


def to_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data: `models[]` and `tests[]`."""
    return {
        "classes": list(found.classes),
        "shared": found.shared,
        "groups": list(found.groups),
        "level": LEVEL,
        "models": [_model_to_json(row, found.shared) for row in found.models],
        "tests": [_test_to_json(one) for one in found.tests],
    }


def from_json(data: Mapping[str, Any]) -> Comparison:
    """Return the comparison that `to_json` wrote; other keys are left alone."""
    rows = tuple(
        ModelRow(
            name=row["name"],
            footprint=None if row["parameters"] is None else footprints.from_json(row),
            own=row["own"],
            own_balanced_accuracy=row["own_balanced_accuracy"],
            seen=row["seen"],
            left_out=row["left_out"],
            scores=None if row["scores"] is None else scores.from_json(row["scores"]),
            intervals=intervals.from_json(row["intervals"]),
            colour_line=row.get("colour_line"),
            colour_line_reason=row.get("colour_line_reason"),
            trained=records.from_json(row["trained"]) if row.get("trained") else None,
            operations=all_operations.from_json(row["operations"]) if row.get("operations") else None,
        )
        for row in data["models"]
    )
    tests = tuple(
        PairTest(
            **{key: one[key] for key in ("first", "second", "test", "of", "difference", "p", "p_holm")},
            class_name=one["class"],
            low=None if one["interval"] is None else one["interval"][0],
            high=None if one["interval"] is None else one["interval"][1],
            reason=one.get("reason"),
            detail=one["detail"],
        )
        for one in data["tests"]
    )
    return Comparison(tuple(data["classes"]), data["shared"], tuple(data["groups"]), rows, tests)


def _model_to_json(row: ModelRow, shared: int) -> dict[str, Any]:
    unknown = dict.fromkeys(field.name for field in dataclasses.fields(Footprint))
    costs = (
        {**unknown, "latency_ms": None, "latency_quartiles_ms": None, "latency_passes": 0}
        if row.footprint is None
        else footprints.to_json(row.footprint)
    )
    costs.pop("latency", None)
    found = {name: None if row.scores is None else getattr(row.scores, name) for name in _SCORES}
    reasons = []
    if row.footprint is None:
        reasons.append("parameters to buffer_bytes: only the predictions of this model were given")
    if row.scores is None:
        reasons.append("scores: no images; name a folder with --data")
    return {
        "name": row.name,
        **costs,
        "n": shared if row.scores is not None else 0,
        **found,
        "precision": found["macro_precision"],
        "recall": found["balanced_accuracy"],
        "f1": found["macro_f1"],
        "own": row.own,
        "own_balanced_accuracy": row.own_balanced_accuracy,
        "seen": row.seen,
        "left_out": row.left_out,
        "colour_line": row.colour_line,
        "colour_line_reason": row.colour_line_reason,
        "trained": None if row.trained is None else records.to_json(row.trained),
        "operations": None if row.operations is None else all_operations.to_json(row.operations),
        "intervals": intervals.to_json(row.intervals),
        "scores": None if row.scores is None else scores.to_json(row.scores),
        "reasons": reasons,
    }


def _test_to_json(one: PairTest) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        "test": one.test,
        "of": one.of,
        "class": one.class_name,
        "difference": one.difference,
        "interval": None if one.low is None else [one.low, one.high],
        "p": one.p,
        "p_holm": one.p_holm,
        "assumes": ASSUMES[one.test],
        "detail": dict(one.detail),
        **({"reason": one.reason} if one.reason else {}),
    }


def _check_distinct(entrants: Sequence[Entrant]) -> None:
    if not entrants:
        raise ValueError("there is no model to compare; name a RUN")
    known: dict[str, str] = {}
    names: set[str] = set()
    for one in entrants:
        if one.name in names:
            raise ValueError(f"{one.name} is named twice; a model is compared with others, not with itself")
        if one.digest in known:
            raise ValueError(f"{one.name} and {known[one.digest]} are the same model; name one of them")
        known[one.digest] = one.name
        names.add(one.name)


def _usable(one: Entrant, classes: Sequence[str]) -> PredictionTable:
    """Return what a model says of images, by the order of `classes`, each image once."""
    assert one.table is not None
    try:
        table = in_order(one.table, classes)
    except ValueError as error:
        raise ValueError(f"{one.name}: {error}; only models of the same classes can be compared") from None
    keys = _keys(table)
    first = sorted({key: place for place, key in reversed(list(enumerate(keys)))}.values())
    return take(table, np.array(first, np.int64))


def _keys(table: PredictionTable) -> list[tuple[str, int]]:
    return list(zip(table.sha256, table.labels.tolist(), strict=True))


def _check_truths(tables: Mapping[str, PredictionTable]) -> None:
    """Refuse an image that one source calls by one class and another source by another."""
    truths: dict[str, tuple[set[int], str]] = {}
    for name, table in tables.items():
        own: dict[str, set[int]] = {}
        for sha256, label in _keys(table):
            own.setdefault(sha256, set()).add(label)
        paths = dict(zip(table.sha256, table.paths, strict=True))
        for sha256, labels in own.items():
            known, other = truths.setdefault(sha256, (labels, name))
            if known != labels:
                said = [", ".join(table.classes[k] for k in sorted(one)) for one in (known, labels)]
                raise ValueError(
                    f"{paths[sha256]} is {said[0]} for {other} and {said[1]} for {name}; score both on the same folder"
                )


def _shared(tables: Mapping[str, PredictionTable]) -> dict[str, PredictionTable]:
    """Return every table cut to the images that all hold and none has seen, in the order of the first."""
    places = {name: {key: at for at, key in enumerate(_keys(table))} for name, table in tables.items()}
    unseen = {name: {key for key, at in own.items() if not tables[name].seen[at]} for name, own in places.items()}
    common = set.intersection(*unseen.values())
    ordered = [key for key in places[next(iter(places))] if key in common]
    if not ordered:
        have = ", ".join(f"{name} {len(own)}" for name, own in unseen.items())
        raise ValueError(
            f"no image is shared by all models and seen by none (unseen test images: {have}); "
            "compare models of one split and fold, or name with --data a folder that none was trained on"
        )
    return {name: take(table, np.array([places[name][key] for key in ordered])) for name, table in tables.items()}


def _joined_groups(tables: Sequence[PredictionTable]) -> np.ndarray:
    """Return the group of every image: images that any source groups together are."""
    here = np.arange(len(tables[0]))
    edges = []
    for table in tables:
        _, first, inverse = np.unique(table.groups, return_index=True, return_inverse=True)
        edges.append((here, first[inverse]))
    return components(len(here), edges)


def _row(one: Entrant, own: PredictionTable | None, shared: PredictionTable | None) -> ModelRow:
    if own is None or shared is None:
        return ModelRow(
            one.name, one.footprint, 0, None, 0, 0, None, {}, trained=one.trained, operations=one.operations
        )
    marks = malignant(shared.classes)
    unseen = take(own, np.flatnonzero(~own.seen))
    ones = np.ones((len(unseen), 1))
    return ModelRow(
        name=one.name,
        footprint=one.footprint,
        own=len(unseen),
        own_balanced_accuracy=float(scores.weighted_balanced_accuracy(unseen.labels, unseen.probabilities, ones)[0]),
        seen=int(own.seen.sum()),
        left_out=len(unseen) - len(shared),
        scores=scores.score(shared.labels, shared.probabilities, shared.classes, malignant=marks),
        intervals=intervals.bootstrap(
            shared.labels, shared.probabilities, shared.groups, malignant=marks, classes=shared.classes, level=LEVEL
        ),
        colour_line=_colour_line(one, shared),
        colour_line_reason=one.colour_reason,
        trained=one.trained,
        operations=one.operations,
    )


def _colour_line(one: Entrant, shared: PredictionTable) -> float | None:
    if one.colour is None:
        return None
    colour = in_order(one.colour, shared.classes)
    places = {key: at for at, key in enumerate(_keys(colour))}
    said = colour.probabilities[[places[key] for key in _keys(shared)]]
    return float(scores.weighted_balanced_accuracy(shared.labels, said, np.ones((len(shared), 1)))[0])


def _tests(first: str, one: PredictionTable, second: str, other: PredictionTable, *, draws: int) -> Iterator[PairTest]:
    right = [table.probabilities.argmax(axis=1) == table.labels for table in (one, other)]
    found = paired.mcnemar(*right)
    counts = {"both": found.both, "first_only": found.first_only, "second_only": found.second_only,
              "neither": found.neither, "p_mid": found.p_mid}  # fmt: skip
    difference = (found.first_only - found.second_only) / len(one)
    yield PairTest(first, second, "mcnemar", "accuracy", None, difference, None, None, found.p, detail=counts)
    yield _bootstrap(first, one, second, other, draws=draws)
    for positive in (None, *range(len(one.classes))):
        yield _delong(first, one, second, other, positive)


def _bootstrap(first: str, one: PredictionTable, second: str, other: PredictionTable, *, draws: int) -> PairTest:
    metric = "balanced_accuracy"
    found = paired.bootstrap_difference(
        one.labels, one.probabilities, other.probabilities, one.groups, metric=metric, draws=draws, level=LEVEL
    )
    reason = found.reason
    if reason is not None:
        reason = intervals.why_not(one.labels, one.groups, "group", one.classes) or reason
    return PairTest(
        first, second, "group_bootstrap", metric, None, found.difference, found.low, found.high, found.p,
        reason=reason, detail={"groups": list(found.groups), "draws": draws},
    )  # fmt: skip


def _delong(first: str, one: PredictionTable, second: str, other: PredictionTable, positive: int | None) -> PairTest:
    name = None if positive is None else one.classes[positive]
    try:
        found = paired.delong(one.labels, one.probabilities, other.probabilities, positive=positive, level=LEVEL)
    except ValueError:
        # Bad predictions were refused before; what is left is a class with too few images.
        own = len(one) if positive is None else int((one.labels == positive).sum())
        reason = (
            "no class has two images and two others"
            if positive is None
            else f"class {name} has {own} of the {len(one)} images; its area needs two images and two others to vary"
        )
        return PairTest(first, second, "delong", "auroc", name, None, None, None, None, reason=reason)
    return PairTest(
        first, second, "delong", "auroc", name, found.difference, found.low, found.high, found.p,
        reason=found.reason, detail={"standard_error": found.standard_error, "z": found.z},
    )  # fmt: skip
