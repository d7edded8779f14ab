import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax import checkpoint, config, models, spec
from neurallnet_jax.training import loop, losses

CLASSES = ("red", "green")
PREPROCESSING = checkpoint.Preprocessing(offset=(110, 110, 110))


@pytest.fixture(scope="module")
def classifier(network) -> models.Classifier:
    return models.create(network, CLASSES, preprocessing=PREPROCESSING, key=jax.random.key(0))


@pytest.fixture(scope="module")
def data(squares_of) -> loop.TrainingData:
    """32 images that train and 12 that validate."""
    pixels, labels = squares_of(44, 0)
    return loop.TrainingData(pixels, labels, np.arange(32), np.arange(32, 44))


@pytest.fixture(scope="module")
def learned(classifier, data, training, listener) -> tuple[loop.Fitted, Any]:
    """Train for 8 epochs; a second trace of the step, which would compile it again, raises."""
    heard = listener()
    settings = dataclasses.replace(training, epochs=8)
    chex.clear_trace_counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "rate_penalty", chex.assert_max_traces(losses.rate_penalty, n=1))
        return loop.fit(classifier, data, settings, seed=1, progress=heard), heard


def test_a_tiny_network_learns_and_its_loss_falls(learned):
    fitted, heard = learned
    assert fitted.finished
    assert fitted.best.score == 1.0
    first, last = heard.records[0], heard.records[-1]
    assert last.loss < 0.75 * first.loss
    assert last.accuracy > 0.9


def test_an_epoch_is_told_with_its_steps_rates_and_speed(learned):
    """8 epochs of 32 / 8 = 4 steps. The clock ticks once per question: 1 s from the first step's end to the last's."""
    _, heard = learned
    assert [record.epoch for record in heard.records] == list(range(1, 9))
    assert [record.step for record in heard.records] == list(range(4, 36, 4))
    assert len(heard.steps) == 32
    second = heard.records[1]
    assert second.loss == pytest.approx(np.mean([metrics.loss for metrics in heard.steps[4:8]]))
    assert set(second.rates) == {"lif_1"}
    assert 0 < second.rates["lif_1"] < 1
    assert second.images_per_second == 3 * 8
    assert second.warnings == ()


def test_the_best_epoch_has_the_highest_score_and_then_the_lowest_loss(
    classifier, data, training, listener, monkeypatch
):
    heard = listener()
    told = iter([(0.5, 1.0), (0.9, 0.8), (0.9, 0.9), (0.9, 0.7), (0.8, 0.1)])
    monkeypatch.setattr(loop, "_make_evaluation", lambda *_: lambda variables: next(told))
    fitted = loop.fit(classifier, data, dataclasses.replace(training, epochs=5), seed=1, progress=heard)
    assert [record.best for record in heard.records] == [True, True, False, True, False]
    assert fitted.best[:3] == (4, 0.9, 0.7)


def test_the_kept_weights_give_the_score_that_was_told(learned, classifier, data):
    fitted, _ = learned
    logits = models.make_predict(classifier)(fitted.best.variables, data.pixels[data.validation])
    assert (logits.argmax(axis=1) == data.labels[data.validation]).mean() == 1


