"""What an estimate found, as frozen dataclasses: energies per profile and scope, baselines, spread, latency.

Knows neither how any of it was computed nor how it is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lava_port.energy.baselines import Arithmetic, Kind, NetworkFigures, Twin
from lava_port.energy.breakeven import BreakEven, Operating
from lava_port.energy.comparison import Estimate, Ratio, Verdict
from lava_port.energy.constants import Profile, Scope
from lava_port.energy.counts import Counts
from lava_port.energy.latency import Latency
from lava_port.graph import FixedGraph

__all__ = [
    "Baseline",
    "EnergyReport",
    "NetworkEnergy",
    "NodeEnergy",
    "ScopeEnergy",
    "Spread",
]


@dataclass(frozen=True)
class NodeEnergy:
    """What one node adds to the mean; `energy` is None where the profile cannot price it."""

    name: str
    energy: float | None


@dataclass(frozen=True)
class Baseline:
    """The ANN of the same topology under one profile and scope, one pass per image.

    Attributes:
        kind: `dense`, or `relu_sparse`, which skips the zeros measured on a trained twin.
        arithmetic: Widths of its numbers.
        energy: What it costs; None where the profile cannot price it.
        ratio: Spiking over this energy; None where either is missing or leaves a node out.
        verdict: What the ratio's interval says.
        break_even: The firing rate at which both cost the same.
        reasons: Why something is None, by the name of the attribute.
    """

    kind: Kind
    arithmetic: Arithmetic
    energy: Estimate | None
    ratio: Ratio | None
    verdict: Verdict | None
    break_even: BreakEven | None
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class NetworkEnergy:
    """A network of the comparison paper by its multiply-accumulates alone; fields as in `Baseline`."""

    figures: NetworkFigures
    energy: Estimate
    ratio: Ratio | None
    verdict: Verdict | None
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class ScopeEnergy:
    """One profile's answer in one scope.

    Attributes:
        profile: Name of the profile.
        variant: Its arithmetic.
        scope: The scope; it includes those before it.
        unit: `J`, or `1` for a number that must never meet joules.
        spiking: The network as it ran, without the nodes in `left_out`; None where the scope is not charged.
        ann: The dense ANN of the same topology and arithmetic; None where the profile cannot price it.
        ratio: `spiking` over `ann`; None where either is missing or leaves a node out.
        verdict: What the ratio's interval says; None without one.
        nodes: What each node adds to `spiking`, in execution order.
        shared: What `spiking` holds that belongs to no node: static energy.
        left_out: Nodes that the profile cannot price.
        reasons: Why something is None or left out, by the name of the attribute.
        baselines: The ANN in every arithmetic, dense and skipping zeros; the first is `ann`.
        networks: Networks of the comparison paper, where the scope holds nothing but arithmetic.
        per_image: `spiking` of every image at the constants' values, empty where it is None.
    """

    profile: str
    variant: str
    scope: Scope
    unit: Literal["J", "1"]
    spiking: Estimate | None
    ann: Estimate | None
    ratio: Ratio | None
    verdict: Verdict | None
    nodes: tuple[NodeEnergy, ...]
    shared: float
    left_out: tuple[str, ...]
    reasons: Mapping[str, str]
    baselines: tuple[Baseline, ...] = ()
    networks: tuple[NetworkEnergy, ...] = ()
    per_image: tuple[float, ...] = ()


@dataclass(frozen=True)
class Spread:
    """How far profiles lie apart in one scope: the uncertainty of the model.

    Attributes:
        scope: The scope.
        low: Least mean in joules, with its profile and variant; None without one that leaves nothing out.
        high: Greatest such mean.
        entries: How many sets of constants price everything.
    """

    scope: Scope
    low: tuple[float, str] | None
    high: tuple[float, str] | None
    entries: int


@dataclass(frozen=True, eq=False)
class EnergyReport:
    """The energy of one network on a run of images.

    Attributes:
        graph: The network.
        counts: What it did.
        profiles: The profiles asked for.
        scopes: One entry per profile, variant and scope.
        level: Level of the intervals over images.
        operating: How busy it was.
        spreads: One entry per scope.
        latencies: Bracket or reason, by profile.
        labels: Class of every image, None where unknown.
        twin: What its ReLU twin did on the same images, None without one.
    """

    graph: FixedGraph
    counts: Counts
    profiles: tuple[Profile, ...]
    scopes: tuple[ScopeEnergy, ...]
    level: float
    operating: Operating
    spreads: tuple[Spread, ...]
    latencies: Mapping[str, tuple[Latency | None, str]]
    labels: tuple[int, ...] | None = None
    twin: Twin | None = None

    def entry(self, profile: str, variant: str, scope: Scope) -> ScopeEnergy:
        """Return one profile's answer in one scope.

        Raises:
            ValueError: There is none.
        """
        for one in self.scopes:
            if (one.profile, one.variant, one.scope) == (profile, variant, scope):
                return one
        known = dict.fromkeys(f"{one.profile} {one.variant}" for one in self.scopes)
        raise ValueError(f"no energy of {profile} {variant}, scope {scope}; there are {', '.join(known)}")
