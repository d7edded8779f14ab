"""Controls: maps that ask no model."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from neurallnet_jax.explain import controls

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize("name", controls.CONTROLS)
def test_a_control_does_not_ask_the_network(spiking, image, name):
    explain = controls.CONTROLS[name](spiking)
    key = jax.random.key(0)
    first, second = (explain(variables, image, target, key).heat for variables, target in (({}, 0), ({}, 1)))
    np.testing.assert_array_equal(first, second)
    assert first.shape == image.shape[:2]
    assert first.dtype == np.float32


def test_a_random_map_follows_its_key_and_the_others_do_not(spiking, image):
    for name, control in controls.CONTROLS.items():
        explain = control(spiking)
        same = np.array_equal(*(explain({}, image, 0, jax.random.key(seed)).heat for seed in (0, 1)))
        assert same == (name != "random")


def test_edges_are_those_of_sobel(spiking, image):
    grey = image @ LUMA
    expected = np.hypot(*(ndimage.sobel(grey, axis, mode="nearest") / 8 for axis in (0, 1)))
    found = controls.edges(spiking)({}, image, 0, jax.random.key(0)).heat
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_middle_is_hottest_and_falls_off_evenly(spiking):
    heat = controls.centre(spiking)({}, np.zeros((9, 9, 3), np.uint8), 0, jax.random.key(0)).heat
    assert heat.argmax() == 40
    np.testing.assert_allclose(heat, heat.T)
    np.testing.assert_allclose(heat, heat[::-1])
    # One standard deviation, a quarter of 8 pixels, from the middle of an image of 8: exp(-1/2) of the top.
    even = controls.centre(spiking)({}, np.zeros((8, 8, 3), np.uint8), 0, jax.random.key(0)).heat
    assert even[3, 5] / even[3, 3] == pytest.approx(np.exp(-(1.5**2 - 0.5**2) / 8))
