"""Joules per image: counts times constants, per profile and scope, with intervals and a verdict that may be *undecided*.

Knows neither traces nor how anything is shown. Three uncertainties stay apart: the data (a bootstrap over images), the
constants (`low` and `high` of the source) and the model (the spread between profiles, one entry each).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from lava_port.energy.counts import Counts, NodeCounts
from lava_port.energy.profiles import Operation, Profile, Variant
from lava_port.graph import FixedGraph, GraphError

__all__ = [
    "CHARGED",
    "SCOPES",
    "EnergyReport",
    "Estimate",
    "NodeEnergy",
    "Ratio",
    "Scope",
    "ScopeEnergy",
    "Verdict",
    "estimate",
    "verdict",
]

Scope: TypeAlias = Literal["compute", "neuron", "memory", "network", "static"]
Verdict: TypeAlias = Literal["better", "worse", "undecided"]
Which: TypeAlias = Literal["value", "low", "high"]

SCOPES: tuple[Scope, ...] = ("compute", "neuron", "memory", "network", "static")
"""Each scope includes those before it."""

CHARGED: Mapping[Scope, Mapping[str, Operation]] = {
    "compute": {"synops_stored": "synop", "macs": "mac", "additions": "addition", "multiplies": "multiply"},
    "neuron": {"updates": "update", "idle_updates": "idle_update", "activations": "activation"},
}
"""The counts that a scope adds, and the operation that each is charged as."""

_WHICH: tuple[Which, ...] = ("low", "value", "high")
_RESULTS: tuple[str, ...] = ("spiking", "ann", "ratio", "verdict")
_VALUE = _WHICH.index("value")


@dataclass(frozen=True)
class Estimate:
    """An energy per image, in joules.

    Attributes:
        mean: Mean over the images, at the constants' values.
        data: Bootstrap interval of that mean over the images; None with fewer than two images. A dense network does the
            same for every image: its interval has no width.
        constants: The mean with all constants at their low, and all at their high end.
    """

    mean: float
    data: tuple[float, float] | None
    constants: tuple[float, float]


@dataclass(frozen=True)
class Ratio:
    """Spiking energy over dense energy, below 1 where the spiking network is better.

    Attributes:
        value: Ratio of the means.
        low: Least ratio within the data's interval, low constants against low ones, high against high.
        high: Greatest such ratio.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class NodeEnergy:
    """What one node adds to the mean; `joules` is None where the profile cannot price it."""

    name: str
    joules: float | None


@dataclass(frozen=True)
class ScopeEnergy:
    """One profile's answer in one scope.

    Attributes:
        profile: Name of the profile.
        variant: Its arithmetic.
        scope: The scope; it includes those before it.
        spiking: The network as it ran, without the nodes in `left_out`; None where the scope is not charged.
        ann: The ANN of the same topology, once per image, dense; None where the profile cannot price it.
        ratio: `spiking` over `ann`; None where either is missing or leaves a node out.
        verdict: What the ratio's interval says; None without one.
        nodes: What each node adds to `spiking`, in execution order.
        left_out: Nodes that the profile cannot price.
        reasons: Why something is None or left out, by the name of the attribute.
    """

    profile: str
    variant: str
    scope: Scope
    spiking: Estimate | None
    ann: Estimate | None
    ratio: Ratio | None
    verdict: Verdict | None
    nodes: tuple[NodeEnergy, ...]
    left_out: tuple[str, ...]
    reasons: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class EnergyReport:
    """The energy of one network on a run of images.

    Attributes:
        graph: The network.
        counts: What it did.
        profiles: The profiles asked for.
        scopes: One entry per profile, variant and scope.
        level: Level of the intervals over images.
    """

    graph: FixedGraph
    counts: Counts
    profiles: tuple[Profile, ...]
    scopes: tuple[ScopeEnergy, ...]
    level: float


