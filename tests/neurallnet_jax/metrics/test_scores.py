"""Scores against scikit-learn, with and without ties, absent classes and weights."""

import json
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from neurallnet_jax.metrics import calibration, scores

NAMES = ("Benign", "Early", "Pre", "Pro")
NOT_TIED = None
UNKNOWN = "no sensitivity or specificity: it is not known which of these classes are benign and which malignant"


def predictions(seed: int, n: int = 80, k: int = 4, *, levels: int | None = NOT_TIED) -> tuple[np.ndarray, np.ndarray]:
    """Return labels in which every class occurs, and probabilities; `levels` values per logit make ties."""
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k), generator.integers(k, size=n - k)])
    logits = generator.normal(size=(n, k))
    logits[np.arange(n), labels] += 0.8
    if levels is not None:
        logits = np.round(np.clip(logits, -1, 1) * (levels - 1) / 2)
    return labels, scipy.special.softmax(logits, axis=1)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**16), k=st.integers(3, 6), levels=st.sampled_from([NOT_TIED, 2, 3, 5]))
def test_every_score_agrees_with_scikit_learn(seed, k, levels):
    labels, probabilities = predictions(seed, k=k, levels=levels)
    predicted = probabilities.argmax(axis=1)
    result = scores.score(labels, probabilities, [f"class {c}" for c in range(k)])
    np.testing.assert_array_equal(result.confusion, reference.confusion_matrix(labels, predicted, labels=range(k)))
    one_hot = np.eye(k, dtype=int)[labels]
    expected = {
        "accuracy": reference.accuracy_score(labels, predicted),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, predicted),
        "auroc": reference.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"),
        "mean_average_precision": reference.average_precision_score(one_hot, probabilities, average="macro"),
        "log_loss": reference.log_loss(labels, probabilities, labels=range(k)),
        "macro_precision": reference.precision_score(labels, predicted, average="macro", zero_division=0),
        "macro_f1": reference.f1_score(labels, predicted, average="macro", zero_division=0),
        "brier": calibration.brier(labels, probabilities),
        "ece": calibration.ece(labels, probabilities),
    }
    for name, value in expected.items():
        assert getattr(result, name) == pytest.approx(value, abs=1e-12), name
    options: dict[str, Any] = {"labels": range(k), "zero_division": 0}
    table: Any = reference.precision_recall_fscore_support(labels, predicted, **options)
    for c, entry in enumerate(result.per_class):
        precision, recall, f1, support = (column[c] for column in table)
        assert entry.precision == (pytest.approx(precision) if c in predicted else None)
        assert (entry.recall, entry.f1, entry.support) == (pytest.approx(recall), pytest.approx(f1), support)
        assert entry.auroc == pytest.approx(reference.roc_auc_score(labels == c, probabilities[:, c]), abs=1e-12)
        average_precision = reference.average_precision_score(labels == c, probabilities[:, c])
        assert entry.average_precision == pytest.approx(average_precision, abs=1e-12)
    assert result.n == len(labels)
    assert result.confusion.dtype == np.int64


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**16), levels=st.sampled_from([NOT_TIED, 2, 3]))
def test_weighted_scores_agree_with_the_sample_weights_of_scikit_learn(seed, levels):
    labels, probabilities = predictions(seed, levels=levels)
    weights = np.random.default_rng(seed + 1).integers(0, 4, size=(len(labels), 5)).astype(float)
    weights[:4] += 1  # Every class keeps some weight.
    predicted = probabilities.argmax(axis=1)
    results = {
        name: getattr(scores, f"weighted_{name}")(labels, probabilities, weights)
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "mean_average_precision")
    }
    for column, weight in enumerate(weights.T):
        ranked = [(labels == c, probabilities[:, c]) for c in range(4)]
        expected = {
            "accuracy": reference.accuracy_score(labels, predicted, sample_weight=weight),
            "balanced_accuracy": reference.balanced_accuracy_score(labels, predicted, sample_weight=weight),
            "macro_f1": reference.f1_score(labels, predicted, average="macro", sample_weight=weight, zero_division=0),
            "auroc": np.mean([reference.roc_auc_score(*pair, sample_weight=weight) for pair in ranked]),
            "mean_average_precision": np.mean(
                [reference.average_precision_score(*pair, sample_weight=weight) for pair in ranked]
            ),
        }
        for name, value in expected.items():
            assert results[name][column] == pytest.approx(value, abs=1e-12), name


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16), levels=st.sampled_from([NOT_TIED, 3]))
def test_the_order_of_the_images_does_not_matter(seed, levels):
    labels, probabilities = predictions(seed, levels=levels)
    order = np.random.default_rng(seed).permutation(len(labels))
    first = scores.to_json(scores.score(labels, probabilities, NAMES))
    second = scores.to_json(scores.score(labels[order], probabilities[order], NAMES))
    for name in ("confusion", "n", "classes", "undefined"):
        assert first[name] == second[name]
    for name in ("accuracy", "balanced_accuracy", "auroc", "mean_average_precision", "ece", "brier", "log_loss"):
        assert first[name] == pytest.approx(second[name], abs=1e-12)


