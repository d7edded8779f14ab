"""What `calibrate` fits after training so that an answer can be doubted: conformal rule, abstention, regions of warnings.

Plain data that survives JSON; knows neither images nor how anything is fitted.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Abstention", "ConformalRule", "Region", "Trust", "trust_from_json", "trust_to_json"]

METHODS = ("lac", "aps")


@dataclass(frozen=True)
class ConformalRule:
    """Which classes a set holds: those whose score lies at or below the quantile.

    Attributes:
        method: `lac` or `aps`; their scores stand in `metrics/conformal.py`.
        coverage: Share of true classes that the sets are to hold, in (0, 1).
        quantiles: One number for all classes, or one per class (Mondrian).
        n: Images that it was fitted on.
    """

    method: str
    coverage: float
    quantiles: tuple[float, ...]
    n: int

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f"trust: conformal method {self.method!r} is unknown; expected one of {', '.join(METHODS)}"
            )
        if not 0 < self.coverage < 1:
            raise ValueError(f"trust: coverage is {self.coverage}; expected a number between 0 and 1")
        _check_finite("conformal quantiles", self.quantiles)


@dataclass(frozen=True)
class Abstention:
    """From which calibrated probability of the predicted class an answer is given.

    Attributes:
        threshold: Least probability that is answered.
        target: `risk` or `answered`: what the threshold was chosen for.
        value: The share of wrong answers, or of images answered, that was asked for.
    """

    threshold: float
    target: str
    value: float

    def __post_init__(self) -> None:
        if self.target not in ("risk", "answered"):
            raise ValueError(f"trust: abstention aims at {self.target!r}; expected 'risk' or 'answered'")
        _check_finite("threshold of abstention", (self.threshold, self.value))


@dataclass(frozen=True)
class Region:
    """Where the training images lie in one kind of statistics: distance = |whitening (x - mean)|.

    A kind of a single number is far on one side only: there the distance is the signed product.

    Attributes:
        kind: Name of the statistics, a key of `evaluation.novelty.KINDS`.
        mean: Mean of the training images, d numbers.
        whitening: d rows of d numbers.
        typical: Distance that nearly all unseen images (95 %) stay within: the zero of `novelty`.
        threshold: Distance above which an image is warned of.
    """

    kind: str
    mean: tuple[float, ...]
    whitening: tuple[tuple[float, ...], ...]
    typical: float
    threshold: float

    def __post_init__(self) -> None:
        size = len(self.mean)
        if not size or len(self.whitening) != size or any(len(row) != size for row in self.whitening):
            raise ValueError(
                f"trust: region {self.kind!r} has a mean of {size} numbers and a whitening that is not square"
            )
        _check_finite(f"region {self.kind!r}", (*self.mean, self.typical, self.threshold))
        for row in self.whitening:
            _check_finite(f"region {self.kind!r}", row)


@dataclass(frozen=True)
class Trust:
    """All of it.

    Attributes:
        conformal: The rule of conformal sets.
        abstention: The rule of abstention; None where no threshold reached its target.
        regions: One per kind of warning; empty where no training image was at hand.
        provenance: Which images it was fitted on, and how it did on held-out ones. Plain JSON data.
    """

    conformal: ConformalRule
    abstention: Abstention | None = None
    regions: tuple[Region, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.provenance, Mapping):
            raise ValueError(f"trust: provenance is {self.provenance!r}; expected a mapping")


def trust_to_json(trust: Trust) -> dict[str, Any]:
    """Return it as plain data."""
    return {
        "conformal": {**vars(trust.conformal), "quantiles": list(trust.conformal.quantiles)},
        "abstention": None if trust.abstention is None else dict(vars(trust.abstention)),
        "regions": [
            {**vars(region), "mean": list(region.mean), "whitening": [list(row) for row in region.whitening]}
            for region in trust.regions
        ],
        "provenance": dict(trust.provenance),
    }


def trust_from_json(data: Any) -> Trust:
    """Return what `trust_to_json` wrote.

    Raises:
        ValueError: It holds something else; one line.
    """
    try:
        abstention = data["abstention"]
        return Trust(
            conformal=ConformalRule(
                **{**data["conformal"], "quantiles": tuple(map(float, data["conformal"]["quantiles"]))}
            ),
            abstention=None if abstention is None else Abstention(**abstention),
            regions=tuple(_region(region) for region in data["regions"]),
            provenance=data["provenance"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = str(error) if str(error).startswith("trust: ") else f"trust: cannot be read ({error!r})"
        raise ValueError(f"{text}; run `neurallnet calibrate` again on the RUN it was made from") from None


def _region(data: Mapping[str, Any]) -> Region:
    return Region(
        kind=str(data["kind"]),
        mean=tuple(map(float, data["mean"])),
        whitening=tuple(tuple(map(float, row)) for row in data["whitening"]),
        typical=float(data["typical"]),
        threshold=float(data["threshold"]),
    )


def _check_finite(what: str, values: tuple[float, ...]) -> None:
    if not values:
        raise ValueError(f"trust: {what} holds no number")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"trust: {what} holds {value!r}; expected finite numbers")
