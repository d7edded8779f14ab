import dataclasses
from pathlib import Path

import numpy as np
import pytest

from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import edits, evaluate, shortcuts
from neurallnet_jax.evaluation.edits import EDITS, UNEDITED
from neurallnet_jax.images import folder, regions, synthetic
from neurallnet_jax.images.folder import Dataset

FILL = np.array([240.0, 240.0, 235.0])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 drawn smears of each class, at the size that edits are made at."""
    where = tmp_path_factory.mktemp("smears") / "folder"
    synthetic.write_folder(where, count=6, seed=4, image_size=(224, 224))
    return where


@pytest.fixture(scope="module")
def opened(root: Path) -> Dataset:
    return folder.open_folder(root, shortcuts.SIZE)


@pytest.fixture(scope="module")
def model(classifier_of, opened: Dataset) -> Checkpoint:
    """An untrained network for 32 pixels that has seen the first four images of each class and kept the fifth apart."""
    network = spec.neurallnet(4, widths=(4,), image_size=(32, 32), steps=2)
    classifier = classifier_of(network, opened.classes)
    places = np.arange(len(opened)) % 6
    hashes = np.array([record.sha256 for record in opened.records])
    return Checkpoint(
        network,
        models.to_weights(classifier.variables),
        classifier.preprocessing,
        opened.classes,
        seen=tuple(hashes[places < 4].tolist()),
        test=tuple(hashes[places == 4].tolist()),
    )


def test_a_run_is_scored_on_its_test_images_and_else_on_those_it_has_not_seen(model, root):
    dataset, selection, only = edits.open_for(model, root, run="mine", on_bad_image="fail")
    assert only == "test"
    assert (selection.places % 6 == 4).all()
    assert dataset.pixels.shape[1:3] == (224, 224)
    _, selection, only = edits.open_for(dataclasses.replace(model, test=()), root, run="mine", on_bad_image="fail")
    assert only == "unseen"
    assert set(selection.places % 6) == {4, 5}


def test_a_run_that_has_seen_all_or_knows_other_classes_is_refused(model, opened, root):
    everything = tuple(record.sha256 for record in opened.records)
    with pytest.raises(ValueError, match=r"RUN mine: has seen every image of .* name a RUN that kept some"):
        edits.open_for(dataclasses.replace(model, seen=everything, test=()), root, run="mine", on_bad_image="fail")
    other = dataclasses.replace(model, classes=("a", "b", "c", "d"))
    with pytest.raises(ValueError, match="RUN mine: "):
        edits.open_for(other, root, run="mine", on_bad_image="fail")


@pytest.fixture(scope="module")
def scored(model, root) -> edits.RunScore:
    dataset, selection, only = edits.open_for(model, root, run="mine", on_bad_image="fail")
    features = shortcuts.measure(dataset)
    return edits.score_run(model, dataset, selection, features, run="mine", only=only)


def test_unedited_is_what_evaluate_says(scored, model, root):
    """The folder's images are halved in size in one go or by way of 224 pixels: the same pixels, since 224 is their own."""
    small = folder.open_folder(root, model.spec.image_size, classes=model.classes)
    chosen = [place for place, record in enumerate(small.records) if record.sha256 in set(model.test)]
    classifier = models.from_checkpoint(model)
    logits = models.make_predict(classifier)(classifier.variables, np.asarray(small.pixels[chosen]))
    expected = shortcuts.balanced_accuracy(small.labels[chosen], logits.argmax(axis=1))
    assert scored.edits[0].name == UNEDITED
    assert scored.edits[0].balanced_accuracy == pytest.approx(expected)
    judged = evaluate.judge(evaluate._probabilities(model, logits), small.classes, small, selection_of(chosen))
    assert judged.scores.balanced_accuracy == pytest.approx(expected)


def selection_of(places: list[int]):
    from neurallnet_jax.evaluation.selection import Selection

    return Selection(np.array(places), np.zeros(len(places), bool))


