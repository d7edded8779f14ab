import dataclasses

import chex
import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax import checkpoint, models, spec

CLASSES = ("a", "b")
NETWORK = spec.neurallnet(2, widths=(4,), image_size=(8, 8), steps=2)


@pytest.fixture(scope="module")
def classifier(classifier_of) -> models.Classifier:
    return classifier_of(NETWORK, CLASSES)


@pytest.fixture(scope="module")
def predict(classifier) -> models.Predict:
    return models.make_predict(classifier)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)


def test_weights_and_variables_are_two_forms_of_one_thing(classifier):
    weights = models.to_weights(classifier.variables)
    assert set(weights) == {
        "params/conv_1/kernel", "params/norm_1/scale", "params/norm_1/bias",
        "params/gate_1/reduce_kernel", "params/gate_1/reduce_bias",
        "params/gate_1/excite_kernel", "params/gate_1/excite_bias",
        "params/dense_1/kernel", "params/dense_1/bias",
        "batch_stats/norm_1/mean", "batch_stats/norm_1/var",
    }  # fmt: skip
    chex.assert_trees_all_equal(models.with_weights(classifier, weights).variables, classifier.variables)


def test_a_saved_model_scores_as_before(classifier, predict, pixels, tmp_path):
    saved = checkpoint.Checkpoint(
        classifier.spec, models.to_weights(classifier.variables), classifier.preprocessing, CLASSES
    )
    checkpoint.save(saved, tmp_path)
    again = models.from_checkpoint(checkpoint.load(tmp_path))
    found = models.make_predict(again)(again.variables, pixels)
    np.testing.assert_array_equal(found, predict(classifier.variables, pixels))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("params/conv_1/kernel"), "'params/conv_1/kernel' is missing"),
        (lambda weights: weights.update({"params/conv_9/kernel": np.zeros(1)}), "'params/conv_9/kernel' is unknown"),
        (lambda weights: weights.update({"params/dense_1/bias": np.zeros(3)}), r"shape \(3,\), the network \(2,\)"),
    ],
)
def test_weights_that_do_not_fit_the_spec_are_refused_by_name(classifier, change, message):
    weights = models.to_weights(classifier.variables)
    change(weights)
    with pytest.raises(ValueError, match=message):
        models.with_weights(classifier, weights)


def test_as_many_class_names_as_outputs_are_needed():
    with pytest.raises(ValueError, match="3 class names for a network of 2 classes"):
        models.create(NETWORK, ("a", "b", "c"), preprocessing=checkpoint.Preprocessing(), key=jax.random.key(0))


def test_initial_weights_repeat_with_their_key_and_only_with_it():
    create = lambda seed: models.to_weights(
        models.create(NETWORK, CLASSES, preprocessing=checkpoint.Preprocessing(), key=jax.random.key(seed)).variables
    )["params/conv_1/kernel"]
    np.testing.assert_array_equal(create(1), create(1))
    assert (create(1) != create(2)).any()
    # He et al. (2015): variance 2 / fan-in, here 27.
    assert create(1).std() == pytest.approx(np.sqrt(2 / 27), rel=0.2)


def test_predictions_do_not_depend_on_the_batch(classifier, predict, pixels):
    """7 images in batches of 7, 3 (the last one filled up) and 1."""
    whole = predict(classifier.variables, pixels)
    assert whole.shape == (7, 2)
    assert whole.dtype == np.float32
    for size in (3, 1):
        np.testing.assert_allclose(predict(classifier.variables, pixels, batch_size=size), whole, rtol=1e-4, atol=1e-5)


def test_predictions_are_those_of_the_model(classifier, predict, pixels):
    direct = jax.jit(classifier.apply)(classifier.variables, pixels, jax.random.key(0)).logits
    np.testing.assert_allclose(predict(classifier.variables, pixels), direct, rtol=1e-4, atol=1e-5)


def test_progress_is_told_in_images(classifier, predict, pixels):
    told = []
    predict(classifier.variables, pixels, batch_size=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(3, 7), (6, 7), (7, 7)]


def test_no_image_gives_no_prediction(classifier, predict, pixels):
    assert predict(classifier.variables, pixels[:0]).shape == (0, 2)


def test_images_of_another_size_are_refused(classifier, predict, pixels):
    with pytest.raises(ValueError, match=r"images are \(4, 8, 3\), the network takes \(8, 8, 3\); decode them"):
        predict(classifier.variables, pixels[:, :4])


