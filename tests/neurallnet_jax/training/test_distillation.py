import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax import config, models, spec
from neurallnet_jax.config import Training
from neurallnet_jax.training import distillation, loop

CLASSES = ("red", "green")


@pytest.fixture(scope="module")
def network() -> spec.Network:
    return spec.neurallnet(2, widths=(4,), image_size=(8, 8), steps=4, attention=spec.SqueezeExcite(delay=2))


@pytest.fixture(scope="module")
def student(classifier_of, network) -> models.Classifier:
    return classifier_of(network, CLASSES)


@pytest.fixture(scope="module")
def teacher(student) -> models.Classifier:
    return distillation.twin(student, jax.random.key(7))


def test_the_network_begins_with_every_weight_of_its_twin_and_keeps_what_is_its_own(student, teacher):
    begun, own = (models.to_weights(one.variables) for one in (distillation.begin(student, teacher), student))
    taught = models.to_weights(teacher.variables)
    assert set(own) - set(taught) == {"params/gate_1/initial"}
    for name, weight in begun.items():
        np.testing.assert_array_equal(weight, taught.get(name, own[name]))


def test_answers_are_the_twins_probabilities_and_carry_no_gradient(teacher):
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3)).astype(np.float32)
    key = jax.random.key(0)
    found = distillation.answers(teacher, teacher.variables, pixels, key)
    logits = np.asarray(teacher.apply(teacher.variables, pixels, key).logits, np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    slope = jax.grad(lambda x: distillation.answers(teacher, teacher.variables, x, key)[0, 0])(jnp.asarray(pixels))
    assert not np.any(slope)


def test_a_network_learns_what_its_teacher_says_and_not_the_labels(student, teacher, squares_of, listener):
    """The teacher is made to call everything green; the labels say red and green in turn."""
    bias = teacher.variables["params"]["dense_1"]["bias"] + jnp.array([-9.0, 9.0])
    dense = {**teacher.variables["params"]["dense_1"], "bias": bias}
    stubborn = {**teacher.variables, "params": {**teacher.variables["params"], "dense_1": dense}}
    pixels, labels = squares_of(16, 0)
    data = loop.TrainingData(pixels[:, :8, :8], labels, np.arange(16), np.arange(0))
    settings = Training(epochs=8, batch_size=8, learning_rate=0.03, warmup_epochs=0, keep="last")
    fitted = loop.fit(
        student, data, settings, seed=0, progress=listener(), teacher=dataclasses.replace(teacher, variables=stubborn)
    )
    logits = models.make_predict(student)(_variables(fitted), data.pixels)
    assert (logits.argmax(axis=1) == 1).all()
    assert (labels == 0).any()


def _variables(fitted: loop.Fitted) -> models.Variables:
    return {"params": fitted.state.params, "batch_stats": fitted.state.batch_stats}


def test_the_twin_trains_as_the_network_for_its_own_epochs_and_with_whole_weights():
    training = Training(epochs=3, twin_epochs=5, weight_bits=4, learning_rate=0.02)
    found = config.training_of_twin(training)
    assert (found.epochs, found.twin_epochs, found.keep, found.weight_bits) == (5, 0, "last", None)
    assert found.learning_rate == training.learning_rate


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spec.relu_twin, "does not spike"),
        (lambda network: dataclasses.replace(network, encoding="rate"), "not one in rate coding"),
    ],
)
def test_what_has_no_twin_is_refused(student, network, change, message):
    with pytest.raises(ValueError, match=message):
        distillation.twin(dataclasses.replace(student, spec=change(network)), jax.random.key(0))
