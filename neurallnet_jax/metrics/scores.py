"""How good predictions are: confusion, accuracy, ranking and calibration, over all classes and per class.

Knows arrays only: neither models nor files. The `weighted_*` functions compute a metric for many weightings of the same
images at once, one per column; plain scores are the weighting by ones, the bootstrap of `intervals.py` is many.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurallnet_jax.metrics import calibration

__all__ = [
    "ClassScores",
    "Scores",
    "from_json",
    "score",
    "to_json",
    "weighted_accuracy",
    "weighted_auroc",
    "weighted_balanced_accuracy",
    "weighted_macro_f1",
    "weighted_mean_average_precision",
    "weighted_mean_recall",
    "weighted_sensitivity",
]


@dataclass(frozen=True)
class ClassScores:
    """One class against the rest; None where a value is not defined.

    Attributes:
        name: Name of the class.
        precision: Share of its predictions that are right; None if it is never predicted.
        recall: Share of its images that are found; None if it has no image.
        f1: 2 TP / (2 TP + FP + FN); None if it has no image.
        support: Number of its images.
        auroc: Area under the ROC curve, ties counting half; None without an image of it or of another class.
        average_precision: Sum of precision times gain in recall over the distinct thresholds, without interpolation;
            None where `auroc` is.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    auroc: float | None
    average_precision: float | None


@dataclass(frozen=True, eq=False)
class Scores:
    """What `score` returns; None where a value is not defined.

    Attributes:
        n: Number of images.
        classes: Class names, in the order of the columns.
        confusion: Counts, shape (K, K), int64; rows are true classes, columns predicted ones.
        accuracy: Share of right predictions.
        balanced_accuracy: Mean recall over the classes that occur.
        macro_precision: Mean precision over the classes that occur; one that is never predicted counts 0.
        macro_f1: Mean F1 over the classes that occur.
        sensitivity: Share of the malignant images that are told to be of any malignant class.
        specificity: Share of the benign images that are told to be of any benign class.
        auroc: Mean one-against-rest area under the ROC curve over the classes where it is defined.
        mean_average_precision: Mean average precision over the same classes.
        per_class: One entry per class.
        ece: Expected calibration error, 15 bins.
        brier: Multi-class Brier score, 0 to 2.
        log_loss: Mean -log(probability of the true class), natural logarithm; a probability below the float64 epsilon,
            2.2e-16, counts as that, so the value is finite.
        undefined: One line for each reason why a value is None.
    """

    n: int
    classes: tuple[str, ...]
    confusion: np.ndarray
    accuracy: float
    balanced_accuracy: float
    macro_precision: float
    macro_f1: float
    sensitivity: float | None
    specificity: float | None
    auroc: float | None
    mean_average_precision: float | None
    per_class: tuple[ClassScores, ...]
    ece: float
    brier: float
    log_loss: float
    undefined: tuple[str, ...]


def score(
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
    *,
    malignant: Sequence[bool] | None = None,
) -> Scores:
    """Return the scores of predicted probabilities; the first of equal probabilities is the prediction.

    Args:
        labels: True class of each image, integers in 0..K-1, shape (N,).
        probabilities: Predicted probability of each class, shape (N, K); each row sums to 1 within 1e-3.
        classes: The K class names.
        malignant: For each class whether it is malignant; None where that is not known, and then neither are
            sensitivity and specificity. Either is a share of answers: of the class with the greatest probability.

    Raises:
        ValueError: The arrays do not fit each other or hold impossible values; the message names the first such row.
    """
    truth, values = calibration.check_predictions(labels, probabilities)
    names = tuple(classes)
    if len(names) != values.shape[1] or len(set(names)) != len(names):
        raise ValueError(f"classes are {', '.join(names)}; expected {values.shape[1]} different names, one per column")
    confusion = _confusion(truth, values)
    ones = np.ones((len(truth), 1))
    per_class = _class_scores(truth, values, names, confusion)
    own = values[np.arange(len(truth)), truth]
    sensitivity, specificity = _binary(truth, values, malignant)
    return Scores(
        n=len(truth),
        classes=names,
        confusion=confusion,
        accuracy=float(weighted_accuracy(truth, values, ones)[0]),
        balanced_accuracy=float(weighted_balanced_accuracy(truth, values, ones)[0]),
        macro_precision=float(np.mean([entry.precision or 0.0 for entry in per_class if entry.support])),
        macro_f1=float(weighted_macro_f1(truth, values, ones)[0]),
        sensitivity=sensitivity,
        specificity=specificity,
        auroc=_known(weighted_auroc(truth, values, ones)[0]),
        mean_average_precision=_known(weighted_mean_average_precision(truth, values, ones)[0]),
        per_class=per_class,
        ece=calibration.ece(truth, values),
        brier=calibration.brier(truth, values),
        log_loss=float(-np.log(np.clip(own, np.finfo(np.float64).eps, 1)).mean()),
        undefined=(
            *_reasons(per_class, len(truth)),
            *_binary_reasons(sensitivity, specificity, known=malignant is not None),
        ),
    )


