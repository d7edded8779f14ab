"""A spiking network taught by its ReLU twin: it begins with the twin's weights and learns the twin's answers.

Knows classifiers; knows neither the loop nor files.

A twin without spikes trains several times faster and further than the spiking network does from random weights. The
network takes over all that both have, and then minimises its cross-entropy against the twin's class probabilities, of
the same augmented images, in place of the labels.

References:
    Hinton et al. (2015), arXiv:1503.02531: distillation.
    Rathi et al. (2020), ICLR, arXiv:2005.01807: a spiking network that begins with the weights of a network without
        spikes and is then trained through its spikes.
    Beyer et al. (2022), CVPR, arXiv:2106.05237: the teacher answers to the very image that the student sees.
"""

import jax
from jaxtyping import Array, Float

from neurallnet_jax import models, spec
from neurallnet_jax.models import Classifier

__all__ = ["answers", "begin", "twin"]


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


def begin(classifier: Classifier, teacher: Classifier) -> Classifier:
    """Return `classifier` with every weight that the teacher has as well; the rest, gates before step k, stays."""
    own, taught = models.to_weights(classifier.variables), models.to_weights(teacher.variables)
    return models.with_weights(classifier, {name: taught.get(name, weight) for name, weight in own.items()})


def answers(
    teacher: Classifier, variables: models.Variables, pixels: Float[Array, "batch height width channels"], key: Array
) -> Float[Array, "batch classes"]:
    """Return the teacher's class probabilities at rest, with no gradient.

    Args:
        teacher: The twin.
        variables: Its parameters and statistics.
        pixels: Images that `models.prepare` returned, augmented or not.
        key: Drawn from by networks that draw.
    """
    last = teacher.layers[-1]
    logits = teacher.tail(variables, teacher.features(variables, pixels, key, last), key, last)
    return jax.lax.stop_gradient(jax.nn.softmax(logits))
