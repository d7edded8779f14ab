"""The constants of 45 nm arithmetic and memory (Horowitz 2014), read in the source or in quotations of it.

Knows no network and no counts. Where the source gives no range, `low` and `high` equal `value`.
"""

from collections.abc import Mapping
from dataclasses import replace

from lava_port.energy.constants import Basis, Constant, Memory, Operation, Profile, Variant

__all__ = ["HOROWITZ45", "HOROWITZ45_MEMORY"]

_SOURCE = "Horowitz 2014, ISSCC, Fig. 1.1.9, doi 10.1109/ISSCC.2014.6757323"
_NODE = "45 nm, 0.9 V"
_RULE_OF_THUMB = "arithmetic unit alone, a rough figure without a range; no memory, control or wires"


def _horowitz(
    value: float, scope: str, *, low: float | None = None, high: float | None = None, basis: Basis = "simulated"
) -> Constant:
    return Constant(
        value=value,
        unit="pJ",
        low=value if low is None else low,
        high=value if high is None else high,
        source=_SOURCE,
        basis=basis,
        node=_NODE,
        scope=scope,
    )


_UPDATE = (
    "decay, current, bias and comparison = {one} multiplication + 3 additions; low: the decay is a shift; high: the "
    "current decays too, one multiplication and one addition more"
)
_IDLE = "as an update; low: the step outside the window is skipped"
_NO_MESSAGES = "arithmetic has no constant for messages between cores"
_UNPRICED: Mapping[Operation, str] = dict.fromkeys(("message", "hop_east_west", "hop_north_south"), _NO_MESSAGES)
_COVERED: Mapping[Operation, str] = {
    "synop_conv": "in synop",
    "synop_dense": "in synop",
    "access": "in update; arithmetic alone reads nothing",
    "update_active": "in update; every neuron is updated in every step",
    "update_quiet": "in update; every neuron is updated in every step",
    "spike": "in update; arithmetic alone sends nothing",
}

_F32 = Variant(
    bits=32,
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
    unpriced=_UNPRICED,
    covered=_COVERED,
)

_INT8 = Variant(
    bits=8,
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
    unpriced=_UNPRICED,
    covered=_COVERED,
)

_NO_NETWORK = "the source prices arithmetic and memory and has no constant for messages"
_NO_STATIC = "the source prices single operations and has no constant for leakage"

HOROWITZ45 = Profile(
    name="horowitz45",
    title="45 nm CMOS arithmetic (Horowitz 2014)",
    variants={"f32": _F32, "int8": _INT8},
    scopes={
        "memory": "this profile prices arithmetic alone; horowitz45_memory adds the same source's memories",
        "network": _NO_NETWORK,
        "static": _NO_STATIC,
    },
)

_ACCESS = "one 64-bit access to {size}; fewer bits are charged in proportion, so that a 32-bit word costs half"
_MEMORIES = (
    Memory(8 * 1024, 64, _horowitz(10.0, _ACCESS.format(size="8 KB of SRAM"))),
    Memory(32 * 1024, 64, _horowitz(20.0, _ACCESS.format(size="32 KB of SRAM"))),
    Memory(1024 * 1024, 64, _horowitz(100.0, _ACCESS.format(size="1 MB of SRAM"))),
    Memory(
        None,
        64,
        _horowitz(
            1950.0,
            _ACCESS.format(size="DRAM") + "; the source gives the range 1,300 to 2,600, the value is its middle",
            low=1300.0,
            high=2600.0,
        ),
    ),
)

HOROWITZ45_MEMORY = Profile(
    name="horowitz45_memory",
    title="45 nm CMOS arithmetic with its memories (Horowitz 2014)",
    variants={f"int8_{reuse}": replace(_INT8, reuse=reuse) for reuse in ("best", "worst")},
    memories=_MEMORIES,
    scopes={"network": _NO_NETWORK, "static": _NO_STATIC},
)
