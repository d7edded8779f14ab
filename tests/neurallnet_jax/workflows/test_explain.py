"""Methods compared on a folder of drawn smears, of a network that was drawn too."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurallnet_jax import checkpoint, models, spec
from neurallnet_jax.evaluation import selection
from neurallnet_jax.explain import faithfulness_result, methods
from neurallnet_jax.explain.controls import CONTROLS
from neurallnet_jax.explain.trial import Settings
from neurallnet_jax.images import regions
from neurallnet_jax.images.folder import Dataset, open_files, open_folder
from neurallnet_jax.workflows import explain

QUICK = Settings(steps=3, checks=2, draws=2)


@pytest.fixture(scope="module")
def saved(reported) -> checkpoint.Checkpoint:
    return checkpoint.load(reported.run)


@pytest.fixture(scope="module")
def dataset(reported, saved) -> Dataset:
    return open_folder(reported.data, saved.spec.image_size, classes=saved.classes)


@pytest.fixture(scope="module")
def relu(saved, classifier_of) -> models.Classifier:
    return classifier_of(spec.relu_twin(saved.spec), saved.classes)


# --- Which methods


def test_all_stands_for_what_the_network_can_have_and_says_why_not_the_others(saved):
    found = explain.select(models.from_checkpoint(saved), [explain.ALL])
    assert set(found.ready) | set(found.refused) == set(methods.METHODS)
    assert "saliency" in found.refused
    assert "grad-cam" in found.ready


@pytest.mark.parametrize(
    ("names", "layer", "message"),
    [
        (["grad-kam"], None, "no method 'grad-kam'; there are grad-cam, cam, .*, and all"),
        (["spike-activation-map"], None, "spike-activation-map: no layer of this network spikes"),
        (["grad-cam"], "lif_9", "no layer 'lif_9' to look at; there are relu_1, relu_2"),
        (["lime"], "relu_1", "--layer relu_1: lime looks at no layer; grad-cam"),
    ],
)
def test_what_the_network_cannot_have_is_refused_with_what_it_can(relu, names, layer, message):
    with pytest.raises(ValueError, match=message):
        explain.select(relu, names, layer=layer)


def test_a_layer_goes_to_the_methods_that_look_at_one(relu):
    assert list(explain.select(relu, ["grad-cam", "lime"], layer="relu_1").ready) == ["grad-cam", "lime"]


# --- A folder


def test_only_images_that_the_network_may_be_judged_by_are_chosen(saved, dataset):
    found = explain.choose(saved, dataset)
    _, apart = selection.kept_apart(dataset, seen=saved.seen, test=saved.test)
    np.testing.assert_array_equal(found.places, apart.places)
    assert not found.seen.any()
    assert explain.choose(saved, dataset, only="all").seen.sum() == len(saved.seen)


def test_a_choice_is_drawn_and_follows_its_seed(saved, dataset):
    first, same, other = (explain.choose(saved, dataset, limit=5, seed=seed).places for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert first.tolist() != other.tolist()
    assert sorted(set(first.tolist())) == first.tolist()
    assert set(first.tolist()) <= set(explain.choose(saved, dataset).places.tolist())


def test_a_folder_that_the_network_has_seen_is_refused(saved, dataset):
    everything = dataclasses.replace(saved, seen=(*saved.seen, *saved.test), test=())
    with pytest.raises(ValueError, match="has seen every image of it; name other images, or say --only all"):
        explain.choose(everything, dataset)


@pytest.fixture(scope="module")
def table(saved, dataset, tmp_path_factory):
    """Eight images, and weak masks of the first two that are a square in the middle."""
    chosen = explain.choose(saved, dataset, limit=8)
    masks = tmp_path_factory.mktemp("masks")
    square = np.zeros((224, 224, 3), np.uint8)
    square[84:140, 84:140] = 255
    for place in chosen.places[:2]:
        Image.fromarray(square).save(masks / f"{Path(dataset.records[place].path).stem}.png")
    other = dataclasses.replace(saved, weights={name: 0.5 * array for name, array in saved.weights.items()})
    told = []
    found = explain.measure(
        saved, dataset, chosen, names=["grad-cam", "cam"], masks=masks, shuffled=other, settings=QUICK, draws=50,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    return found, told


def test_a_table_holds_every_method_and_the_controls(table):
    found, told = table
    assert found.methods == ("grad-cam", "cam")
    assert [row.method for row in found.rows] == ["grad-cam", "cam", *CONTROLS]
    assert (found.n, found.seen, found.checked) == (8, 0, 2)
    assert 2 <= found.masks <= 8  # names of drawn smears recur in every class
    assert told[-1] == (50, 50)
    for row in found.rows:
        assert [stage.down_to for stage in row.cascade] == ["dense_1", "conv_2", "conv_1"]
        assert row.figures["deletion"].n == 8
        assert row.figures["shuffled"].n == row.figures["randomised"].n == 2
    assert faithfulness_result.from_json(faithfulness_result.to_json(found)) == found


def test_controls_say_what_chance_is(table):
    rows = {row.method: row for row in table[0].rows}
    assert rows["random"].figures["cells_ratio"].value == pytest.approx(1, abs=0.15)
    assert rows["edges"].figures["randomised"].value == pytest.approx(1)
    # The square lies in the middle, and so does the bell.
    assert rows["centre"].figures["pointing"].value == 1
    assert rows["centre"].figures["iou"].value > 0.7


def test_regions_are_those_of_the_whole_image(saved, dataset, table):
    """At 32 pixels bars and cells blur into each other, so they are looked for at 224."""
    chosen = explain.choose(saved, dataset, limit=8)
    paths = [dataset.root / dataset.records[place].path for place in chosen.places]
    whole = open_files(paths, (224, 224)).pixels
    for name, masks in (("cells", regions.cells(whole)), ("background", regions.background(whole))):
        area = table[0].rows[0].figures[f"{name}_area"]
        # Means over the images whose map holds evidence at all.
        if area.n == 8:
            assert area.value == pytest.approx(masks.mean(), abs=1e-6)


def test_another_network_is_no_network_of_shuffled_labels(saved, dataset):
    other = dataclasses.replace(saved, preprocessing=checkpoint.Preprocessing(scale=32.0))
    with pytest.raises(ValueError, match="has other preprocessing; train it as the first was"):
        explain.measure(saved, dataset, explain.choose(saved, dataset), names=["cam"], shuffled=other)
    renamed = dataclasses.replace(saved, classes=("a", "b", "c", "d"))
    with pytest.raises(ValueError, match="has other classes"):
        explain.same_network(saved, renamed)
