"""Joules per image: counts times constants, per profile and scope, with intervals and a verdict that may be *undecided*.

Knows neither traces nor how anything is shown. Three uncertainties stay apart: the data (a bootstrap over images), the
constants (`low` and `high` of the source) and the model (the spread between profiles).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lava_port.energy import baselines
from lava_port.energy.baselines import NETWORKS, Arithmetic, Kind, Twin
from lava_port.energy.breakeven import Operating, break_even
from lava_port.energy.comparison import Bootstrap, Energies, Ratio, Verdict, compare, summarise, verdict
from lava_port.energy.constants import ALL_IN_SCOPE, SCOPES, Profile, Scope
from lava_port.energy.counts import Counts
from lava_port.energy.latency import Latency, latency
from lava_port.energy.pricing import WHICH, Price, outside, price, refusal, scopes_upto
from lava_port.energy.results import Baseline, EnergyReport, NetworkEnergy, NodeEnergy, ScopeEnergy, Spread
from lava_port.graph import FixedGraph, GraphError

__all__ = ["estimate"]

_VALUE = WHICH.index("value")
_ONE_IMAGE = "one image gives no interval; run more"
_NO_LINE_AT_BEST = "what moves at best reuse is no line in the number of spikes: it is bounded by what there is to move"


@dataclass(frozen=True, eq=False)
class _Setting:
    """What all entries of a report share, and, in `_entry`, the profile, variant and scope of one."""

    counts: Counts
    bootstrap: Bootstrap
    operating: Operating
    twin: Twin | None
    latencies: Mapping[str, tuple[Latency | None, str]]
    unplaced: Mapping[str, str]


def estimate(
    graph: FixedGraph,
    counts: Counts,
    profiles: Sequence[Profile],
    *,
    labels: Sequence[int] | np.ndarray | None = None,
    twin: Twin | None = None,
    unplaced: Mapping[str, str] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> EnergyReport:
    """Return the energy per image of `counts` under every profile and scope.

    Args:
        graph: The network.
        counts: What it did.
        profiles: Whose constants to charge.
        labels: Place of every image's class in `graph.classes`, None where unknown.
        twin: What the trained ReLU twin of the network did on the same images, None without one.
        unplaced: By chip, why the network was not placed on it.
        level: Level of the bootstrap interval over images.
        resamples: Draws of the bootstrap; the same draws serve all profiles and scopes.
        seed: Seed of the draws.

    Raises:
        GraphError: The counts or the twin are of another network.
        ValueError: No profiles, two of one name, labels that fit no class, or a level outside (0, 1).
    """
    _check(graph, counts, profiles, labels)
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level is {level} and resamples is {resamples}; expected a level in (0, 1) and at least one")
    if twin is not None:
        baselines.check_twin(counts, twin)
    setting = _Setting(
        counts=counts,
        bootstrap=Bootstrap(counts.images, level, resamples, seed),
        operating=_operating(counts),
        twin=twin,
        latencies={profile.name: latency(counts, profile, unplaced or {}) for profile in profiles},
        unplaced=unplaced or {},
    )
    entries = tuple(
        _entry(setting, profile, name, scope) for profile in profiles for name in profile.variants for scope in SCOPES
    )
    return EnergyReport(
        graph=graph,
        counts=counts,
        profiles=tuple(profiles),
        scopes=entries,
        level=level,
        operating=setting.operating,
        spreads=tuple(_spread(entries, scope) for scope in SCOPES),
        latencies=setting.latencies,
        labels=None if labels is None else tuple(int(label) for label in labels),
        twin=twin,
    )


def _check(
    graph: FixedGraph, counts: Counts, profiles: Sequence[Profile], labels: Sequence[int] | np.ndarray | None
) -> None:
    if [node.name for node in graph.nodes] != [node.name for node in counts.nodes]:
        raise GraphError("the counts are of another network: their nodes differ")
    if not profiles:
        raise ValueError("no energy profile given; PROFILES in lava_port/energy/profiles.py lists them")
    names = [profile.name for profile in profiles]
    if double := [name for place, name in enumerate(names) if name in names[:place]]:
        raise ValueError(f"two energy profiles are called {double[0]!r}; give one of them another name")
    if labels is not None:
        if len(labels) != counts.images:
            raise ValueError(f"{len(labels)} labels for {counts.images} images; expected one for each")
        if min(labels) < 0 or max(labels) >= len(graph.classes):
            raise ValueError(f"labels run from {min(labels)} to {max(labels)}; expected 0 .. {len(graph.classes) - 1}")


def _operating(counts: Counts) -> Operating:
    spiking = [node for node in counts.nodes if node.signal == "spikes"]
    neurons = sum(node.neurons for node in spiking)
    spikes = sum(float(node.spikes.sum(axis=0).mean()) for node in spiking)
    heard = [node for node in counts.nodes if node.ann.macs and not node.macs.any()]
    synapses = sum(node.ann.macs for node in heard)
    synops = sum(float(node.synops_stored.sum(axis=0).mean()) for node in heard)
    per_neuron = spikes / neurons if neurons else 0.0
    return Operating(per_neuron / counts.steps, per_neuron, synops / synapses if synapses else None)


def _entry(setting: _Setting, profile: Profile, name: str, scope: Scope) -> ScopeEnergy:
    counts, variant = setting.counts, profile.variants[name]
    static, why = _static(setting, profile, scope)
    if why := refusal(counts, profile, scope, setting.unplaced) or why:
        reasons = dict.fromkeys(("spiking", "ann", "ratio", "verdict"), why)
        return ScopeEnergy(profile.name, name, scope, variant.unit, None, None, None, None, (), 0.0, (), reasons)
    host = outside(counts, profile)
    prices = {node.name: price(node, profile, variant, scopes_upto(scope), host=host) for node in counts.nodes}
    left_out = tuple(node for node, one in prices.items() if one.missing)
    reasons: dict[str, str] = {}
    if left_out:
        reasons["left_out"] = "; ".join(dict.fromkeys(why for one in prices.values() for why in one.missing))
    kept = {node: one for node, one in prices.items() if not one.missing}
    first = ALL_IN_SCOPE if profile.all_in else SCOPES[0]
    narrow = {
        node.name for node in counts.nodes if price(node, profile, variant, scopes_upto(first), host=host).missing
    }
    # Dropping more nodes in a wider scope would make it cheaper than a narrower one; the host's are in none.
    later = [node for node in left_out if node not in narrow | host]
    energies = _spiking(setting, Energies(scope, variant.unit, static), kept, left_out, later, reasons)
    found = tuple(
        _baseline(setting, profile, name, scope, arithmetic, kind, energies, kept, left_out)
        for kind in ("dense", "relu_sparse")
        for arithmetic in baselines.arithmetics(variant, counts.steps)
    )
    own = found[0]
    reasons |= {"ann" if what == "energy" else what: why for what, why in own.reasons.items() if what != "break_even"}
    spiking = None if energies is None else summarise(energies, setting.bootstrap)
    if spiking is not None and spiking.data is None:
        reasons["data"] = _ONE_IMAGE
    return ScopeEnergy(
        profile=profile.name,
        variant=name,
        scope=scope,
        unit=variant.unit,
        spiking=spiking,
        ann=own.energy,
        ratio=own.ratio,
        verdict=own.verdict,
        nodes=tuple(
            NodeEnergy(node.name, float(kept[node.name].total[:, _VALUE].mean()) if node.name in kept else None)
            for node in counts.nodes
        ),
        shared=float(static[:, _VALUE].mean()),
        left_out=left_out,
        reasons=reasons,
        baselines=found,
        networks=_networks(setting, profile, name, scope, energies, left_out),
        per_image=() if energies is None else tuple(energies.values[:, _VALUE].tolist()),
    )


def _static(setting: _Setting, profile: Profile, scope: Scope) -> tuple[np.ndarray, str]:
    """Return static energy, (images, 3), zero below its scope; and why there is none.

    Power of all chips times the duration: the shortest with the low end, the longest with the high end, and with the value
    the middle of the bracket, which is a convention and no measurement.
    """
    nothing = np.zeros((setting.counts.images, len(WHICH)))
    if scope != "static" or profile.static is None:
        return nothing, ""
    bracket, why = setting.latencies[profile.name]
    placement = setting.counts.placement
    if bracket is None or placement is None:
        return nothing, why
    if placement.chips is None:
        return nothing, f"nobody published how many cores {placement.chip.name} has, so that chips cannot be counted"
    low, high = bracket.per_image
    seconds = np.stack([low, (low + high) / 2, high], axis=1)
    return seconds * placement.chips * np.array([profile.static.si(which) for which in WHICH]), ""


def _spiking(
    setting: _Setting,
    static: Energies,
    kept: Mapping[str, Price],
    left_out: Sequence[str],
    later: Sequence[str],
    reasons: dict[str, str],
) -> Energies | None:
    """Return the network's energy without what cannot be priced, or None where no spiking network would be left.

    `later` names the nodes that a narrower scope can price and this one cannot.
    """
    total = sum((one.total for one in kept.values()), start=static.values)
    if later:
        reasons["spiking"] = f"{', '.join(later)} cannot be priced: {reasons['left_out']}"
        return None
    heard = [node.name for node in setting.counts.nodes if node.synops_stored.any()]
    if heard and not set(heard) & kept.keys():
        reasons["spiking"] = f"spikes cannot be priced: {reasons['left_out']}"
        return None
    if left_out and not total.any():
        reasons["spiking"] = f"nothing is left once {', '.join(left_out)} cannot be priced: {reasons['left_out']}"
        return None
    return Energies(static.scope, static.unit, total)


def _baseline(
    setting: _Setting,
    profile: Profile,
    name: str,
    scope: Scope,
    arithmetic: Arithmetic,
    kind: Kind,
    spiking: Energies | None,
    kept: Mapping[str, Price],
    left_out: Sequence[str],
) -> Baseline:
    variant = profile.variants[name]
    if kind == "relu_sparse" and setting.twin is None:
        reasons: dict[str, str] = dict.fromkeys(("energy", "ratio", "verdict", "break_even"), baselines.NO_TWIN)
        return Baseline(kind, arithmetic, None, None, None, None, reasons)
    twin = setting.twin if kind == "relu_sparse" else None
    scopes: list[Scope] = [one for one in scopes_upto(scope) if one not in profile.contained]
    values, missing = baselines.ann_price(setting.counts, profile, variant, arithmetic, scopes, twin=twin)
    if missing or not values.all():
        why = "; ".join(missing) or "the ANN costs nothing under this profile"
        nothing = "there is no energy of an ANN to compare with"
        reasons = {"energy": why, "ratio": nothing, "verdict": nothing, "break_even": nothing}
        return Baseline(kind, arithmetic, None, None, None, None, reasons)
    dense = Energies(scope, variant.unit, values)
    summary = summarise(dense, setting.bootstrap)
    ratio, found, why = _compared(setting, spiking, dense, left_out)
    reasons = {} if ratio else {"ratio": why, "verdict": why}
    even, why = None, why if spiking is None or left_out else ""
    if not why and variant.reuse == "best" and "memory" in scopes:
        why = _NO_LINE_AT_BEST
    if not why and spiking is not None:
        fixed, grown = (
            sum((getattr(one, part).mean(axis=0) for one in kept.values()), start=np.zeros(len(WHICH)))
            for part in ("fixed", "spiking")
        )
        even = break_even(fixed, grown, values.mean(axis=0), setting.operating)
    if even is None:
        reasons["break_even"] = why
    return Baseline(kind, arithmetic, summary, ratio, found, even, reasons)


def _compared(
    setting: _Setting, spiking: Energies | None, other: Energies, left_out: Sequence[str]
) -> tuple[Ratio | None, Verdict | None, str]:
    if spiking is None:
        return None, None, "the spiking network cannot be priced"
    if left_out:
        return None, None, f"the spiking energy leaves out {', '.join(left_out)}"
    ratio = compare(spiking, other, setting.bootstrap)
    return (None, None, _ONE_IMAGE) if ratio is None else (ratio, verdict(ratio.low, ratio.high), "")


def _networks(
    setting: _Setting,
    profile: Profile,
    name: str,
    scope: Scope,
    spiking: Energies | None,
    left_out: Sequence[str],
) -> tuple[NetworkEnergy, ...]:
    """Price networks known by their multiply-accumulates, in the scope that needs nothing else."""
    mac = profile.variants[name].constants.get("mac")
    if mac is None or scope != (ALL_IN_SCOPE if profile.all_in else "compute"):
        return ()
    found = []
    for figures in NETWORKS:
        values = figures.macs * np.array([[mac.si(which) for which in WHICH]])
        energy = Energies(scope, profile.variants[name].unit, values)
        ratio, answer, why = _compared(setting, spiking, energy, left_out)
        reasons = {} if ratio else {"ratio": why, "verdict": why}
        found.append(NetworkEnergy(figures, summarise(energy, setting.bootstrap), ratio, answer, reasons))
    return tuple(found)


def _spread(entries: Sequence[ScopeEnergy], scope: Scope) -> Spread:
    whole = [
        (entry.spiking.mean, f"{entry.profile}, {entry.variant}")
        for entry in entries
        if entry.scope == scope and entry.unit == "J" and entry.spiking is not None and not entry.left_out
    ]
    return Spread(scope, min(whole, default=None), max(whole, default=None), len(whole))
