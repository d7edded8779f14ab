"""What a published number is, and how numbers make up the profile of a machine: frozen dataclasses with their checks.

Knows no machine, no network and no counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

__all__ = [
    "ALL_IN_SCOPE",
    "SCOPES",
    "SCOPE_OF",
    "SI",
    "Basis",
    "Constant",
    "Memory",
    "Operation",
    "Profile",
    "Reuse",
    "Scope",
    "Time",
    "Unit",
    "Variant",
    "Which",
]

Basis: TypeAlias = Literal["measured", "simulated", "derived", "assumed", "specified"]
Unit: TypeAlias = Literal["pJ", "nJ", "ns", "mW", "1"]
Which: TypeAlias = Literal["low", "value", "high"]
Reuse: TypeAlias = Literal["best", "worst"]
Scope: TypeAlias = Literal["compute", "neuron", "memory", "network", "static"]
Operation: TypeAlias = Literal[
    "synop",
    "synop_conv",
    "synop_dense",
    "mac",
    "addition",
    "multiply",
    "access",
    "update",
    "update_active",
    "update_quiet",
    "idle_update",
    "spike",
    "activation",
    "message",
    "hop_east_west",
    "hop_north_south",
]
Time: TypeAlias = Literal["synop", "update", "barrier"]

SI: Mapping[Unit, float] = {"pJ": 1e-12, "nJ": 1e-9, "ns": 1e-9, "mW": 1e-3, "1": 1.0}
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each scope includes those before it."""
ALL_IN_SCOPE: Scope = "static"
"""Where figures belong that charge the whole machine."""
_COMPUTE: tuple[Operation, ...] = ("synop", "synop_conv", "synop_dense", "mac", "addition", "multiply")
_NETWORK: tuple[Operation, ...] = ("message", "hop_east_west", "hop_north_south")
SCOPE_OF: Mapping[Operation, Scope] = {
    operation: "compute" if operation in _COMPUTE else "network" if operation in _NETWORK else "neuron"
    for operation in get_args(Operation)
}
"""The scope that an operation is first charged in; memory and static power are no operations."""


@dataclass(frozen=True)
class Constant:
    """One published number.

    Attributes:
        value: The number, in `unit`.
        unit: Unit as the source prints it; `1` for a plain number.
        low: Least value that the source, or the reading of it, allows.
        high: Greatest such value.
        source: Author, year, table or page, and DOI.
        basis: Whether it was measured, simulated, derived from others by the formula in `scope`, or assumed; `specified`
            for a size that the maker states.
        node: Process and voltage.
        scope: What it includes, and what not.
    """

    value: float
    unit: Unit
    low: float
    high: float
    source: str
    basis: Basis
    node: str
    scope: str

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.value <= self.high < float("inf"):
            raise ValueError(
                f"value {self.value}, low {self.low}, high {self.high}; expected 0 <= low <= value <= high, all finite"
            )

    def si(self, which: Which = "value") -> float:
        """Return the number in joules, seconds, watts or as it is."""
        return getattr(self, which) * SI[self.unit]


@dataclass(frozen=True)
class Variant:
    """The energies of one arithmetic on one machine; every operation stands in exactly one of three places.

    Attributes:
        constants: Energy per operation.
        unpriced: Why, for every operation that the machine does and nobody published an energy for.
        covered: Where an operation is charged that has no constant of its own, such as `in update`.
        bits: Width of weights and activations of the arithmetic, None where the machine has only one.
        reuse: Which end of memory traffic is charged; None without memory.
    """

    constants: Mapping[Operation, Constant]
    unpriced: Mapping[Operation, str] = field(default_factory=dict)
    covered: Mapping[Operation, str] = field(default_factory=dict)
    bits: int | None = None
    reuse: Reuse | None = None

    def __post_init__(self) -> None:
        for operation in get_args(Operation):
            places = [name for name in ("constants", "unpriced", "covered") if operation in getattr(self, name)]
            if len(places) != 1:
                found = " and ".join(places) or "nowhere"
                raise ValueError(f"operation {operation!r} stands {found}; expected constants, unpriced or covered")
        units = {constant.unit for constant in self.constants.values()}
        if not (units <= {"pJ", "nJ"} or units == {"1"}):
            raise ValueError(
                f"its constants are in {', '.join(sorted(units))}; expected pJ or nJ, or 1 for all of them"
            )

    @property
    def unit(self) -> Literal["J", "1"]:
        """Unit of what is charged: joules, or a plain number that must never meet joules."""
        return "1" if any(constant.unit == "1" for constant in self.constants.values()) else "J"


@dataclass(frozen=True)
class Memory:
    """A memory of one size.

    Attributes:
        capacity_bytes: What it holds; None where everything fits.
        access_bits: Bits of one access; fewer bits are charged in proportion.
        energy: Energy of one access.
    """

    capacity_bytes: int | None
    access_bits: int
    energy: Constant

    def per_bit(self, which: Which) -> float:
        """Return joules per bit."""
        return self.energy.si(which) / self.access_bits


@dataclass(frozen=True)
class Profile:
    """The published constants of one machine or technology.

    Attributes:
        name: Key in `PROFILES`.
        title: Name for people.
        variants: Arithmetics by name.
        scopes: Why a scope is not charged, by its name.
        reference: Further constants of the same sources that are not charged.
        memories: Memories from small to large; empty where the profile has none.
        times: Time of one operation on one core.
        static: Power of one chip that does nothing.
        chip: The chip that messages, cores and times belong to, a key of `CHIPS`.
        contained: Scopes that add nothing, since what they charge is part of an earlier constant, with the reason.
        all_in: Why the constants cannot be split into scopes; empty where they can.
    """

    name: str
    title: str
    variants: Mapping[str, Variant]
    scopes: Mapping[Scope, str] = field(default_factory=dict)
    reference: Mapping[str, Constant] = field(default_factory=dict)
    memories: tuple[Memory, ...] = ()
    times: Mapping[Time, Constant] = field(default_factory=dict)
    static: Constant | None = None
    chip: str | None = None
    contained: Mapping[Scope, str] = field(default_factory=dict)
    all_in: str = ""

    def __post_init__(self) -> None:
        if not self.variants:
            raise ValueError("it has no variants; expected at least one")
        able = self.chargeable | set(self.contained)
        for scope in SCOPES:
            if scope in able and scope in self.scopes:
                raise ValueError(f"scope {scope!r} is charged and refused at once; leave it out of `scopes`")
            if scope not in able and scope not in self.scopes:
                raise ValueError(f"scope {scope!r} is neither charged nor refused; give the reason in `scopes`")

    @property
    def chargeable(self) -> set[Scope]:
        """Scopes that the profile has constants for."""
        if self.all_in:
            return {ALL_IN_SCOPE}
        found: set[Scope] = {"compute", "neuron"}
        if self.memories:
            found.add("memory")
        if any("message" in variant.constants for variant in self.variants.values()):
            found.add("network")
        if self.static is not None:
            found.add("static")
        return found

    def constants(self) -> dict[str, Constant]:
        """Return every constant by a dotted name that says where it stands."""
        found = {
            f"{name}.{operation}": constant
            for name, variant in self.variants.items()
            for operation, constant in variant.constants.items()
        }
        found |= {f"memories.{place}": memory.energy for place, memory in enumerate(self.memories)}
        found |= {f"times.{name}": constant for name, constant in self.times.items()}
        found |= {} if self.static is None else {"static": self.static}
        return found | {f"reference.{name}": constant for name, constant in self.reference.items()}
