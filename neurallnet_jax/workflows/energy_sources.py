"""Where the numbers of an energy estimate come from: anchors of constants and reasons, and the tables that they lead to.

Knows reports and plain blocks of a page; computes no energy, and puts no page together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lava_port.energy import report as energy_report
from lava_port.energy.comparison import Estimate
from lava_port.energy.constants import SCOPE_OF, Constant, Operation, Profile
from lava_port.energy.counts import NodeCounts
from lava_port.energy.pricing import operations, scopes_upto
from lava_port.energy.results import EnergyReport, ScopeEnergy
from neurallnet_jax.workflows import page, wording
from neurallnet_jax.workflows.page import Cell, Jump, Table

__all__ = ["SCOPE_NAMES", "Sources", "constants_table", "energy_text", "product_table", "reasons_table", "title"]

SCOPE_NAMES = {
    "compute": "compute",
    "neuron": f"+{wording.NO_BREAK}neuron",
    "memory": f"+{wording.NO_BREAK}memory",
    "network": f"+{wording.NO_BREAK}network",
    "static": f"+{wording.NO_BREAK}static",
}
_SHOWN = 4
"""Places that are named of those that share a reason."""
_KINDS = ("weight", "sum", "state", "input")


@dataclass(frozen=True, eq=False)
class Sources:
    """The anchors of a report's page.

    Attributes:
        report: The estimate.
        told: The same as JSON, `x_energy` alone.
    """

    report: EnergyReport
    told: Mapping[str, Any]

    @classmethod
    def of(cls, report: EnergyReport) -> "Sources":
        """Return the anchors of a report."""
        return cls(report, energy_report.to_json(report, accuracy=None)["x_energy"])

    @cached_property
    def reasons(self) -> dict[str, list[str]]:
        """The places that miss a value, by reason."""
        found: dict[str, list[str]] = {}
        for place, why in self.told["reasons"].items():
            found.setdefault(why, []).append(place)
        # NeuroBench's own key says nothing about energy.
        return {why: places for why, places in found.items() if places != ["ClassificationAccuracy"]}

    def constant(self, profile: str, name: str) -> str:
        """Return the anchor of a constant by its dotted name."""
        return f"constant-{self._place(profile)}-{_slug(name)}"

    def product(self, profile: str, variant: str) -> str:
        """Return the anchor of the table that adds an energy up."""
        return f"sum-{self._place(profile)}-{_slug(variant)}"

    def reason(self, why: str) -> str:
        """Return the anchor of a reason."""
        return f"reason-{list(self.reasons).index(why)}"

    def spiking(self, entry: ScopeEnergy) -> Cell:
        """Return an energy of the network as a link to its sum, or a dash as a link to the reason."""
        if entry.spiking is None:
            return Jump(wording.NOTHING, self.reason(entry.reasons["spiking"]))
        text = energy_text(entry.spiking, entry.unit) + ("*" if entry.left_out else "")
        return Jump(text, self.product(entry.profile, entry.variant))

    def ann(self, entry: ScopeEnergy, estimate: Estimate | None, why: str) -> Cell:
        """Return an energy of an ANN as a link to the constant that it rests on, or a dash as a link to the reason."""
        if estimate is None:
            return Jump(wording.NOTHING, self.reason(why)) if why else wording.NOTHING
        return Jump(energy_text(estimate, entry.unit), self.constant(entry.profile, f"{entry.variant}.mac"))

    def profile(self, profile: Profile) -> Jump:
        """Return the name of a profile as a link to its constants."""
        return Jump(profile.name, f"constants-{self._place(profile.name)}")

    def _place(self, profile: str) -> str:
        place = [one.name for one in self.report.profiles].index(profile)
        # The place keeps two names apart that differ in signs an anchor cannot hold.
        return f"{place}-{_slug(profile)}"


def title(profile: str, variant: str) -> str:
    """Return a profile with its arithmetic, where it has more than one."""
    return profile if variant == "native" else f"{profile}, {variant}"


def energy_text(estimate: Estimate | None, unit: str) -> str:
    """Return the mean with two significant digits."""
    return wording.NOTHING if estimate is None else wording.si(estimate.mean, "J" if unit == "J" else "", 2)


def product_table(sources: Sources, profile: Profile, variant: str) -> Table | None:
    """Return counts x constants = energy of the widest scope that is charged, each constant a link; None without one."""
    report = sources.report
    mine = [one for one in report.scopes if (one.profile, one.variant) == (profile.name, variant)]
    charged = [one for one in mine if one.spiking is not None]
    if not charged:
        return None
    widest = charged[-1]
    nodes = [node for node in report.counts.nodes if node.name not in widest.left_out]
    unit = "J" if widest.unit == "J" else ""
    rows: list[tuple[Cell, ...]] = []
    for operation, constant in _charged(profile, variant, widest):
        number = sum(_mean(node, operation) for node in nodes)
        if number:
            value = Jump(_constant_text(constant), sources.constant(profile.name, f"{variant}.{operation}"))
            joules = wording.si(number * constant.si(), unit)
            rows.append((operation.replace("_", " "), SCOPE_OF[operation], f"{number:,.0f}", value, joules))
    rows += _moved(sources, profile, variant, widest, nodes)
    if widest.shared and profile.static is not None:
        power = Jump(_constant_text(profile.static), sources.constant(profile.name, "static"))
        rows.append(("power x duration", "static", wording.NOTHING, power, wording.si(widest.shared, unit)))
    total = wording.si(widest.spiking.mean if widest.spiking else None, unit)
    rows.append(("sum", SCOPE_NAMES[widest.scope], "", "", total))
    missing = f"; without {', '.join(widest.left_out)}" if widest.left_out else ""
    return Table(
        f"{title(profile.name, variant)}: what one image adds up to, mean over images{missing}",
        ("Operation", "Scope", "Times", "Constant", "Energy"),
        "llrrr",
        tuple(rows),
        anchor=sources.product(profile.name, variant),
    )


def constants_table(sources: Sources, profile: Profile) -> Table:
    """Return every constant of a profile with source, basis, low and high; each row is an anchor."""
    found = profile.constants()
    rows = tuple(
        (
            name.replace("_", " ").replace(".", ", "),
            f"{constant.value:,g}",
            f"{constant.low:,g}",
            f"{constant.high:,g}",
            "none" if constant.unit == "1" else constant.unit,
            constant.basis,
            page.source(constant.source),
            f"{constant.scope} ({constant.node})",
        )
        for name, constant in found.items()
    )
    header = ("Constant", "Value", "Low", "High", "Unit", "Basis", "Source", "What it covers")
    anchors = tuple(sources.constant(profile.name, name) for name in found)
    caption = f"{profile.name}: {profile.title}"
    return Table(
        caption, header, "lrrrllww", rows, anchor=sources.profile(profile).anchor.removeprefix("#"), anchors=anchors
    )


def reasons_table(sources: Sources) -> Table:
    """Return why values are missing, once per reason, with the places that miss them."""
    rows, anchors = [], []
    for why, places in sources.reasons.items():
        short = list(dict.fromkeys(_readable(place) for place in places))
        more = f" and {len(short) - _SHOWN} more" if len(short) > _SHOWN else ""
        rows.append((f"{why[:1].upper()}{why[1:]}", f"{len(places):,}", "; ".join(short[:_SHOWN]) + more))
        anchors.append(sources.reason(why))
    return Table(
        "What could not be computed, and why; the JSON file has every place",
        ("Reason", "Values", "Where"),
        "wrw",
        tuple(rows),
        anchors=tuple(anchors),
    )


def _charged(profile: Profile, variant: str, widest: ScopeEnergy) -> list[tuple[Operation, Constant]]:
    """Return the operations whose constants the widest scope charges; what others cover is charged with those."""
    scopes = set(SCOPE_OF.values()) if profile.all_in else set(scopes_upto(widest.scope)) - set(profile.contained)
    constants = profile.variants[variant].constants
    return [(operation, constant) for operation, constant in constants.items() if SCOPE_OF[operation] in scopes]


def _mean(node: NodeCounts, operation: Operation) -> float:
    number = operations(node).get(operation)
    return 0.0 if number is None else float(number.mean())


def _moved(
    sources: Sources, profile: Profile, variant: str, widest: ScopeEnergy, nodes: list[NodeCounts]
) -> list[tuple[Cell, ...]]:
    """Return the row of all bits moved, whose energy is what the scope + memory adds."""
    reuse = profile.variants[variant].reuse
    if not profile.memories or reuse is None or "memory" not in scopes_upto(widest.scope):
        return []
    before, after = (sources.report.entry(profile.name, variant, scope).spiking for scope in ("neuron", "memory"))
    if before is None or after is None:
        return []
    bits = sum(float(getattr(node.traffic, f"{kind}_{reuse}").mean()) for node in nodes for kind in _KINDS)
    constant = Jump("by size of memory", sources.constant(profile.name, "memories.0"))
    return [("bits moved", "memory", f"{bits:,.0f}", constant, wording.si(after.mean - before.mean, "J"))]


def _constant_text(constant: Constant) -> str:
    unit = "" if constant.unit == "1" else f"{wording.NO_BREAK}{constant.unit}"
    return f"{constant.value:,g}{unit}"


def _readable(place: str) -> str:
    """Return a dotted path in words: profile, arithmetic and scope, or the part of the result and what it is of."""
    parts = place.split(".")
    if parts[0] == "profiles" and "scopes" in parts:
        scope = parts[parts.index("scopes") + 1]
        return f"{title(parts[1], parts[parts.index('variants') + 1])}, {scope}"
    known = [part for part in parts if part not in ("profiles", "layers") and not part.isdecimal()]
    return ", ".join(part.replace("_", " ") for part in known[:2]) or place


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
