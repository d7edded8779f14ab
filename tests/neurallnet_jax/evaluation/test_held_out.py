import dataclasses

import numpy as np
import pytest

from neurallnet_jax import checkpoint, models, spec
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import held_out, novelty
from neurallnet_jax.images.folder import Dataset


@pytest.fixture(scope="module")
def many(dataset_of) -> Dataset:
    """40 images of noise, 20 of each class."""
    pixels = np.random.default_rng(4).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    return dataset_of(pixels, [0] * 20 + [1] * 20)


def hashes(dataset: Dataset, places: list[int]) -> tuple[str, ...]:
    return tuple(dataset.records[place].sha256 for place in places)


def knowing(
    saved: Checkpoint, dataset: Dataset, seen: list[int], test: list[int], scheme: str = "random"
) -> Checkpoint:
    split = {"split": {"scheme": scheme}}
    return dataclasses.replace(saved, seen=hashes(dataset, seen), test=hashes(dataset, test), provenance=split)


def logits(saved: Checkpoint, dataset: Dataset) -> np.ndarray:
    classifier = models.from_checkpoint(saved)
    return models.make_predict(classifier)(classifier.variables, dataset.pixels)


def test_unseen_images_are_those_whose_hash_the_run_does_not_hold(saved, many):
    run = knowing(saved, many, list(range(0, 40, 2)), [1, 3])
    found = held_out.of_unseen(run, many)
    odd = np.arange(1, 40, 2)
    np.testing.assert_array_equal(found.labels, many.labels[odd])
    np.testing.assert_allclose(found.logits, logits(run, many)[odd], rtol=1e-4, atol=1e-5)
    assert found.reference == 20
    values = novelty.statistics(many.pixels)
    places = novelty.locate({kind: table[::2] for kind, table in values.items()})
    expected = novelty.distances(places, {kind: table[1::2] for kind, table in values.items()})
    for kind in novelty.KINDS:
        np.testing.assert_array_equal(found.distances[kind], expected[kind])


def test_a_run_that_has_seen_everything_is_sent_to_its_folds(saved, many):
    with pytest.raises(ValueError, match=r"every image was seen in training or selection; .*with --folds"):
        held_out.of_unseen(knowing(saved, many, list(range(40)), []), many)


def test_without_training_images_at_hand_nothing_is_said_about_where_they_lie(saved, many):
    found = held_out.of_unseen(dataclasses.replace(saved, seen=("0" * 64,)), many)
    assert found.places == {}
    assert found.distances == {}


@pytest.fixture
def folds(saved, many, tmp_path):
    """Two folds with other weights each, the first of them with two seeds."""
    halves = (list(range(0, 40, 2)), list(range(1, 40, 2)))
    for fold, seed in ((0, 0), (0, 1), (1, 0)):
        weights = {name: array + np.float32(0.1 * (2 * fold + seed)) for name, array in saved.weights.items()}
        run = knowing(dataclasses.replace(saved, weights=weights), many, halves[1 - fold], halves[fold])
        checkpoint.save(run, tmp_path / "contiguous-24" / f"fold-{fold}" / f"seed-{seed}")
    return tmp_path


def test_every_image_of_the_folds_is_scored_by_the_run_that_kept_it_apart(saved, many, folds):
    whole = knowing(saved, many, list(range(40)), [])
    found = held_out.of_folds(whole, many, folds)
    runs = [checkpoint.load(folds / "contiguous-24" / f"fold-{fold}" / "seed-0") for fold in range(2)]
    np.testing.assert_array_equal(found.labels, many.labels[np.r_[0:40:2, 1:40:2]])
    expected = np.concatenate([logits(run, many)[fold::2] for fold, run in enumerate(runs)])
    np.testing.assert_allclose(found.logits, expected, rtol=1e-4, atol=1e-5)
    assert "40 test images of 2 cross-validation RUNs" in found.source
    assert found.reference == 40


def test_distances_of_the_folds_are_from_what_each_fold_was_trained_on(saved, many, folds):
    found = held_out.of_folds(knowing(saved, many, list(range(40)), []), many, folds)
    values = novelty.statistics(many.pixels)
    for fold in range(2):
        rows = lambda start: {kind: table[start::2] for kind, table in values.items()}
        expected = novelty.distances(novelty.locate(rows(1 - fold)), rows(fold))
        for kind in novelty.KINDS:
            np.testing.assert_array_equal(found.distances[kind][20 * fold : 20 * fold + 20], expected[kind])
    everything = novelty.locate(values)
    np.testing.assert_array_equal(found.places["stain"].mean, everything["stain"].mean)


def test_progress_counts_over_all_folds(saved, many, folds):
    told = []
    whole = knowing(saved, many, list(range(40)), [])
    held_out.of_folds(whole, many, folds, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (40, 40)
    assert told == sorted(told)


def test_folders_that_are_no_cross_validation_of_this_run_are_refused(saved, many, folds, tmp_path, classifier_of):
    whole = knowing(saved, many, list(range(40)), [])
    with pytest.raises(ValueError, match="nowhere: holds no RUN at any depth"):
        held_out.of_folds(whole, many, tmp_path / "nowhere")
    checkpoint.save(knowing(saved, many, [0], [1], "blocks"), tmp_path / "blocks-0")
    with pytest.raises(ValueError, match="holds folds of the splits blocks, random; name the folder of one"):
        held_out.of_folds(whole, many, folds)
    checkpoint.save(knowing(saved, many, list(range(40)), []), tmp_path / "all" / "run")
    with pytest.raises(ValueError, match="no RUN below it has kept an image"):
        held_out.of_folds(whole, many, tmp_path / "all")
    network = spec.neurallnet(2, widths=(5,), image_size=(8, 8), steps=2)
    other = classifier_of(network, saved.classes)
    stranger = Checkpoint(network, models.to_weights(other.variables), other.preprocessing, saved.classes)
    checkpoint.save(stranger, tmp_path / "other" / "run")
    with pytest.raises(ValueError, match="is of another network or other classes than the RUN"):
        held_out.of_folds(whole, many, tmp_path / "other")
