"""Methods under test on a model that reads the scale bar, and on one whose weights are drawn anew."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax.explain import methods, trial
from neurallnet_jax.explain.attribution import Attribution
from neurallnet_jax.explain.controls import CONTROLS

BAR = np.zeros((8, 8))
BAR[6:, 5:] = 1
CELLS = np.zeros((8, 8))
CELLS[1:4, 1:4] = 1


def gradient(classifier):
    """Saliency by plain gradients, positive parts."""

    def score(image, target):
        key = jax.random.key(0)
        found = classifier.features({}, image[None], key, "all")
        return classifier.tail({}, found, key, "all")[0, target]

    def explain(variables, image, target, key, *, progress=None):
        slope = jax.grad(score)(jnp.asarray(image, jnp.float32), target)
        return Attribution(np.maximum(np.asarray(slope).sum(axis=-1), 0), signed=False)

    return explain


@pytest.fixture
def cases() -> list[trial.Case]:
    rng = np.random.default_rng(2)
    regions = {"cells": CELLS, "background": 1 - CELLS - BAR, "scale_bar": BAR}
    return [
        trial.Case(rng.integers(0, 200, (8, 8, 3), dtype=np.uint8), 1, regions, CELLS > 0 if place % 2 else None)
        for place in range(4)
    ]


@pytest.fixture
def reads_the_bar(linear):
    return linear(np.repeat(-0.002 * BAR[..., None], 3, axis=-1))


def test_a_model_that_reads_the_scale_bar_has_all_its_evidence_there(linear, cases):
    reads = linear(np.repeat(0.002 * BAR[..., None], 3, axis=-1))
    found = trial.measure(reads, cases, {"gradient": gradient}, settings=trial.Settings(steps=8, checks=0))
    row = found["gradient"].values
    np.testing.assert_allclose(row["scale_bar_share"], 1)
    np.testing.assert_allclose(row["scale_bar_area"], 6 / 64)
    np.testing.assert_allclose(row["cells_share"], 0)
    np.testing.assert_allclose(row["background_share"], 0)
    np.testing.assert_allclose(row["inside"][1::2], 0)
    np.testing.assert_allclose(row["pointing"][1::2], 0)
    assert np.isnan(row["iou"][0::2]).all()
    # What nobody has asked for is not there.
    assert np.isnan(row["mean_change"]).all()
    assert found["gradient"].cascade.shape == (0, 4)


def test_a_model_that_reads_the_cells_has_none_on_the_bar(linear, cases):
    reads = linear(np.repeat(0.002 * CELLS[..., None], 3, axis=-1))
    row = trial.measure(reads, cases, {"gradient": gradient}, settings=trial.Settings(steps=8, checks=0))
    np.testing.assert_allclose(row["gradient"].values["scale_bar_share"], 0)
    np.testing.assert_allclose(row["gradient"].values["inside"][1::2], 1)
    np.testing.assert_allclose(row["gradient"].values["iou"][1::2], 1)


def test_the_true_map_beats_both_controls_by_the_difference_of_the_areas(reads_the_bar, cases):
    """Deleting makes the bar brighter, which speaks against the class: what is darkest on it goes first."""

    def true(classifier):
        def explain(variables, image, target, key, *, progress=None):
            gap = 255.0 - image.astype(np.float64).sum(axis=-1) / 3
            return Attribution((gap * BAR).astype(np.float32), signed=False)

        return explain

    found = trial.measure(reads_the_bar, cases, {"true": true}, settings=trial.Settings(steps=64, checks=0))
    for control in ("random", "centre"):
        gain = found["true"].values[f"deletion_over_{control}"]
        assert (gain > 0).all()
        assert (found["true"].values[f"insertion_over_{control}"] > 0).all()
        np.testing.assert_allclose(gain, found[control].values["deletion"] - found["true"].values["deletion"])
        assert np.isnan(found[control].values[f"deletion_over_{control}"]).all()


def test_controls_come_last_and_a_region_that_is_not_there_has_no_share(reads_the_bar, cases):
    bare = [trial.Case(case.image, 0, {"scale_bar": np.zeros((8, 8))}) for case in cases]
    found = trial.measure(reads_the_bar, bare, {}, settings=trial.Settings(steps=2, checks=0))
    assert list(found) == list(CONTROLS)
    assert np.isnan(found["random"].values["scale_bar_share"]).all()


@pytest.fixture(scope="module")
def tried(relu, classifier_of):
    rng = np.random.default_rng(2)
    cases = [trial.Case(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), 1) for _ in range(3)]
    told = []
    fresh = classifier_of(relu.spec, relu.classes, seed=8).variables
    found = trial.measure(
        relu,
        cases,
        {"grad-cam": methods.make("grad-cam", layer=relu.layers[0])},
        settings=trial.Settings(steps=4, checks=2, draws=2),
        randomised=(relu.variables, fresh),
        shuffled=fresh,
        progress=lambda done, total: told.append((done, total)),
    )
    return found, told


def test_costly_figures_are_taken_on_as_many_images_as_asked_for(tried):
    found, told = tried
    row = found["grad-cam"].values
    for metric in trial.CHECKED:
        np.testing.assert_array_equal(np.isnan(row[metric]), [False, True, False])
    assert found["grad-cam"].cascade.shape == (2, 3)
    np.testing.assert_array_equal(found["grad-cam"].cascade[-1], row["randomised"])
    np.testing.assert_allclose(found["grad-cam"].cascade[0][[0, 2]], 1)
    assert found["grad-cam"].emptied[0][0] == 0
    # All weights drawn anew, and the weights of another training, are one and the same here.
    np.testing.assert_allclose(row["randomised"], row["shuffled"])
    np.testing.assert_array_equal(np.isnan(row["seconds"]), [True, False, False])
    assert told == [(done, 20) for done in range(1, 21)]


def test_an_edge_detector_passes_no_sanity_check(tried):
    found, _ = tried
    np.testing.assert_allclose(found["edges"].values["randomised"][[0, 2]], 1)
    np.testing.assert_allclose(found["edges"].values["shuffled"][[0, 2]], 1)


def test_no_image_is_refused(spiking):
    with pytest.raises(ValueError, match="no image to explain"):
        trial.measure(spiking, [], {})
