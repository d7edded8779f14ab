import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax.explain.saliency import saliency
from neurallnet_jax.explain.smoothgrad import smoothgrad

KEY = jax.random.key(4)


def test_of_a_line_it_is_the_gradient_whatever_the_noise(linear, image):
    weights = np.random.default_rng(1).normal(size=image.shape).astype(np.float32)
    found = smoothgrad(linear(weights), noise=0.2, samples=11, batch_size=4)({}, image, 1, KEY)
    np.testing.assert_allclose(found.heat, np.abs(weights).max(axis=-1), rtol=1e-5)
    assert found.facts["noise_sd"] == pytest.approx(0.2 * np.ptp(image))


def test_without_noise_it_is_the_gradient_of_any_network(relu, image):
    found = smoothgrad(relu, noise=0.0, samples=3)(relu.variables, image, 1, KEY)
    np.testing.assert_allclose(found.heat, saliency(relu)(relu.variables, image, 1, KEY).heat, atol=1e-7)


def test_noise_of_the_right_size_is_averaged_over(toy, image):
    """The slope of (x / 100)^3 is 3 x^2 / 10^6, and 3 (x^2 + s^2) / 10^6 on average over noise of deviation s.

    Its standard error over n copies is below 3 sqrt(4 x^2 s^2 + 2 s^4) / sqrt(n) / 10^6.
    """
    tail = lambda features: jnp.power(features / 100, 3).sum(axis=(1, 2))[:, :2]
    samples = 400
    found = smoothgrad(toy(lambda pixels: pixels, tail), noise=0.2, samples=samples)({}, image, 1, KEY)
    grey, sd = image[..., 1].astype(float), 0.2 * np.ptp(image)
    error = 3 * np.sqrt(4 * grey**2 * sd**2 + 2 * sd**4) / np.sqrt(samples)
    away = (found.heat * 1e6 - 3 * (grey**2 + sd**2)) / error
    assert np.abs(away).max() < 5
    assert 0.7 < away.std() < 1.3


def test_the_key_alone_decides_what_is_drawn(spiking, image):
    run = lambda key, size: smoothgrad(spiking, samples=6, batch_size=size)(spiking.variables, image, 1, key).heat
    np.testing.assert_allclose(run(KEY, 2), run(KEY, 4), rtol=1e-4, atol=1e-7)
    assert (run(KEY, 2) != run(jax.random.key(5), 2)).any()


def test_options_out_of_range_are_refused(relu):
    with pytest.raises(ValueError, match=r"smoothgrad: noise is -0.1; expected a share of the image's range"):
        smoothgrad(relu, noise=-0.1)
    with pytest.raises(ValueError, match="smoothgrad: samples is 0; expected a whole number from 1 up"):
        smoothgrad(relu, samples=0)
