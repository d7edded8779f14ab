"""At which firing rate a spiking network costs as much as an ANN: the factor on all spikes, solved for exactly.

Knows energies as lines in the number of spikes; neither counts nor constants.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["BreakEven", "CurvePoint", "Operating", "break_even"]

_POINTS = 21
_BEYOND = 1.25
"""How far beyond the break-even, or the operating point, the curve is drawn."""


@dataclass(frozen=True)
class Operating:
    """How busy the network was, means over images.

    Attributes:
        rate: Spikes per neuron and step of its window.
        spikes_per_neuron: Spikes per neuron and inference.
        spikes_per_synapse: Spikes per synapse and inference; None where no spikes reach a synapse.
    """

    rate: float
    spikes_per_neuron: float
    spikes_per_synapse: float | None


@dataclass(frozen=True)
class CurvePoint:
    """Spiking energy over the ANN's at one firing rate: at low constants, at their values and at high ones."""

    factor: float
    rate: float
    low: float
    value: float
    high: float


@dataclass(frozen=True)
class BreakEven:
    """Where all spikes, scaled by one factor, make both networks cost the same.

    Neurons that a current reaches, and so are updated in full, are held as they were.

    Attributes:
        factor: The margin: how many times as many spikes there may be; None where there is no break-even.
        factors: The same at low and at high constants, None where there is none.
        at: What the network does there; None without a break-even.
        reason: Why there is none, at the constants' values; empty where there is one.
        curve: The ratio from no spikes to beyond the break-even, never beyond one spike per neuron and step.
    """

    factor: float | None
    factors: tuple[float | None, float | None]
    at: Operating | None
    reason: str
    curve: tuple[CurvePoint, ...]


def break_even(fixed: np.ndarray, spiking: np.ndarray, dense: np.ndarray, operating: Operating) -> BreakEven:
    """Return the factor f at which fixed + f spiking = dense.

    Args:
        fixed: Energy that does not grow with the spikes, (3,), at low constants, at their values, at high ones.
        spiking: Energy of the spikes as they were, (3,).
        dense: Energy of the ANN, (3,), above zero.
        operating: What the network did.
    """
    solved = [_solve(*ends, operating) for ends in zip(fixed.tolist(), spiking.tolist(), dense.tolist(), strict=True)]
    (low, _), (factor, reason), (high, _) = solved
    at = None
    if factor is not None:
        per_synapse = operating.spikes_per_synapse
        at = Operating(
            factor * operating.rate,
            factor * operating.spikes_per_neuron,
            None if per_synapse is None else factor * per_synapse,
        )
    largest = max(_BEYOND, _BEYOND * (factor or 0))
    if operating.rate:
        largest = min(largest, 1 / operating.rate)
    curve = tuple(
        CurvePoint(float(one), float(one) * operating.rate, *((fixed + one * spiking) / dense).tolist())
        for one in np.linspace(0, largest, _POINTS)
    )
    return BreakEven(factor, (low, high), at, reason, curve)


def _solve(fixed: float, spiking: float, dense: float, operating: Operating) -> tuple[float | None, str]:
    if not spiking or not operating.rate:
        return None, "no break-even: no energy grows with the spikes"
    if fixed >= dense:
        return None, "no break-even: without a single spike the network costs as much as the ANN already"
    factor = (dense - fixed) / spiking
    if factor * operating.rate > 1:
        return (
            None,
            "no break-even: with a spike of every neuron in every step the network still costs less than the ANN",
        )
    return factor, ""
