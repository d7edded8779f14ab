import dataclasses
import json
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax import spec
from neurallnet_jax.spec import (
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    GlobalAverage,
    Lif,
    Network,
    Readout,
    Relu,
    SqueezeExcite,
    StaticGate,
)

HEAD = (GlobalAverage(), Dense(2), Readout())
sizes = st.integers(1, 3)
pairs = st.tuples(sizes, sizes)


def padded(pad: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    return ((pad[0], pad[0]), (pad[1], pad[1]))


networks = st.builds(
    lambda conv, norm, gate, neuron, last, steps: Network(
        (conv, norm, gate, neuron, GlobalAverage(), last, Readout()), image_size=(9, 7), steps=steps
    ),
    st.builds(Conv, st.just(6), pairs, pairs, pairs.map(padded), st.sampled_from([1, 3]), st.booleans(), pairs),
    st.builds(BatchNorm, st.sampled_from([0.0, 0.9]), st.sampled_from([1e-5, 0.1])),
    st.builds(SqueezeExcite, sizes, sizes, st.integers(0, 3), st.sampled_from(get_args(spec.Shuffle)))
    | st.builds(StaticGate, st.booleans()),
    st.builds(Lif, st.sampled_from([0.1, 1.0]), st.sampled_from([0.0, 1.0]), st.just(0.3), st.booleans())
    | st.just(Relu()),
    st.builds(Dense, sizes, st.booleans()),
    st.integers(4, 8),
)


@given(network=networks)
def test_a_network_survives_the_trip_through_json(network):
    text = json.dumps(spec.network_to_json(network))
    assert spec.network_from_json(json.loads(text)) == network


def test_the_trip_covers_every_layer_type():
    layers = (
        Conv(4), AveragePool(), BatchNorm(), SqueezeExcite(), Lif(reset="soft", surrogate="triangle"),
        Conv(4), StaticGate(), Relu(), GlobalAverage(), Dense(2), Readout(),
    )  # fmt: skip
    assert {type(layer) for layer in layers} == set(get_args(spec.LayerSpec))
    network = Network(layers, image_size=(8, 8), steps=2, encoding="latency")
    assert spec.network_from_json(json.loads(json.dumps(spec.network_to_json(network)))) == network


def test_a_convolution_without_a_dilation_in_its_file_has_none():
    data = spec.network_to_json(Network((Conv(4), Lif(), *HEAD), image_size=(8, 8)))
    del data["layers"][0]["dilation"]
    assert spec.network_from_json(data).layers[0] == Conv(4, dilation=(1, 1))


def test_a_dilated_kernel_larger_than_its_input_is_refused():
    with pytest.raises(
        ValueError, match=r"'conv_1': kernel \(3, 3\) with dilation \(6, 1\) is larger than its input, 8 x 8"
    ):
        spec.validate(Network((Conv(4, dilation=(6, 1)), Lif(), *HEAD), image_size=(8, 8)))
    with pytest.raises(ValueError, match="layer 'conv_1': bad sizes"):
        spec.validate(Network((Conv(4, dilation=(0, 1)), Lif(), *HEAD), image_size=(8, 8)))


def test_layers_are_named_by_kind_and_running_number():
    network = spec.neurallnet(widths=(4, 8), image_size=(8, 8))
    assert [name for name, _ in spec.named_layers(network)] == [
        "conv_1", "norm_1", "gate_1", "lif_1", "conv_2", "norm_2", "gate_2", "lif_2", "average", "dense_1", "readout",
    ]  # fmt: skip


def test_shapes_are_those_counted_by_hand():
    """9 x 14, kernel 3 x 2, stride (2, 3), padding (1, 0): (9 + 2 - 3) // 2 + 1 = 5 and (14 - 2) // 3 + 1 = 5."""
    layers = (Conv(6, (3, 2), (2, 3), ((1, 1), (0, 0))), AveragePool(5), Lif(), Dense(7), Lif(), Dense(2), Readout())
    shapes = spec.shapes(Network(layers, image_size=(9, 14)))
    assert shapes["conv_1"] == (5, 5, 6)
    assert shapes["pool_1"] == shapes["lif_1"] == (1, 1, 6)
    assert shapes["dense_1"] == (7,)
    assert shapes["readout"] == (2,)


@given(network=networks)
def test_the_convolution_covers_its_padded_input(network):
    """The last window fits, and one more would not."""
    conv = network.layers[0]
    height, width, _ = spec.shapes(network)["conv_1"]
    for out, extent, taps, dilation, stride, (before, after) in zip(
        (height, width), (9, 7), conv.kernel, conv.dilation, conv.stride, conv.padding, strict=True
    ):
        kernel = (taps - 1) * dilation + 1
        assert (out - 1) * stride + kernel <= extent + before + after < out * stride + kernel


def test_the_reconstruction_has_five_blocks_that_halve_and_a_linear_read_out():
    network = spec.neurallnet()
    assert network.classes == 4
    assert network.spiking
    shapes = spec.shapes(network)
    assert [shapes[f"lif_{block}"] for block in range(1, 6)] == [
        (64, 64, 16), (32, 32, 32), (16, 16, 64), (8, 8, 128), (4, 4, 192),
    ]  # fmt: skip
    pooled = spec.shapes(spec.neurallnet(downsample="pool"))
    assert all(shapes[f"lif_{block}"] == pooled[f"lif_{block}"] for block in range(1, 6))


def test_a_stem_of_large_stride_takes_a_larger_image_to_the_same_maps():
    network = spec.neurallnet(image_size=(256, 256), stem=(8, 4))
    assert network.layers[0] == Conv(16, (8, 8), (4, 4), ((2, 2), (2, 2)))
    assert network.layers[1:] == spec.neurallnet().layers[1:]
    assert spec.shapes(network)["lif_5"] == (4, 4, 192)
    with pytest.raises(ValueError, match=r"stem is \(8, 4\); with average pooling"):
        spec.neurallnet(stem=(8, 4), downsample="pool")


def test_attention_has_at_least_its_least_number_of_hidden_units():
    assert [SqueezeExcite(reduction=8, min_hidden=4).hidden(channels) for channels in (8, 64, 192)] == [4, 8, 24]


def test_with_classes_changes_the_last_dense_layer_only():
    network = Network((Dense(5), Lif(), Dense(3), Readout()), image_size=(4, 4))
    assert spec.with_classes(network, 7) == dataclasses.replace(network, layers=(Dense(5), Lif(), Dense(7), Readout()))
    assert spec.last_dense(network) == "dense_2"


def test_the_relu_twin_has_the_same_shapes_no_spikes_one_step_and_no_delay():
    network = spec.neurallnet(widths=(4, 8), image_size=(8, 8), attention=SqueezeExcite(delay=2))
    twin = spec.relu_twin(network)
    spec.validate(twin)
    assert not twin.spiking
    assert twin.steps == 1
    assert [layer.delay for layer in twin.layers if isinstance(layer, SqueezeExcite)] == [0, 0]
    assert list(spec.shapes(twin).values()) == list(spec.shapes(network).values())


BAD_NETWORKS = {
    "steps is 0": Network((*HEAD,), steps=0),
    "image is (0, 8)": Network(HEAD, image_size=(0, 8)),
    "encoding is 'morse'": Network(HEAD, encoding="morse"),  # pyright: ignore[reportArgumentType]
    "ends with a Readout": Network((GlobalAverage(), Dense(2))),
    "layer 'readout': reads a dense layer, but follows the image": Network((Readout(),)),
    "layer 'readout': reads a dense layer, but follows Lif": Network((Dense(2), Lif(), Readout())),
    "layer 'norm_1': gates or scales a current, but follows the image": Network((BatchNorm(), Lif(), *HEAD)),
    "layer 'gate_1': gates or scales a current, but follows Lif": Network((Conv(4), Lif(), SqueezeExcite(), *HEAD)),
    "layer 'average': an attention gate acts on a neuron; GlobalAverage": Network((Conv(4), SqueezeExcite(), *HEAD)),
    "layer 'conv_2': hears spikes or the image, but follows BatchNorm": Network((Conv(2), BatchNorm(), Conv(2), *HEAD)),
    "layer 'average': hears spikes or the image, but follows Conv": Network((Conv(2), *HEAD)),
    "layer 'dense_2': hears spikes or the image, but follows Dense": Network((Dense(2), Dense(2), Readout())),
    "layer 'dense_2': follows the read-out": Network((Dense(2), Readout(), Dense(2), Readout())),
    "layer 'conv_1': needs (height, width, channels), got (3,)": Network((Dense(3), Lif(), Conv(2), Lif(), *HEAD)),
    "layer 'conv_1': kernel (3, 3) is larger than its input, 1 x 8": Network(
        (Conv(2, padding=((0, 0), (0, 0))), Lif(), *HEAD), image_size=(1, 8)
    ),
    "layer 'conv_1': 2 groups do not divide 3 inputs": Network((Conv(2, groups=2), Lif(), *HEAD)),
    "layer 'conv_1': bad sizes": Network((Conv(2, groups=0), Lif(), *HEAD)),
    "layer 'conv_1': padding ((0, 1), (1, 1)) is not symmetric": Network(
        (Conv(2, padding=((0, 1), (1, 1))), Lif(), *HEAD)
    ),
    "layer 'pool_1': window 3 does not divide its input, 8 x 8; crop or pad": Network(
        (Conv(2), AveragePool(3), Lif(), *HEAD), image_size=(8, 8)
    ),
    "layer 'lif_1': du is 0": Network((Conv(2), Lif(du=0), *HEAD)),
    "layer 'lif_1': dv is 1.5": Network((Conv(2), Lif(dv=1.5), *HEAD)),
    "layer 'lif_1': v_threshold is inf": Network((Conv(2), Lif(v_threshold=float("inf")), *HEAD)),
    "layer 'lif_1': reset is 'no'": Network((Conv(2), Lif(reset="no"), *HEAD)),  # pyright: ignore[reportArgumentType]
    "layer 'lif_1': unknown surrogate": Network((Conv(2), Lif(surrogate="x"), *HEAD)),  # pyright: ignore
    "layer 'gate_1': delay 4 does not lie in 0..3": Network((Conv(2), SqueezeExcite(delay=4), Lif(), *HEAD), steps=4),
    "layer 'norm_1': bad constants": Network((Conv(2), BatchNorm(momentum=1), Lif(), *HEAD)),
    "layer 'dense_1': features is 0": Network((Dense(0), Readout())),
}


@pytest.mark.parametrize("message", BAD_NETWORKS)
def test_a_network_that_cannot_be_run_is_refused_with_the_layer_named(message):
    with pytest.raises(ValueError, match=re.escape(message)):
        spec.validate(BAD_NETWORKS[message])


def test_a_gate_may_be_delayed_to_the_last_step_and_no_further():
    layers = lambda delay: (Conv(2), SqueezeExcite(delay=delay), Lif(), *HEAD)
    spec.validate(Network(layers(3), steps=4))
    with pytest.raises(ValueError, match="with 4 steps no later statistics arrive"):
        spec.validate(Network(layers(4), steps=4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["layers"][0].update(type="Gru"), "layer 0: unknown type 'Gru'; known are Conv"),
        (lambda data: data["layers"][0].update(dilution=2), r"layer 0 \(Conv\): unknown field 'dilution'; a newer"),
        (lambda data: data["layers"][0].pop("features"), r"layer 0 \(Conv\): .*features"),
        (lambda data: data.update(colour=1), "network: unknown field 'colour'"),
        (lambda data: data.update(steps=0), "steps is 0"),
    ],
)
def test_json_that_is_no_network_is_refused_by_name(change, message):
    data = json.loads(json.dumps(spec.network_to_json(spec.neurallnet(widths=(4,), image_size=(8, 8)))))
    change(data)
    with pytest.raises(ValueError, match=message):
        spec.network_from_json(data)