@given(st.integers(0, 99))
def test_the_mean_recall_of_several_conditions_is_that_of_scikit_learn_for_each(seed):
    labels, _ = predictions(seed)
    answers = np.random.default_rng(seed).integers(4, size=(3, len(labels)))
    counts = np.random.default_rng(seed + 1).integers(1, 4, (len(labels), 2)).astype(float)
    found = scores.weighted_mean_recall(labels, answers == labels, counts)
    for row, answer in zip(found, answers, strict=True):
        expected = [reference.balanced_accuracy_score(labels, answer, sample_weight=one) for one in counts.T]
        np.testing.assert_allclose(row, expected)


def test_classes_that_do_not_occur_or_are_not_drawn_do_not_count():
    right, weights = np.array([True, False, True]), np.array([[1.0, 1, 0], [1, 1, 0], [1, 0, 1]])
    assert scores.weighted_mean_recall(np.array([0, 0, 2]), right, weights).tolist() == [0.75, 0.5, 1]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16))
def test_sensitivity_and_specificity_are_the_recalls_of_malignant_and_benign(seed):
    labels, probabilities = predictions(seed)
    mask = np.array([False, True, True, True])
    result = scores.score(labels, probabilities, NAMES, malignant=mask.tolist())
    truth, said = mask[labels], mask[probabilities.argmax(axis=1)]
    assert result.sensitivity == pytest.approx(reference.recall_score(truth, said))
    assert result.specificity == pytest.approx(reference.recall_score(truth, said, pos_label=False))
    weights = np.random.default_rng(seed).integers(1, 4, size=(len(labels), 3)).astype(float)
    found = scores.weighted_sensitivity(labels, probabilities, weights, malignant=~mask)
    for column, weight in enumerate(weights.T):
        expected = reference.recall_score(truth, said, pos_label=False, sample_weight=weight)
        assert found[column] == pytest.approx(expected)


def test_a_malignant_class_taken_for_another_is_still_found():
    """Benign told Early is a false alarm; Early told Pro is found; Pre told Benign is missed: 1 of 2 and 1 of 2."""
    said = np.eye(4)[[0, 1, 3, 0]]
    result = scores.score([0, 0, 1, 2], said, NAMES, malignant=[False, True, True, True])
    assert (result.sensitivity, result.specificity) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("labels", "malignant", "reason"),
    [
        ([0, 0], [False, True], "no sensitivity: no image of a malignant class"),
        ([1, 1], [False, True], "no specificity: no image of a benign class"),
        ([0, 1], None, UNKNOWN),
    ],
)
def test_what_cannot_be_said_of_benign_and_malignant_has_a_reason(labels, malignant, reason):
    result = scores.score(labels, np.eye(2)[labels], NAMES[:2], malignant=malignant)
    assert None in (result.sensitivity, result.specificity)
    assert reason in result.undefined


@pytest.mark.parametrize("malignant", [[True, True], [False, False], [True]])
def test_a_mask_without_both_kinds_is_refused(malignant):
    with pytest.raises(ValueError, match="a malignant and a benign class"):
        scores.score([0, 1], np.eye(2), NAMES[:2], malignant=malignant)


