"""The constants of TrueNorth, SpiNNaker 1 and 2, and of a CPU, a GPU and an ARM core.

Knows no network and no counts. The figures were read in the publications named or in quotations of them; no source gives a
range, so that `low` and `high` equal `value` and the true spread is unknown.
"""

from collections.abc import Mapping

from lava_port.energy.constants import SCOPES, Basis, Constant, Operation, Profile, Scope, Unit, Variant

__all__ = ["ARM", "CPU", "GPU", "SPINNAKER1", "SPINNAKER2_PROTOTYPE", "TRUENORTH_MEROLLA2014"]


def _refused(reason: str) -> dict[Scope, str]:
    return dict.fromkeys(SCOPES[:-1], reason)


_MEROLLA = "Merolla et al. 2014, Science 345(6197):668-673, doi 10.1126/science.1254642"
_OPERATING_POINT = (
    "26 pJ is the whole chip's power over its rate of synaptic events at one operating point: it cannot be split into "
    "scopes"
)
_ONE_FIGURE = "in synop: the one figure charges the whole chip"

TRUENORTH_MEROLLA2014 = Profile(
    name="truenorth_merolla2014",
    title="TrueNorth, all-in at one operating point (Merolla et al. 2014)",
    variants={
        "native": Variant(
            constants={
                "synop": Constant(
                    26.0,
                    "pJ",
                    26.0,
                    26.0,
                    _MEROLLA,
                    "measured",
                    "28 nm",
                    "one synaptic event, all-in: neurons, wires and static power at one operating point; another rate of "
                    "events gives another figure",
                )
            },
            unpriced={
                "mac": "TrueNorth has binary spikes; the source gives no constant for a multiply-accumulate",
                "addition": "the source gives no constant for the additions of a squeeze",
                "multiply": "the source gives no constant for a product with a gate",
                "activation": "TrueNorth runs no dense ANN",
            },
            covered=dict.fromkeys(
                (
                    "synop_conv",
                    "synop_dense",
                    "access",
                    "update",
                    "update_active",
                    "update_quiet",
                    "idle_update",
                    "spike",
                    "message",
                    "hop_east_west",
                    "hop_north_south",
                ),
                _ONE_FIGURE,
            ),
        )
    },
    all_in=_OPERATING_POINT,
    scopes=_refused(_OPERATING_POINT),
)

# --- SpiNNaker -----------------------------------------------------------------------------------------------------------

_HOEPPNER = "Hoeppner et al. 2019, Dynamic Power Management for Neuromorphic Many-Core Systems, arXiv:1903.08941"
_SPINNAKER_UNPRICED: Mapping[Operation, str] = {
    "mac": "the source gives no constant for a multiply-accumulate",
    "addition": "the source gives no constant for the additions of a squeeze",
    "multiply": "the source gives no constant for a product with a gate",
    "activation": "the source gives no constant for a dense ANN",
    "message": "the source gives no constant for a message",
    "hop_east_west": "the source gives no constant for a hop",
    "hop_north_south": "the source gives no constant for a hop",
}
_SPINNAKER_COVERED: Mapping[Operation, str] = {
    "synop_conv": "in synop",
    "synop_dense": "in synop",
    "access": "in update",
    "update_active": "in update",
    "update_quiet": "in update",
    "spike": "in update",
}


def _spinnaker(name: str, title: str, node: str, basis: Basis, unit: Unit, synop: float, update: float) -> Profile:
    def constant(value: float, unit: Unit, what: str) -> Constant:
        return Constant(value, unit, value, value, _HOEPPNER, basis, node, what)

    return Profile(
        name=name,
        title=title,
        variants={
            "native": Variant(
                constants={
                    "synop": constant(synop, unit, "one synaptic event in software on its ARM core"),
                    "update": constant(update, "nJ", "one neuron and step in software on its ARM core"),
                    "idle_update": constant(update, "nJ", "one neuron and step outside the window, as any other"),
                },
                unpriced=_SPINNAKER_UNPRICED,
                covered=_SPINNAKER_COVERED,
            )
        },
        scopes={
            "memory": "the source does not say which memory traffic its figures hold",
            "network": "the source gives no constant for messages",
            "static": "the source gives no constant for leakage that is not in its figures",
        },
    )


SPINNAKER1 = _spinnaker("spinnaker1", "SpiNNaker 1 (Hoeppner et al. 2019)", "130 nm", "measured", "nJ", 13.3, 26.0)
SPINNAKER2_PROTOTYPE = _spinnaker(
    "spinnaker2_prototype", "SpiNNaker 2, prototype (Hoeppner et al. 2019)", "28 nm", "measured", "pJ", 450.0, 2.19
)

# --- General-purpose machines --------------------------------------------------------------------------------------------

_DEGNAN = "Degnan, Marr, Hasler 2016, IEEE TVLSI 24(1):58-66, doi 10.1109/TVLSI.2015.2392942"
_PER_MAC = "the source gives the energy of the whole machine per multiply-accumulate: it cannot be split into scopes"
_MACS_ONLY = "the source prices multiply-accumulates alone; a spiking network on this machine is not priced"
_ANN_ONLY: tuple[Operation, ...] = ("synop", "update", "idle_update")


def _general(name: str, title: str, nanojoules: float) -> Profile:
    def constant(basis: Basis, low: float, what: str) -> Constant:
        scope = f"{what}, all-in; dated: a survey of machines up to 2015"
        return Constant(nanojoules, "nJ", low, nanojoules, _DEGNAN, basis, "several, up to 2015", scope)

    as_mac = "charged as one multiply-accumulate; low: nothing, since it runs beside one"
    return Profile(
        name=name,
        title=title,
        variants={
            "native": Variant(
                constants={
                    "mac": constant("derived", nanojoules, "one multiply-accumulate"),
                    "addition": constant("assumed", 0.0, f"one addition, {as_mac}"),
                    "multiply": constant("assumed", 0.0, f"one product, {as_mac}"),
                    "activation": constant("assumed", 0.0, f"one rectifier, {as_mac}"),
                },
                unpriced=dict.fromkeys(_ANN_ONLY, _MACS_ONLY),
                covered={
                    "synop_conv": "in synop",
                    "synop_dense": "in synop",
                    "access": "in update",
                    "update_active": "in update",
                    "update_quiet": "in update",
                    "spike": "in update",
                    "message": "in synop; one machine sends no messages",
                    "hop_east_west": "in synop; one machine sends no messages",
                    "hop_north_south": "in synop; one machine sends no messages",
                },
            )
        },
        all_in=_PER_MAC,
        scopes=_refused(_PER_MAC),
    )


CPU = _general("cpu", "CPU, dated, for the dense ANN (Degnan et al. 2016)", 8.6)
GPU = _general("gpu", "GPU, dated, for the dense ANN (Degnan et al. 2016)", 0.3)
ARM = _general("arm", "ARM core, dated, for the dense ANN (Degnan et al. 2016)", 0.9)
