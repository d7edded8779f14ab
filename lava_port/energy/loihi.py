"""The constants of Intel's neuromorphic chips: Loihi 1 twice, Loihi 2 as peak-rate anchors, and a proxy without a unit.

Knows no network and no counts. The figures were read in the publications named or in quotations of them.
"""

from collections.abc import Mapping

from lava_port.energy.constants import Basis, Constant, Operation, Profile, Unit, Variant

__all__ = ["INTEL_PROXY", "LOIHI1_DAVIES2018", "LOIHI1_SILICON", "LOIHI2_HALAPOINT"]

# --- Loihi 1, pre-silicon ------------------------------------------------------------------------------------------------

_DAVIES = "Davies et al. 2018, IEEE Micro 38(1):82-99, Table 2, doi 10.1109/MM.2018.112130359"
_FRADY = "Frady et al. 2020, NICE, doi 10.1145/3381755.3398695"
_NO_MULTIPLY = "Loihi 1 has binary spikes; the source gives no constant for {what}, which is left out"
_LOIHI1_UNPRICED: Mapping[Operation, str] = {
    "mac": _NO_MULTIPLY.format(what="a multiply-accumulate"),
    "addition": _NO_MULTIPLY.format(what="the additions of a squeeze"),
    "multiply": _NO_MULTIPLY.format(what="a product with a gate"),
    "activation": "Loihi 1 runs no dense ANN: the source gives no constant for its multiply-accumulates",
}
_LOIHI1_CONTAINED = (
    "read so: a synaptic operation includes reading its weight, an update its state, both in the core's own memory"
)


def _davies(
    value: float,
    unit: Unit,
    scope: str,
    *,
    low: float | None = None,
    high: float | None = None,
    basis: Basis | None = None,
) -> Constant:
    return Constant(
        value=value,
        unit=unit,
        low=value if low is None else low,
        high=value if high is None else high,
        source=_DAVIES,
        basis=basis or ("specified" if unit == "1" else "simulated"),
        node="14 nm, 0.75 V",
        scope=scope,
    )


_STATIC = Constant(104.0, "mW", 104.0, 104.0, _FRADY, "measured", "14 nm", "static power of one chip")

LOIHI1_DAVIES2018 = Profile(
    name="loihi1_davies2018",
    title="Loihi 1, pre-silicon (Davies et al. 2018)",
    variants={
        "native": Variant(
            constants={
                "synop": _davies(
                    23.6, "pJ", "one synaptic operation, the source's minimum; it gives no maximum of the energy"
                ),
                "update_active": _davies(81.0, "pJ", "update of a neuron that a current reached, active"),
                "update_quiet": _davies(
                    52.0, "pJ", "update of a neuron that no current reached, inactive; high: active", high=81.0
                ),
                "idle_update": _davies(52.0, "pJ", "update outside the window, inactive; high: active", high=81.0),
                "message": _davies(1.7, "pJ", "one spike within a tile, once per destination core"),
                "hop_east_west": _davies(3.0, "pJ", "one hop of a spike between tiles, east-west"),
                "hop_north_south": _davies(4.0, "pJ", "one hop of a spike between tiles, north-south"),
            },
            unpriced=_LOIHI1_UNPRICED,
            covered={
                "synop_conv": "in synop",
                "synop_dense": "in synop",
                "access": "in update_active and update_quiet",
                "update": "in update_active and update_quiet",
                "spike": "in message",
            },
        )
    },
    contained={"memory": _LOIHI1_CONTAINED},
    times={
        "synop": _davies(3.5, "ns", "one synaptic operation, the source's maximum; it gives no minimum of the time"),
        "update": _davies(8.4, "ns", "neuron update, active; low: inactive", low=5.3),
        "barrier": _davies(
            289.0,
            "ns",
            "barrier at the end of a step; low: 1 tile; high: 32 tiles; value: their middle",
            low=113.0,
            high=465.0,
            basis="derived",
        ),
    },
    static=_STATIC,
    chip="loihi1",
    reference={
        "spike_within_tile_time": _davies(2.1, "ns", "one spike within a tile"),
        "hop_east_west_time": _davies(4.1, "ns", "one hop of a spike between tiles, east-west"),
        "hop_north_south_time": _davies(6.5, "ns", "one hop of a spike between tiles, north-south"),
        "compartments_per_core": _davies(1024, "1", "neurons that one core holds"),
        "synapse_bytes_per_core": _davies(131072, "1", "bytes of synaptic memory of one core, 128 KB"),
        "input_axons_per_core": _davies(4096, "1", "input axons of one core"),
        "output_axons_per_core": _davies(4096, "1", "output axons of one core"),
        "cores": _davies(128, "1", "cores of one chip"),
    },
)

# --- Loihi 1, fitted to silicon ------------------------------------------------------------------------------------------

_BOYLE = "Boyle et al. 2025, IEEE TCAD 44(8), SANA-FE 2.2.9, arch/loihi.yaml, doi 10.1109/TCAD.2025.3537971"
_ENERGY_ERROR, _LATENCY_ERROR = 0.117, 0.243
"""Errors that Boyle et al. report against the chip, of the energy and of the latency of whole runs."""


def _boyle(
    value: float, scope: str, *, low: float | None = None, high: float | None = None, basis: Basis = "measured"
) -> Constant:
    """Return a constant whose ends are those of the reading, widened by the reported error of the energy."""
    return Constant(
        value=value,
        unit="pJ",
        low=(value if low is None else low) * (1 - _ENERGY_ERROR),
        high=(value if high is None else high) * (1 + _ENERGY_ERROR),
        source=_BOYLE,
        basis=basis,
        node="14 nm, fitted to a chip",
        scope=f"{scope}; low and high: 11.7 %, the error reported for the energy of whole runs",
    )