def test_a_step_tells_its_loss_and_moves_the_average(classifier, data, training):
    """At step 0 the average keeps min(ema_decay, 1/10) of what it was; the layer spikes less than it is asked to."""
    training = dataclasses.replace(training, rate_low=0.8, rate_high=0.9, rate_strength=3.0)
    state, _ = loop.begin(classifier, training, 4)
    before = jax.tree.map(np.array, state.averaged)
    step = loop.make_step(classifier, training, steps_per_epoch=4, weights=np.ones(2, np.float32), seed=0)
    pixels, labels = jnp.asarray(data.pixels[:8]), jnp.asarray(data.labels[:8])
    output, _ = jax.jit(classifier.train)(classifier.variables, pixels, jax.random.key(0))
    expected = losses.cross_entropy(output.logits, labels, smoothing=training.label_smoothing, weights=jnp.ones(2))
    expected += 3 * max(0, 0.8 - float(output.rates["lif_1"])) ** 2
    after, metrics = step(state, pixels, labels)
    assert float(metrics.loss) == pytest.approx(float(expected), rel=1e-5)
    assert int(after.step) == 1
    now = {"params": after.params, "batch_stats": after.batch_stats}
    chex.assert_trees_all_close(
        after.averaged, jax.tree.map(lambda old, new: 0.1 * old + 0.9 * new, before, now), rtol=1e-5, atol=1e-6
    )
    assert all(np.asarray(leaf).all() for leaf in metrics.finite.values())


def test_a_second_training_in_one_process_compiles_a_step_of_its_own(classifier, data, training):
    """As cross-validation does, with folds of different size."""
    for size in (8, 7):
        step = loop.make_step(classifier, training, steps_per_epoch=4, weights=np.ones(2, np.float32), seed=0)
        state, _ = loop.begin(classifier, training, 4)
        state, _ = step(state, jnp.asarray(data.pixels[:size]), jnp.asarray(data.labels[:size]))
        assert int(state.step) == 1


def test_a_training_that_was_stopped_ends_with_the_same_bits(classifier, data, training, listener):
    """Stopped at the end of an epoch, then within one; augmentation, mixing and random spikes take part."""
    noisy = models.create(
        dataclasses.replace(classifier.spec, encoding="rate"),
        CLASSES,
        preprocessing=PREPROCESSING,
        key=jax.random.key(0),
    )
    colours = dataclasses.replace(config.NO_AUGMENTATION, gain=0.2)
    settings = dataclasses.replace(training, augmentation=colours, mixing=0.4)
    fit = lambda progress, **more: loop.fit(noisy, data, settings, seed=3, progress=progress, **more)
    whole = fit(listener())
    first = fit(listener(stop_after=4))
    assert (int(first.state.step), first.finished) == (4, False)
    second = fit(listener(stop_after=2), resumed=(first.state, first.best))
    assert (int(second.state.step), second.finished) == (6, False)
    third = fit(listener(), resumed=(second.state, second.best))
    assert third.finished
    chex.assert_trees_all_equal(third.state, whole.state)
    chex.assert_trees_all_equal(third.best, whole.best)


# --- What goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["conv_1", "conv_2", "dense_1"])
def test_a_number_that_is_none_stops_the_training_with_step_and_layer(classifier_of, data, training, listener, layer):
    lif, conv = spec.Lif(v_threshold=0.3), spec.Conv(4, bias=True)
    network = spec.Network(
        (conv, lif, conv, lif, spec.GlobalAverage(), spec.Dense(2), spec.Readout()), image_size=(8, 8), steps=2
    )
    classifier = classifier_of(network, CLASSES)
    params = {name: dict(own) for name, own in classifier.variables["params"].items()}
    params[layer]["kernel"] = params[layer]["kernel"].at[..., 0].set(jnp.nan)
    poisoned = dataclasses.replace(classifier, variables={**classifier.variables, "params": params})
    with pytest.raises(ValueError, match=rf"^step 1: the gradient of layer '{layer}' is not a number.*learning rate"):
        loop.fit(poisoned, data, training, seed=0, progress=listener())


def with_neuron(network: spec.Network, neuron: spec.Lif) -> spec.Network:
    layers = tuple(neuron if isinstance(layer, spec.Lif) else layer for layer in network.layers)
    return dataclasses.replace(network, layers=layers)