@pytest.mark.parametrize(("field", "value"), [("stride", 2), ("dilation", 2), ("padding", 1), ("features", "many")])
def test_a_field_of_another_type_is_one_clear_line(field, value):
    data = spec.network_to_json(spec.neurallnet())
    data["layers"][0][field] = value
    with pytest.raises(ValueError, match="network: a field is of another type than it should be"):
        spec.network_from_json(data)


def test_a_network_says_what_its_gates_are_shuffled_over():
    gate = lambda shuffle: spec.neurallnet(widths=(4, 4), attention=SqueezeExcite(shuffle=shuffle))
    assert [gate(shuffle).shuffles for shuffle in get_args(spec.Shuffle)] == list(get_args(spec.Shuffle))
    assert spec.neurallnet(attention=None).shuffles == "none"
    with pytest.raises(ValueError, match="layer 'gate_1': unknown shuffle 'cards'"):
        gate("cards")


OTHERS = [*(spec.KerasNetwork(name) for name in spec.KERAS_NETWORKS), spec.AlexNet(dropout=0.25)]


@pytest.mark.parametrize("network", OTHERS, ids=spec.called)
def test_networks_of_others_survive_json_by_their_type(network):
    data = json.loads(json.dumps(spec.network_to_json(network)))
    assert data["type"] == type(network).__name__
    assert spec.network_from_json(data) == network
    assert (network.steps, network.spiking, network.encoding, network.shuffles) == (1, False, "direct", "none")
    assert spec.with_classes(network, 7).classes == 7


