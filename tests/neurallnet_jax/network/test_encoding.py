from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurallnet_jax.checkpoint import Preprocessing
from neurallnet_jax.network import encoding
from neurallnet_jax.spec import Encoding

PREPROCESSING = Preprocessing(offset=(128, 100, 3), scale=64.0)
images = hnp.arrays(np.uint8, (2, 3, 3, 3), elements=st.integers(0, 255)).map(lambda x: x.astype(np.float32))


@given(pixels=images)
def test_the_direct_encoding_is_exact_and_given_once(pixels):
    found = encoding.direct(jnp.asarray(pixels), PREPROCESSING)
    assert found.shape == (1, 2, 3, 3, 3)
    # Whole numbers over a power of two, so that not one bit may be lost.
    np.testing.assert_array_equal(found[0], (pixels - np.array([128, 100, 3])) / 64)


def test_the_rate_encoding_spikes_as_often_as_the_pixel_is_bright():
    pixels = jnp.array([0.0, 25.5, 127.5, 204.0, 255.0]).reshape(1, 1, 1, 5)
    spikes = encoding.rate(pixels, jax.random.key(3), steps=20_000)
    assert set(np.unique(spikes)) == {0, 1}
    rates = np.asarray(spikes.mean(axis=0)).ravel()
    assert rates[0] == 0
    assert rates[-1] == 1
    # Five standard deviations of a Bernoulli mean.
    np.testing.assert_allclose(rates[1:-1], [0.1, 0.5, 0.8], atol=5 * 0.5 / np.sqrt(20_000))


def test_steps_and_pixels_of_the_rate_encoding_are_drawn_apart():
    spikes = np.asarray(encoding.rate(jnp.full((1, 2, 1, 1), 127.5), jax.random.key(0), steps=4_000))[:, 0, :, 0, 0]
    assert abs(np.corrcoef(spikes[:, 0], spikes[:, 1])[0, 1]) < 0.08
    assert abs(np.corrcoef(spikes[:-1, 0], spikes[1:, 0])[0, 1]) < 0.08


def test_the_rate_encoding_repeats_with_its_key_and_only_with_it():
    pixels = jnp.full((1, 4, 4, 3), 100.0)
    draw = lambda seed: np.asarray(encoding.rate(pixels, jax.random.key(seed), steps=4))
    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()


@given(pixels=images, steps=st.integers(1, 6))
def test_the_latency_encoding_spikes_once_and_the_brighter_the_earlier(pixels, steps):
    spikes = np.asarray(encoding.latency(jnp.asarray(pixels), steps=steps))
    np.testing.assert_array_equal(spikes.sum(axis=0), 1)
    when = spikes.argmax(axis=0).ravel()
    order = np.argsort(pixels.ravel())
    assert (np.diff(when[order]) <= 0).all()


def test_white_spikes_first_and_black_last():
    """T = 4: white in step 0, 85 = 255/3 in step 2, black in step 3."""
    spikes = encoding.latency(jnp.array([255.0, 85.0, 0.0]), steps=4)
    assert spikes.argmax(axis=0).tolist() == [0, 2, 3]


@pytest.mark.parametrize("name", get_args(Encoding))
def test_every_encoding_of_the_spec_is_known(name):
    pixels = jnp.full((2, 3, 3, 3), 200.0)
    found = encoding.encode(name, pixels, PREPROCESSING, jax.random.key(0), steps=4)
    own = {
        "direct": lambda: encoding.direct(pixels, PREPROCESSING),
        "rate": lambda: encoding.rate(pixels, jax.random.key(0), steps=4),
        "latency": lambda: encoding.latency(pixels, steps=4),
    }
    np.testing.assert_array_equal(found, own[name]())


def test_an_unknown_encoding_is_refused_by_name():
    with pytest.raises(Exception, match="morse"):
        encoding.encode("morse", jnp.zeros((1, 1, 1, 3)), PREPROCESSING, jax.random.key(0), steps=1)  # pyright: ignore
