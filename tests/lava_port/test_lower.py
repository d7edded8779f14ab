"""The lowered graph against the spec computed straight from the checkpoint's weights, and every refusal."""

import dataclasses
import typing

import numpy as np
import pytest

from lava_port import graph, lower, reference
from neurallnet_jax import spec

FRAME = {"offset": (200, 130, 180), "scale": 64.0, "classes": ("a", "b", "c", "d")}


def hard_sigmoid(x):
    return np.clip(x / 6 + 0.5, 0, 1)


def computed_from_the_spec(network, weights, images):
    """Return the logits, layer by layer in the order and layout of the spec: (time, batch, height, width, channels)."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    values = np.stack([(images - np.array(FRAME["offset"])) / FRAME["scale"]] * network.steps)
    bias: np.ndarray | float = 0.0
    gate = None
    for name, layer in spec.named_layers(network):
        own = {key.split("/")[2]: value for key, value in weights.items() if key.split("/")[1] == name}
        match layer:
            case spec.Conv():
                values, bias = taps(values, own["kernel"], layer), own.get("bias", 0.0)
            case spec.BatchNorm():
                factor = own["scale"] / np.sqrt(own["var"] + layer.epsilon)
                values, bias = values * factor, (bias - own["mean"]) * factor + own["bias"]
            case spec.AveragePool():
                rows = sum(values[:, :, i :: layer.window] for i in range(layer.window))
                values = sum(rows[:, :, :, i :: layer.window] for i in range(layer.window)) / layer.window**2
            case spec.SqueezeExcite():
                mean = (values + bias).reshape(*values.shape[:2], -1, values.shape[-1]).mean(axis=2)
                hidden = np.maximum(mean @ own["reduce_kernel"] + own["reduce_bias"], 0)
                gate = hard_sigmoid(hidden @ own["excite_kernel"] + own["excite_bias"])
                for _ in range(layer.delay):
                    first = np.broadcast_to(hard_sigmoid(own["initial"]), gate[:1].shape)
                    gate = np.concatenate([first, gate[:-1]])
                gate = gate.reshape(*gate.shape[:2], *(1,) * (values.ndim - 3), -1)
            case spec.StaticGate():
                gate = np.broadcast_to(
                    hard_sigmoid(own["gate"]), (network.steps, 1, *(1,) * (values.ndim - 3), values.shape[-1])
                )
            case spec.Lif():
                g = np.ones((network.steps, 1)) if gate is None else gate
                values, gate = lif(layer, own, values, g, bias), None
            case spec.GlobalAverage():
                values = values.mean(axis=(2, 3))
            case spec.Dense():
                values = values.reshape(*values.shape[:2], -1) @ own["kernel"]
                bias = own.get("bias", 0.0)
            case spec.Readout():
                values = (values + bias).mean(axis=0)
    return values


def taps(values, kernel, layer):
    padded = np.pad(values, ((0, 0), (0, 0), *layer.padding, (0, 0)))
    size = spec.output_shape(layer, values.shape[2:])[:2]
    ins, outs = kernel.shape[2], kernel.shape[3] // layer.groups
    parts = []
    for group in range(layer.groups):
        total = 0
        for y, x in np.ndindex(*layer.kernel):
            top, left = y * layer.dilation[0], x * layer.dilation[1]
            rows = slice(top, top + (size[0] - 1) * layer.stride[0] + 1, layer.stride[0])
            columns = slice(left, left + (size[1] - 1) * layer.stride[1] + 1, layer.stride[1])
            seen = padded[:, :, rows, columns, group * ins : (group + 1) * ins]
            total = total + seen @ kernel[y, x, :, group * outs : (group + 1) * outs]
        parts.append(total)
    return np.concatenate(parts, axis=-1)


def lif(layer, own, values, gate, bias):
    dv = 1 / (1 + np.exp(-own["dv"])) if "dv" in own else layer.dv
    du = 1 / (1 + np.exp(-own["du"])) if "du" in own else layer.du
    u = v = 0.0
    spikes = []
    for a, g in zip(values, gate, strict=True):
        u = (1 - du) * u + g * a
        v = (1 - dv) * v + u + g * bias
        spikes.append((v > layer.v_threshold).astype(float))
        v = v * (1 - spikes[-1])
    return np.stack(spikes)


def test_the_lowered_graph_computes_what_the_spec_says(network, weights_of, images_of):
    for seed in range(2):
        weights = weights_of(network, seed)
        images = images_of((*network.image_size, 3), 4, seed)
        seen = reference.run_float(lower.lower(network, weights, **FRAME), images)
        np.testing.assert_allclose(seen.scores, computed_from_the_spec(network, weights, images), atol=1e-5)


@pytest.mark.parametrize("kind", typing.get_args(spec.LayerSpec), ids=lambda kind: kind.__name__)
def test_every_layer_has_a_lowering_or_a_refusal_of_its_own(kind):
    assert lower.lower_layer.dispatch(kind) is not lower.lower_layer.dispatch(object)


def test_a_layer_without_a_rule_is_refused_by_name():
    class Gru:
        pass

    with pytest.raises(
        graph.GraphError, match=r"layer 'layer_1': no lowering for Gru; add one with @lower_layer.register"
    ):
        lower.lower_layer(Gru(), None, "layer_1", (1,), {})


def test_the_relu_twin_is_refused(networks, weights_of):
    plain = networks["plain"]
    layers = tuple(spec.Relu() if isinstance(layer, spec.Lif) else layer for layer in plain.layers)
    twin = dataclasses.replace(plain, layers=layers)
    with pytest.raises(graph.GraphError, match=r"layer 'relu_1': Relu hands on real numbers"):
        lower.lower(twin, weights_of(twin, 0), **FRAME)


def with_neuron(network, **fields):
    layers = [dataclasses.replace(x, **fields) if isinstance(x, spec.Lif) else x for x in network.layers]
    return dataclasses.replace(network, layers=tuple(layers))


def with_gate(network, **fields):
    layers = [dataclasses.replace(x, **fields) if isinstance(x, spec.SqueezeExcite) else x for x in network.layers]
    return dataclasses.replace(network, layers=tuple(layers))


def refusal(network, weights_of, **frame):
    with pytest.raises(graph.GraphError) as caught:
        lower.lower(network, weights_of(network, 0), **{**FRAME, **frame})
    return str(caught.value)


def test_a_soft_reset_is_refused(networks, weights_of):
    message = refusal(with_neuron(networks["plain"], reset="soft"), weights_of)
    assert message.startswith("layer 'lif_1': reset is 'soft'")


@pytest.mark.parametrize("encoding", ["rate", "latency"])
def test_encodings_other_than_direct_are_refused(networks, weights_of, encoding):
    message = refusal(dataclasses.replace(networks["plain"], encoding=encoding), weights_of)
    assert message.startswith(f"encoding is '{encoding}'")


def test_a_gate_faster_than_its_messages_is_refused(networks, weights_of):
    message = refusal(with_gate(networks["gated"], delay=1), weights_of)
    assert message.startswith(
        "layer 'gate_1': delay 1 is shorter than the path squeeze -> excite -> neuron, 2 messages"
    )


@pytest.mark.parametrize("shuffle", ["images", "channels"])
def test_shuffled_gates_are_refused(networks, weights_of, shuffle):
    message = refusal(with_gate(networks["gated"], shuffle=shuffle), weights_of)
    assert message.startswith(f"layer 'gate_1': its gates are shuffled over {shuffle}, a control")


def test_a_gate_of_one_lowers_to_a_factor_of_one(networks, weights_of):
    layers = [
        spec.StaticGate(learned=False) if isinstance(x, spec.SqueezeExcite) else x for x in networks["gated"].layers
    ]
    network = dataclasses.replace(networks["gated"], layers=tuple(layers))
    node = graph.find(lower.lower(network, weights_of(network, 0), **FRAME), "static_gate_1")
    np.testing.assert_array_equal(node.scale, 1)
    np.testing.assert_array_equal(node.shift, 0)


@pytest.mark.parametrize("delay", [0, 2, 3])
def test_other_delays_reach_the_node(networks, weights_of, delay):
    network = with_gate(networks["gated"], delay=delay)
    gate = graph.find(lower.lower(network, weights_of(network, 0), **FRAME), "gate_1")
    assert gate.delay == delay
    assert (gate.initial is None) == (delay == 0)


def test_a_missing_a_leftover_and_a_misshapen_weight_are_refused_by_name(networks, weights_of):
    network = networks["plain"]
    whole = weights_of(network, 0)
    missing = {key: value for key, value in whole.items() if key != "batch_stats/norm_1/var"}
    with pytest.raises(
        graph.GraphError, match=r"layer 'norm_1': the checkpoint has no weight 'batch_stats/norm_1/var'"
    ):
        lower.lower(network, missing, **FRAME)
    leftover = {**whole, "params/conv_1/bias": np.zeros(6, np.float32)}
    with pytest.raises(graph.GraphError, match=r"weight 'params/conv_1/bias' belongs to no layer"):
        lower.lower(network, leftover, **FRAME)
    misshapen = {**whole, "params/conv_1/kernel": whole["params/conv_1/kernel"].transpose(3, 2, 0, 1)}
    with pytest.raises(
        graph.GraphError, match=r"layer 'conv_1': weight 'params/conv_1/kernel' has shape \(6, 3, 3, 3\), expect"
    ):
        lower.lower(network, misshapen, **FRAME)


def test_nan_in_a_weight_is_refused_by_name(networks, weights_of):
    weights = weights_of(networks["plain"], 0)
    weights["params/dense_1/kernel"][0, 0] = np.nan
    with pytest.raises(graph.GraphError, match=r"node 'dense_1': weight holds NaN"):
        lower.lower(networks["plain"], weights, **FRAME)


def test_a_negative_variance_is_refused(networks, weights_of):
    weights = weights_of(networks["plain"], 0)
    weights["batch_stats/norm_2/var"][3] = -1
    with pytest.raises(graph.GraphError, match=r"layer 'norm_2': the variance of channel 3 is -1"):
        lower.lower(networks["plain"], weights, **FRAME)


def test_preprocessing_and_classes_that_do_not_fit_are_refused(networks, weights_of):
    network = networks["plain"]
    assert "offset is [1, 2]" in refusal(network, weights_of, offset=(1, 2))
    assert "offset is [1.5, 2, 3]" in refusal(network, weights_of, offset=(1.5, 2, 3))
    assert "scale is 0.0" in refusal(network, weights_of, scale=0.0)
    assert "2 class names for 4 outputs" in refusal(network, weights_of, classes=("a", "b"))


def test_layers_in_an_order_that_no_hardware_runs_are_refused(weights_of):
    lif, head = spec.Lif(), (spec.Dense(4), spec.Readout())
    bare = spec.Network((lif, *head), image_size=(4, 4))
    assert refusal(bare, weights_of).startswith("layer 'lif_1': hears no current, but 'input'")
