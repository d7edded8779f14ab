"""Parameters of NIR nodes: one value per layer, pairs of whole numbers, decays that float32 has blurred."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_port import graph, nir_values


@given(st.integers(1, 10**6), st.sampled_from([1e-4, 1e-3, 0.7, 2.0]))
def test_a_decay_of_six_digits_survives_a_tau_of_32_bits(millionths, dt):
    dv = float(f"{millionths / 10**6:.6g}")
    assert nir_values.decay(dt, float(np.float32(dt / dv))) == dv


@given(st.floats(1e-3, 1.0), st.sampled_from([1e-4, 0.7]))
def test_any_decay_comes_back_within_the_rounding_of_32_bits(dv, dt):
    assert nir_values.decay(dt, float(np.float32(dt / dv))) == pytest.approx(dv, rel=3e-7)


@pytest.mark.parametrize("value", [2.5, np.float32(2.5), np.full((2, 3), 2.5), [2.5, 2.5]])
def test_one_value_for_a_layer_may_come_in_any_shape(value):
    assert nir_values.one(value, "lif", "tau") == 2.5


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0, 2.0], r"node 'lif': tau ranges from 1 to 2; expected one value"),
        ([], r"node 'lif': tau ranges from nan to nan"),
        ([np.inf], r"node 'lif': tau holds NaN or infinity"),
        ("long", r"node 'lif': tau holds no numbers"),
        (None, r"node 'lif': tau holds NaN"),
    ],
)
def test_what_is_not_one_value_is_refused_by_name(value, message):
    with pytest.raises(graph.GraphError, match=message):
        nir_values.one(value, "lif", "tau")


def test_pairs_and_padding_by_hand():
    assert nir_values.pair(3, "conv", "stride") == (3, 3)
    assert nir_values.pair(np.array([1, 2]), "conv", "stride") == (1, 2)
    assert nir_values.padding((0, 2), "conv", (3, 3), (1, 1)) == (0, 2)
    assert nir_values.padding("valid", "conv", (3, 5), (2, 2)) == (0, 0)
    assert nir_values.padding("same", "conv", (3, 5), (1, 1)) == (1, 2)
    for kernel, stride in (((2, 3), (1, 1)), ((3, 3), (1, 2))):
        with pytest.raises(graph.GraphError, match=r"node 'conv': padding is 'same' with kernel"):
            nir_values.padding("same", "conv", kernel, stride)
    for value in ((1, 2, 3), 0, 1.5, ()):
        with pytest.raises(graph.GraphError, match=r"node 'conv': stride is \["):
            nir_values.pair(value, "conv", "stride")


def test_a_bias_is_zeros_where_there_is_none():
    np.testing.assert_array_equal(nir_values.bias(None, "dense", 3), np.zeros(3))
    with pytest.raises(graph.GraphError, match=r"node 'dense': bias has shape \(2,\); expected \(3,\)"):
        nir_values.bias([1, 2], "dense", 3)
