import dataclasses
from pathlib import Path

import numpy as np
import pytest

from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import shortcuts
from neurallnet_jax.evaluation.selection import Selection, select
from neurallnet_jax.evaluation.shortcuts import COLOUR, REFERENCE, Features
from neurallnet_jax.images import folder, regions, splits, statistics, synthetic
from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.metrics import rules


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """10 drawn smears of each class; those of the first class are tinted yellow."""
    root = tmp_path_factory.mktemp("smears") / "folder"
    synthetic.write_folder(root, count=10, seed=3, image_size=(64, 64))
    opened = folder.open_folder(root, (64, 64))
    tint = np.where(opened.labels[:, None] == 0, (1.0, 0.95, 0.7), (1.0, 1.0, 1.0))
    pixels = np.rint(opened.pixels * tint[:, None, None]).astype(np.uint8)
    return dataclasses.replace(opened, pixels=pixels)


@pytest.fixture(scope="module")
def features(smears: Dataset) -> tuple[Features, ...]:
    return shortcuts.measure(smears)


def every(dataset: Dataset) -> Selection:
    return Selection(np.arange(len(dataset)), np.zeros(len(dataset), bool))


def test_every_kind_of_numbers_has_a_row_per_image(smears, features):
    shapes = {each.name: None if each.values is None else each.values.shape for each in features}
    assert shapes == {
        "background colour": (40, 3),
        "scale-bar corner": (40, 6),
        "scale bar alone": (40, 4),
        "mean cell colour": (40, 3),
        "file size": (40, 1),
        "JPEG settings of the file": None,
        "image statistics": (40, 4),
        COLOUR: (40, 18),
    }
    missing = {each.name: each.reason for each in features if each.values is None}
    assert "is PNG, no JPEG" in str(missing["JPEG settings of the file"])
    np.testing.assert_allclose(features[0].values, regions.background_colours(smears.pixels))


