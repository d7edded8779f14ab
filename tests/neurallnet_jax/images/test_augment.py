from dataclasses import replace
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from neurallnet_jax.config import NO_AUGMENTATION, Augmentation
from neurallnet_jax.images import augment as aug

NONE = NO_AUGMENTATION
EVERYTHING = Augmentation(sharpness=0.5)
BLUR = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256

# Compiled once per setting and shape; a test of its own compares with the function as it stands.
augment = jax.jit(aug.augment, static_argnums=2)
apply = jax.jit(aug.apply, static_argnums=2)
draw = jax.jit(aug.draw, static_argnums=(1, 2))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (8, 9, 9, 3), dtype=np.uint8)


def sampled(image: np.ndarray, mirror: np.ndarray, shift: np.ndarray, scale: float) -> np.ndarray:
    """Read an image at moved and scaled places, pixel by pixel, linearly, with the border repeated."""
    extent = image.shape[:2]
    result = np.zeros(image.shape)
    for place in np.ndindex(*extent):
        near, weight = [], []
        for axis in range(2):
            centre = (extent[axis] - 1) / 2
            sign = -1 if mirror[axis] else 1
            at = min(
                max(centre + sign * (place[axis] - centre) / scale - shift[axis] * extent[axis], 0), extent[axis] - 1
            )
            below = int(np.floor(at))
            near.append((below, min(below + 1, extent[axis] - 1)))
            weight.append((1 - (at - below), at - below))
        for i, y in enumerate(near[0]):
            for j, x in enumerate(near[1]):
                result[place] += weight[0][i] * weight[1][j] * image[y, x]
    return result


def reference(image: np.ndarray, d: Any, strengths: Augmentation) -> np.ndarray:
    """Do everything to one image in float64 NumPy; `d` holds the draws of that image alone."""
    result = image.astype(float)
    result = result.transpose(1, 0, 2) if d.transpose else result
    result = sampled(result, d.mirror, d.shift, d.scale)
    if strengths.sharpness:
        blurred = ndimage.correlate(result, BLUR[:, :, None], mode="nearest")
        result = np.clip(result + d.sharpness * (result - blurred), 0, 255)
    if strengths.stain:
        density = -np.log((result + 1) / 256)
        amounts = np.linalg.solve(aug.STAINS.T, density.reshape(-1, 3).T).T
        density = (amounts * d.stain_gain + d.stain_offset) @ aug.STAINS
        result = (256 * np.exp(-density) - 1).reshape(image.shape)
    return np.clip(result * d.gain + d.offset, 0, 255)


def of_image(draws: aug.Draws, index: int) -> Any:
    return aug.Draws(*(np.asarray(field)[index] for field in draws))


@pytest.mark.parametrize(
    "strengths",
    [
        EVERYTHING,
        replace(NONE, shift=0.3),
        replace(NONE, scale=(0.5, 2.0)),
        replace(NONE, flip=True, shift=0.1, scale=(0.9, 1.2)),
        replace(NONE, quarter_turns=True),
        replace(NONE, gain=0.3),
        replace(NONE, offset=0.2),
        replace(NONE, gain=0.3, offset=0.2),
        replace(NONE, stain=0.2),
        replace(NONE, sharpness=1.0),
    ],
)
def test_every_transform_agrees_with_a_numpy_reference(images, strengths):
    key = jax.random.key(7)
    found = np.asarray(augment(key, images, strengths))
    draws = draw(key, len(images), strengths)
    expected = np.stack([reference(image, of_image(draws, i), strengths) for i, image in enumerate(images)])
    assert not np.array_equal(found, images), "the setting does something"
    # An optical density of 5 amplifies the rounding of a float32 logarithm.
    np.testing.assert_allclose(found, expected, atol=2e-2 if strengths.stain else 2e-3)