def test_scores_under_rate_encoding_can_be_repeated(classifier, pixels):
    noisy = models.create(
        dataclasses.replace(NETWORK, encoding="rate"),
        CLASSES,
        preprocessing=classifier.preprocessing,
        key=jax.random.key(0),
    )
    noisy = dataclasses.replace(noisy, variables=classifier.variables)
    first, second = (models.make_predict(noisy)(noisy.variables, pixels) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def mixing(shuffle: spec.Shuffle) -> spec.Network:
    return spec.neurallnet(
        2, widths=(4,), image_size=(8, 8), steps=3, attention=spec.SqueezeExcite(delay=2, shuffle=shuffle)
    )


@given(count=st.integers(0, 40), size=st.integers(1, 9), shuffle=st.sampled_from(["none", "images", "channels"]))
def test_batches_hold_every_image_once_and_are_filled_up_with_others(count, size, shuffle):
    found = list(models.batches(mixing(shuffle), count, size))
    assert all(len(places) == size for _, places in found)
    assert [start for start, _ in found] == list(range(0, count, size))
    kept = [place for start, places in found for place in places[: count - start].tolist()]
    assert sorted(kept) == list(range(count))
    if shuffle != "images":
        assert kept == list(range(count))


def test_images_that_lend_each_other_gates_are_dealt_out_at_random():
    """200 images in the order of two classes: a batch of 32 in that order would hold one class only."""
    for _, places in models.batches(mixing("images"), 200, 32):
        assert 0 < (places < 100).sum() < 32


@pytest.mark.parametrize("shuffle", ["images", "channels"])
def test_scores_with_shuffled_gates_can_be_repeated(classifier_of, pixels, shuffle):
    network = mixing(shuffle)
    mixed = classifier_of(network, CLASSES)
    first, second = (models.make_predict(mixed)(mixed.variables, pixels, batch_size=4) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    plain = classifier_of(mixing("none"), CLASSES)
    chex.assert_trees_all_equal(plain.variables, mixed.variables)
    assert (models.make_predict(plain)(plain.variables, pixels, batch_size=4) != first).any()


@pytest.mark.parametrize(
    "network",
    [
        spec.neurallnet(2, widths=(4, 8), image_size=(8, 8), steps=3, attention=spec.SqueezeExcite(delay=2)),
        spec.relu_twin(spec.neurallnet(2, widths=(4, 8), image_size=(8, 8))),
        spec.neurallnet(2, widths=(4, 8), image_size=(8, 8), steps=3, encoding="rate"),
    ],
    ids=["spiking", "relu", "rate"],
)
def test_the_tail_takes_up_where_the_features_end(classifier_of, pixels, network):
    classifier = classifier_of(network, CLASSES)
    key = jax.random.key(3)
    whole = classifier.apply(classifier.variables, pixels, key).logits
    assert len(classifier.layers) == 2
    for place, layer in enumerate(classifier.layers):
        found = classifier.features(classifier.variables, pixels.astype(np.float32), key, layer)
        assert found.shape == (network.steps, len(pixels), 4 >> place, 4 >> place, (4, 8)[place])
        np.testing.assert_allclose(classifier.tail(classifier.variables, found, key, layer), whole, atol=1e-6)


def test_only_the_last_layer_before_a_global_average_is_pooled(classifier_of):
    network = spec.neurallnet(2, widths=(4, 8), image_size=(8, 8), steps=2)
    flat = dataclasses.replace(
        network, layers=tuple(layer for layer in network.layers if not isinstance(layer, spec.GlobalAverage))
    )
    assert classifier_of(network, CLASSES).pooled == "lif_2"
    assert classifier_of(flat, CLASSES).pooled is None


def test_an_unknown_layer_is_refused_with_those_that_exist(classifier, pixels):
    with pytest.raises(ValueError, match="no layer 'lif_9' to look at; there are lif_1"):
        classifier.features(classifier.variables, pixels.astype(np.float32), jax.random.key(0), "lif_9")


OTHERS = [spec.KerasNetwork("resnet50", (32, 32), classes=2), spec.AlexNet((64, 64), classes=2)]


@pytest.mark.parametrize("network", OTHERS, ids=spec.called)
def test_networks_of_others_are_classifiers_too(small_keras, network):
    side = network.image_size[0]
    images = np.random.default_rng(1).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    made = models.create(network, CLASSES, preprocessing=checkpoint.Preprocessing(), key=jax.random.key(0))
    key = jax.random.key(0)
    whole = jax.jit(made.apply)(made.variables, images, key)
    assert whole.logits.shape == (3, 2)
    assert whole.rates == {}
    found = made.features(made.variables, images.astype(np.float32), key, made.layers[-1])
    assert found.shape[:2] == (1, 3)
    np.testing.assert_allclose(made.tail(made.variables, found, key, made.layers[-1]), whole.logits, atol=1e-4)
    # One grey level darker with an offset one lower is the same input.
    darker = dataclasses.replace(made.preprocessing, offset=(127, 127, 127))
    other = models.create(network, CLASSES, preprocessing=darker, key=key)
    images = np.maximum(images, 1)
    np.testing.assert_allclose(
        jax.jit(other.apply)(made.variables, images - 1, key).logits,
        jax.jit(made.apply)(made.variables, images, key).logits,
        atol=1e-5,
    )
    weights = models.to_weights(made.variables)
    again = models.from_checkpoint(checkpoint.Checkpoint(network, weights, made.preprocessing, CLASSES))
    chex.assert_trees_all_equal(again.variables, made.variables)
    assert set(models.trained_layers(network)) == set(made.variables["params"])
    assert set(models.trained_layers(network)) <= set(models.output_shapes(network))


@pytest.mark.parametrize("network", OTHERS, ids=spec.called)
def test_networks_of_others_round_no_kernels(network):
    with pytest.raises(ValueError, match=f"{spec.called(network)} has no kernels to round to 4 bits"):
        models.create(network, CLASSES, preprocessing=checkpoint.Preprocessing(), key=jax.random.key(0), weight_bits=4)


def test_what_no_rule_runs_is_refused_by_its_type():
    with pytest.raises(TypeError, match="no rule runs a int; add one with"):
        models.trained_layers(3)  # pyright: ignore[reportArgumentType]
