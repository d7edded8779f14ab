import jax
import numpy as np
import pytest

from neurallnet_jax import spec
from neurallnet_jax.explain.gates import gate_traces

KEY = jax.random.key(0)


def test_gates_follow_their_equation_from_what_the_block_hears(spiking, image):
    """The second block's, in NumPy: convolution of the first block's spikes, norm, mean, two dense layers, delay 2."""
    variables = spiking.variables
    first, second = gate_traces(spiking)(variables, image, KEY)
    assert [first.layer, second.layer] == ["gate_1", "gate_2"]
    assert second.gates.shape == (4, 8)
    assert second.delay == 2
    spikes = spiking.features(variables, image[None].astype(np.float32), KEY, "lif_1")[:, 0]
    params, norm = jax.tree.map(np.asarray, (variables["params"], variables["batch_stats"]["norm_2"]))
    convolution = spiking.spec.layers[4]
    current = jax.lax.conv_general_dilated(
        spikes,
        params["conv_2"]["kernel"],
        convolution.stride,
        convolution.padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    normed = (np.asarray(current) - norm["mean"]) / np.sqrt(norm["var"] + 1e-5)
    means = normed.mean(axis=(1, 2)) * params["norm_2"]["scale"] + params["norm_2"]["bias"]
    gate = params["gate_2"]
    hidden = np.maximum(means @ gate["reduce_kernel"] + gate["reduce_bias"], 0)
    squash = lambda x: np.clip(x / 6 + 0.5, 0, 1)
    wanted = squash(hidden @ gate["excite_kernel"] + gate["excite_bias"])
    np.testing.assert_allclose(second.gates[:2], np.stack([squash(gate["initial"])] * 2), atol=1e-6)
    np.testing.assert_allclose(second.gates[2:], wanted[:2], atol=1e-5)


def test_the_gates_are_those_of_the_given_variables_and_image(spiking, image):
    traces = gate_traces(spiking)
    one, same, other = (traces(spiking.variables, pixels, KEY)[0].gates for pixels in (image, image, image[::-1] // 2))
    np.testing.assert_array_equal(one, same)
    assert (one[2:] != other[2:]).any()
    np.testing.assert_array_equal(one[:2], other[:2])


@pytest.mark.parametrize("learned", [False, True])
def test_static_gates_are_the_same_in_every_step(classifier_of, image, learned):
    network = spec.neurallnet(2, widths=(4,), image_size=(8, 8), steps=3, attention=spec.StaticGate(learned=learned))
    classifier = classifier_of(network, ("a", "b"))
    (found,) = gate_traces(classifier)(classifier.variables, image, KEY)
    assert found.gates.shape == (3, 4)
    assert found.delay == 0
    if learned:
        gate = classifier.variables["params"][found.layer]["gate"]
        np.testing.assert_allclose(found.gates, np.stack([np.clip(gate / 6 + 0.5, 0, 1)] * 3), atol=1e-6)
    else:
        np.testing.assert_array_equal(found.gates, 1)


def test_the_gates_of_a_relu_twin_have_one_step(relu, image):
    assert [trace.gates.shape for trace in gate_traces(relu)(relu.variables, image, KEY)] == [(1, 4), (1, 8)]


def test_networks_without_gates_or_with_those_of_others_are_refused(classifier_of):
    plain = spec.neurallnet(2, widths=(4,), image_size=(8, 8), steps=3, attention=None)
    with pytest.raises(ValueError, match="gate-traces: no layer of this network has gates"):
        gate_traces(classifier_of(plain, ("a", "b")))
    mixed = spec.neurallnet(
        2, widths=(4,), image_size=(8, 8), steps=3, attention=spec.SqueezeExcite(delay=2, shuffle="images")
    )
    with pytest.raises(ValueError, match="gate-traces: this network takes its gates from other images"):
        gate_traces(classifier_of(mixed, ("a", "b")))