def test_progress_ends_with_all_images(smears):
    seen: list[tuple[int, int]] = []
    shortcuts.measure(smears, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (40, 40)


def test_a_shortcut_scores_what_its_rule_says_on_every_fold(smears, features):
    found = shortcuts.score_folds(smears, features, scheme="random", folds=(1, 3), seed=5)
    assert {(one.name, one.rule) for one in found} == {(each.name, rule) for each in features for rule in rules.RULES}
    values = features[-1].values
    for place, fold in enumerate((1, 3)):
        split = splits.make_split(smears.records, scheme="random", fold=fold, seed=5)
        known = np.concatenate([splits.indices(split, "train"), splits.indices(split, "validation")])
        test = splits.indices(split, "test")
        predicted = rules.nearest_neighbour(values[known], smears.labels[known], values[test])
        recalls = [
            (predicted[smears.labels[test] == k] == k).mean() for k in range(4) if (smears.labels[test] == k).any()
        ]
        one = next(each for each in found if (each.name, each.rule) == (COLOUR, REFERENCE))
        assert one.folds[place] == pytest.approx(np.mean(recalls))
        assert one.folds[place] == pytest.approx(shortcuts.colour_line(smears, known, test))
        assert one.mean == pytest.approx(np.mean(one.folds))


def test_a_tint_of_one_class_is_a_shortcut_that_the_background_shows_and_grey_statistics_do_not(smears, features):
    """Told by the background: the tinted class, all of it."""
    known, test = np.arange(0, 40, 2), np.arange(1, 40, 2)
    labels = (smears.labels == 0).astype(np.int32)
    found = {(one.name, one.rule): one.mean or 0 for one in shortcuts.score_places(labels, features, known, test)}
    assert found["background colour", "linear"] == 1.0
    assert found["background colour", REFERENCE] >= 0.9
    assert found["file size", REFERENCE] < 0.9


def test_what_is_the_same_for_every_image_stays_at_chance_and_says_so(smears):
    same = Features("nothing", np.ones((40, 2)), "the same for every image")
    for one in shortcuts.score_folds(smears, [same], scheme="random"):
        assert one.mean == pytest.approx(0.25)
        assert one.reason == "the same for every image"


def test_what_files_do_not_have_is_no_zero(smears):
    absent = Features("JPEG", None, "one.png is PNG, no JPEG")
    for one in shortcuts.score_folds(smears, [absent], scheme="random"):
        assert (one.folds, one.mean, one.numbers) == ((), None, 0)
        assert one.reason == "one.png is PNG, no JPEG"


def test_reordered_numbers_stay_with_their_images(smears, features):
    order = list(range(39, -1, -1))
    turned = dataclasses.replace(
        smears, records=tuple(smears.records[place] for place in order), pixels=smears.pixels[order]
    )
    moved = shortcuts.reordered(features, smears, turned)
    np.testing.assert_array_equal(moved[0].values, features[0].values[::-1])
    other = dataclasses.replace(smears, records=(dataclasses.replace(smears.records[0], sha256="0" * 64),))
    with pytest.raises(ValueError, match="changed while it was read"):
        shortcuts.reordered(features, smears, other)


def test_the_colour_line_needs_images_on_both_sides(smears):
    nobody, somebody = np.empty(0, int), np.arange(4)
    with pytest.raises(ValueError, match="needs known images, and there are none"):
        shortcuts.colour_line(smears, nobody, somebody)
    with pytest.raises(ValueError, match="needs scored images, and there are none"):
        shortcuts.colour_line(smears, somebody, nobody)


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_occur():
    """Recalls 1/2 of class 0 and 1 of class 2; a class that is predicted and does not occur counts for nothing."""
    assert shortcuts.balanced_accuracy(np.array([0, 0, 2]), np.array([0, 3, 2])) == pytest.approx(0.75)


@pytest.mark.parametrize("margin", [0, 24, 60])
def test_a_margin_leaves_that_many_numbers_out(margin, dataset_of):
    """Of 400 numbers the first fifth tests; what is known begins `margin` numbers after it."""
    records = dataset_of(np.zeros((800, 1, 1, 3), np.uint8), [0] * 400 + [1] * 400).records
    split = splits.make_split(records, scheme="contiguous", margin=margin)
    tested = {records[place].number for place in splits.indices(split, "test")}
    known = {r.number for r, part in zip(records, split.parts, strict=True) if part in ("train", "validation")}
    assert tested == set(range(1, 81))
    assert min(known) == 81 + margin


def test_the_colour_line_of_a_model_is_that_of_what_it_has_seen_and_is_scored_on(saved: Checkpoint, smears, tmp_path):
    hashes = [record.sha256 for record in smears.records]
    root = tmp_path / "folder"
    synthetic.write_folder(root, count=10, seed=3, image_size=(64, 64))
    own = folder.open_folder(root, shortcuts.SIZE)
    model = dataclasses.replace(saved, seen=tuple(hashes[::2]))
    chosen = select(own, seen=model.seen)
    found = shortcuts.colour_line_of(model, own, chosen)
    assert found.reason is None
    assert found.value == shortcuts.colour_line(own, np.arange(0, 40, 2), np.arange(1, 40, 2))
    small = folder.open_folder(root, (32, 32))
    assert shortcuts.colour_line_of(model, small, select(small, seen=model.seen)) == found


def test_a_model_has_no_colour_line_where_its_images_are_missing(saved: Checkpoint, smears):
    hashes = [record.sha256 for record in smears.records]
    cases = {
        "lacks 1 of the 3 images": dataclasses.replace(saved, seen=("0" * 64, *hashes[:2])),
        "lacks a record of the images": dataclasses.replace(saved, seen=()),
    }
    for reason, model in cases.items():
        found = shortcuts.colour_line_of(model, smears, every(smears))
        assert found.value is None
        assert reason in str(found.reason)
    model = dataclasses.replace(saved, seen=tuple(hashes))
    found = shortcuts.colour_line_of(model, smears, select(smears, seen=hashes))
    assert found.value is None
    assert "has seen every scored image" in str(found.reason)


@pytest.mark.real
@pytest.mark.slow
def test_the_colour_line_of_the_real_smears_is_the_published_one(real_data: Path):
    """0.939, 0.927, 0.959, 0.965, 0.910: mean 0.940; 0.931 with 50 numbers left out, 0.902 with 100."""
    dataset = folder.open_folder(real_data / "taleqani", shortcuts.SIZE)
    values = statistics.colour_statistics(dataset.pixels)
    published = {24: 0.940, 50: 0.931, 100: 0.902}
    for margin, mean in published.items():
        lines = []
        for fold in range(splits.FOLDS):
            split = splits.make_split(dataset.records, scheme="contiguous", fold=fold, margin=margin)
            known = np.concatenate([splits.indices(split, "train"), splits.indices(split, "validation")])
            lines.append(shortcuts.colour_line(dataset, known, splits.indices(split, "test"), values=values))
        assert np.mean(lines) == pytest.approx(mean, abs=0.005)
        if margin == 24:
            np.testing.assert_allclose(lines, [0.939, 0.927, 0.959, 0.965, 0.910], atol=0.005)
