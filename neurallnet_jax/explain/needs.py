"""What a method needs of a classifier, an image and its options, and the words of a refusal. Knows no method.

A need that is not met is one sentence, the same whether a method refuses or a list says which methods there are.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from neurallnet_jax.models import Classifier

__all__ = [
    "NEEDS",
    "Need",
    "check",
    "check_image",
    "known_choice",
    "known_layer",
    "lacks",
    "whole_number",
]

Need: TypeAlias = Literal["gradient", "pixel gradient", "pooling", "spikes", "no spikes"]


def _pixel_gradient(classifier: Classifier) -> str | None:
    if classifier.spec.encoding != "direct":
        return (
            f"{classifier.spec.encoding} encoding has no gradient with respect to pixels; take grad-cam, lime or rise"
        )
    return None


def _pooling(classifier: Classifier) -> str | None:
    if classifier.pooled is None:
        return "no layer's mean over space goes straight into the class scores; take grad-cam"
    return None


def _spikes(classifier: Classifier) -> str | None:
    return None if classifier.spec.spiking else "no layer of this network spikes; it is for spiking networks"


def _no_spikes(classifier: Classifier) -> str | None:
    if classifier.spec.spiking:
        return "the gradient of a spiking network goes through surrogates; take surrogate-gradient, which says so"
    return None


NEEDS: dict[Need, Callable[[Classifier], str | None]] = {
    "gradient": lambda classifier: None,
    "pixel gradient": _pixel_gradient,
    "pooling": _pooling,
    "spikes": _spikes,
    "no spikes": _no_spikes,
}
"""Every need, and a function that returns what a classifier lacks for it; every classifier's tail has a gradient."""


def lacks(classifier: Classifier, needs: tuple[Need, ...]) -> str | None:
    """Return what a classifier lacks for a method, in one sentence, or None."""
    if classifier.spec.shuffles == "images":
        return "this network takes its gates from other images, so no image has an explanation of its own"
    return next((found for need in needs if (found := NEEDS[need](classifier))), None)


def check(classifier: Classifier, method: str, *needs: Need) -> None:
    """Refuse a classifier that a method cannot explain.

    Raises:
        ValueError: The classifier lacks one of the needs; the message names the method and what is missing.
    """
    found = lacks(classifier, needs)
    if found:
        raise ValueError(f"{method}: {found}")


def check_image(classifier: Classifier, image: np.ndarray, target: int) -> None:
    """Refuse an image or a class that does not fit the classifier.

    Raises:
        ValueError: Another size or type than the network's, or no such class.
    """
    expected = (*classifier.spec.image_size, classifier.spec.channels)
    if image.shape != expected:
        raise ValueError(f"the image is {image.shape}, the network takes {expected}; decode it at that size")
    if image.dtype != np.uint8:
        raise ValueError(f"the image holds {image.dtype}; expected uint8, as models.prepare returns it")
    if not 0 <= target < len(classifier.classes):
        known = ", ".join(f"{place} ({name})" for place, name in enumerate(classifier.classes))
        raise ValueError(f"no class {target}; there are {known}")


def known_layer(classifier: Classifier, method: str, layer: str | None) -> str:
    """Return the layer to look at, which is the last where none is named.

    Raises:
        ValueError: No such layer; the message lists those that exist.
    """
    if layer is None:
        return classifier.layers[-1]
    if layer not in classifier.layers:
        raise ValueError(f"{method}: no layer {layer!r} to look at; there are {', '.join(classifier.layers)}")
    return layer


def known_choice(method: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse an option that is none of the choices, with those that exist."""
    if value not in choices:
        raise ValueError(f"{method}: no {name} {value!r}; there are {', '.join(choices)}")


def whole_number(method: str, name: str, value: int, least: int = 1) -> None:
    """Refuse an option that is no whole number or too small."""
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{method}: {name} is {value!r}; expected a whole number from {least} up")
