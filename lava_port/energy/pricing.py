"""Counts times constants: what each node of the spiking network costs per image under one profile and up to one scope.

Knows neither intervals nor verdicts nor how anything is shown. What grows with the number of spikes stays apart from what
does not, so that a break-even can be solved for exactly.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lava_port.energy.constants import SCOPE_OF, SCOPES, Memory, Operation, Profile, Scope, Variant, Which
from lava_port.energy.counts import Counts, NodeCounts
from lava_port.graph import GraphError

__all__ = [
    "SPIKING",
    "WHICH",
    "Price",
    "holding",
    "operations",
    "outside",
    "per_bit",
    "placement_refusal",
    "price",
    "refusal",
    "scopes_upto",
]

WHICH: tuple[Which, ...] = ("low", "value", "high")
"""Axis of every energy: all constants at their low end, at their value, at their high end."""
SPIKING: frozenset[Operation] = frozenset({"synop", "synop_conv", "synop_dense", "spike"})
"""Operations whose number grows in proportion to the spikes; messages and hops do where the node sends spikes."""
_KINDS = ("weight", "sum", "state", "input")


@dataclass(frozen=True, eq=False)
class Price:
    """What one node costs per image, (images, 3) at low constants, at their values and at high ones.

    Attributes:
        fixed: What it costs however many spikes there are.
        spiking: What grows in proportion to the spikes.
        missing: Why parts of it cannot be priced; if there is anything here, both arrays mean nothing.
    """

    fixed: np.ndarray
    spiking: np.ndarray
    missing: tuple[str, ...]

    @property
    def total(self) -> np.ndarray:
        """Both together."""
        return self.fixed + self.spiking


def scopes_upto(scope: Scope) -> tuple[Scope, ...]:
    """Return a scope and those that it includes."""
    return SCOPES[: SCOPES.index(scope) + 1]


def refusal(counts: Counts, profile: Profile, scope: Scope, unplaced: Mapping[str, str]) -> str:
    """Return why `scope` cannot be charged under a profile on these counts; empty where it can.

    A scope includes those before it, so that what stops one of them stops it too. Static power needs a duration, which
    `estimate` asks `latency.py` for.
    """
    if profile.all_in:
        return profile.scopes.get(scope, "")
    for step in scopes_upto(scope):
        if step in profile.contained:
            continue
        if step in profile.scopes:
            return profile.scopes[step]
        if step in ("network", "static") and (why := placement_refusal(counts, profile, unplaced)):
            return why
    return ""


def outside(counts: Counts, profile: Profile) -> frozenset[str]:
    """Return the nodes that run on the host, since the chip of a profile could hold a part of the network alone."""
    placement = counts.placement
    if placement is None or placement.fits or placement.chip.name != profile.chip:
        return frozenset()
    placed = {name for layer in placement.layers for name in layer.nodes}
    return frozenset(node.name for node in counts.nodes) - placed


def placement_refusal(counts: Counts, profile: Profile, unplaced: Mapping[str, str]) -> str:
    """Return why cores and messages of these counts do not fit a profile; empty where they do.

    Args:
        counts: What the network did, and on which cores.
        profile: Whose constants to charge.
        unplaced: By chip, why the network was not placed on it.
    """
    if profile.chip is None:
        return "the profile names no chip, so that neurons cannot be placed on its cores"
    if counts.placement is not None and counts.placement.chip.name == profile.chip:
        return ""
    where = "nowhere" if counts.placement is None else f"on {counts.placement.chip.name}"
    why = f"{unplaced.get(profile.chip, 'not asked for')}; --chip {profile.chip} places what of it fits"
    return f"needs the neurons placed on the cores of {profile.chip}, they are placed {where}: {why}"


def operations(node: NodeCounts) -> dict[Operation, np.ndarray | None]:
    """Return how often a node did each operation, int64 (images,); None where that was not counted."""
    synops, nothing = _sum(node.synops_stored), np.zeros(len(node.idle_updates), np.int64)
    convolution = node.kind == "FixedConv"
    across = node.hops_east_west
    updates, active = _sum(node.updates), None if node.active is None else _sum(node.active)
    return {
        "synop": synops,
        "synop_conv": synops if convolution else nothing,
        "synop_dense": nothing if convolution else synops,
        "mac": _sum(node.macs),
        "addition": _sum(node.additions),
        "multiply": _sum(node.multiplies),
        "access": updates + node.idle_updates,
        "update": updates,
        "update_active": active if node.neurons else nothing,
        "update_quiet": (None if active is None else updates - active) if node.neurons else nothing,
        "idle_update": node.idle_updates,
        "spike": _sum(node.spikes),
        "message": None if node.messages is None else _sum(node.messages),
        "hop_east_west": None if across is None else _sum(across),
        "hop_north_south": None if across is None or node.hops is None else _sum(node.hops - across),
    }


def price(
    node: NodeCounts,
    profile: Profile,
    variant: Variant,
    scopes: Collection[Scope],
    *,
    host: Collection[str] = (),
) -> Price:
    """Return what one node costs in `scopes` together.

    Args:
        node: What it did.
        profile: Whose constants to charge.
        variant: Its arithmetic.
        scopes: A scope and those before it.
        host: Nodes that do not lie on the chip.

    Raises:
        GraphError: Its counts are negative.
    """
    charged = frozenset(SCOPE_OF.values()) if profile.all_in else frozenset(scopes) - set(profile.contained)
    fixed, spiking = (np.zeros((len(node.idle_updates), len(WHICH))) for _ in range(2))
    missing: list[str] = []
    for operation, number in operations(node).items():
        if SCOPE_OF[operation] not in charged or operation in variant.covered:
            continue
        if number is None:
            missing.append(f"node {node.name!r}: the operation {operation!r} was not counted")
            continue
        if number.min() < 0:
            raise GraphError(f"node {node.name!r}: {operation} was counted {number.min()} times")
        if not number.any():
            continue
        if operation in variant.unpriced:
            missing.append(variant.unpriced[operation])
            continue
        grows = operation in SPIKING or (SCOPE_OF[operation] == "network" and node.signal == "spikes")
        into = spiking if grows else fixed
        into += number[:, None] * np.array([variant.constants[operation].si(which) for which in WHICH])
    if "memory" in charged and profile.memories:
        moved, moved_by_spikes = _memory(node, profile.memories, variant)
        fixed, spiking = fixed + moved, spiking + moved_by_spikes
    if node.name in host and (missing or fixed.any() or spiking.any()):
        missing = [f"not all of the network fits {profile.chip}; what runs on the host is left out"]
    return Price(fixed, spiking, tuple(dict.fromkeys(missing)))


def holding(memories: Sequence[Memory], size_bytes: float) -> Memory:
    """Return the smallest memory that holds `size_bytes`."""
    return next(one for one in memories if one.capacity_bytes is None or one.capacity_bytes >= size_bytes)


def per_bit(memory: Memory) -> np.ndarray:
    """Return joules per bit at low, value and high."""
    return np.array([memory.per_bit(which) for which in WHICH])


def grows_with_spikes(node: NodeCounts, kind: str) -> bool:
    """Return whether a kind of a node's traffic is proportional to the spikes where nothing is reused."""
    if node.synops_stored.any():
        return kind in ("weight", "sum", "input")
    return kind == "input" and node.signal == "spikes"


