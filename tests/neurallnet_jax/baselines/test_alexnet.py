import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax import spec
from neurallnet_jax.baselines import alexnet
from neurallnet_jax.evaluation import footprint

NETWORK = spec.AlexNet((64, 64), classes=3)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def run():
    return alexnet.runnable(NETWORK)


@pytest.fixture(scope="module")
def variables(run):
    return run.initial(KEY)


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 2, 64, 64, 3)).astype(np.float32)


@given(extent=st.integers(1, 14), side=st.integers(1, 7))
def test_the_adaptive_average_is_a_plain_mean_of_every_window(extent, side):
    x = np.random.default_rng(extent).normal(size=(2, extent, extent + 1, 3)).astype(np.float32)
    expected = np.zeros((2, side, side, 3))
    for row in range(side):
        for column in range(side):
            rows = slice(math.floor(row * extent / side), math.ceil((row + 1) * extent / side))
            columns = slice(math.floor(column * (extent + 1) / side), math.ceil((column + 1) * (extent + 1) / side))
            expected[:, row, column] = x[:, rows, columns].mean(axis=(1, 2))
    np.testing.assert_allclose(alexnet.adaptive_average(jnp.asarray(x), side), expected, rtol=1e-4, atol=1e-5)


def test_it_has_the_parameters_and_macs_of_the_published_network():
    """61,100,840 numbers and 714 M multiply-accumulates for 1,000 classes of 224 px, as other libraries count them."""
    network = spec.AlexNet((224, 224), classes=1000)
    shapes = alexnet.runnable(network).shapes()
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes)) == 61_100_840
    padded = sum(
        math.prod(spec.output_shape(layer, shape)[:2]) * math.prod(layer.kernel) * shape[2] * layer.features
        if isinstance(layer, spec.Conv)
        else math.prod(shape) * layer.features
        for _, layer, shape in alexnet.named_layers(network)
    )
    assert padded == pytest.approx(714e6, rel=1e-3)
    assert 0.9 * padded < sum(footprint.dense_macs(network).values()) < padded


@pytest.mark.parametrize("layer", ["relu_1", "relu_3", "relu_5"])
def test_the_tail_takes_up_where_the_features_end(run, variables, inputs, layer):
    found = run.features(variables, inputs, KEY, layer)
    assert found.ndim == 5
    assert found.min() >= 0
    np.testing.assert_allclose(
        run.tail(variables, found, KEY, layer), run.apply(variables, inputs, KEY).logits, rtol=1e-4, atol=1e-4
    )


def test_nothing_is_pooled_because_the_last_map_is_flattened(run):
    assert run.pooled is None
    assert run.layers == ("relu_1", "relu_2", "relu_3", "relu_4", "relu_5")


def test_dropout_is_drawn_from_the_key_of_the_call_and_only_in_training(run, variables, inputs):
    train = jax.jit(lambda key: run.train(variables, inputs, key)[0].logits)
    first, again, other = (np.asarray(train(jax.random.key(seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    rest = [np.asarray(run.apply(variables, inputs, jax.random.key(seed)).logits) for seed in (1, 2)]
    np.testing.assert_array_equal(*rest)


def test_the_shapes_of_the_layers_are_those_that_run(run, variables, inputs):
    shapes = alexnet.output_shapes(NETWORK)
    for place in range(1, 6):
        assert run.features(variables, inputs, KEY, f"relu_{place}").shape[2:] == shapes[f"conv_{place}"]
    assert shapes["dense_3"] == (3,)
    assert tuple(shapes) == run.trained
    assert set(variables["params"]) == set(shapes)


def test_an_image_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="alexnet takes images of at least 64 x 64 pixels, not 63 x 64"):
        alexnet.runnable(spec.AlexNet((63, 64)))
