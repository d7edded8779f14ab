"""What one core of a chip holds, as published constants, each with its value, basis and source.

Knows no network; a number that was never published is None, and whoever checks a network against it says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

__all__ = ["CHIPS", "LIMITS", "Basis", "Capability", "Chip", "Costs", "Figure", "Item", "Limit", "Mesh", "select"]

Basis: TypeAlias = Literal["published", "derived", "assumed"]
Limit: TypeAlias = Literal["compartments", "memory", "input axons", "output axons"]
"""What a core has only so much of."""
LIMITS: tuple[Limit, ...] = get_args(Limit)
Item: TypeAlias = Literal["current", "potential", "held", "sum", "threshold", "bias", "sum_bias", "gate", "gate_shift"]
"""What a core keeps of a neuron or a channel beside its weights."""


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        value: The number, in the unit that its field names.
        basis: Whether somebody published it, it follows from others, or it is assumed.
        source: Author, year, place and DOI; for a derived or assumed number what it follows from, or why this one.
    """

    value: int
    basis: Basis
    source: str


@dataclass(frozen=True)
class Capability:
    """Whether a chip can do something.

    Attributes:
        present: Whether it can.
        basis: As in `Figure`.
        source: As in `Figure`.
    """

    present: bool
    basis: Basis
    source: str


@dataclass(frozen=True)
class Costs:
    """Bits of memory that things take in a core.

    Attributes:
        weight_bits: One weight.
        index_bits: What an unrolled connection needs beside its weight to name its neuron.
        items: One number of each kind that is kept per neuron or per channel.
    """

    weight_bits: Figure
    index_bits: Figure
    items: Mapping[Item, Figure]


@dataclass(frozen=True)
class Mesh:
    """How the cores of a chip hang together: tiles on a grid, a few cores in each.

    Attributes:
        columns: Tiles from west to east.
        rows: Tiles from north to south.
        cores_per_tile: Cores that share one tile, between which a message takes no hop.
    """

    columns: Figure
    rows: Figure
    cores_per_tile: Figure


@dataclass(frozen=True)
class Chip:
    """What a chip offers. A limit that is None was never published: it is not checked, and reports say so.

    Attributes:
        name: Key in `CHIPS`.
        title: Name for people.
        cores: Cores of one chip.
        compartments: Neurons that one core holds.
        memory_bytes: Bytes of memory of one core.
        memory_holds: Whether that memory holds synapses alone, neurons and axons having their own, or everything.
        input_axons: Distinct source neurons whose spikes one core takes.
        output_axons: Pairs of a neuron of one core and a core that its spikes go to.
        graded_spikes: Whether a spike carries a number.
        programmable_neurons: Whether a neuron runs a programme of its own, rather than a fixed LIF.
        costs: What things take in a core.
        mesh: How its cores hang together.
    """

    name: str
    title: str
    cores: Figure | None
    compartments: Figure | None
    memory_bytes: Figure | None
    memory_holds: Literal["synapses", "everything"]
    input_axons: Figure | None
    output_axons: Figure | None
    graded_spikes: Capability
    programmable_neurons: Capability
    costs: Costs
    mesh: Mesh

    def figure(self, limit: Limit) -> Figure | None:
        """Return how much of `limit` a core has, with its source; None where no number was published."""
        figures: dict[Limit, Figure | None] = {
            "compartments": self.compartments,
            "memory": self.memory_bytes,
            "input axons": self.input_axons,
            "output axons": self.output_axons,
        }
        return figures[limit]

    def lacks(self, *, graded: bool, programmable: bool) -> str:
        """Return what the chip lacks of what is needed, as words; empty where it lacks nothing.

        Args:
            graded: Whether graded spikes are needed.
            programmable: Whether programmable neurons are needed.
        """
        lacking = ["graded spikes"] if graded and not self.graded_spikes.present else []
        lacking += ["programmable neurons"] if programmable and not self.programmable_neurons.present else []
        return " and ".join(lacking)


def select(names: list[str] | tuple[str, ...] | None = None) -> tuple[Chip, ...]:
    """Return the chips called `names`, all of them by default.

    Raises:
        ValueError: There is no such chip; the message lists those that exist.
    """
    for name in names or ():
        if name not in CHIPS:
            raise ValueError(f"no chip {name!r}; there are {', '.join(CHIPS)}")
    return tuple(CHIPS[name] for name in names or CHIPS)