def test_every_edit_has_a_score_and_a_drop_from_the_unedited(scored):
    assert [edit.name for edit in scored.edits] == list(EDITS)
    first = scored.edits[0]
    assert (first.drop, first.changed) == (0, 0)
    for edit in scored.edits:
        assert edit.drop == pytest.approx(first.balanced_accuracy - edit.balanced_accuracy)


def test_one_group_in_a_class_gives_no_interval_but_a_reason(scored):
    assert scored.groups == (1, 1, 1, 1)
    for edit in scored.edits:
        assert edit.interval is None
        assert "has only 1 group" in str(edit.reason)


def test_shortcuts_stand_beside_the_run_on_the_same_images(scored):
    assert (scored.images, scored.known) == (4, 16)
    assert scored.colour_line is not None
    assert {len(one.folds) for one in scored.shortcuts if one.numbers} == {1}


def test_each_step_takes_out_what_its_name_says(opened):
    pixels = opened.pixels[:6].copy()
    # A black label on white in the corner.
    pixels[:, 206:218, 193:219] = 255
    pixels[:, 210:215, 198:212:2] = 0
    found = regions.find(pixels)
    assert found.scale_bar.any(axis=(1, 2)).all()
    made = {name: edits.edited(pixels, steps, FILL, found) for name, steps in EDITS.items()}
    np.testing.assert_array_equal(made[UNEDITED], pixels)
    np.testing.assert_array_equal(made["colour"], regions.without_colour(pixels))
    np.testing.assert_array_equal(made["background"], regions.neutralise_background(pixels, FILL))
    np.testing.assert_array_equal(made["scale bar"], regions.mask_scale_bar(pixels))
    assert not regions.scale_bar(made["background, scale bar"]).any()
    assert (made["background, scale bar, colour"][..., 0] == made["background, scale bar, colour"][..., 1]).all()
    control = made["control: other corner painted over"]
    np.testing.assert_array_equal(control[found.scale_bar], pixels[found.scale_bar])
    assert (control != pixels).any()
    with pytest.raises(ValueError, match="edit 'blur' is unknown"):
        edits.edited(pixels, ("blur",), FILL, found)


def test_the_interval_of_a_drop_by_hand():
    """Two groups of a class, one all lost, one all kept: a draw of two loses 0, 1/2 or 1, so the interval is [0, 1]."""
    labels = np.zeros(8, int)
    before, after = np.ones(8, bool), np.repeat([False, True], 4)
    assert edits.drop_interval(labels, before, after, np.repeat([0, 1], 4)) == ((0.0, 1.0), None)
    assert edits.drop_interval(labels, before, before, np.repeat([0, 1], 4)) == ((0.0, 0.0), None)


def test_groups_make_the_interval_wider_than_single_images_do():
    rng = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1], 200), np.repeat(np.arange(20), 20)
    after = np.repeat(rng.random(20) < 0.7, 20)
    by_group, _ = edits.drop_interval(labels, np.ones(400, bool), after, groups)
    by_image, _ = edits.drop_interval(labels, np.ones(400, bool), after, np.arange(400))
    assert by_group is not None
    assert by_image is not None
    assert by_group[1] - by_group[0] > 2 * (by_image[1] - by_image[0])


def test_the_interval_agrees_with_a_bootstrap_written_the_long_way():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 0, 1], [30, 30, 40])
    groups = np.concatenate([np.repeat(np.arange(6), 10), 6 + np.repeat(np.arange(5), 8)])
    before, after = rng.random(100) < 0.9, rng.random(100) < 0.6
    drops = []
    for _ in range(2000):
        recalls = []
        for k in (0, 1):
            names = np.unique(groups[labels == k])
            rows = np.concatenate([np.flatnonzero(groups == name) for name in rng.choice(names, len(names))])
            recalls.append(before[rows].mean() - after[rows].mean())
        drops.append(np.mean(recalls))
    found, _ = edits.drop_interval(labels, before, after, groups)
    assert found is not None
    np.testing.assert_allclose(found, np.quantile(drops, (0.025, 0.975)), atol=0.02)
