import math

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax.baselines import initial

DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")


@given(
    window=st.sampled_from([(), (3, 3), (1, 7)]),
    fans=st.tuples(st.integers(20, 60), st.integers(20, 60)),
    mode=st.sampled_from(["fan_in", "fan_out", "fan_avg"]),
    distribution=st.sampled_from(DISTRIBUTIONS),
    scale=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_the_variance_is_the_scale_over_the_fan(window, fans, mode, distribution, scale):
    shape = (*window, *fans)
    found = initial.variance_scaling(np.random.default_rng(0), shape, scale=scale, mode=mode, distribution=distribution)
    area = math.prod(window)
    fan = {"fan_in": fans[0] * area, "fan_out": fans[1] * area, "fan_avg": sum(fans) * area / 2}[mode]
    assert found.dtype == np.float32
    assert found.shape == shape
    assert found.var() == pytest.approx(scale / fan, rel=0.25)
    deviation = math.sqrt(scale / fan)
    bound = {"uniform": math.sqrt(3), "truncated_normal": 2 / 0.8796, "untruncated_normal": 9}[distribution]
    assert np.abs(found).max() <= bound * deviation * 1.0001


def test_it_agrees_with_the_initialisers_of_jax():
    """Standard deviations of a million draws of each, by another implementation."""
    shape = (3, 3, 96, 128)
    for distribution in ("uniform", "truncated_normal"):
        theirs = jax.nn.initializers.variance_scaling(2.0, "fan_out", distribution)(jax.random.key(0), shape)
        ours = initial.variance_scaling(
            np.random.default_rng(0), shape, scale=2.0, mode="fan_out", distribution=distribution
        )
        assert ours.std() == pytest.approx(float(theirs.std()), rel=0.02)
        assert np.abs(ours).max() == pytest.approx(float(np.abs(theirs).max()), rel=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fan", "distribution": "uniform"}, "mode is 'fan'"),
        ({"mode": "fan_in", "distribution": "cauchy"}, "distribution is 'cauchy'"),
    ],
)
def test_an_unknown_way_to_draw_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        initial.variance_scaling(np.random.default_rng(0), (3, 3), scale=1.0, **options)


def test_initial_variables_repeat_with_their_key_and_only_with_it(graph):
    first, again, other = (initial.draw(graph, jax.random.key(seed)) for seed in (1, 1, 2))
    raw = initial.draw(graph, jax.random.key_data(jax.random.key(1)))
    kernel = lambda tree: np.asarray(tree["params"]["conv2d"]["kernel"])
    np.testing.assert_array_equal(kernel(first), kernel(again))
    np.testing.assert_array_equal(kernel(first), kernel(raw))
    assert (kernel(first) != kernel(other)).any()


def test_norms_begin_as_if_their_input_were_standard(graph):
    tree = initial.draw(graph, jax.random.key(0))
    assert set(tree["batch_stats"]) == {"batch_normalization"}
    statistics, weights = tree["batch_stats"]["batch_normalization"], tree["params"]["batch_normalization"]
    assert (np.asarray(statistics["moving_mean"]) == 0).all()
    assert (np.asarray(statistics["moving_variance"]) == 1).all()
    assert (np.asarray(weights["gamma"]) == 1).all()
    # The state of dropout's seed is no variable: it comes from the key of every call.
    assert "dropout" not in {**tree["params"], **tree["batch_stats"]}