@pytest.mark.parametrize(
    ("neuron", "bias", "warning"),
    [
        (spec.Lif(v_threshold=1e3), 0.0, "layer 'lif_1' is silent: 0.00000 spikes per neuron and step"),
        (spec.Lif(v_threshold=1e-3), 50.0, "layer 'lif_1' is saturated: 1.000 spikes per neuron and step"),
    ],
)
def test_a_layer_that_is_silent_or_saturated_is_named(network, data, training, listener, neuron, bias, warning):
    classifier = models.create(
        with_neuron(network, neuron), CLASSES, preprocessing=PREPROCESSING, key=jax.random.key(0)
    )
    params = {name: dict(own) for name, own in classifier.variables["params"].items()}
    params["norm_1"]["bias"] += bias
    classifier = dataclasses.replace(classifier, variables={**classifier.variables, "params": params})
    heard = listener()
    loop.fit(classifier, data, dataclasses.replace(training, epochs=1), seed=0, progress=heard)
    assert heard.records[0].warnings == (warning,)


def test_without_validation_images_the_last_epoch_is_kept(classifier, data, training, listener):
    heard = listener()
    alone = dataclasses.replace(data, validation=np.array([], np.int64))
    fitted = loop.fit(classifier, alone, dataclasses.replace(training, epochs=2), seed=0, progress=heard)
    assert fitted.best.epoch == 2
    assert [record.validation for record in heard.records] == [None, None]
    chex.assert_trees_all_equal(fitted.best.variables, fitted.state.averaged)


def test_a_batch_larger_than_the_data_is_all_of_it(classifier, data, training, listener):
    heard = listener()
    settings = dataclasses.replace(training, batch_size=1000, epochs=1)
    assert loop.steps_per_epoch(data, settings) == 1
    loop.fit(classifier, data, settings, seed=0, progress=heard)
    assert len(heard.steps) == 1
    assert heard.records[0].images_per_second is None


def test_images_that_fill_no_batch_wait_for_another_epoch(data, training):
    assert loop.steps_per_epoch(data, dataclasses.replace(training, batch_size=9)) == 3


def test_a_class_without_training_images_is_refused(classifier, data, training, listener):
    red = np.flatnonzero(data.labels == 0)
    with pytest.raises(ValueError, match="class 1 has no training image"):
        loop.fit(classifier, dataclasses.replace(data, train=red), training, seed=0, progress=listener())


def test_a_split_without_training_images_is_refused(data, training):
    with pytest.raises(ValueError, match="leaves no image to train on; choose another split"):
        loop.steps_per_epoch(dataclasses.replace(data, train=np.array([], np.int64)), training)


def test_an_adjustment_acts_on_the_loss_and_not_on_the_network(classifier, data, training, listener):
    """Of 16 red and 4 green images the loss sees the logits plus log(16/20) and log(4/20)."""
    places = np.concatenate([np.flatnonzero(data.labels[:32] == 0)[:16], np.flatnonzero(data.labels[:32] == 1)[:4]])
    few = dataclasses.replace(data, train=places, validation=places)
    plain = dataclasses.replace(
        training, epochs=1, batch_size=20, class_weighting=False, rate_strength=0.0, augmentation=config.NO_AUGMENTATION
    )
    adjusted = dataclasses.replace(plain, logit_adjustment=1.0)
    told = [listener(), listener()]
    for settings, heard in zip((plain, adjusted), told, strict=True):
        loop.fit(classifier, few, settings, seed=0, progress=heard)
    output, _ = classifier.train(
        classifier.variables, jnp.asarray(data.pixels[np.sort(places)], jnp.float32), jax.random.key(0)
    )
    labels = jnp.asarray(data.labels[np.sort(places)])
    for heard, added in zip(told, (np.zeros(2), np.log([0.8, 0.2])), strict=True):
        expected = losses.cross_entropy(
            output.logits + added.astype(np.float32)[None], labels, smoothing=plain.label_smoothing, weights=jnp.ones(2)
        )
        assert float(heard.steps[0].loss) == pytest.approx(float(expected), rel=1e-4)
    assert told[0].steps[0].accuracy == told[1].steps[0].accuracy
