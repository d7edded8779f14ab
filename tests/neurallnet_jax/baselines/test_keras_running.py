import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax import checkpoint, models, spec
from neurallnet_jax.baselines import applications, keras_running

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def inputs(graph) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 5, *graph.inputs.shape[1:])).astype(np.float32)


@pytest.fixture(scope="module")
def variables(graph, lively):
    return lively(graph)


@pytest.fixture(scope="module")
def run(graph):
    return keras_running.of_graph(graph)


def norm(x, own, mean, variance, epsilon=1e-3):
    return (x - mean) / np.sqrt(variance + epsilon) * own["gamma"] + own["beta"]


def stem(variables, inputs):
    """The first convolution of the small model by another path: padding by hand, no Keras."""
    own = variables["params"]["conv2d"]
    padded = np.pad(np.asarray(inputs[0]), ((0, 0), (0, 1), (1, 1), (0, 0)))
    found = jax.lax.conv_general_dilated(
        padded, own["kernel"], (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return np.asarray(found) + np.asarray(own["bias"]).reshape(1, 1, 1, -1)


def test_features_at_rest_are_those_of_the_equations(run, variables, inputs):
    statistics = variables["batch_stats"]["batch_normalization"]
    own = jax.tree.map(lambda leaf: leaf.reshape(1, 1, 1, -1), variables["params"]["batch_normalization"])
    mean, variance = (np.asarray(statistics[name]).reshape(1, 1, 1, -1) for name in ("moving_mean", "moving_variance"))
    expected = np.maximum(norm(stem(variables, inputs), own, mean, variance), 0)
    found = run.features(variables, inputs, KEY, "stem")
    assert found.shape == (1, 5, 4, 4, 6)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", ["stem", "top"])
def test_the_tail_takes_up_where_the_features_end(run, variables, inputs, layer):
    found = run.features(variables, inputs, KEY, layer)
    logits = run.apply(variables, inputs, KEY).logits
    assert logits.shape == (5, 4)
    np.testing.assert_allclose(run.tail(variables, found, KEY, layer), logits, atol=1e-5)


def test_the_pooled_layer_gives_the_scores_by_its_mean(run, variables, inputs):
    assert run.pooled == "top"
    own = variables["params"]["predictions"]
    mean = np.asarray(run.features(variables, inputs, KEY, "top")).mean(axis=(0, 2, 3))
    expected = mean @ np.asarray(own["kernel"]) + np.asarray(own["bias"]).reshape(1, -1)
    np.testing.assert_allclose(run.apply(variables, inputs, KEY).logits, expected, rtol=1e-4, atol=1e-5)


def test_training_moves_statistics_by_a_tenth_towards_those_of_the_batch(run, variables, inputs):
    _, found = run.train(variables, inputs, KEY)
    before, after = (tree["batch_normalization"] for tree in (variables["batch_stats"], found))
    current = stem(variables, inputs)
    keep = keras_running.MOMENTUM
    expected = keep * np.asarray(before["moving_mean"]) + (1 - keep) * current.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(after["moving_mean"], expected, rtol=1e-4)
    expected = keep * np.asarray(before["moving_variance"]) + (1 - keep) * current.var(axis=(0, 1, 2))
    np.testing.assert_allclose(after["moving_variance"], expected, rtol=1e-3)
    chex.assert_trees_all_equal_structs(found, variables["batch_stats"])


def test_dropout_is_drawn_from_the_key_of_the_call_and_only_in_training(run, variables, inputs):
    train = jax.jit(lambda key: run.train(variables, inputs, key)[0].logits)
    first, again, other = (np.asarray(train(jax.random.key(seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    raw = train(jax.random.key_data(jax.random.key(1)))
    np.testing.assert_array_equal(raw, first)
    rest = [np.asarray(run.apply(variables, inputs, jax.random.key(seed)).logits) for seed in (1, 2)]
    np.testing.assert_array_equal(*rest)


def test_what_dropout_leaves_out_it_makes_up_for(run, model_of, variables, inputs):
    """The mean over many keys is what the same network without dropout gives, on the statistics of the same batch."""
    without = keras_running.of_graph(applications.graph_of(model_of()))
    expected = without.train(variables, inputs, KEY)[0].logits
    draws = jax.jit(jax.vmap(lambda key: run.train(variables, inputs, key)[0].logits))(jax.random.split(KEY, 4000))
    error = np.asarray(draws).std(axis=0) / np.sqrt(len(draws))
    assert error.min() > 0
    assert (np.abs(np.asarray(draws).mean(axis=0) - expected) < 5 * error).all()


def test_gradients_reach_every_weight_and_the_image(run, variables, inputs):
    def loss(params, image):
        return (run.train({**variables, "params": params}, image, KEY)[0].logits ** 2).sum()

    weights, image = jax.grad(loss, argnums=(0, 1))(variables["params"], jnp.asarray(inputs))
    chex.assert_tree_all_finite(weights)
    assert all(np.abs(leaf).max() > 0 for layer, own in weights.items() if layer != "conv2d" for leaf in own.values())
    assert np.abs(image).max() > 0


def test_an_unknown_layer_is_refused_with_those_that_exist(run, variables, inputs):
    with pytest.raises(ValueError, match="no layer 'add' to look at; there are stem, top"):
        run.features(variables, inputs, KEY, "add")


def test_shapes_are_those_of_the_initial_variables(graph, run):
    drawn = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), run.initial(KEY))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), run.shapes()) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), drawn
    )
    assert run.trained == ("conv2d", "batch_normalization", "conv2d_1", "depthwise_conv2d", "predictions")


