"""What models cost: multiply-accumulates by hand, pair by pair, and against the counts of the converted network."""

import dataclasses
import json
import types
import typing

import jax
import numpy as np
import pytest

from lava_port import graph, lower, passes, quantise
from lava_port.energy import connections
from neurallnet_jax import checkpoint, models, spec
from neurallnet_jax.evaluation import footprint


def plain_conv_macs(layer: spec.Conv, shape: tuple[int, ...]) -> int:
    """Walk every output and every tap."""
    height, width, channels = spec.output_shape(layer, shape)
    total = 0
    for row in range(height):
        for column in range(width):
            for tap_row in range(layer.kernel[0]):
                for tap_column in range(layer.kernel[1]):
                    y = row * layer.stride[0] + tap_row * layer.dilation[0] - layer.padding[0][0]
                    x = column * layer.stride[1] + tap_column * layer.dilation[1] - layer.padding[1][0]
                    total += 0 <= y < shape[0] and 0 <= x < shape[1]
    return total * (shape[2] // layer.groups) * channels


@pytest.mark.parametrize(
    "layer",
    [
        spec.Conv(5),
        spec.Conv(4, stride=(2, 2)),
        spec.Conv(6, kernel=(5, 3), padding=((2, 2), (0, 0)), groups=2),
        spec.Conv(2, padding=((2, 2), (1, 1)), dilation=(2, 1), stride=(1, 3)),
    ],
)
def test_a_convolution_counts_the_taps_that_meet_the_image(layer):
    assert footprint.layer_macs(layer, (9, 7, 4), "conv_1") == plain_conv_macs(layer, (9, 7, 4))


def test_dense_layers_and_attention_by_hand():
    """A 3 x 2 x 4 map into 5 units: 120. Attention over 16 channels has 4 hidden units: 16 x 4 twice."""
    assert footprint.layer_macs(spec.Dense(5), (3, 2, 4), "dense_1") == 120
    assert footprint.layer_macs(spec.SqueezeExcite(), (8, 8, 16), "gate_1") == 128


def test_every_layer_has_a_count():
    for kind in typing.get_args(spec.LayerSpec):
        layer = kind(3) if kind in (spec.Conv, spec.Dense) else kind()
        assert footprint.layer_macs(layer, (8, 8, 4), "layer") >= 0
    with pytest.raises(TypeError, match="layer 'x': no count for str; add one"):
        footprint.layer_macs("conv", (8, 8, 4), "x")


def test_the_counts_agree_with_the_fan_outs_of_the_converted_network():
    """The converter counts from the side of the inputs: the sum of the weights that each of them meets."""
    network = spec.neurallnet(widths=(8, 16), image_size=(32, 32))
    rng = np.random.default_rng(0)
    weights = {
        name: np.asarray(rng.uniform(0.2, 0.8, shape), np.float32)
        for name, shape in lower.weight_shapes(network).items()
    }
    lowered = lower.lower(network, weights, offset=(128,) * 3, scale=64.0, classes=("a", "b", "c", "d"))
    fixed, _ = quantise.quantise(passes.fold(lowered))
    shapes = {node.name: tuple(node.shape) for node in fixed.nodes}
    expected = [
        int(connections.fan_out(node, shapes[node.inputs[0]]).sum())
        for node in fixed.nodes
        if isinstance(node, graph.FixedConv)
    ]
    found = footprint.dense_macs(network)
    assert [count for name, count in found.items() if name.startswith("conv")] == expected
    # Global averaging is folded into the dense layer there; before it, 16 values meet 4 classes.
    assert found["dense_1"] == 64


def test_a_footprint_counts_what_the_checkpoint_holds(saved):
    (found,) = footprint.measure([saved], passes=4)
    arrays = saved.weights
    assert found.parameters == sum(array.size for name, array in arrays.items() if name.startswith("params/"))
    assert found.bytes == sum(array.nbytes for array in arrays.values())
    assert found.macs == sum(footprint.dense_macs(saved.spec).values())
    assert (found.kind, found.steps, found.image_size) == ("spiking", 2, (8, 8))
    assert found.latency is not None
    assert 0 < found.latency.low <= found.latency.median <= found.latency.high < 60
    assert found.latency.passes == 4
    # The weights are arguments of the compiled pass.
    assert found.buffer_bytes is None or found.buffer_bytes >= found.bytes


def test_models_take_turns_and_the_warm_up_is_not_timed(saved, monkeypatch):
    """Of two models the first takes 1, 2, 3, ... s and the second always 7 s by a clock of ours; 3 rounds warm up.

    The first's timed passes, 4, 5, 6 and 7 s, have the median 5.5 and the quartiles 4.75 and 6.25.
    """
    now, order = [0.0], []

    def run_of(name: str):
        def run() -> None:
            order.append(name)
            now[0] += order.count("a") if name == "a" else 7

        return run, None

    names = iter("ab")
    monkeypatch.setattr(footprint, "_compiled", lambda one: run_of(next(names)))
    monkeypatch.setattr(footprint, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    first, second = footprint.measure([saved, saved], passes=4)
    assert first.latency == footprint.Latency(5.5, 4.75, 6.25, 4)
    assert second.latency == footprint.Latency(7, 7, 7, 4)
    rounds = ["".join(order[start : start + 2]) for start in range(0, len(order), 2)]
    assert rounds == ["ba", "ab", "ba", "ab", "ba", "ab", "ba"]


def test_no_pass_measures_no_latency_and_json_comes_back(saved):
    done: list[tuple[int, int]] = []
    timed = footprint.measure([saved], passes=2, progress=lambda *now: done.append(now))[0]
    assert done == [(1, 2), (2, 2)]
    untimed = footprint.measure([saved], passes=0)[0]
    assert untimed.latency is None
    for found in (timed, untimed, dataclasses.replace(untimed, buffer_bytes=None)):
        back = footprint.from_json({**json.loads(json.dumps(footprint.to_json(found))), "name": "x"})
        assert dataclasses.replace(back, latency=None) == dataclasses.replace(found, latency=None)
        if found.latency is not None:
            assert back.latency is not None
            assert dataclasses.astuple(back.latency) == pytest.approx(dataclasses.astuple(found.latency))


def test_networks_of_others_have_a_footprint_by_their_name(small_keras):
    network = spec.KerasNetwork("densenet121", (32, 32), classes=2)
    made = models.create(network, ("a", "b"), preprocessing=checkpoint.Preprocessing(), key=jax.random.key(0))
    weights = models.to_weights(made.variables)
    (found,) = footprint.measure([checkpoint.Checkpoint(network, weights, made.preprocessing, ("a", "b"))], passes=2)
    assert (found.kind, found.steps) == ("densenet121", 1)
    assert found.parameters == sum(array.size for name, array in weights.items() if name.startswith("params/"))
    assert found.macs == sum(footprint.dense_macs(network).values()) > 0
    assert found.latency is not None