LOIHI1_SILICON = Profile(
    name="loihi1_silicon",
    title="Loihi 1, fitted to silicon (Boyle et al. 2025)",
    variants={
        "native": Variant(
            constants={
                "synop_conv": _boyle(24.0, "one synaptic operation of a convolution"),
                "synop_dense": _boyle(35.5, "one synaptic operation of a dense layer"),
                "access": _boyle(51.2, "access to the soma, for every neuron and step, outside the window too"),
                "update_active": _boyle(21.6, "update of a neuron that a current reached, on top of the access"),
                "spike": _boyle(69.3, "one spike of a neuron"),
                "message": _boyle(111.0, "one message, once per destination core"),
                "hop_east_west": _boyle(3.0, "one hop of a message between tiles, east-west"),
                "hop_north_south": _boyle(4.2, "one hop of a message between tiles, north-south"),
            },
            unpriced=_LOIHI1_UNPRICED,
            covered={
                "synop": "in synop_conv and synop_dense",
                "update": "in access and update_active",
                "update_quiet": "in access: a neuron that no current reached is not updated",
                "idle_update": "in access: no current reaches a neuron outside its window",
            },
        )
    },
    contained={"memory": _LOIHI1_CONTAINED},
    chip="loihi1",
    scopes={
        "static": "the duration of a step is not known under this profile: it holds no time per operation, only the "
        "error of the latency, 24.3 %; loihi1_davies2018 has the times of the pre-silicon table"
    },
    reference={
        "synop_sparse": _boyle(33.6, "one synaptic operation where every connection is stored"),
        "latency_error": Constant(
            _LATENCY_ERROR, "1", _LATENCY_ERROR, _LATENCY_ERROR, _BOYLE, "measured", "14 nm", "error of the latency"
        ),
    },
)

# --- Loihi 2 -------------------------------------------------------------------------------------------------------------

_HALA_POINT = "Intel 2024, announcement of Hala Point (2,600 W, 380e12 synops/s, 240e12 neuron ops/s), without a doi"
_ANCHOR = (
    "{formula}: all power at the peak rate, charged to this operation alone; no energy per operation was ever published, "
    "and a machine that is less than fully busy needs more"
)


def _hala_point(value: float, formula: str, what: str) -> Constant:
    scope = f"{what}; {_ANCHOR.format(formula=formula)}"
    return Constant(value, "pJ", value, value, _HALA_POINT, "derived", "Intel 4, whole system", scope)


_SYNOP, _NEURON = "2,600 W / 380e12 per s = 6.8 pJ", "2,600 W / 240e12 per s = 10.8 pJ"
_ALL_POWER = (
    "the anchors charge all power of the machine, static power and wires included, to either operation: they cannot be "
    "split into scopes, and adding both counts the power twice"
)
_WITHOUT_GATES: Mapping[Operation, str] = {
    "addition": "the source counts synaptic and neuron operations alone; the additions of a squeeze are left out",
    "multiply": "the source counts synaptic and neuron operations alone; products with a gate are left out",
}
_MESSAGES: tuple[Operation, ...] = ("message", "hop_east_west", "hop_north_south")
_TWO_KINDS: Mapping[Operation, str] = {
    "synop_conv": "in synop",
    "synop_dense": "in synop",
    "access": "in update",
    "update_active": "in update",
    "update_quiet": "in update",
    "spike": "in update",
}

LOIHI2_HALAPOINT = Profile(
    name="loihi2_halapoint",
    title="Loihi 2, anchors derived from Hala Point's peak rates",
    variants={
        "native": Variant(
            constants={
                "synop": _hala_point(6.8, _SYNOP, "one synaptic operation"),
                "mac": _hala_point(6.8, _SYNOP, "a graded spike at a weight, one synaptic operation"),
                "update": _hala_point(10.8, _NEURON, "one neuron operation"),
                "idle_update": _hala_point(10.8, _NEURON, "one neuron operation outside the window"),
                "activation": _hala_point(10.8, _NEURON, "a rectifier, one neuron operation"),
            },
            unpriced=_WITHOUT_GATES,
            covered={**_TWO_KINDS, **dict.fromkeys(_MESSAGES, "in synop and update")},
        )
    },
    chip="loihi2",
    all_in=_ALL_POWER,
    scopes=dict.fromkeys(("compute", "neuron", "memory", "network"), _ALL_POWER),
)

_TIMCHECK = "Timcheck et al. 2023, arXiv:2303.09503"


def _proxy(value: float, what: str) -> Constant:
    return Constant(value, "1", value, value, _TIMCHECK, "specified", "none", f"{what}; a number without a unit")


INTEL_PROXY = Profile(
    name="intel_proxy",
    title="Intel's proxy, without a unit: synops + 10 neuron operations (Timcheck et al. 2023)",
    variants={
        "native": Variant(
            constants={
                "synop": _proxy(1.0, "one synaptic operation"),
                "mac": _proxy(1.0, "a graded spike at a weight, one synaptic operation"),
                "update": _proxy(10.0, "one neuron operation"),
                "idle_update": _proxy(10.0, "one neuron operation outside the window"),
                "activation": _proxy(10.0, "a rectifier, one neuron operation"),
            },
            unpriced={
                **_WITHOUT_GATES,
                **dict.fromkeys(_MESSAGES, "the proxy does not count messages"),
            },
            covered=_TWO_KINDS,
        )
    },
    chip="loihi2",
    scopes={
        "memory": "the proxy does not count memory traffic",
        "network": "the proxy does not count messages",
        "static": "the proxy does not count time",
    },
)