@pytest.mark.slow
def test_resnet50_runs_as_a_classifier_and_survives_its_checkpoint(tmp_path):
    network = spec.KerasNetwork("resnet50", (64, 64), classes=3)
    classes = ("a", "b", "c")
    made = models.create(network, classes, preprocessing=checkpoint.Preprocessing(), key=KEY)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    logits = models.make_predict(made)(made.variables, pixels)
    saved = checkpoint.Checkpoint(network, models.to_weights(made.variables), made.preprocessing, classes)
    checkpoint.save(saved, tmp_path)
    again = models.from_checkpoint(checkpoint.load(tmp_path))
    assert again.spec == network
    np.testing.assert_array_equal(models.make_predict(again)(again.variables, pixels), logits)
    # 25,583,592 trained numbers for 1,000 classes, as Keras documents them.
    assert sum(leaf.size for leaf in jax.tree.leaves(again.variables["params"])) == 25_583_592 - 997 * 2049
    gradient = jax.grad(lambda image: again.features(again.variables, image, KEY, again.pooled or "")[..., 0].sum())
    found = jax.jit(gradient)(pixels.astype(np.float32))
    assert found.shape == pixels.shape
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0


@pytest.mark.slow
def test_efficientnet_b7_has_the_shapes_of_its_trained_step():
    """Traced, not compiled: compiling its step takes minutes. Its dropout takes the key of the call without a complaint."""
    network = spec.KerasNetwork("efficientnet-b7", (32, 32))
    run = keras_running.runnable(network)
    image = jax.ShapeDtypeStruct((1, 2, 32, 32, 3), np.float32)
    output, statistics = jax.eval_shape(run.train, run.shapes(), image, KEY)
    assert output.logits.shape == (2, 4)
    chex.assert_trees_all_equal_shapes(statistics, run.shapes()["batch_stats"])
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(run.shapes()["params"])) == 63_797_204


def test_a_layer_that_only_draws_has_no_weights(graph, run, monkeypatch):
    monkeypatch.setattr(applications, "build", lambda network: graph)
    found = keras_running.output_shapes(spec.KerasNetwork("resnet50"))
    assert "dropout" in [graph.name(layer) for layer in graph.layers]
    assert tuple(found) == run.trained


def test_output_shapes_are_those_of_layers_with_weights():
    found = keras_running.output_shapes(spec.KerasNetwork("resnet50", (64, 64)))
    assert found["conv1_conv"] == (32, 32, 64)
    assert found["predictions"] == (4,)
    assert next(iter(found)) == "conv1_conv"
    assert "avg_pool" not in found


def test_the_same_network_is_built_once():
    network = spec.KerasNetwork("resnet50", (64, 64))
    assert applications.build(network) is applications.build(dataclasses.replace(network))
