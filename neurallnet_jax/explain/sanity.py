"""Whether a heat map depends on what was learnt: weights drawn anew from the top down, and a network of shuffled labels.

Knows explainers and variables; neither methods by name nor files. Maps are compared by the ranks of their absolute values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array

from neurallnet_jax import spec
from neurallnet_jax.explain import ranks
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.models import Classifier, Variables

__all__ = ["Stage", "agreement", "cascade", "parameter_randomisation", "randomised"]


@dataclass(frozen=True)
class Stage:
    """How far down weights have been drawn anew.

    Attributes:
        down_to: The lowest layer that was.
        layers: All layers that were, from the top down.
    """

    down_to: str
    layers: tuple[str, ...]


def cascade(classifier: Classifier) -> tuple[Stage, ...]:
    """Return the stages of a network, from its last dense or convolutional layer to its first.

    Norm and attention are drawn anew together with the convolution before them, whose output they scale.

    Raises:
        TypeError: The order of the layers is not known for this kind of network.
    """
    if not isinstance(classifier.spec, spec.Network):
        raise TypeError(
            f"no cascade for {type(classifier.spec).__name__}; say in explain/sanity.py in which order its layers run"
        )
    stages, names = [], []
    for name, layer in reversed(list(spec.named_layers(classifier.spec))):
        if name in classifier.variables["params"]:
            names.append(name)
        if isinstance(layer, spec.Conv | spec.Dense):
            stages.append(Stage(name, tuple(names)))
    return tuple(stages)


def randomised(trained: Variables, fresh: Variables, layers: Sequence[str]) -> Variables:
    """Return trained variables in which some layers are as they were before training.

    Args:
        trained: Parameters and statistics.
        fresh: The same, newly drawn, as `models.create` returns them.
        layers: Names of the layers to exchange.
    """
    return {
        kind: {name: (fresh if name in layers else trained)[kind][name] for name in tree}
        for kind, tree in trained.items()
    }


def parameter_randomisation(
    explain: Explainer,
    trained: Variables,
    fresh: Variables,
    stages: Sequence[Stage],
    *,
    image: np.ndarray,
    target: int,
    key: Array,
    found: Attribution | None = None,
) -> Iterator[float]:
    """Yield, stage by stage, the rank correlation of a map with that of the network as it was trained.

    A method that explains the network loses its map on the way down, towards 0; an edge detector keeps 1.

    Args:
        explain: The method, for the classifier.
        trained: The classifier's variables.
        fresh: Newly drawn ones.
        stages: What `cascade` returned.
        image: Pixels that `models.prepare` returned, uint8 (height, width, channels).
        target: Place of the class.
        key: What the method draws from, the same at every stage.
        found: The map of the network as it was trained, if it is there already.

    References:
        Adebayo et al. (2018), Sanity Checks for Saliency Maps, NeurIPS, arXiv:1810.03292: cascading randomisation, and
            Spearman's correlation of absolute values.
    """
    whole = (found or explain(trained, image, target, key)).heat
    for stage in stages:
        yield agreement(whole, explain(randomised(trained, fresh, stage.layers), image, target, key).heat)


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Return the rank correlation of the absolute values of two maps of one image.

    Between the network and one trained on shuffled labels it is the label randomisation of Adebayo et al.
    """
    return ranks.spearman(np.abs(first), np.abs(second))
