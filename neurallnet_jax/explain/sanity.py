"""Whether a heat map depends on what was learnt: weights drawn anew from the top down, and a network of shuffled labels.

Knows explainers and variables; neither methods by name nor files. Maps are compared by the ranks of their absolute values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array

from neurallnet_jax import spec
from neurallnet_jax.explain import ranks
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.models import Classifier, Variables

__all__ = ["EVERYTHING", "Stage", "agreement", "cascade", "parameter_randomisation", "randomised"]

EVERYTHING = "everything"
"""Names the stage at which a whole network is drawn anew."""

_ROUNDS = 48
"""Passes after which running statistics, which keep nine tenths at every pass, are within 1 % of those of the images."""


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

    Norm and attention are drawn anew together with the convolution before them, whose output they scale. Of a network whose
    order of layers is not told, the one stage draws all of them anew.
    """
    if not isinstance(classifier.spec, spec.Network):
        return (Stage(EVERYTHING, tuple(classifier.variables["params"])),)
    stages, names = [], []
    for name, layer in reversed(list(spec.named_layers(classifier.spec))):
        if name in classifier.variables["params"]:
            names.append(name)
        if isinstance(layer, spec.Conv | spec.Dense):
            stages.append(Stage(name, tuple(names)))
    return tuple(stages)


def randomised(
    classifier: Classifier, fresh: Variables, stages: Sequence[Stage], images: np.ndarray, key: Array
) -> tuple[Variables, ...]:
    """Return the variables of every stage: some layers as they were before training, the others as they are.

    Where a layer is drawn anew, the statistics of its norm are taken from these images, as they are when a training begins:
    with those of other weights a spiking network falls silent, and a silent network changes every map without a test.

    Args:
        classifier: The model, trained.
        fresh: Newly drawn variables, as `models.create` returns them.
        stages: What `cascade` returned.
        images: Pixels that `models.prepare` returned, uint8 (n, height, width, channels), two or more.
        key: What an encoding draws from.
    """
    if not isinstance(classifier.spec, spec.Network):
        return tuple(fresh for _ in stages)
    update = jax.jit(lambda variables, pixels: classifier.train(variables, pixels, key)[1])
    trained, result = classifier.variables, []
    for stage in stages:
        mixed = {
            kind: {name: (fresh if name in stage.layers else trained)[kind][name] for name in tree}
            for kind, tree in trained.items()
        }
        norms = [name for name in mixed.get("batch_stats", {}) if name in stage.layers]
        for _ in range(_ROUNDS if norms else 0):
            found = update(mixed, images)
            mixed = {**mixed, "batch_stats": {**mixed["batch_stats"], **{name: found[name] for name in norms}}}
        result.append(mixed)
    return tuple(result)


def parameter_randomisation(
    explain: Explainer,
    trained: Variables,
    stages: Sequence[Variables],
    *,
    image: np.ndarray,
    target: int,
    key: Array,
    found: Attribution | None = None,
) -> Iterator[tuple[float, bool]]:
    """Yield, stage by stage, the rank correlation of a map with that of the trained network, and whether it is flat.

    A method that explains the network loses its map on the way down, towards 0; an edge detector keeps 1. A map that went
    flat, as those of a silent network do, has a correlation of 0 and proves little.

    Args:
        explain: The method, for the classifier.
        trained: The classifier's variables.
        stages: What `randomised` returned.
        image: Pixels that `models.prepare` returned, uint8 (height, width, channels).
        target: Place of the class.
        key: What the method draws from, the same at every stage.
        found: The map of the network as it was trained, if it is there already.

    References:
        Adebayo et al. (2018), Sanity Checks for Saliency Maps, NeurIPS, arXiv:1810.03292: cascading randomisation, and
            Spearman's correlation of absolute values.
    """
    whole = (found or explain(trained, image, target, key)).heat
    for variables in stages:
        heat = explain(variables, image, target, key).heat
        yield agreement(whole, heat), bool(heat.min() == heat.max())


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Return the rank correlation of the absolute values of two maps of one image.

    Between the network and one trained on shuffled labels it is the label randomisation of Adebayo et al.
    """
    return ranks.spearman(np.abs(first), np.abs(second))