def test_a_shift_of_one_pixel_moves_the_content_and_repeats_the_border():
    """Four pixels 0 1 2 3 times 10, shifted by +1 pixel (a quarter): output i reads i - 1, so 0 0 10 20."""
    image = np.repeat(np.array([0, 10, 20, 30], np.float32)[None, :, None, None], 4, axis=2).repeat(3, axis=3)
    draws = draw(jax.random.key(0), 1, NONE)._replace(shift=jnp.array([[0.25, 0.0]]))
    moved = apply(image, draws, replace(NONE, shift=0.5))
    np.testing.assert_array_equal(np.asarray(moved)[0, :, 2, 1], [0, 0, 10, 20])


def test_magnification_enlarges_about_the_centre():
    """Magnified twice, output 0..3 of four pixels reads 1.5 + (i - 1.5) / 2 = 0.75, 1.25, 1.75, 2.25."""
    image = np.repeat(np.array([0, 10, 20, 30], np.float32)[None, None, :, None], 4, axis=1).repeat(3, axis=3)
    draws = draw(jax.random.key(0), 1, NONE)._replace(scale=jnp.array([2.0]))
    larger = apply(image, draws, replace(NONE, scale=(1, 2)))
    np.testing.assert_allclose(np.asarray(larger)[0, 1, :, 0], [7.5, 12.5, 17.5, 22.5])


def symmetries(image: np.ndarray, *, mirrors: bool) -> list[np.ndarray]:
    turns = [np.rot90(image, k) for k in range(4)]
    return turns + [turn[:, ::-1] for turn in turns] if mirrors else turns


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [
        (replace(NONE, flip=True, quarter_turns=True), lambda i: symmetries(i, mirrors=True)),
        (replace(NONE, quarter_turns=True), lambda i: symmetries(i, mirrors=False)),
        (replace(NONE, flip=True), lambda i: [i, i[::-1], i[:, ::-1], i[::-1, ::-1]]),
    ],
    ids=["flips and turns", "turns", "flips"],
)
def test_symmetries_move_pixels_without_changing_them_and_each_is_as_likely(strengths, expected):
    image = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    count = 800
    turned = np.asarray(augment(jax.random.key(1), np.repeat(image[None], count, axis=0), strengths))
    outcomes = expected(image)
    seen = np.array([sum(np.array_equal(one, outcome) for one in turned) for outcome in outcomes])
    assert seen.sum() == count
    mean = count / len(outcomes)
    assert np.all(np.abs(seen - mean) < 5 * np.sqrt(mean))


def test_jit_changes_nothing(images):
    key = jax.random.key(11)
    compiled = augment(key, images, EVERYTHING)
    plain = aug.augment(key, images, EVERYTHING)
    chex.assert_type(compiled, jnp.float32)
    chex.assert_trees_all_close(compiled, plain, atol=1e-2)


def test_equal_settings_share_one_compiled_function(images):
    chex.clear_trace_counter()
    step = jax.jit(chex.assert_max_traces(aug.augment, n=1), static_argnums=2)
    for seed in range(3):
        step(jax.random.key(seed), images, Augmentation(scale=(0.9, 1.1)))


def test_the_same_key_gives_the_same_images_and_another_key_others(images):
    first, again, other = (augment(jax.random.key(seed), images, EVERYTHING) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.mean(np.asarray(first) != np.asarray(other)) > 0.9


def test_each_image_of_a_batch_has_a_draw_of_its_own_whatever_the_size_of_the_batch():
    draws = draw(jax.random.key(5), 64, EVERYTHING)
    for name in ("shift", "scale", "gain", "offset", "stain_gain", "stain_offset", "sharpness"):
        field = np.asarray(getattr(draws, name))
        assert len(np.unique(field)) > 0.98 * field.size, name
    chex.assert_trees_all_equal(draw(jax.random.key(5), 3, EVERYTHING), jax.tree.map(lambda x: x[:3], draws))


def test_draws_stay_within_their_strengths_and_use_them():
    strengths = Augmentation(shift=0.1, scale=(0.8, 1.5), gain=0.2, offset=0.1, stain=0.3, sharpness=0.5)
    draws = draw(jax.random.key(0), 500, strengths)
    bounds = {
        "shift": (-0.1, 0.1),
        "scale": (0.8, 1.5),
        "gain": (0.8, 1.2),
        "offset": (-25.5, 25.5),
        "stain_gain": (0.7, 1.3),
        "stain_offset": (-0.3, 0.3),
        "sharpness": (-0.5, 0.5),
    }
    for name, (low, high) in bounds.items():
        field, slack = np.asarray(getattr(draws, name)), 0.05 * (high - low)
        assert low - 1e-6 <= field.min() < low + slack, name
        assert high - slack < field.max() <= high + 1e-6, name


@pytest.mark.parametrize("shape", [(3, 8, 8, 3), (2, 5, 9, 3), (1, 1, 1, 3)])
def test_none_returns_the_input_as_float32(shape):
    images = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    same = augment(jax.random.key(0), images, NONE)
    chex.assert_type(same, jnp.float32)
    np.testing.assert_array_equal(same, images)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), size=st.sampled_from([1, 7]))
