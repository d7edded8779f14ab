import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax.explain.occlusion import corners, occlusion

KEY = jax.random.key(0)


@given(height=st.integers(1, 30), width=st.integers(1, 30), data=st.data())
def test_windows_cover_every_pixel_and_stay_inside(height, width, data):
    side = data.draw(st.integers(1, min(height, width)))
    stride = data.draw(st.integers(1, side))
    covered = np.zeros((height, width), int)
    found = corners((height, width), side, stride)
    for top, left in found:
        assert 0 <= top <= height - side
        assert 0 <= left <= width - side
        covered[top : top + side, left : left + side] += 1
    assert covered.min() > 0
    assert len(set(found)) == len(found)


def test_the_only_block_that_counts_is_found(linear, image):
    """Windows of 2 x 2 side by side: the block in rows 2, 3 and columns 4, 5 loses what it adds, all others nothing."""
    weights = np.zeros(image.shape, np.float32)
    weights[2:4, 4:6] = 0.01
    found = occlusion(linear(weights), window=2, stride=2, fill="offset")({}, image, 1, KEY)
    wanted = np.zeros((8, 8))
    wanted[2:4, 4:6] = (image[2:4, 4:6].astype(float) - 128).sum() / 100
    np.testing.assert_allclose(found.heat, wanted, atol=1e-4)
    assert found.facts["windows"] == 16
    assert found.facts["largest_drop"] == pytest.approx(max(wanted.max(), 0), abs=1e-4)


def test_a_pixel_has_the_mean_drop_of_the_windows_over_it(linear):
    """One row of the image counts 1 in its first column, 0 elsewhere; windows of 4 every 2: columns 0, 2, 4.

    Only the first window hides the bright column; columns 0 and 1 lie under it alone, 2 and 3 under it and the next.
    """
    image = np.full((8, 8, 3), 100, np.uint8)
    image[:, 0] = 0
    weights = np.zeros(image.shape, np.float32)
    weights[0, 0, 0] = 0.01
    found = occlusion(linear(weights), window=4, stride=2)({}, image, 1, KEY)
    np.testing.assert_allclose(found.heat[0], [-1, -1, -0.5, -0.5, 0, 0, 0, 0], atol=1e-5)
    assert not found.heat[4:].any()


def test_the_size_of_a_batch_changes_nothing(spiking, image):
    told = []
    run = lambda size, progress=None: occlusion(spiking, window=3, batch_size=size)(
        spiking.variables, image, 1, KEY, progress=progress
    )
    small, large = run(4, lambda done, total: told.append((done, total))), run(64)
    np.testing.assert_allclose(small.heat, large.heat, atol=1e-5)
    assert told[-1] == (large.facts["windows"] + 1,) * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 9}, "a window of 9 pixels does not fit into an image of 8 x 8"),
        ({"window": 2, "stride": 3}, "a stride of 3 steps over pixels that a window of 2 never covers"),
        ({"window": 0}, "window is 0; expected a whole number from 1 up"),
        ({"fill": "black"}, "no fill 'black'; there are background, offset, mean"),
        ({"score": "loss"}, "no score 'loss'; there are probability, logit"),
    ],
)
def test_options_out_of_range_are_refused(relu, options, message):
    with pytest.raises(ValueError, match=f"^occlusion: {message}"):
        occlusion(relu, **options)
