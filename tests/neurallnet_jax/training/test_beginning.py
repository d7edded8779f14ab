import dataclasses

import jax
import numpy as np
import pytest

from neurallnet_jax import config, models, spec
from neurallnet_jax.config import Training
from neurallnet_jax.training import beginning

CLASSES = ("red", "green")


@pytest.fixture(scope="module")
def network() -> spec.Network:
    return spec.neurallnet(2, widths=(4,), image_size=(8, 8), steps=4, attention=spec.SqueezeExcite(delay=2))


@pytest.fixture(scope="module")
def student(classifier_of, network) -> models.Classifier:
    return classifier_of(network, CLASSES)


@pytest.fixture(scope="module")
def trained(student) -> models.Classifier:
    return beginning.twin(student, jax.random.key(7))


def test_the_network_begins_with_every_weight_of_its_twin_and_keeps_what_is_its_own(student, trained):
    begun, own = (models.to_weights(one.variables) for one in (beginning.begin(student, trained.variables), student))
    taught = models.to_weights(trained.variables)
    assert set(own) - set(taught) == {"params/gate_1/initial"}
    for name, weight in begun.items():
        np.testing.assert_array_equal(weight, taught.get(name, own[name]))


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
        beginning.twin(dataclasses.replace(student, spec=change(network)), jax.random.key(0))