def test_values_stay_grey_levels_at_every_strength(seed, size):
    strong = Augmentation(shift=0.9, scale=(0.2, 5.0), gain=0.9, offset=0.9, stain=0.9, sharpness=1.0)
    images = np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), (2, size, size, 3))
    changed = augment(jax.random.key(seed), images, strong)
    chex.assert_tree_all_finite(changed)
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 255


def test_a_uniform_image_stays_uniform_because_borders_repeat():
    images = np.full((8, 9, 9, 3), 200, np.uint8)
    moved = np.asarray(augment(jax.random.key(0), images, replace(NONE, shift=0.5, scale=(0.3, 3.0))))
    np.testing.assert_allclose(moved, 200, rtol=1e-6)


def test_more_eosin_makes_a_pixel_pinker():
    """Eosin absorbs green most and red least."""
    draws = draw(jax.random.key(0), 1, NONE)._replace(stain_offset=jnp.array([[0.0, 0.3, 0.0]]))
    image = np.full((1, 2, 2, 3), 200.0, np.float32)
    red, green, blue = np.asarray(apply(image, draws, replace(NONE, stain=0.3)))[0, 0, 0]
    assert green < blue < red < 200


def test_rank_promotion_is_never_needed(images):
    with jax.numpy_rank_promotion("raise"):
        jax.eval_shape(lambda key, batch: aug.augment(key, batch, EVERYTHING), jax.random.key(0), images)


def test_quarter_turns_of_images_that_are_not_square_are_refused_with_a_way_out():
    images = np.zeros((2, 6, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"images are 6 x 8.*quarter_turns=False"):
        augment(jax.random.key(0), images, EVERYTHING)
    assert augment(jax.random.key(0), images, replace(EVERYTHING, quarter_turns=False)).shape == images.shape


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shift", -0.1),
        ("gain", 1.0),
        ("offset", float("nan")),
        ("stain", 2.0),
        ("sharpness", 1.5),
        ("scale", (1.2, 0.8)),
        ("scale", (0.0, 1.0)),
        ("scale", (1.0, float("inf"))),
    ],
)
def test_a_strength_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"augmentation '{name}' is"):
        Augmentation(**{name: value})


@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_mixing_blends_every_image_with_its_partner(strength: float) -> None:
    images = jnp.asarray(np.random.default_rng(0).uniform(0, 255, (6, 4, 4, 3)), jnp.float32)
    mixed, partner, share = aug.mix(jax.random.key(7), images, strength)
    assert 0 < share < 1
    assert sorted(partner.tolist()) == list(range(6))
    expected = float(share) * np.asarray(images) + (1 - float(share)) * np.asarray(images)[np.asarray(partner)]
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)


def test_mixing_of_no_strength_leaves_images_and_labels_alone() -> None:
    images = jnp.ones((3, 2, 2, 3))
    mixed, _, share = aug.mix(jax.random.key(0), images, 0.0)
    np.testing.assert_array_equal(mixed, images)
    assert share == 1
