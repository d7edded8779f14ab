"""A spiking network that begins with the weights of its ReLU twin. Knows classifiers; knows neither the loop nor files.

A twin without spikes trains several times faster and further than the spiking network does from random weights. The
network takes over all that both have, and then learns the same labels through its own spikes.

References:
    Rathi et al. (2020), ICLR, arXiv:2005.01807: a spiking network that begins with the weights of a network without
        spikes and is then trained through its spikes.
"""

from jaxtyping import Array

from neurallnet_jax import models, spec
from neurallnet_jax.models import Classifier

__all__ = ["begin", "twin"]


def twin(classifier: Classifier, key: Array) -> Classifier:
    """Return the freshly initialised ReLU twin of a spiking classifier.

    Raises:
        ValueError: The classifier does not spike, or its input is coded in spikes that a single step cannot hold.
    """
    network = spec.layered(classifier.spec, "has no twin; set twin_epochs to 0")
    if not network.spiking:
        raise ValueError("twin_epochs: the network does not spike, so that it is its own twin; set it to 0")
    if network.encoding != "direct":
        raise ValueError(
            f"twin_epochs: a twin takes the analogue image, not one in {network.encoding} coding; set it to 0"
        )
    return models.create(spec.relu_twin(network), classifier.classes, preprocessing=classifier.preprocessing, key=key)


def begin(classifier: Classifier, twin: models.Variables) -> Classifier:
    """Return `classifier` with every weight that its twin has as well; the rest, gates before step k, stays."""
    own, trained = models.to_weights(classifier.variables), models.to_weights(twin)
    return models.with_weights(classifier, {name: trained.get(name, weight) for name, weight in own.items()})