_DAVIES = "Davies et al. 2018, IEEE Micro 38(1):82-99, Table 2, doi 10.1109/MM.2018.112130359"
_BRIEF = (
    "Intel Labs 2021, technology brief 'Taking Neuromorphic Computing to the Next Level with Loihi 2', without a doi"
)
_ORCHARD = "Orchard et al. 2021, Efficient Neuromorphic Signal Processing with Loihi 2, doi 10.48550/arXiv.2111.03746"
_BOYLE = "Boyle et al. 2025, IEEE TCAD 44(8):3165-3178, doi 10.1109/TCAD.2025.3537971"
_HERE = "the range that this project's integers are proven to keep, see lava_port/graph.py: "

_WEIGHT = Figure(8, "derived", "even integers in [-256, 254], of which the halves are stored")
_ITEMS: Mapping[Item, Figure] = {
    "current": Figure(24, "derived", _HERE + "u wraps at 24 bits"),
    "potential": Figure(24, "derived", _HERE + "v is clipped to 24 bits"),
    "held": Figure(24, "derived", _HERE + "the current of the analogue first layer, kept for T steps"),
    "sum": Figure(32, "derived", _HERE + "sums of squeeze, excitation and read-out have 32 bits"),
    "threshold": Figure(17, "derived", _HERE + "17 bits, as Lava's vth"),
    "bias": Figure(16, "derived", _HERE + "13 bits of mantissa and 3 of exponent, as in Lava"),
    "sum_bias": Figure(32, "derived", _HERE + "the bias of a sum has its 32 bits"),
    "gate": Figure(9, "derived", _HERE + "a gate is in 0 .. 256"),
    "gate_shift": Figure(5, "derived", _HERE + "a shift below 32"),
}

_MESH1 = Mesh(
    columns=Figure(8, "published", f"the Loihi of SANA-FE 2.2.9, arch/loihi.yaml; {_BOYLE}"),
    rows=Figure(4, "published", f"the Loihi of SANA-FE 2.2.9, arch/loihi.yaml; {_BOYLE}"),
    cores_per_tile=Figure(4, "derived", f"128 cores on the 32 tiles that its barrier is timed for; {_DAVIES}"),
)
_AS_LOIHI1 = "as in Loihi 1, whose number of cores it has; nothing was published"

_LOIHI1 = Chip(
    name="loihi1",
    title="Loihi 1",
    cores=Figure(128, "published", _DAVIES),
    compartments=Figure(1024, "published", _DAVIES),
    memory_bytes=Figure(128 * 1024, "published", _DAVIES),
    memory_holds="synapses",
    input_axons=Figure(4096, "published", _DAVIES),
    output_axons=Figure(4096, "published", _DAVIES),
    graded_spikes=Capability(False, "published", f"a spike is one bit; {_DAVIES.replace(', Table 2', '')}"),
    programmable_neurons=Capability(False, "published", f"a fixed LIF; {_DAVIES.replace(', Table 2', '')}"),
    costs=Costs(
        weight_bits=_WEIGHT,
        index_bits=Figure(10, "assumed", "names one of 1,024 neurons; its compressed formats may take less"),
        items=_ITEMS,
    ),
    mesh=_MESH1,
)

_LOIHI2 = Chip(
    name="loihi2",
    title="Loihi 2",
    # Hala Point uses 122 of them: 140,544 cores on 1,152 chips (Intel 2024).
    cores=Figure(128, "published", _BRIEF),
    compartments=Figure(8192, "published", _BRIEF),
    memory_bytes=Figure(192 * 1024, "published", _BRIEF),
    memory_holds="everything",
    input_axons=None,
    output_axons=None,
    graded_spikes=Capability(True, "published", f"up to 32 bits; {_BRIEF}"),
    programmable_neurons=Capability(True, "published", _ORCHARD),
    costs=Costs(
        weight_bits=_WEIGHT,
        index_bits=Figure(13, "assumed", "names one of 8,192 neurons; its compressed formats may take less"),
        items=_ITEMS,
    ),
    mesh=Mesh(*(Figure(count, "assumed", _AS_LOIHI1) for count in (8, 4, 4))),
)

CHIPS: Mapping[str, Chip] = {chip.name: chip for chip in (_LOIHI1, _LOIHI2)}
"""Chips by name."""