def _memory(node: NodeCounts, memories: Sequence[Memory], variant: Variant) -> tuple[np.ndarray, np.ndarray]:
    """Return joules of a node's traffic, what is moved in any case and what is moved per spike, each (images, 3).

    Weights, state and sums, and what comes in or goes out in one pass lie each in the smallest memory that holds them.
    """
    if variant.reuse is None:
        raise GraphError(f"node {node.name!r}: memory is charged, but the variant says neither best nor worst reuse")
    bits = {kind: getattr(node.traffic, f"{kind}_{variant.reuse}") for kind in _KINDS}
    sizes = {
        "weight": node.weight_bytes,
        "sum": node.state_bytes,
        "state": node.state_bytes,
        "input": _passing_bytes(node),
    }
    fixed, spiking = (np.zeros((len(node.idle_updates), len(WHICH))) for _ in range(2))
    for kind in _KINDS:
        joules = bits[kind][:, None] * per_bit(holding(memories, sizes[kind]))
        into = spiking if variant.reuse == "worst" and grows_with_spikes(node, kind) else fixed
        into += joules
    return fixed, spiking


def _passing_bytes(node: NodeCounts) -> float:
    """Return what comes in or goes out in one pass, in bytes: one bit per neuron of spikes, however many there are."""
    if node.synops_stored.any() or node.signal == "spikes":
        return node.ann.input_best / node.ann.activation_bits / 8
    return float(node.traffic.input_best.max()) / (len(node.events) if node.passes > 1 else 1) / 8


def _sum(array: np.ndarray) -> np.ndarray:
    return array.sum(axis=0)