def to_json(scores: Scores) -> dict[str, Any]:
    """Return scores as plain data; `per_class` maps each class name to its values, undefined ones are None."""
    data = {field.name: getattr(scores, field.name) for field in dataclasses.fields(scores)}
    per_class = {entry.name: dataclasses.asdict(entry) for entry in scores.per_class}
    for entry in per_class.values():
        del entry["name"]
    return {
        **data,
        "classes": list(scores.classes),
        "confusion": scores.confusion.tolist(),
        "per_class": per_class,
        "undefined": list(scores.undefined),
    }


def from_json(data: Mapping[str, Any]) -> Scores:
    """Return the scores that `to_json` wrote; other keys beside them are left alone."""
    fields = {field.name: data[field.name] for field in dataclasses.fields(Scores)}
    per_class = tuple(ClassScores(name=name, **entry) for name, entry in data["per_class"].items())
    arrays = {"confusion": np.array(data["confusion"], np.int64), "per_class": per_class}
    return Scores(**{**fields, **arrays, "classes": tuple(data["classes"]), "undefined": tuple(data["undefined"])})


def weighted_accuracy(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of right predictions for each column of weights.

    Args:
        labels: True classes, shape (N,); unchecked, as all arguments here.
        probabilities: Predicted probabilities, shape (N, K).
        weights: How often each image counts, whole numbers as float64, shape (N, D).

    Returns:
        One value per column, shape (D,); NaN where the metric is not defined.
    """
    correct = probabilities.argmax(axis=1) == labels
    return correct.astype(np.float64) @ weights / weights.sum(axis=0)


def weighted_balanced_accuracy(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean recall over classes that occur, per column; arguments as in `weighted_accuracy`."""
    return weighted_mean_recall(labels, probabilities.argmax(axis=1) == labels, weights)


def weighted_mean_recall(labels: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean recall over classes that occur where it is known which answers are right, per column.

    Args:
        labels: True classes, shape (N,).
        right: Whether each image is told right, under one condition or several, bool (..., N).
        weights: As in `weighted_accuracy`.

    Returns:
        Balanced accuracies, (..., D).
    """
    members = [labels == k for k in np.unique(labels)]
    return _mean_of_known(
        np.stack(
            [_ratio(right[..., own].astype(np.float64) @ weights[own], weights[own].sum(axis=0)) for own in members]
        )
    )


def weighted_macro_f1(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over classes that occur of 2 TP / (2 TP + FP + FN), per column; as `weighted_accuracy`."""
    classes = np.eye(probabilities.shape[1])
    members, said = classes[labels].T, classes[probabilities.argmax(axis=1)].T
    support = members @ weights
    f1 = _ratio(2 * (members * said) @ weights, support + said @ weights)
    return _mean_of_known(np.where(support > 0, f1, np.nan))


def weighted_sensitivity(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, *, malignant: np.ndarray
) -> np.ndarray:
    """Return the share of images of the marked classes that are told to be of one of these, per column.

    With the benign classes marked instead, that is the specificity. Arguments as in `weighted_accuracy`, and
    `malignant`, bool (K,). NaN where no marked class occurs.
    """
    own = malignant[labels]
    found = own & malignant[probabilities.argmax(axis=1)]
    return _ratio(found.astype(np.float64) @ weights, own.astype(np.float64) @ weights)


def weighted_auroc(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the macro one-against-rest AUROC, per column; arguments as in `weighted_accuracy`.

    The mean runs over the classes with at least one image of theirs and one of another class. Each is the
    Mann-Whitney statistic: the share of (image of the class, other image) pairs in the right order, ties half.
    """
    return _mean_of_known(_per_class(_auroc, labels, probabilities, weights))


def weighted_mean_average_precision(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean average precision over the classes of `weighted_auroc`; arguments as there."""
    return _mean_of_known(_per_class(_average_precision, labels, probabilities, weights))


@dataclass(frozen=True, eq=False)
class _Ranking:
    """Images of one class among all, from the highest score to the lowest, with their weights.

    `through` and `before` hold, for each image of the class, the position of the last image that ties with it and the
    number of images that score strictly higher.
    """

    positives: np.ndarray
    weights: np.ndarray
    through: np.ndarray
    before: np.ndarray


def _rank(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> _Ranking:
    order = np.argsort(-scores, kind="stable")
    ranked = -scores[order]
    places = np.flatnonzero(positive[order])
    return _Ranking(
        positives=places,
        weights=weights[order],
        through=np.searchsorted(ranked, ranked[places], side="right") - 1,
        before=np.searchsorted(ranked, ranked[places], side="left"),
    )


def _auroc(ranking: _Ranking) -> np.ndarray:
    others = ranking.weights.copy()
    others[ranking.positives] = 0
    above = np.concatenate([np.zeros((1, others.shape[1])), np.cumsum(others, axis=0)])
    total = above[-1]
    # A pair is right where the other image ranks below; one that ties lies half above.
    right = total - (above[ranking.before] + above[ranking.through + 1]) / 2
    own = ranking.weights[ranking.positives]
    return _ratio((own * right).sum(axis=0), own.sum(axis=0) * total)


def _average_precision(ranking: _Ranking) -> np.ndarray:
    everyone = np.cumsum(ranking.weights, axis=0)
    own = ranking.weights[ranking.positives]
    hits = np.zeros_like(everyone)
    hits[ranking.positives] = own
    hits = np.cumsum(hits, axis=0)
    # Where no weight has come yet, there are no hits either, and the precision is multiplied by a weight of zero.
    precision = hits[ranking.through] / np.maximum(everyone[ranking.through], 1)
    # Without other images every order is perfect: nothing was ranked, so nothing is claimed.
    contested = hits[-1] < everyone[-1]
    return _ratio((own * precision).sum(axis=0), np.where(contested, hits[-1], 0))


def _per_class(
    statistic: Callable[[_Ranking], np.ndarray], labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    columns = range(probabilities.shape[1])
    return np.stack([statistic(_rank(labels == k, probabilities[:, k], weights)) for k in columns])


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the quotient, NaN where the denominator is zero."""
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the first axis of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(axis=0), known.sum(axis=0))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    k = probabilities.shape[1]
    return np.bincount(labels * k + probabilities.argmax(axis=1), minlength=k * k).reshape(k, k).astype(np.int64)


def _class_scores(
    labels: np.ndarray, probabilities: np.ndarray, names: tuple[str, ...], confusion: np.ndarray
) -> tuple[ClassScores, ...]:
    hits, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    ones = np.ones((len(labels), 1))
    columns = {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, support),
        "f1": np.where(support > 0, _ratio(2 * hits, support + predicted), np.nan),
        "auroc": _per_class(_auroc, labels, probabilities, ones)[:, 0],
        "average_precision": _per_class(_average_precision, labels, probabilities, ones)[:, 0],
    }
    return tuple(
        ClassScores(name=name, support=int(support[k]), **{key: _known(values[k]) for key, values in columns.items()})
        for k, name in enumerate(names)
    )


def _binary(
    labels: np.ndarray, probabilities: np.ndarray, malignant: Sequence[bool] | None
) -> tuple[float | None, float | None]:
    if malignant is None:
        return None, None
    mask, ones = np.asarray(malignant, bool), np.ones((len(labels), 1))
    if mask.shape != (probabilities.shape[1],) or mask.all() or not mask.any():
        raise ValueError(
            f"malignant is {list(malignant)}; expected one boolean per class, with a malignant and a benign class"
        )
    sensitivity, specificity = (
        _known(weighted_sensitivity(labels, probabilities, ones, malignant=one)[0]) for one in (mask, ~mask)
    )
    return sensitivity, specificity


def _binary_reasons(sensitivity: float | None, specificity: float | None, *, known: bool) -> tuple[str, ...]:
    if not known:
        return ("no sensitivity or specificity: it is not known which of these classes are benign and which malignant",)
    reasons = []
    if sensitivity is None:
        reasons.append("no sensitivity: no image of a malignant class")
    if specificity is None:
        reasons.append("no specificity: no image of a benign class")
    return tuple(reasons)


def _reasons(per_class: tuple[ClassScores, ...], n: int) -> tuple[str, ...]:
    reasons = []
    for entry in per_class:
        if entry.support == 0:
            reasons.append(f"{entry.name}: no image of this class, so no recall, f1, auroc or average precision")
        if entry.support == n:
            reasons.append(f"{entry.name}: no image of another class, so no auroc or average precision")
        if entry.precision is None:
            reasons.append(f"{entry.name}: never predicted, so no precision")
    return tuple(reasons)
