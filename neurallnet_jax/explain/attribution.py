"""What every explanation is: a function of classifier, image, target and key that returns a heat map over the image.

Knows arrays and the classifier's type; knows neither a single method nor files nor figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Array

from neurallnet_jax.models import Classifier

__all__ = ["Attribution", "Explain"]


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


class Explain(Protocol):
    """A method with its options filled in."""

    def __call__(self, classifier: Classifier, image: np.ndarray, target: int, key: Array) -> Attribution:
        """Return the evidence for a class in one image.

        Args:
            classifier: The model.
            image: Pixels that `models.prepare` returned, uint8 (height, width, channels), at the classifier's size.
            target: Place of the class among `classifier.classes`.
            key: Decides everything that is drawn; the same key gives the same heat map.

        Raises:
            ValueError: The model cannot be explained in this way; the message says what it lacks.
        """
        ...
