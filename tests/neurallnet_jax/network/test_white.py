"""White balance against NumPy's sorting, its own fixed points, and hand-worked pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurallnet_jax.network import encoding, white

IMAGES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7), st.just(3)))


@given(IMAGES)
@settings(deadline=None)
def test_a_white_point_is_the_least_grey_level_of_the_brightest_tenth(pixels: np.ndarray) -> None:
    count = pixels.shape[1] * pixels.shape[2]
    ordered = np.sort(pixels.reshape(len(pixels), count, 3), axis=1)[:, ::-1]
    expected = np.maximum(ordered[:, -(-count // white.BRIGHTEST) - 1].astype(int), 1)
    assert np.array_equal(white.white_points(pixels.astype(np.int32), np)[:, 0, 0], expected)


@given(IMAGES, st.integers(1, 255))
@settings(deadline=None)
def test_balance_rounds_half_up_and_saturates(pixels: np.ndarray, level: int) -> None:
    point = white.white_points(pixels.astype(np.int32), np)
    exact = np.floor(pixels.astype(float) * level / point + 0.5)
    found = white.balanced(pixels, level, np)
    assert np.abs(found - np.minimum(exact, 255)).max() <= (0 if pixels.size < 30 else 1)
    assert found.min() >= 0
    assert found.max() <= 255


@given(IMAGES, st.integers(1, 255))
@settings(deadline=None)
def test_balancing_what_is_balanced_changes_nothing(pixels: np.ndarray, level: int) -> None:
    once = white.balanced(np.maximum(pixels, 1), level, np)
    assert np.array_equal(white.balanced(once, level, np), once)


@given(IMAGES, st.integers(1, 255))
@settings(max_examples=20, deadline=None)
def test_jax_and_numpy_give_the_same_pixels(pixels: np.ndarray, level: int) -> None:
    expected = white.balanced(pixels, level, np)
    assert np.array_equal(white.balanced(jnp.asarray(pixels), level, jnp), expected)
    assert np.array_equal(encoding.balance(jnp.asarray(pixels, jnp.float32), level), expected)


def test_light_of_another_strength_gives_almost_the_same_pixels() -> None:
    pixels = np.random.default_rng(0).integers(20, 200, (1, 40, 40, 3))
    factor = np.array([1.2, 0.9, 1.1])
    other = np.rint(pixels * factor).astype(int)
    assert np.abs(white.balanced(pixels, 235, np) - white.balanced(other, 235, np)).max() <= 3


def test_pixels_worked_by_hand() -> None:
    # Ten pixels: the brightest tenth is one pixel, so the white point is 200; 100 becomes 100 * 235 / 200 = 117.5.
    pixels = np.array([[200, 100, 0, 1, 1, 1, 1, 1, 1, 1]], np.uint8)[None, :, :, None]
    assert white.balanced(pixels, 235, np)[0, 0, :4, 0].tolist() == [235, 118, 0, 1]
    assert white.balanced(pixels, None, np) is pixels
    black = np.zeros((1, 3, 3, 1), np.uint8)
    assert not white.balanced(black, 235, np).any(), "a black image has no light to bring to a level"


def test_a_gradient_sees_one_factor_per_channel() -> None:
    pixels = jnp.asarray(np.random.default_rng(1).integers(1, 200, (1, 5, 5, 3)), jnp.float32)
    slope = jax.grad(lambda images: encoding.balance(images, 220).sum())(pixels)
    factor = 220 / white.white_points(np.asarray(pixels, np.int32), np)
    assert np.asarray(slope) == pytest.approx(np.broadcast_to(factor, slope.shape), rel=1e-6)
