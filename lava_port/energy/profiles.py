"""What an operation costs: published constants, each with its unit, range, source and basis.

Knows no network and no counts. The figures were read in the publications named or in quotations of them, and not
measured anew; where a source gives no range, `low` and `high` equal `value` and the true spread is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["PROFILES", "Basis", "Constant", "Operation", "Profile", "Unit", "Variant", "select"]

Basis: TypeAlias = Literal["measured", "simulated", "derived", "assumed", "specified"]
Unit: TypeAlias = Literal["pJ", "ns", "mW", "1"]
Operation: TypeAlias = Literal["synop", "mac", "addition", "multiply", "update", "idle_update", "activation"]

_SI: Mapping[Unit, float] = {"pJ": 1e-12, "ns": 1e-9, "mW": 1e-3, "1": 1.0}


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

    def si(self, which: Literal["value", "low", "high"] = "value") -> float:
        """Return the number in joules, seconds, watts or as it is."""
        return getattr(self, which) * _SI[self.unit]


@dataclass(frozen=True)
class Variant:
    """The energies of one arithmetic on one machine.

    Attributes:
        constants: Energy per operation. An operation without one is not priced.
        unpriced: Why, for every operation without a constant.
    """

    constants: Mapping[Operation, Constant]
    unpriced: Mapping[Operation, str]


@dataclass(frozen=True)
class Profile:
    """The published constants of one machine or technology.

    Attributes:
        name: Key in `PROFILES`.
        title: Name for people.
        variants: Arithmetics by name.
        reference: Further constants of the same sources, of scopes that `estimate` does not charge.
        scopes: Why `estimate` does not charge a scope, by its name.
    """

    name: str
    title: str
    variants: Mapping[str, Variant]
    reference: Mapping[str, Constant]
    scopes: Mapping[str, str]


def select(names: list[str] | tuple[str, ...] | None = None) -> tuple[Profile, ...]:
    """Return the profiles called `names`, all of them by default.

    Raises:
        ValueError: There is no such profile; the message lists those that exist.
    """
    for name in names or ():
        if name not in PROFILES:
            raise ValueError(f"no energy profile {name!r}; there are {', '.join(PROFILES)}")
    return tuple(PROFILES[name] for name in names or PROFILES)


# --- 45 nm arithmetic ----------------------------------------------------------------------------------------------------

_HOROWITZ = "Horowitz 2014, ISSCC, Fig. 1.1.9, doi 10.1109/ISSCC.2014.6757323"
_RULE_OF_THUMB = "arithmetic unit alone, a rough figure without a range; no memory, control or wires"


def _horowitz(
    value: float, scope: str, *, low: float | None = None, high: float | None = None, basis: Basis = "simulated"
) -> Constant:
    return Constant(
        value=value,
        unit="pJ",
        low=value if low is None else low,
        high=value if high is None else high,
        source=_HOROWITZ,
        basis=basis,
        node="45 nm, 0.9 V",
        scope=scope,
    )


_UPDATE = (
    "decay, current, bias and comparison = {one} multiplication + 3 additions; low: the decay is a shift; high: the "
    "current decays too, one multiplication and one addition more"
)
_IDLE = "as an update; low: the step outside the window is skipped"

_F32 = Variant(
    constants={
        "synop": _horowitz(0.9, f"float32 addition; {_RULE_OF_THUMB}"),
        "mac": _horowitz(4.6, f"float32 multiplication 3.7 + addition 0.9 = 4.6; {_RULE_OF_THUMB}", basis="derived"),
        "addition": _horowitz(0.9, f"float32 addition; {_RULE_OF_THUMB}"),
        "multiply": _horowitz(3.7, f"float32 multiplication; {_RULE_OF_THUMB}"),
        "update": _horowitz(6.4, _UPDATE.format(one="float32"), low=2.7, high=11.0, basis="derived"),
        "idle_update": _horowitz(6.4, _IDLE, low=0.0, high=11.0, basis="derived"),
        "activation": _horowitz(
            1.8, "bias and comparison = 2 additions; low: the sign bit decides", low=0.9, high=1.8, basis="derived"
        ),
    },
    unpriced={},
)

_INT8 = Variant(
    constants={
        "synop": _horowitz(0.1, f"int32 addition of an 8-bit weight; {_RULE_OF_THUMB}"),
        "mac": _horowitz(0.3, f"int8 multiplication 0.2 + int32 addition 0.1 = 0.3; {_RULE_OF_THUMB}", basis="derived"),
        "addition": _horowitz(0.1, f"int32 addition; {_RULE_OF_THUMB}"),
        "multiply": _horowitz(
            3.1,
            "int32 multiplication for a 9-bit gate times a 24-bit current; low: int8",
            low=0.2,
            high=3.1,
            basis="derived",
        ),
        "update": _horowitz(3.4, _UPDATE.format(one="int32"), low=0.3, high=6.6, basis="derived"),
        "idle_update": _horowitz(3.4, _IDLE, low=0.0, high=6.6, basis="derived"),
        "activation": _horowitz(
            0.2,
            "bias and comparison = 2 int32 additions; low: the sign bit decides; high: and one int32 multiplication that "
            "rescales the sum to 8 bits",
            low=0.1,
            high=3.3,
            basis="derived",
        ),
    },
    unpriced={},
)

_HOROWITZ45 = Profile(
    name="horowitz45",
    title="45 nm CMOS arithmetic (Horowitz 2014)",
    variants={"f32": _F32, "int8": _INT8},
    reference={
        "sram_8kb_64bit": _horowitz(10.0, "one 64-bit access to 8 KB of SRAM; a 32-bit word is charged half"),
        "sram_32kb_64bit": _horowitz(20.0, "one 64-bit access to 32 KB of SRAM; a 32-bit word is charged half"),
        "sram_1mb_64bit": _horowitz(100.0, "one 64-bit access to 1 MB of SRAM; a 32-bit word is charged half"),
        "dram_64bit": Constant(
            value=1950.0,
            unit="pJ",
            low=1300.0,
            high=2600.0,
            source=_HOROWITZ,
            basis="simulated",
            node="45 nm, 0.9 V",
            scope="one 64-bit access to DRAM; the source gives the range, the value is its middle",
        ),
    },
    scopes={
        "memory": "memory traffic is not counted; the SRAM and DRAM constants are listed for reference only",
        "network": "the profile prices arithmetic alone and has no constant for messages",
        "static": "the profile prices arithmetic alone and has no constant for leakage",
    },
)

# --- Loihi 1 -------------------------------------------------------------------------------------------------------------

_DAVIES = "Davies et al. 2018, IEEE Micro 38(1):82-99, Table 2, doi 10.1109/MM.2018.112130359"
_FRADY = "Frady et al. 2020, NICE, doi 10.1145/3381755.3398695"
_NO_MULTIPLY = "Loihi 1 has binary spikes; the source gives no constant for {what}, which is left out"


def _davies(value: float, unit: Unit, scope: str, *, low: float | None = None, high: float | None = None) -> Constant:
    return Constant(
        value=value,
        unit=unit,
        low=value if low is None else low,
        high=value if high is None else high,
        source=_DAVIES,
        basis="specified" if unit == "1" else "simulated",
        node="14 nm, 0.75 V",
        scope=scope,
    )


_LOIHI1 = Profile(
    name="loihi1_davies2018",
    title="Loihi 1, pre-silicon (Davies et al. 2018)",
    variants={
        "native": Variant(
            constants={
                "synop": _davies(
                    23.6, "pJ", "one synaptic operation, the source's minimum; it gives no maximum of the energy"
                ),
                "update": _davies(81.0, "pJ", "neuron update, active; low: inactive", low=52.0, high=81.0),
                "idle_update": _davies(52.0, "pJ", "neuron update, inactive; high: active", low=52.0, high=81.0),
            },
            unpriced={
                "mac": _NO_MULTIPLY.format(what="a multiply-accumulate"),
                "addition": _NO_MULTIPLY.format(what="the additions of a squeeze"),
                "multiply": _NO_MULTIPLY.format(what="a product with a gate"),
                "activation": "Loihi 1 runs no dense ANN: the source gives no constant for its multiply-accumulates",
            },
        )
    },
    reference={
        "synop_time": _davies(3.5, "ns", "one synaptic operation, the source's maximum"),
        "update_active_time": _davies(8.4, "ns", "neuron update, active"),
        "update_inactive_time": _davies(5.3, "ns", "neuron update, inactive"),
        "spike_within_tile": _davies(1.7, "pJ", "one spike within a tile"),
        "spike_within_tile_time": _davies(2.1, "ns", "one spike within a tile"),
        "hop_east_west": _davies(3.0, "pJ", "one hop of a spike between tiles, east-west"),
        "hop_east_west_time": _davies(4.1, "ns", "one hop of a spike between tiles, east-west"),
        "hop_north_south": _davies(4.0, "pJ", "one hop of a spike between tiles, north-south"),
        "hop_north_south_time": _davies(6.5, "ns", "one hop of a spike between tiles, north-south"),
        "barrier_time": _davies(113.0, "ns", "barrier at the end of a step; 1 tile, high: 32 tiles", high=465.0),
        "compartments_per_core": _davies(1024, "1", "neurons that one core holds"),
        "synapse_bytes_per_core": _davies(131072, "1", "bytes of synaptic memory of one core, 128 KB"),
        "input_axons_per_core": _davies(4096, "1", "input axons of one core"),
        "output_axons_per_core": _davies(4096, "1", "output axons of one core"),
        "cores": _davies(128, "1", "cores of one chip"),
        "static_power": Constant(104.0, "mW", 104.0, 104.0, _FRADY, "measured", "14 nm", "static power of one chip"),
    },
    scopes={
        "memory": "the source gives no constant for memory traffic alone",
        "network": "needs a mapping of neurons to cores, since a spike costs one message per destination core",
        "static": "needs the duration of a step, which depends on a mapping of neurons to cores",
    },
)

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (_HOROWITZ45, _LOIHI1)}
"""Profiles by name."""
