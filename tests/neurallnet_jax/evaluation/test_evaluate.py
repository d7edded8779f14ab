import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from neurallnet_jax import checkpoint, models
from neurallnet_jax.evaluation import evaluate, predictions
from neurallnet_jax.evaluation.selection import Selection, select
from neurallnet_jax.images.folder import BadImage, Files
from neurallnet_jax.trust import Abstention, ConformalRule, Trust

CONTRACT = {
    "n", "seen", "classes", "confusion", "accuracy", "balanced_accuracy", "auroc", "mean_average_precision",
    "per_class", "ece", "brier", "intervals",
}  # fmt: skip


@pytest.fixture(scope="module")
def result(saved, dataset) -> evaluate.Evaluation:
    return evaluate.evaluate(saved, dataset, select(dataset, seen=saved.seen))


def every(dataset, seen: int = 0) -> Selection:
    return Selection(np.arange(len(dataset)), np.arange(len(dataset)) < seen)


def test_an_evaluation_is_plain_data_with_the_keys_others_rely_on(result):
    data = json.loads(json.dumps(evaluate.to_json(result), allow_nan=False))
    assert set(data) >= CONTRACT
    assert data["n"] == 20
    assert data["seen"] == 5
    assert np.array(data["confusion"]).sum() == 20
    assert set(data["intervals"]) >= {"accuracy", "balanced_accuracy"}
    for interval in data["intervals"].values():
        assert {"group", "image"} <= set(interval)


def test_the_predictions_are_those_of_the_model(result, saved, dataset):
    classifier = models.from_checkpoint(saved)
    logits = models.make_predict(classifier)(classifier.variables, dataset.pixels)
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    found = np.array([list(entry.probabilities.values()) for entry in result.predictions])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    truths = [entry.truth for entry in result.predictions]
    assert truths == ["calm"] * 10 + ["wild"] * 10
    hits = sum(entry.label == entry.truth for entry in result.predictions)
    assert result.scores.accuracy == hits / 20


def test_a_temperature_softens_the_probabilities_and_changes_no_label(result, saved, dataset):
    softened = dataclasses.replace(saved, temperature=10.0)
    soft = evaluate.evaluate(softened, dataset, select(dataset, seen=()))
    assert [entry.label for entry in soft.predictions] == [entry.label for entry in result.predictions]
    spread = lambda outcome: np.ptp([list(entry.probabilities.values()) for entry in outcome.predictions], axis=1)
    assert (spread(soft) < spread(result)).all()


def test_images_seen_in_training_are_counted_and_marked(result):
    assert result.seen == 5
    assert [entry.seen for entry in result.predictions] == [True] * 5 + [False] * 15
    assert result.predictions[0].warnings == ("seen in training",)
    assert result.predictions[5].warnings == ()


def test_only_the_chosen_images_are_scored(saved, dataset):
    chosen = select(dataset, seen=saved.seen, test=saved.test, only="test")
    found = evaluate.evaluate(saved, dataset, chosen)
    assert [entry.path for entry in found.predictions] == ["calm/5.png", "calm/6.png", "calm/7.png"]
    assert found.scores.n == 3


def test_whoever_made_the_probabilities_is_judged_alike(dataset):
    """All right but the first image: accuracy 19 / 20, recall 9 / 10 and 10 / 10."""
    probabilities = np.where(dataset.labels[:, None] == np.arange(2), 0.9, 0.1)
    probabilities[0] = probabilities[0, ::-1]
    found = evaluate.judge(probabilities, dataset.classes, dataset, every(dataset, seen=3))
    assert found.scores.accuracy == pytest.approx(0.95)
    assert found.scores.balanced_accuracy == pytest.approx(0.95)
    assert found.scores.confusion.tolist() == [[9, 1], [0, 10]]
    assert found.seen == 3


