"""What was exported, read back from its bytes, gives the scores of the judge for any number of images."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import export

from lava_port import graph, passes, quantise, reference, to_stablehlo


def reloaded(exported):
    return export.deserialize(bytearray(exported.serialize()))


def test_every_small_network_scores_exactly_as_the_judge_says(network, lowered, images_of):
    fixed, _ = quantise.quantise(passes.fold(lowered(network, 0)))
    back = reloaded(to_stablehlo.export_port(fixed))
    for count in (1, 2, 5):
        images = images_of(fixed.nodes[0].shape, count, count)
        scores = np.asarray(back.call(images))
        assert scores.dtype == np.int32
        np.testing.assert_array_equal(scores, reference.run_fixed(fixed, images).scores)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**16), count=st.integers(1, 4))
def test_drawn_integer_networks_are_exact_in_every_regime(fixed_graph_of, images_of, mode, seed, count):
    fixed = fixed_graph_of(seed, mode)
    images = images_of(fixed.nodes[0].shape, count, seed)
    np.testing.assert_array_equal(
        np.asarray(reloaded(to_stablehlo.export_port(fixed)).call(images)), reference.run_fixed(fixed, images).scores
    )


def test_no_sum_is_one_of_floats(networks, lowered):
    """A device may round float32 products; the exported integers must not meet any."""
    fixed, _ = quantise.quantise(passes.fold(lowered(networks["delayed"], 0)))
    text = to_stablehlo.export_port(fixed).mlir_module()
    assert "stablehlo.dot_general" in text
    assert not any(kind in text for kind in ("f32", "f64", "bf16", "f16", "stablehlo.convolution"))


def test_it_is_lowered_for_every_platform_and_says_so(networks, lowered):
    fixed, _ = quantise.quantise(passes.fold(lowered(networks["flat"], 0)))
    said = to_stablehlo.describe(reloaded(to_stablehlo.export_port(fixed)))
    assert said["platforms"] == ["cpu", "cuda", "tpu"]
    assert said["input"] == {"dtype": "uint8", "shape": ["b", "5", "6", "3"]}
    assert said["output"] == {"dtype": "int32", "shape": ["b", "4"]}


def test_sums_that_32_bits_cannot_hold_are_refused(networks, lowered):
    fixed, _ = quantise.quantise(passes.fold(lowered(networks["flat"], 0)))
    *rest, readout = fixed.nodes
    bias = np.full(4, 2**40)
    huge = graph.FixedReadout(readout.name, readout.inputs, readout.shape, bias, readout.scale)
    with pytest.raises(graph.GraphError, match=r"node 'readout': its sums reach .*more than 32 bits hold"):
        to_stablehlo.export_port(graph.FixedGraph((*rest, huge), fixed.steps, fixed.classes))