def test_what_has_no_type_is_a_network_of_our_own_layers():
    network = spec.neurallnet()
    data = spec.network_to_json(network)
    assert "type" not in data
    assert spec.network_from_json(data) == spec.network_from_json({**data, "type": "Network"}) == network


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (spec.KerasNetwork("resnet51"), "no Keras network 'resnet51'; there are efficientnet-b7, vgg19"),
        (spec.KerasNetwork("vgg19", (31, 224)), "vgg19 takes images of at least 32 x 32 pixels, not 31 x 224"),
        (spec.KerasNetwork("vgg19", channels=1), "4 classes and 1 channels"),
        (spec.AlexNet(dropout=1.0), "dropout is 1.0"),
        (spec.AlexNet((32, 32)), "alexnet takes images of at least 64 x 64"),
    ],
)
def test_networks_of_others_that_cannot_be_built_are_refused(network, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        spec.validate(network)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"type": "Transformer"}, "unknown type 'Transformer'; known are Network, KerasNetwork, AlexNet"),
        ({"type": "AlexNet", "width": 3}, "unknown field 'width'"),
        ({"type": "KerasNetwork"}, "name"),
        ({"type": "AlexNet", "image_size": "big"}, "a field is of another type|at least 64"),
    ],
)
def test_json_of_an_unknown_network_is_refused_by_name(data, message):
    with pytest.raises(ValueError, match=message):
        spec.network_from_json(data)


def test_what_needs_our_own_layers_refuses_others_by_name():
    assert spec.layered(spec.neurallnet(), "cannot") == spec.neurallnet()
    with pytest.raises(ValueError, match=r"^resnet50 cannot fly; walk$"):
        spec.layered(spec.KerasNetwork("resnet50"), "cannot fly; walk")
