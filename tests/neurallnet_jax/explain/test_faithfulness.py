"""Deletion and insertion on models whose true evidence is known."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from neurallnet_jax.explain import faithfulness
from neurallnet_jax.network import white

SIDE = 8


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    """A class that reads one block of 3 x 3 pixels, some of it against itself, and nothing else."""
    drawn = np.zeros((SIDE, SIDE, 3))
    drawn[2:5, 3:6] = np.random.default_rng(4).normal(0, 0.01, (3, 3, 3))
    return drawn


@pytest.fixture(scope="module")
def truth(weights, image) -> np.ndarray:
    """What each pixel adds to the score against the level that stands in its place."""
    gone = faithfulness.replacement_of(image, "background")
    return (weights * (np.asarray(image, np.float64) - gone)).sum(axis=-1)


@pytest.fixture(scope="module")
def follow(linear, weights):
    return faithfulness.make_follow(linear(weights), steps=SIDE * SIDE)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_no_map_beats_the_true_one_of_a_linear_model(follow, image, truth, seed):
    """The score is a sum over pixels, so taking the largest terms first is lowest at every step, and best of all."""
    best = follow(image, truth, 1)
    other = follow(image, np.random.default_rng(seed).normal(size=truth.shape), 1, seed=seed)
    assert (best.deletion <= other.deletion + 1e-6).all()
    assert (best.insertion >= other.insertion - 1e-6).all()
    assert best.deletion_auc <= other.deletion_auc + 1e-6
    assert best.insertion_auc >= other.insertion_auc - 1e-6


def test_the_true_map_turned_round_is_the_worst(follow, image, truth):
    best, worst = follow(image, truth, 1), follow(image, -truth, 1)
    drawn = [follow(image, np.random.default_rng(seed).random(truth.shape), 1).deletion_auc for seed in range(20)]
    assert best.deletion_auc < min(drawn) <= max(drawn) < worst.deletion_auc


def test_curves_worked_out_by_hand(linear):
    """16 pixels of 200, one of 100, which alone is read: class 1 scores -ln 3 x (level / 100), class 0 nothing.

    With the pixel as it is p = 1 / (1 + 3) = 0.25; with 200, the white point, in its place p = 1 / (1 + 9) = 0.1.
    Deletion, the pixel first: 0.25, then 0.1 sixteen times: (0.25 + 0.1) / 2 / 16 + 0.1 x 15 / 16 = 0.1046875.
    Insertion: 0.1, then 0.25: (0.1 + 0.25) / 2 / 16 + 0.25 x 15 / 16 = 0.2453125. Taken last, each in turn.
    """
    image = np.full((4, 4, 3), 200, np.uint8)
    image[1, 2] = 100
    weights = np.zeros((4, 4, 3))
    weights[1, 2, 0] = -np.log(3) / 100
    heat = np.zeros((4, 4))
    heat[1, 2] = 1
    follow = faithfulness.make_follow(linear(weights), steps=16)
    found = follow(image, heat, 1)
    np.testing.assert_allclose(found.shares, np.arange(17) / 16)
    np.testing.assert_allclose(found.deletion, [0.25] + [0.1] * 16, rtol=1e-5)
    np.testing.assert_allclose(found.insertion, [0.1] + [0.25] * 16, rtol=1e-5)
    assert found.deletion_auc == pytest.approx(0.1046875)
    assert found.insertion_auc == pytest.approx(0.2453125)
    late = follow(image, -heat, 1)
    assert late.deletion_auc == pytest.approx(0.25 * 15 / 16 + 0.35 / 32)
    # The other class has what is left of 1, and the temperature divides the scores: p = 1 / (1 + 9) at a half.
    assert follow(image, heat, 0).deletion_auc == pytest.approx(1 - 0.1046875)
    halved = faithfulness.make_follow(linear(weights), steps=16, temperature=0.5)(image, heat, 1)
    np.testing.assert_allclose(halved.deletion, [1 / 10] + [1 / 82] * 16, rtol=1e-5)


@pytest.mark.parametrize("replacement", ["background", "offset", "blur"])
def test_curves_are_those_of_a_plain_loop_over_a_spiking_network(spiking, image, replacement):
    """White balance is not asked again: its answer would move with every pixel that goes."""
    heat = np.random.default_rng(1).random(image.shape[:2])
    found = faithfulness.make_follow(spiking, steps=5, replacement=replacement)(image, heat, 1)
    order = np.argsort(-heat.ravel())
    gone = faithfulness.replacement_of(image, replacement, spiking.preprocessing)
    layer = spiking.layers[0]
    for place, count in enumerate(np.round(np.linspace(0, 64, 6)).astype(int)):
        taken = np.zeros(64, bool)
        taken[order[:count]] = True
        for curve, first, second in ((found.deletion, gone, image), (found.insertion, image, gone)):
            mixed = np.where(taken.reshape(8, 8, 1), first, second).astype(np.float32)
            key = jax.random.key(0)
            features = spiking.features(spiking.variables, mixed[None], key, layer)
            logits = np.asarray(spiking.tail(spiking.variables, features, key, layer))[0]
            assert curve[place] == pytest.approx(np.exp(logits[1]) / np.exp(logits).sum(), abs=1e-5)


def test_both_curves_go_from_one_end_to_the_other(follow, image, truth):
    found = follow(image, truth, 1)
    assert found.deletion[0] == pytest.approx(found.insertion[-1])
    assert found.deletion[-1] == pytest.approx(found.insertion[0])
    assert (found.shares[0], found.shares[-1]) == (0, 1)


def test_a_curve_is_compiled_once_for_all_images(toy, image):
    traced = []

    def features(pixels):
        traced.append(pixels.shape)
        return pixels

    follow = faithfulness.make_follow(toy(features, lambda found: found.mean(axis=(1, 2))[:, :2]), steps=3)
    for seed in range(3):
        follow(image, np.random.default_rng(seed).random((8, 8)), seed % 2)
    assert traced == [(4, 8, 8, 3)]


def test_the_background_is_the_level_that_white_balance_makes_white(image):
    whole = white.balanced(image.astype(np.int32), 230, np).astype(np.uint8)
    assert (faithfulness.replacement_of(whole, "background") == 230).all()


def test_the_blur_is_that_of_scipy():
    image = np.random.default_rng(2).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    expected = ndimage.gaussian_filter(image.astype(np.float64), (2, 2, 0), mode="nearest", truncate=3)
    np.testing.assert_allclose(faithfulness.replacement_of(image, "blur"), expected, atol=1e-4)


def test_bad_settings_are_refused(linear, weights, image, follow):
    with pytest.raises(ValueError, match="steps is 0"):
        faithfulness.make_follow(linear(weights), steps=0)
    with pytest.raises(ValueError, match="no replacement 'black'; there are background, offset, mean, blur"):
        faithfulness.make_follow(linear(weights), replacement="black")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"the heat map is \(4, 4\), its image \(8, 8\)"):
        follow(image, np.zeros((4, 4)), 1)
