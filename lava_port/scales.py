"""The search for one layer's scales, real numbers per integer step, at which nothing can leave its range.

Knows weights, biases, the neurons behind them and, where measured, how far these went; neither graphs nor images.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lava_port.graph import GraphError, LifNode
from lava_port.ranges import CURRENT_LIMIT, POTENTIAL_LIMIT, SUM_LIMIT, current_range, potential_bound
from neurallnet_jax.network import rounding

__all__ = [
    "MARGIN",
    "Fit",
    "LayerRounding",
    "Measured",
    "bits",
    "decays",
    "relative_max",
    "relative_rms",
    "threshold_and_bias",
    "whole_weights",
]

MARGIN = 2.0
"""A measured range is taken this many times, for the images that nobody measured."""


@dataclass(frozen=True, eq=False)
class Measured:
    """How far a layer of the float network and the neurons behind it went on images, per output channel, real units.

    Attributes:
        low: Least current, at most 0.
        high: Greatest, at least 0.
        potential: Largest synaptic current or potential, either sign, before any reset.
    """

    low: np.ndarray
    high: np.ndarray
    potential: np.ndarray


@dataclass(frozen=True)
class LayerRounding:
    """What rounding cost one layer, and how far its numbers can go.

    Attributes:
        name: The convolution, dense layer or gate.
        bits: Bits of the weights of the channel that keeps fewest, sign included; those asked for unless its range forced
            fewer, or, of a read-out or gate, its weights are smaller than those it shares a scale with.
        scale_min: Smallest real value of one integer step of a weight, over the channels.
        scale_max: Largest.
        weight_error_rms: Root mean square of the weights' rounding error, as a share of the weights' own.
        weight_error_max: Largest error of a weight, as a share of its channel's largest weight.
        threshold_error: Largest relative error of a threshold; None where no neuron spikes.
        bias_error: Largest error of a bias, as a share of the threshold; of the read-out in logits; None for a gate.
        current_bound: Largest current any image can cause, integer units; of channels that kept their bits by
            calibration, the largest measured one times `MARGIN`.
        current_limit: What it may reach.
        potential_bound: Largest potential (of a gate the largest sum, of the read-out the largest score), either sign,
            known as the current is.
        potential_limit: What it may reach.
        proof: How the bounds are known: from the weights alone, or, of some channels, from images.
        weight_bits: Bits asked for.
    """

    name: str
    bits: float
    scale_min: float
    scale_max: float
    weight_error_rms: float
    weight_error_max: float
    threshold_error: float | None
    bias_error: float | None
    current_bound: int
    current_limit: int
    potential_bound: int
    potential_limit: int
    proof: Literal["weights", "calibration"] = "weights"
    weight_bits: int = rounding.MOST_BITS


@dataclass(frozen=True, eq=False)
class Fit:
    """One layer, and what its scales must respect.

    Attributes:
        name: The layer.
        real: Weights per unit of the integer input, (channels, fan-in).
        low: Least value of every input, broadcasts against `real`.
        high: Greatest.
        bias: Real bias (channels,).
        lif: The neurons behind; None before a read-out.
        steps: T.
        limit: What the current may reach.
        sums: What the sum of the current over space may reach, divided by the positions: proven, never measured.
        weight_bits: Bits of a weight, sign included.
        measured: How far the neurons behind went on images; None to trust nothing but the weights.
    """

    name: str
    real: np.ndarray
    low: np.ndarray
    high: np.ndarray
    bias: np.ndarray
    lif: LifNode | None
    steps: int
    limit: int
    sums: int = SUM_LIMIT
    weight_bits: int = rounding.MOST_BITS
    measured: Measured | None = None

    def whole(self, scale: np.ndarray) -> np.ndarray:
        """Return the weights as integers, one scale per channel."""
        return whole_weights(self.real, scale, self.weight_bits)

    def current(self, whole: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the greatest current of every channel that any image can cause, after the hold."""
        least, most = current_range(whole, self.low, self.high)
        return -(-least >> shift), most >> shift

    def full(self) -> np.ndarray:
        """Return the scales at which the weights fill their bits; one for all before a read-out."""
        scale = rounding.full_scale(self.real, self.weight_bits)[:, 0]
        if self.lif is None:
            scale = np.full_like(scale, scale.max())
        return np.where(scale > 0, scale, 1.0 if self.lif is None else self.lif.v_threshold / 4096)

    def least_shift(self) -> int:
        """Return by how many bits the analogue current must shrink to fit at full bits of weight."""
        least, most = self.current(self.whole(self.full()), 0)
        bound = int(max(most.max(), -least.min()))
        if self.lif is None:
            room = SUM_LIMIT // self.steps
        else:
            one = np.array([1 << 20])
            growth = _potential(-one, one, one << 20, one * 0, self.lif, self.steps)
            room = min(self.limit, int(POTENTIAL_LIMIT / (growth[0] / (1 << 20))))
        return next(shift for shift in range(64) if bound >> shift <= room)

    def scales(self, shift: int) -> np.ndarray:
        """Return the smallest scales, at least `full()`, at which nothing can leave its range."""
        scale = self.full()
        trusting = self.calibrated(shift)
        for _ in range(64):
            excess = self.excess(scale, shift, trusting)
            if self.lif is None:
                excess = np.full_like(excess, excess.max())
            if (excess <= 1).all():
                break
            scale = np.where(excess > 1, scale * excess * 1.001, scale)
        self._refuse_lost_thresholds(scale, shift)
        return scale

    def calibrated(self, shift: int) -> np.ndarray:
        """Return the channels that trust what was measured: those that the proof would take bits from."""
        if self.measured is None or self.lif is None:
            return np.zeros(len(self.real), bool)
        return self.excess(self.full(), shift, np.zeros(len(self.real), bool)) > 1

    def excess(self, scale: np.ndarray, shift: int, trusting: np.ndarray) -> np.ndarray:
        """Return, per channel, the greatest of all quotients of a bound and its limit."""
        whole = self.whole(scale)
        raw_least, raw_most = self.current(whole, 0)
        raw = np.maximum(raw_most, -raw_least) / SUM_LIMIT
        unit = scale * 2.0**shift
        if self.lif is None:
            least, most = self.current(whole, shift)
            bound = np.maximum(most, -least)
            return np.maximum(raw, self.steps * (bound + np.abs(self.bias / unit) + 1) / SUM_LIMIT)
        threshold = threshold_and_bias(self.lif.v_threshold, self.bias, unit)[0]
        bound, potential = self._bounds(whole, unit, shift, trusting)
        proven = self._proven_sums(whole, unit, shift)
        quotients = [raw, proven, bound / self.limit, threshold / CURRENT_LIMIT, potential / POTENTIAL_LIMIT]
        return np.maximum.reduce(quotients)

    def _bounds(
        self, whole: np.ndarray, unit: np.ndarray, shift: int, trusting: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the largest current and the largest potential of every channel, measured ones where it trusts them."""
        assert self.lif is not None, "only neurons have a potential"
        least, most = self.current(whole, shift)
        threshold, bias = threshold_and_bias(self.lif.v_threshold, self.bias, unit)
        bound = np.maximum(most, -least)
        potential = _potential(least, most, threshold, bias, self.lif, self.steps)
        if self.measured is None:
            return bound, potential
        current = np.maximum(self.measured.high, -self.measured.low)
        seen = (
            np.ceil(np.minimum(MARGIN * real / unit, 1 << 40)).astype(np.int64)
            for real in (current, 64 * self.measured.potential)
        )
        return tuple(  # pyright: ignore[reportReturnType]
            np.where(trusting, np.minimum(proven, measured), proven)
            for proven, measured in zip((bound, potential), seen, strict=True)
        )

    def _proven_sums(self, whole: np.ndarray, unit: np.ndarray, shift: int) -> np.ndarray:
        """Return the largest sums that 32 bits must hold whatever was measured, as a share of what they hold."""
        assert self.lif is not None, "a read-out's sums are its score"
        least, most = self.current(whole, shift)
        bound = np.maximum(most, -least)
        threshold, bias = threshold_and_bias(self.lif.v_threshold, self.bias, unit)
        du = decays(self.lif)[0]
        # As `ranges` has it: a potential is clipped, so it exceeds its limit by one step's current and bias at most.
        arriving = potential_bound(-bound, bound, threshold, bias * 0, du=du, dv=4096, steps=self.steps)
        return np.maximum(bound / self.sums, (arriving + np.abs(bias) + POTENTIAL_LIMIT) / SUM_LIMIT)

    def _refuse_lost_thresholds(self, scale: np.ndarray, shift: int) -> None:
        if self.lif is None:
            return
        units = self.lif.v_threshold / (scale * 2.0**shift)
        if units.min() < 0.5:
            channel = int(units.argmin())
            raise GraphError(
                f"layer {self.name!r}: channel {channel}: a threshold of {self.lif.v_threshold:g} is {units[channel]:.2g} "
                f"integer units and needs at least 1, where weights up to {np.abs(self.real[channel]).max():.3g} and a "
                f"bias of {self.bias[channel]:.3g} keep the potential within {POTENTIAL_LIMIT}; train with smaller weights"
            )

    def report(self, whole: np.ndarray, scale: np.ndarray, shift: int) -> LayerRounding:
        """Return what the scales cost."""
        real, unit = self.real / scale[:, None], scale * 2.0**shift
        trusting = self.calibrated(shift)
        if self.lif is None:
            least, most = self.current(whole, shift)
            bound = int(max(most.max(), -least.min()))
            threshold_error, limit = None, SUM_LIMIT
            bias_error = float(np.abs(np.rint(self.bias / unit) * unit - self.bias).max())
            potential = int(self.steps * (bound + np.abs(np.rint(self.bias / unit)).max()))
        else:
            bound, potential = (int(most.max()) for most in self._bounds(whole, unit, shift, trusting))
            threshold, bias = threshold_and_bias(self.lif.v_threshold, self.bias, unit)
            threshold_error = float(np.abs(threshold * unit / self.lif.v_threshold - 1).max())
            bias_error = float(np.abs(bias * unit / 64 - self.bias).max() / self.lif.v_threshold)
            limit = POTENTIAL_LIMIT
        rms, worst = relative_rms(whole - real, real), relative_max(whole - real, real)
        least, most, kept = float(scale.min()), float(scale.max()), bits(whole, self.weight_bits)
        return LayerRounding(
            self.name, kept, least, most, rms, worst, threshold_error, bias_error,
            current_bound=bound, current_limit=self.limit, potential_bound=potential, potential_limit=limit,
            proof="calibration" if trusting.any() else "weights", weight_bits=self.weight_bits,
        )  # fmt: skip


def decays(lif: LifNode) -> tuple[int, int]:
    """Return `du` and `dv` as `FixedLif` holds them.

    Raises:
        GraphError: They do not fit 12 bits.
    """
    du, dv = round(4096 * lif.du) - 1, round(4096 * lif.dv)
    if not (0 <= du <= 4095 and 0 <= dv <= 4096):
        raise GraphError(
            f"layer {lif.name!r}: du {lif.du:g} and dv {lif.dv:g} do not fit 12 bits; du lies in 1/4096..1, dv in 0..1"
        )
    return du, dv


def threshold_and_bias(v_threshold: float, bias: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return threshold (weight units) and bias (units of the potential) as integers, int64 (channels,)."""
    limit = 1 << 40
    threshold = np.rint(np.clip(v_threshold / unit, 1, limit)).astype(np.int64)
    return threshold, np.rint(np.clip(64 * bias / unit, -limit, limit)).astype(np.int64)


def _potential(
    low: np.ndarray, high: np.ndarray, threshold: np.ndarray, bias: np.ndarray, lif: LifNode, steps: int
) -> np.ndarray:
    du, dv = decays(lif)
    return potential_bound(low, high, threshold, bias, du=du, dv=dv, steps=steps)


def whole_weights(real: np.ndarray, scale: np.ndarray, weight_bits: int = rounding.MOST_BITS) -> np.ndarray:
    """Return weights as integers of `weight_bits` bits, int64, one scale per row."""
    return rounding.whole(real, scale[:, None], weight_bits).astype(np.int64)


def bits(whole: np.ndarray, weight_bits: int = rounding.MOST_BITS) -> float:
    """Return the bits, sign included, of the row that uses fewest levels of `weight_bits`; these where all are zero."""
    largest = np.abs(whole.reshape(len(whole), -1).astype(np.int64)).max(axis=1)
    largest = largest[largest > 0]
    if not len(largest):
        return float(weight_bits)
    return round(float(1 + np.log2(largest.min() / rounding.grain(weight_bits) + 1)), 2)


def relative_rms(error: np.ndarray, real: np.ndarray) -> float:
    """Return the root mean square of `error` as a share of that of `real`."""
    size = np.sqrt((real**2).mean())
    return float(np.sqrt((error**2).mean()) / size) if size > 0 else 0.0


def relative_max(error: np.ndarray, real: np.ndarray) -> float:
    """Return the largest error as a share of the largest number of its row."""
    largest = np.abs(real).max(axis=1)
    return float((np.abs(error).max(axis=1) / np.where(largest > 0, largest, 1)).max())
