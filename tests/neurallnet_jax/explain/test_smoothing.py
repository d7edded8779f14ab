"""Blurs, against SciPy."""

import numpy as np
import pytest
from scipy import ndimage

from neurallnet_jax.explain.smoothing import blurred


@pytest.mark.parametrize("sigma", [0.7, 2.0, 5.0])
@pytest.mark.parametrize("shape", [(20, 31), (24, 9, 3)])
def test_the_blur_is_that_of_scipy(shape, sigma):
    values = np.random.default_rng(2).normal(size=shape)
    reach = int(np.ceil(3 * sigma))
    wide = (sigma, sigma, *(0,) * (len(shape) - 2))
    expected = ndimage.gaussian_filter(values, wide, mode="nearest", radius=reach)
    np.testing.assert_allclose(blurred(values, sigma), expected, atol=1e-12)
