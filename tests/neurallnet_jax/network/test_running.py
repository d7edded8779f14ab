import chex
import jax
import numpy as np
import pytest

from neurallnet_jax import spec
from neurallnet_jax.checkpoint import Preprocessing
from neurallnet_jax.network import encoding, running
from neurallnet_jax.network.model import Model

NETWORK = spec.neurallnet(2, widths=(4, 8), image_size=(8, 8), steps=3, attention=spec.SqueezeExcite(delay=2))
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def inputs():
    return jax.numpy.asarray(np.random.default_rng(0).normal(size=(1, 3, 8, 8, 3)), jax.numpy.float32)


def test_it_runs_the_model_of_the_spec(inputs):
    run = running.runnable(NETWORK)
    variables = run.initial(KEY)
    assert run.layers == ("lif_1", "lif_2")
    assert run.pooled == "lif_2"
    assert run.trained == tuple(name for name, _ in spec.named_layers(NETWORK))
    np.testing.assert_array_equal(
        run.apply(variables, inputs, KEY).logits, Model(NETWORK).apply(variables, inputs).logits
    )
    output, statistics = run.train(variables, inputs, KEY)
    expected, updates = Model(NETWORK).apply(variables, inputs, train=True, mutable=["batch_stats"])
    np.testing.assert_array_equal(output.logits, expected.logits)
    chex.assert_trees_all_equal(statistics, updates["batch_stats"])


def test_shapes_are_those_of_the_initial_variables():
    run = running.runnable(NETWORK)
    chex.assert_trees_all_equal_shapes_and_dtypes(run.shapes(), run.initial(KEY))


def test_rounded_kernels_run_and_others_stay():
    run = running.runnable(NETWORK, 3)
    variables = run.initial(KEY)
    assert running.as_run(variables, NETWORK, None) is variables
    kernel = running.as_run(variables, NETWORK, 3)["params"]["conv_1"]["kernel"]
    assert len(np.unique(np.asarray(kernel)[..., 0])) <= 7


def test_encoded_images_are_what_it_takes():
    pixels = jax.numpy.zeros((2, 8, 8, 3))
    inputs = encoding.encode("direct", pixels, Preprocessing(), KEY, steps=3)
    assert running.runnable(NETWORK).apply(running.runnable(NETWORK).initial(KEY), inputs, KEY).logits.shape == (2, 2)
