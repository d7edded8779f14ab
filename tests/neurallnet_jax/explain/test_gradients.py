import jax
import jax.numpy as jnp
import numpy as np

from neurallnet_jax.explain.gradients import slopes

KEY = jax.random.key(0)


def test_the_slopes_of_a_line_are_its_weights_at_every_image(linear):
    weights = np.random.default_rng(1).normal(size=(8, 8, 3)).astype(np.float32)
    pixels = np.random.default_rng(2).uniform(0, 255, (3, 8, 8, 3)).astype(np.float32)
    scores, found = slopes(linear(weights))({}, pixels, jnp.int32(1), KEY)
    np.testing.assert_allclose(scores, (pixels * weights).sum(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_array_equal(found, np.broadcast_to(weights, pixels.shape))


def test_slopes_are_differences_of_the_score_and_do_not_hear_of_other_images(relu):
    """Where a ReLU network is linear: central differences of 1/64 of a grey level, in a batch of two other images."""
    pixels = np.random.default_rng(5).uniform(0, 255, (3, 8, 8, 3)).astype(np.float32)
    run = jax.jit(slopes(relu))
    _, found = run(relu.variables, pixels, jnp.int32(1), KEY)
    for place in ((0, 0, 0), (3, 4, 1), (7, 6, 2)):
        shift = np.zeros((8, 8, 3), np.float32)
        shift[place] = 1 / 64
        (above, below, _), _ = run(
            relu.variables, np.stack([pixels[1] + shift, pixels[1] - shift, pixels[2]]), jnp.int32(1), KEY
        )
        np.testing.assert_allclose(found[1][place], (above - below) * 32, rtol=2e-2, atol=2e-5)