def test_scores_come_back_from_their_json():
    labels, probabilities = predictions(3)
    labels[labels == 2] = 0
    found = scores.score(labels, probabilities, NAMES, malignant=[False, True, True, True])
    data = json.loads(json.dumps(scores.to_json(found)))
    assert scores.to_json(scores.from_json({**data, "seen": 3})) == data


def test_a_perfect_and_an_uninformative_classifier():
    labels = np.arange(8) % 4
    perfect = scores.score(labels, np.eye(4)[labels], NAMES)
    for name in ("accuracy", "balanced_accuracy", "auroc", "mean_average_precision"):
        assert getattr(perfect, name) == 1
    assert perfect.ece == perfect.brier == perfect.log_loss == 0
    flat = scores.score(labels, np.full((8, 4), 0.25), NAMES)
    assert flat.auroc == 0.5
    assert flat.mean_average_precision == 0.25
    assert flat.log_loss == pytest.approx(np.log(4))
    np.testing.assert_array_equal(flat.confusion[:, 0], [2, 2, 2, 2])  # The first of equals is the prediction.


def test_a_class_without_images_has_no_scores_and_a_reason():
    """Recalls: Benign 1 of 2, Early 1 of 1, Pre absent though predicted once."""
    result = scores.score([0, 0, 1], [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]], NAMES[:3])
    absent = result.per_class[2]
    assert (absent.recall, absent.f1, absent.auroc, absent.average_precision) == (None, None, None, None)
    assert (absent.precision, absent.support) == (0.0, 0)
    assert result.balanced_accuracy == pytest.approx(0.75)
    assert result.auroc == pytest.approx((0.75 + 1.0) / 2)
    assert result.undefined == ("Pre: no image of this class, so no recall, f1, auroc or average precision", UNKNOWN)


def test_a_class_never_predicted_has_no_precision_and_recall_zero():
    result = scores.score([0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], NAMES[:2])
    entry = result.per_class[1]
    assert (entry.precision, entry.recall, entry.f1) == (None, 0.0, 0.0)
    assert entry.auroc == 1.0
    assert result.undefined == ("Early: never predicted, so no precision", UNKNOWN)


def test_one_class_alone_cannot_be_ranked():
    result = scores.score([1, 1], [[0.4, 0.6], [0.7, 0.3]], NAMES[:2])
    assert (result.auroc, result.mean_average_precision) == (None, None)
    assert result.per_class[1].average_precision is None
    assert result.accuracy == result.balanced_accuracy == 0.5
    assert "Early: no image of another class, so no auroc or average precision" in result.undefined


def test_a_probability_of_zero_for_the_true_class_keeps_the_log_loss_finite():
    result = scores.score([0], [[0.0, 1.0]], NAMES[:2])
    assert result.log_loss == pytest.approx(-np.log(np.finfo(np.float64).eps))


def test_json_holds_the_contract_and_nothing_json_cannot_say():
    labels, probabilities = predictions(1)
    labels[labels == 3] = 0
    data = scores.to_json(scores.score(labels, probabilities.astype(np.float32), NAMES))
    contract = {"n", "classes", "confusion", "accuracy", "balanced_accuracy", "auroc", "mean_average_precision"}
    assert contract | {"per_class", "ece", "brier"} <= set(data)
    assert list(data["per_class"]) == list(NAMES)
    assert data["per_class"]["Pro"]["auroc"] is None
    assert set(data["per_class"]["Pre"]) == {"precision", "recall", "f1", "support", "auroc", "average_precision"}
    assert json.loads(json.dumps(data, allow_nan=False)) == data


@pytest.mark.parametrize("classes", [NAMES[:3], ("a", "a", "b", "c")])
def test_class_names_must_fit_the_columns(classes):
    labels, probabilities = predictions(2)
    with pytest.raises(ValueError, match="expected 4 different names"):
        scores.score(labels, probabilities, classes)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.zeros((0, 2)), "at least one image"),
        ([0, 1], [[0.5, 0.5]], "2 labels but 1 rows"),
        ([2], [[0.5, 0.5]], "label 0 is 2"),
        ([0], [[np.nan, 0.5]], "NaN"),
        ([0], [[0.5, 0.6]], r"sums to 1\.1"),
    ],
)
def test_impossible_predictions_are_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        scores.score(labels, probabilities, NAMES[:2])
