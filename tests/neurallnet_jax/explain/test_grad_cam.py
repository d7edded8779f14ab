import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax.explain.grad_cam import grad_cam

KEY = jax.random.key(0)


def test_only_the_informative_channel_is_seen(toy, image):
    """The score is the square of channel 1's mean, so heat is relu(2 mean / 64 x channel 1), whatever 0 and 2 hold."""
    tail = lambda features: jnp.stack(
        [jnp.zeros(len(features)), jnp.square(features[..., 1].mean(axis=(1, 2)))], axis=1
    )
    explain = grad_cam(toy(lambda pixels: pixels - 128, tail))
    found = explain({}, image, 1, KEY)
    channel = image[..., 1].astype(np.float32) - 128
    np.testing.assert_allclose(found.heat, np.maximum(2 * channel.mean() / 64 * channel, 0), rtol=1e-4, atol=1e-5)
    assert found.steps is None
    assert found.facts["score"] == pytest.approx(channel.mean() ** 2, rel=1e-4)
    assert not explain({}, image, 0, KEY).heat.any()


def test_a_channel_counts_by_its_slope_on_average_over_space(linear, image):
    """Of a line the slope is a weight per place and channel; the map takes the mean weight of each channel."""
    weights = np.random.default_rng(6).normal(0.3, 1, image.shape).astype(np.float32)
    found = grad_cam(linear(weights))({}, image, 1, KEY)
    wanted = np.maximum(image.astype(np.float32) @ weights.mean(axis=(0, 1)), 0)
    np.testing.assert_allclose(found.heat, wanted, rtol=1e-4)


def test_every_step_of_a_spiking_network_has_a_map(spiking, image):
    """Against the same equations in NumPy, with derivatives of the score by differences of one spike each."""
    explain = grad_cam(spiking)
    found = explain(spiking.variables, image, 1, KEY)
    layer = spiking.layers[-1]
    spikes = np.asarray(spiking.features(spiking.variables, image[None].astype(np.float32), KEY, layer))
    score = lambda values: float(spiking.tail(spiking.variables, jnp.asarray(values), KEY, layer)[0, 1])
    maps = np.zeros((spiking.spec.steps, 2, 2))
    for step in range(spiking.spec.steps):
        for channel in range(8):
            change = spikes.copy()
            change[step, :, :, :, channel] += 1
            maps[step] += (score(change) - score(spikes)) / 4 * spikes[step, 0, :, :, channel]
    wanted = lambda coarse: np.asarray(jax.image.resize(jnp.maximum(coarse, 0), (8, 8), "linear"))
    assert maps.any()
    np.testing.assert_allclose(found.heat, wanted(maps.sum(axis=0)), atol=1e-5)
    np.testing.assert_allclose(found.steps, [wanted(coarse) for coarse in maps], atol=1e-5)


def test_another_layer_gives_another_map_and_an_unknown_one_is_refused(spiking, image):
    first = grad_cam(spiking, layer="lif_1")(spiking.variables, image, 1, KEY)
    last = grad_cam(spiking)(spiking.variables, image, 1, KEY)
    assert (first.heat != last.heat).any()
    with pytest.raises(ValueError, match="grad-cam: no layer 'lif_9' to look at; there are lif_1, lif_2"):
        grad_cam(spiking, layer="lif_9")
