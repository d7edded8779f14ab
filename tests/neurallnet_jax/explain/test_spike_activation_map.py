import jax
import numpy as np
import pytest

from neurallnet_jax.explain.resizing import to_image
from neurallnet_jax.explain.spike_activation_map import activation_maps, spike_activation_map

KEY = jax.random.key(0)


def test_a_spike_counts_by_the_time_since_those_before_it():
    """Two neurons at one place, 1011 and 0101, with exp(-gamma) = 1/2.

    The first scores 0 in step 0, 1/4 in step 2 (a spike two steps ago), 1/8 + 1/2 in step 3; in step 1 it is silent. The
    second scores 0 in step 1 and 1/4 in step 3. A third that never spikes adds nothing.
    """
    trains = np.array([[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]], np.float32)
    found = activation_maps(trains.T.reshape(4, 1, 1, 3), np.log(2))
    np.testing.assert_allclose(found[:, 0, 0], [0, 0, 1 / 4, 5 / 8 + 1 / 4], rtol=1e-6)


def test_without_decay_every_earlier_spike_counts_one():
    """Six steps of a neuron that always spikes: 0, 1, 2, ..."""
    found = activation_maps(np.ones((6, 1, 1, 1), np.float32), 0.0)
    np.testing.assert_allclose(found[:, 0, 0], np.arange(6))


@pytest.mark.parametrize("layer", ["lif_1", None])
def test_the_map_of_a_network_follows_the_plain_sum_over_pairs_of_spikes(spiking, image, layer):
    explain = spike_activation_map(spiking, layer=layer, gamma=0.7)
    found, other = (explain(spiking.variables, image, target, KEY) for target in (0, 1))
    spikes = np.asarray(
        spiking.features(spiking.variables, image[None].astype(np.float32), KEY, layer or spiking.layers[-1])
    )[:, 0]
    maps = np.zeros(spikes.shape[:-1])
    for now in range(len(spikes)):
        for before in range(now):
            maps[now] += (np.exp(-0.7 * (now - before)) * spikes[before] * spikes[now]).sum(axis=-1)
    assert maps.any()
    np.testing.assert_allclose(found.steps, to_image(maps.astype(np.float32), (8, 8)), atol=1e-5)
    np.testing.assert_allclose(found.heat, found.steps.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(found.heat, other.heat)
    assert found.facts["rate"] == pytest.approx(spikes.mean())


def test_it_is_for_spiking_networks(relu, spiking):
    with pytest.raises(ValueError, match=r"^spike-activation-map: no layer of this network spikes"):
        spike_activation_map(relu)
    with pytest.raises(ValueError, match=r"^spike-activation-map: gamma is -1; expected a decay per step from 0 up"):
        spike_activation_map(spiking, gamma=-1)
