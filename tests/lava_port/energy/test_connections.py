"""Fan-outs against a loop over every output and weight, which knows nothing of the closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy.connections import fan_out, reach
from lava_port.graph import FixedConv, FixedDense, FixedReadout, GraphError


def conv_node(shape, weight, stride, padding, groups, dilation=(1, 1)) -> FixedConv:
    height, width = (
        (extent + sum(pad) - apart * (kernel - 1) - 1) // step + 1
        for extent, kernel, step, pad, apart in zip(shape, weight.shape[2:], stride, padding, dilation, strict=False)
    )
    return FixedConv("conv_1", ("input",), (height, width, len(weight)), weight, stride, padding, groups, dilation)


def fan_out_by_walking(node: FixedConv, shape) -> tuple[np.ndarray, np.ndarray]:
    """Walk over outputs, as a convolution is defined, and mark every weight that an input pixel is multiplied with."""
    stored, nonzero = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    per_group, inputs = len(node.weight) // node.groups, node.weight.shape[1]
    for out_y, out_x, out in np.ndindex(node.shape):
        for channel, ky, kx in np.ndindex(node.weight.shape[1:]):
            y = out_y * node.stride[0] + ky * node.dilation[0] - node.padding[0][0]
            x = out_x * node.stride[1] + kx * node.dilation[1] - node.padding[1][0]
            if 0 <= y < shape[0] and 0 <= x < shape[1]:
                source = (y, x, (out // per_group) * inputs + channel)
                stored[source] += 1
                nonzero[source] += node.weight[out, channel, ky, kx] != 0
    return stored, nonzero


def between_by_walking(node: FixedConv, shape) -> np.ndarray:
    """Walk in the same way and count the weights between every input and every output."""
    result = np.zeros((*shape, *node.shape), np.int64)
    per_group, inputs = len(node.weight) // node.groups, node.weight.shape[1]
    for out_y, out_x, out in np.ndindex(node.shape):
        for channel, ky, kx in np.ndindex(node.weight.shape[1:]):
            y = out_y * node.stride[0] + ky * node.dilation[0] - node.padding[0][0]
            x = out_x * node.stride[1] + kx * node.dilation[1] - node.padding[1][0]
            if 0 <= y < shape[0] and 0 <= x < shape[1]:
                result[y, x, (out // per_group) * inputs + channel, out_y, out_x, out] += 1
    return result


def between(node: object, shape) -> np.ndarray:
    found = reach(node, shape)
    return np.einsum("ya,xb,cd->yxcabd", found.rows, found.columns, found.channels)


GEOMETRIES = [
    # shape, outputs, kernel, stride, padding, groups
    ((4, 4, 1), 2, (3, 3), (2, 2), ((1, 1), (1, 1)), 1),
    ((5, 5, 2), 3, (3, 3), (1, 1), ((1, 1), (1, 1)), 1),
    ((5, 4, 2), 3, (3, 3), (1, 1), ((0, 0), (0, 0)), 1),
    ((7, 7, 2), 2, (3, 3), (2, 2), ((0, 0), (0, 0)), 1),
    ((6, 6, 2), 2, (3, 3), (2, 2), ((0, 1), (0, 1)), 1),
    ((6, 6, 4), 4, (3, 3), (1, 1), ((1, 1), (1, 1)), 4),
    ((6, 6, 4), 6, (3, 3), (2, 2), ((1, 1), (1, 1)), 2),
    ((6, 5, 1), 2, (1, 1), (1, 1), ((0, 0), (0, 0)), 1),
    ((6, 5, 1), 2, (1, 1), (2, 2), ((0, 0), (0, 0)), 1),
    ((8, 8, 1), 2, (2, 2), (2, 2), ((0, 0), (0, 0)), 1),
    ((8, 7, 1), 2, (5, 3), (2, 1), ((2, 2), (1, 1)), 1),
    ((9, 9, 1), 1, (2, 3), (3, 4), ((0, 0), (1, 1)), 1),
    ((4, 4, 1), 1, (4, 4), (1, 1), ((3, 3), (3, 3)), 1),
    ((3, 3, 2), 2, (3, 3), (1, 1), ((0, 0), (0, 0)), 1),
    ((1, 1, 2), 2, (3, 3), (2, 2), ((1, 1), (1, 1)), 1),
    ((10, 3, 2), 2, (1, 3), (3, 1), ((0, 0), (2, 2)), 2),
]


@pytest.mark.parametrize(("shape", "outputs", "kernel", "stride", "padding", "groups"), GEOMETRIES)
def test_a_convolution_has_the_fan_out_that_walking_over_its_outputs_finds(
    shape, outputs, kernel, stride, padding, groups
):
    generator = np.random.default_rng(0)
    weight = 2 * generator.integers(-1, 2, (outputs, shape[2] // groups, *kernel)).astype(np.int16)
    node = conv_node(shape, weight, stride, padding, groups)
    stored, nonzero = fan_out_by_walking(node, shape)
    np.testing.assert_array_equal(fan_out(node, shape), stored)
    np.testing.assert_array_equal(fan_out(node, shape, nonzero=True), nonzero)
    assert fan_out(node, shape).dtype == np.int64


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_convolutions_have_the_fan_out_that_walking_finds(data):
    small = st.integers(1, 3)
    kernel, dilation = ((data.draw(small), data.draw(small)) for _ in range(2))
    padding = tuple((data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in range(2))
    extents = tuple(
        data.draw(st.integers(max(1, apart * (size - 1) + 1 - sum(pad)), 7))
        for size, apart, pad in zip(kernel, dilation, padding, strict=True)
    )
    groups = data.draw(st.integers(1, 2))
    shape = (*extents, groups * data.draw(small))
    weight_shape = (groups * data.draw(small), shape[2] // groups, *kernel)
    values = data.draw(st.lists(st.sampled_from([0, 2, -4]), min_size=1, max_size=20))
    weight = np.resize(np.array(values, np.int16), weight_shape)
    node = conv_node(shape, weight, (data.draw(small), data.draw(small)), padding, groups, dilation)
    stored, nonzero = fan_out_by_walking(node, shape)
    np.testing.assert_array_equal(fan_out(node, shape), stored)
    np.testing.assert_array_equal(fan_out(node, shape, nonzero=True), nonzero)
    np.testing.assert_array_equal(between(node, shape).sum(axis=(3, 4, 5)), stored)
    np.testing.assert_array_equal(between(node, shape), between_by_walking(node, shape))


def test_a_stride_of_two_reaches_each_row_as_worked_out_by_hand():
    # Rows 0 .. 3 of a 4 x 4 image reach 1, 2, 1, 1 outputs under kernel 3, stride 2, padding 1; two channels come out.
    node = conv_node((4, 4, 1), np.full((2, 1, 3, 3), 2, np.int16), (2, 2), ((1, 1), (1, 1)), 1)
    rows = np.array([1, 2, 1, 1])
    np.testing.assert_array_equal(fan_out(node, (4, 4, 1))[..., 0], 2 * np.outer(rows, rows))


def test_a_dense_layer_costs_every_input_all_its_outputs():
    weight = np.array([[0, 2, 4, 6], [0, 0, 2, 2], [2, 0, 0, 2]], np.int16)
    node = FixedDense("dense_1", ("lif_1",), (3,), weight)
    np.testing.assert_array_equal(fan_out(node, (4,)), [3, 3, 3, 3])
    np.testing.assert_array_equal(fan_out(node, (4,), nonzero=True), [1, 1, 2, 3])


def test_a_feature_map_is_flattened_in_height_width_channel_order():
    weight = np.zeros((2, 8), np.int16)
    weight[:, 5] = 2  # (1, 0, 1) of 2 x 2 x 2
    node = FixedDense("dense_1", ("lif_1",), (2,), weight)
    expected = np.zeros((2, 2, 2), np.int64)
    expected[1, 0, 1] = 2
    np.testing.assert_array_equal(fan_out(node, (2, 2, 2), nonzero=True), expected)


def test_a_shared_dense_layer_meets_the_same_weights_at_every_position():
    node = FixedDense("dense_1", ("lif_1",), (2,), np.array([[2, 0, 4], [2, 0, 2]], np.int16), shared=True)
    np.testing.assert_array_equal(fan_out(node, (2, 2, 3)), np.full((2, 2, 3), 2))
    np.testing.assert_array_equal(fan_out(node, (2, 2, 3), nonzero=True), np.broadcast_to([2, 0, 2], (2, 2, 3)))


def test_an_input_that_does_not_fit_is_refused_by_name():
    node = conv_node((4, 4, 2), np.ones((2, 2, 3, 3), np.int16), (1, 1), ((1, 1), (1, 1)), 1)
    with pytest.raises(
        GraphError, match=r"'conv_1': weight \(2, 2, 3, 3\) in 1 groups does not fit its input \(4, 4, 3"
    ):
        fan_out(node, (4, 4, 3))
    with pytest.raises(GraphError, match=r"'conv_1': its shape is \(4, 4, 2\), but its kernel makes \(5, 4, 2\)"):
        fan_out(node, (5, 4, 2))
    dense = FixedDense("dense_1", ("lif_1",), (2,), np.ones((2, 9), np.int16))
    with pytest.raises(GraphError, match=r"'dense_1': weight \(2, 9\) does not take an input \(2, 2, 2\)"):
        fan_out(dense, (2, 2, 2))


def test_a_node_without_weights_has_no_fan_out():
    readout = FixedReadout("readout", ("dense_1",), (2,), np.zeros(2, np.int64), 1.0)
    with pytest.raises(TypeError, match=r"'readout': no fan-out for FixedReadout; add one with @fan_out.register"):
        fan_out(readout, (2,))


def test_every_input_of_a_dense_layer_reaches_every_unit_and_shared_weights_are_held_once():
    flat = FixedDense("dense_1", ("lif_1",), (2,), np.zeros((2, 12), np.int16))
    shared = FixedDense("dense_2", ("lif_1",), (2,), np.zeros((2, 3), np.int16), shared=True)
    for node in (flat, shared):
        np.testing.assert_array_equal(between(node, (2, 2, 3)), np.ones((2, 2, 3, 1, 1, 2)))
    assert (reach(flat, (2, 2, 3)).taps, reach(shared, (2, 2, 3)).taps) == (4, 1)
    vector = reach(FixedDense("dense_3", ("lif_1",), (2,), np.zeros((2, 5), np.int16)), (5,))
    assert (vector.rows.shape, vector.columns.shape, vector.channels.shape) == ((1, 1), (1, 1), (5, 2))


def test_a_reach_that_does_not_fit_is_refused_by_name():
    node = conv_node((4, 4, 2), np.ones((2, 2, 3, 3), np.int16), (1, 1), ((1, 1), (1, 1)), 1)
    with pytest.raises(GraphError, match=r"'conv_1': its shape is \(4, 4, 2\), but its kernel makes \(5, 4, 2\)"):
        reach(node, (5, 4, 2))
    with pytest.raises(TypeError, match=r"'readout': no reach for FixedReadout; add one with @reach.register"):
        reach(FixedReadout("readout", ("dense_1",), (2,), np.zeros(2, np.int64), 1.0), (2,))