def smooth(seed: int) -> np.ndarray:
    """Return an image of broad structure, which a near copy resembles."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (4, 4, 3))
    return coarse.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)


def test_twins_are_drawn_together_within_a_class(dataset_of):
    """60 images of a class stand in two blocks of 48 numbers; a pair of twins across the border makes them one group."""
    pixels = np.stack([smooth(seed) for seed in range(120)])
    labels = [0] * 60 + [1] * 60
    probabilities = np.full((120, 2), 0.5)
    apart = dataset_of(pixels, labels)
    assert evaluate.judge(probabilities, apart.classes, apart, every(apart)).intervals["accuracy"].groups == (2, 2)
    pixels[50] = pixels[10]
    joined = dataset_of(pixels, labels)
    assert evaluate.judge(probabilities, joined.classes, joined, every(joined)).intervals["accuracy"].groups == (1, 2)


def test_twins_across_classes_stay_apart(dataset_of):
    pixels = np.stack([smooth(seed) for seed in range(120)])
    pixels[70] = pixels[10]
    crossed = dataset_of(pixels, [0] * 60 + [1] * 60)
    found = evaluate.judge(np.full((120, 2), 0.5), crossed.classes, crossed, every(crossed))
    assert found.intervals["accuracy"].groups == (2, 2)


def test_the_table_of_predictions_has_one_line_per_image(result):
    rows = list(csv.DictReader(io.StringIO(evaluate.predictions_csv(result))))
    assert list(rows[0]) == ["path", "truth", "prediction", "seen", "calm", "wild", "sha256", "group"]
    assert len(rows) == 20
    for row, entry in zip(rows, result.predictions, strict=True):
        assert (row["path"], row["truth"], row["prediction"], row["seen"]) == (
            entry.path, entry.truth, entry.label, str(int(entry.seen)),
        )  # fmt: skip
        assert float(row["calm"]) == pytest.approx(entry.probabilities["calm"], abs=1e-6)


def test_the_table_comes_back_and_is_judged_alike(result, tmp_path):
    (tmp_path / "table.csv").write_text(evaluate.predictions_csv(result), encoding="utf-8")
    again = evaluate.judge_table(predictions.read(tmp_path / "table.csv"))
    assert evaluate.to_json(again) == evaluate.to_json(result)
    assert again.predictions == result.predictions


def test_an_evaluation_comes_back_from_its_json_without_its_predictions(result):
    data = json.loads(json.dumps(evaluate.to_json(result)))
    found = evaluate.from_json({**data, "skipped": []})
    assert evaluate.to_json(found) == data
    assert found.predictions == ()
    with pytest.raises(ValueError, match="holds no predictions"):
        evaluate.predictions_csv(found)


def test_sensitivity_and_specificity_are_known_for_the_four_classes(dataset_of):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    found = dataset_of(pixels, [0] * 10 + [1] * 10)
    probabilities = np.where(found.labels[:, None] == np.arange(2), 0.9, 0.1)
    probabilities[0] = probabilities[0, ::-1]
    judged = evaluate.judge(probabilities, ("Benign", "Pro-B"), found, every(found))
    assert (judged.scores.sensitivity, judged.scores.specificity) == (1.0, 0.9)
    assert {"sensitivity", "specificity"} <= set(judged.intervals)
    unknown = evaluate.judge(probabilities, found.classes, found, every(found))
    assert unknown.scores.sensitivity is None
    assert "sensitivity" not in unknown.intervals


# --- Single images ----------------------------------------------------------------------------------------------------


@pytest.fixture
def files(dataset) -> Files:
    chosen = [0, 12]
    hashes = tuple(dataset.records[place].sha256 for place in chosen)
    return Files(("a.png", "b.png"), hashes, dataset.pixels[chosen], (BadImage("c.png", "c.png: is empty"),))


def test_single_images_are_told_as_in_a_folder(result, saved, files):
    first, second = evaluate.predict(saved, files)
    assert (first.path, first.label, first.truth) == ("a.png", result.predictions[0].label, None)
    assert second.probabilities == pytest.approx(result.predictions[12].probabilities, abs=1e-5)
    assert sum(first.probabilities.values()) == pytest.approx(1)


def test_single_images_carry_the_warnings_that_apply(saved, files):
    first, second = evaluate.predict(saved, files)
    assert first.warnings == ("probabilities are not calibrated", "seen in training")
    assert second.warnings == ("probabilities are not calibrated",)
    calibrated = evaluate.predict(dataclasses.replace(saved, temperature=2.0), files)
    assert [entry.warnings for entry in calibrated] == [("seen in training",), ()]


def test_no_readable_image_gives_no_prediction(saved, files):
    none = dataclasses.replace(files, paths=(), sha256=(), pixels=files.pixels[:0])
    assert evaluate.predict(saved, none) == ()


def test_a_calibrated_model_adds_sets_and_abstains_only_where_asked(saved, files):
    rules = Trust(ConformalRule("lac", 0.9, (1.0,), 50), Abstention(1.1, "risk", 0.0))
    fitted = dataclasses.replace(saved, temperature=1.0, trust=rules)
    first, second = evaluate.predict(fitted, files)
    assert first.doubt is not None
    assert first.doubt.members == saved.classes
    assert (first.abstained, second.abstained) == (None, None)
    for entry in evaluate.predict(fitted, files, abstain=True):
        assert entry.abstained is not None
        assert "lies below 1.100" in entry.abstained
        assert entry.label in saved.classes
    plain = evaluate.predict(saved, files)
    assert [entry.doubt for entry in plain] == [None, None]
    with pytest.raises(ValueError, match="holds no fitted abstention; run `neurallnet calibrate` on it first"):
        evaluate.predict(saved, files, abstain=True)


def test_weights_that_do_not_fit_are_refused_before_anything_is_scored(saved, dataset):
    weights = {name: array for name, array in saved.weights.items() if name != "params/dense_1/bias"}
    broken = checkpoint.Checkpoint(saved.spec, weights, saved.preprocessing, saved.classes)
    with pytest.raises(ValueError, match="'params/dense_1/bias' is missing"):
        evaluate.evaluate(broken, dataset, select(dataset, seen=()))
