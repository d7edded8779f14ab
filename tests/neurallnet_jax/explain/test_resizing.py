import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax.explain.resizing import to_image


def test_a_step_becomes_a_ramp_between_the_centres_of_its_cells():
    """Two cells of four pixels, 0 and 8: centres at 1.5 and 5.5, so pixels 2..5 climb by 2 from 1."""
    found = to_image(jnp.asarray([[[0.0, 8.0]]]), (1, 8))
    np.testing.assert_allclose(found[0, 0], [0, 0, 1, 3, 5, 7, 8, 8], atol=1e-6)


@given(seed=st.integers(0, 99), height=st.integers(1, 4), width=st.integers(1, 4))
def test_no_value_leaves_the_range_of_the_map(seed, height, width):
    maps = np.random.default_rng(seed).normal(size=(2, height, width)).astype(np.float32)
    found = np.asarray(to_image(jnp.asarray(maps), (9, 7)))
    assert found.shape == (2, 9, 7)
    assert (found.max(axis=(1, 2)) <= maps.max(axis=(1, 2)) + 1e-5).all()
    assert (found.min(axis=(1, 2)) >= maps.min(axis=(1, 2)) - 1e-5).all()
