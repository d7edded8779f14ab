"""Maps under noise and under another draw."""

import jax
import numpy as np
import pytest

from neurallnet_jax.explain import controls, stability
from neurallnet_jax.explain.attribution import Attribution


def bright(variables, image, target, key, *, progress=None) -> Attribution:
    return Attribution(image.mean(axis=-1).astype(np.float32), signed=False)


@pytest.fixture
def grey() -> np.ndarray:
    return np.random.default_rng(3).integers(60, 200, (32, 32, 3), dtype=np.uint8)


def test_a_map_that_is_the_image_changes_as_much_as_the_image(grey):
    """Noise of 6 levels on three channels moves their mean by 6 / sqrt(3); set against the map's root mean square."""
    found = stability.stability(bright, {}, grey, 0, jax.random.key(0), noise=6, draws=6)
    expected = 6 / np.sqrt(3) / np.sqrt((grey.mean(axis=-1) ** 2).mean())
    assert found.mean_change == pytest.approx(expected, rel=0.05)
    assert found.mean_change <= found.max_change < 1.1 * expected
    assert 0.95 < found.correlation < 1
    assert found.repeated == 1


def test_a_map_that_looks_at_no_pixel_never_changes(spiking, grey):
    found = stability.stability(controls.centre(spiking), {}, grey, 0, jax.random.key(0))
    assert (found.mean_change, found.max_change, found.correlation) == (0, 0, pytest.approx(1))


def test_a_drawn_map_is_stable_under_noise_and_another_one_under_another_key(spiking, grey):
    """Noise is judged under one and the same draw; what the draw does is told apart."""
    found = stability.stability(controls.random(spiking), {}, grey, 0, jax.random.key(0))
    assert found.mean_change == 0
    assert abs(found.repeated) < 0.15


def test_a_map_of_nothing_has_no_relative_change(grey):
    nothing = lambda *arguments, **options: Attribution(np.zeros((32, 32), np.float32), signed=False)
    found = stability.stability(nothing, {}, grey, 0, jax.random.key(0))
    assert found.mean_change is None
    assert found.max_change is None
    assert found.correlation == 1


def test_the_noise_follows_the_key_and_leaves_the_image_alone(grey):
    before = grey.copy()
    first, same, other = (stability.stability(bright, {}, grey, 0, jax.random.key(seed)) for seed in (0, 0, 1))
    assert first == same != other
    np.testing.assert_array_equal(grey, before)


def test_a_map_that_is_there_already_is_not_made_again(grey):
    asked = []

    def explain(variables, image, target, key, *, progress=None):
        asked.append(image)
        return bright(variables, image, target, key)

    whole = bright({}, grey, 0, jax.random.key(0))
    stability.stability(explain, {}, grey, 0, jax.random.key(0), found=whole, draws=2)
    assert len(asked) == 3
