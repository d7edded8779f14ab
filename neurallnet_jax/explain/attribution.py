"""What every explanation is: a function of classifier, image, target and key that returns a heat map over the image.

Knows arrays and the classifier's type; knows neither a single method nor files nor figures.

A method comes in two stages, so that what is compiled serves every image: `Explain` takes the classifier, once, and
returns an `Explainer`, which takes variables and one image after the other. Variables are an argument, as in
`models.Predict`, so that a network whose weights were drawn anew is explained without compiling again:

    explain = methods.make("grad-cam")(classifier)
    for image, target in unseen:
        explain(classifier.variables, image, target, key).heat
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Array

from neurallnet_jax.models import Classifier, Variables

__all__ = ["Attribution", "Explain", "Explainer"]


@dataclass(frozen=True, eq=False)
class Attribution:
    """Where a classifier finds its evidence for one class.

    Attributes:
        heat: float32 (height, width) of the image; the larger, the more evidence for the target.
        signed: Whether a negative value is evidence against the target; else every value is at least 0.
        steps: float32 (time, height, width), the same for every step, or None for methods that know no time.
        facts: Figures that belong to the method, such as the completeness error of integrated gradients.
    """

    heat: np.ndarray
    signed: bool
    steps: np.ndarray | None = None
    facts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.heat.ndim != 2:
            raise ValueError(f"a heat map has height and width, this one has shape {self.heat.shape}")
        if not np.isfinite(self.heat).all():
            raise ValueError("the heat map holds NaN or infinity; the gradient or the scores of this image overflow")
        if not self.signed and self.heat.min() < 0:
            raise ValueError(f"an unsigned heat map holds {self.heat.min():g}; expected at least 0")


class Explainer(Protocol):
    """A method with its options filled in, compiled for one classifier."""

    def __call__(
        self,
        variables: Variables,
        image: np.ndarray,
        target: int,
        key: Array,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Attribution:
        """Return the evidence for a class in one image.

        Args:
            variables: Parameters and statistics, such as `classifier.variables`.
            image: Pixels that `models.prepare` returned, uint8 (height, width, channels), at the classifier's size.
            target: Place of the class among `classifier.classes`.
            key: Decides everything that is drawn; the same key gives the same heat map.
            progress: Called with evaluations done and evaluations in all, by methods that need many.

        Raises:
            ValueError: The image has another size or type, or there is no such class.
        """
        ...


class Explain(Protocol):
    """A method with its options filled in."""

    def __call__(self, classifier: Classifier) -> Explainer:
        """Return the method for one classifier, to be called with image after image.

        Raises:
            ValueError: The model cannot be explained in this way; the message names the method and what it lacks.
        """
        ...