def estimate(
    graph: FixedGraph,
    counts: Counts,
    profiles: Sequence[Profile],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> EnergyReport:
    """Return the energy per image of `counts` under every profile and scope.

    Args:
        graph: The network.
        counts: What it did.
        profiles: Whose constants to charge.
        level: Level of the bootstrap interval over images.
        resamples: Draws of the bootstrap; the same draws serve all profiles and scopes.
        seed: Seed of the draws.

    Raises:
        GraphError: The counts are of another network.
        ValueError: No profiles, or a level outside (0, 1).
    """
    if [node.name for node in graph.nodes] != [node.name for node in counts.nodes]:
        raise GraphError("the counts are of another network: their nodes differ")
    if not profiles:
        raise ValueError("no energy profile given; PROFILES in lava_port/energy/profiles.py lists them")
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level is {level} and resamples is {resamples}; expected a level in (0, 1) and at least one")
    bootstrap = _Bootstrap(level, resamples, seed)
    entries = [
        _scope(counts, profile, name, scope, bootstrap)
        for profile in profiles
        for name in profile.variants
        for scope in SCOPES
    ]
    return EnergyReport(graph, counts, tuple(profiles), tuple(entries), level)


def verdict(low: float, high: float) -> Verdict:
    """Return what an interval of spiking over dense energy says: undecided where it holds 1."""
    if high < 1:
        return "better"
    return "worse" if low > 1 else "undecided"


@dataclass(frozen=True)
class _Bootstrap:
    level: float
    resamples: int
    seed: int

    def intervals(self, energies: np.ndarray) -> list[tuple[float, float]] | None:
        """Return the interval of each column's mean over rows (images); None for fewer than two images."""
        images = len(energies)
        if images < 2:
            return None
        generator = np.random.default_rng(self.seed)
        draws = (np.bincount(generator.integers(images, size=images), minlength=images) for _ in range(self.resamples))
        means = np.stack([draw @ energies / images for draw in draws])
        low, high = np.quantile(means, [(1 - self.level) / 2, (1 + self.level) / 2], axis=0)
        return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _scope(counts: Counts, profile: Profile, name: str, scope: Scope, bootstrap: _Bootstrap) -> ScopeEnergy:
    if scope not in CHARGED:
        why = dict.fromkeys(_RESULTS, profile.scopes[scope])
        return ScopeEnergy(profile.name, name, scope, None, None, None, None, (), (), why)
    variant, charged = profile.variants[name], _charged(scope)
    reasons: dict[str, str] = {}
    missing = {node.name: _missing(node, charged, variant) for node in counts.nodes}
    left_out = tuple(node for node, operations in missing.items() if operations)
    if left_out:
        reasons["left_out"] = _why(variant, [operation for entry in missing.values() for operation in entry])
    priced = {node.name: _per_image(node, charged, variant) for node in counts.nodes if node.name not in left_out}
    energies = sum(priced.values(), start=np.zeros((counts.images, len(_WHICH))))
    intervals = bootstrap.intervals(energies)
    spiking = _spiking(energies, intervals, left_out, reasons)
    ann = _ann(counts, charged, variant, reasons)
    ratio = _ratio(spiking, ann, intervals, left_out, reasons)
    joules = {node: float(energy[:, _VALUE].mean()) for node, energy in priced.items()}
    return ScopeEnergy(
        profile=profile.name,
        variant=name,
        scope=scope,
        spiking=spiking,
        ann=ann,
        ratio=ratio,
        verdict=None if ratio is None else verdict(ratio.low, ratio.high),
        nodes=tuple(NodeEnergy(node.name, joules.get(node.name)) for node in counts.nodes),
        left_out=left_out,
        reasons=reasons,
    )


def _charged(scope: Scope) -> dict[str, Operation]:
    """Return the counts that a scope and those before it charge."""
    upto = SCOPES[: SCOPES.index(scope) + 1]
    return {count: operation for step in upto for count, operation in CHARGED.get(step, {}).items()}


def _per_image_count(node: NodeCounts, count: str) -> np.ndarray | None:
    """Return one count per image, None where it is a count of ANNs only."""
    if not hasattr(node, count):
        return None
    array = getattr(node, count)
    return array.sum(axis=0) if array.ndim == 2 else array


def _missing(node: NodeCounts, charged: Mapping[str, Operation], variant: Variant) -> list[Operation]:
    """Return the operations that the node did and the variant cannot price."""
    missing = []
    for count, operation in charged.items():
        values = _per_image_count(node, count)
        if values is not None and values.any() and operation not in variant.constants:
            missing.append(operation)
    return missing


def _per_image(node: NodeCounts, charged: Mapping[str, Operation], variant: Variant) -> np.ndarray:
    """Return joules per image, (images, 3), at low constants, at their values and at high ones."""
    total = np.zeros((len(node.idle_updates), len(_WHICH)))
    for count, operation in charged.items():
        values = _per_image_count(node, count)
        if values is not None and values.any():
            total += values[:, None] * np.array([variant.constants[operation].si(which) for which in _WHICH])
    return total


def _spiking(
    energies: np.ndarray,
    intervals: list[tuple[float, float]] | None,
    left_out: Sequence[str],
    reasons: dict[str, str],
) -> Estimate | None:
    if left_out and not energies.any():
        reasons["spiking"] = f"nothing is left once {', '.join(left_out)} cannot be priced"
        return None
    low, value, high = (float(entry) for entry in energies.mean(axis=0))
    if intervals is None:
        reasons["data"] = "one image gives no interval; run more"
    return Estimate(value, None if intervals is None else intervals[_VALUE], (low, high))


def _ann(
    counts: Counts, charged: Mapping[str, Operation], variant: Variant, reasons: dict[str, str]
) -> Estimate | None:
    """Return the energy of one dense pass, or None and the reason."""
    needed: dict[Operation, int] = {}
    for count, operation in charged.items():
        number = sum(getattr(node.ann, count, 0) for node in counts.nodes)
        if number:
            needed[operation] = number
    missing: list[Operation] = [operation for operation in needed if operation not in variant.constants]
    if missing:
        reasons["ann"] = _why(variant, missing)
        return None
    low, value, high = (
        float(sum(number * variant.constants[operation].si(which) for operation, number in needed.items()))
        for which in _WHICH
    )
    return Estimate(value, (value, value), (low, high))


def _ratio(
    spiking: Estimate | None,
    ann: Estimate | None,
    intervals: list[tuple[float, float]] | None,
    left_out: Sequence[str],
    reasons: dict[str, str],
) -> Ratio | None:
    """Compare best with best and worst with worst: each end of the constants is one comparison of its own."""
    if spiking is None or ann is None or intervals is None or left_out:
        if ann is None:
            reason = "there is no dense energy to compare with"
        elif left_out:
            reason = f"the spiking energy leaves out {', '.join(left_out)}"
        else:
            reason = "one image gives no interval; run more"
        reasons["ratio"] = reasons["verdict"] = reason
        return None
    dense = (ann.constants[0], ann.mean, ann.constants[1])
    ends = [end / energy for interval, energy in zip(intervals, dense, strict=True) for end in interval]
    return Ratio(spiking.mean / ann.mean, min(ends), max(ends))


def _why(variant: Variant, operations: Sequence[Operation]) -> str:
    return "; ".join(dict.fromkeys(variant.unpriced[operation] for operation in operations))
