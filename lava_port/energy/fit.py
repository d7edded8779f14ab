"""Whether a network fits a chip, stored either way: as a verdict of one line and as JSON.

Knows no terminal; how the network was cut is `mapping.py`'s.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from lava_port.energy.chips import LIMITS, Chip
from lava_port.energy.mapping import place
from lava_port.energy.partition import Sharing
from lava_port.energy.placement import LayerPlacement, Placement
from lava_port.graph import FixedGraph

__all__ = ["STORED", "Fit", "assumptions", "fit", "place_first", "to_json", "verdict"]

STORED: Mapping[Sharing, str] = {"shared": "kernels stored once per core", "unrolled": "every connection stored"}
"""What the two ways of storing weights are called."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Where a network lies on one kind of chip, stored either way.

    Attributes:
        chip: The chip.
        placements: By the way that weights are stored.
    """

    chip: Chip
    placements: Mapping[Sharing, Placement]

    @property
    def fits(self) -> bool:
        """Whether it fits one way at least, on however many chips."""
        return any(placement.fits for placement in self.placements.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does not fit one way or the other, each reason once."""
        return tuple(dict.fromkeys(reason for one in self.placements.values() for reason in one.reasons))


def fit(graph: FixedGraph, chip: Chip) -> Fit:
    """Return where a network lies on a kind of chip, stored either way; raises as `place` does."""
    return Fit(chip, {sharing: place(graph, chip, sharing=sharing) for sharing in get_args(Sharing)})


def place_first(graph: FixedGraph, chips: Sequence[Chip]) -> tuple[Placement | None, dict[str, str]]:
    """Return the placement on the first chip that the network fits, kernels shared where that fits.

    Where one chip is asked for and the network does not fit it, the part that does is placed, the rest left to the host.

    Returns:
        The placement, None where the network fits none of several chips; and, by chip, why it does not fit.

    Raises:
        GraphError: As `place`.
    """
    refused: dict[str, str] = {}
    part: Placement | None = None
    for chip in chips:
        for sharing in get_args(Sharing):
            found = place(graph, chip, sharing=sharing)
            if found.fits:
                return found, refused
            part = part or (found if found.layers else None)
            refused.setdefault(chip.name, f"it does not fit: {'. '.join(found.reasons)}")
    return part if len(chips) == 1 else None, refused


def verdict(found: Fit) -> str:
    """Return the answer in one line, with the reasons where it is no."""
    name = found.chip.name
    if not found.fits:
        sizes = "; ".join(_size(placement) for placement in found.placements.values())
        return f"{name}: does not fit: {'. '.join(found.reasons)}. The rest would take {sizes}"
    parts = [
        _size(one) if one.fits else f"not with {STORED[sharing]}: {'. '.join(one.reasons)}"
        for sharing, one in found.placements.items()
    ]
    missing = " and ".join(limit for limit in LIMITS if found.chip.figure(limit) is None)
    return f"{name}: fits: {'; '.join(parts)}" + (f" ({missing} unchecked: never published)" if missing else "")


def assumptions(found: Fit) -> tuple[str, ...]:
    """Return what the answer rests on that nobody published, one sentence each."""
    costs = found.chip.costs
    figures = {
        "bits of an index": costs.index_bits,
        "bits of a weight": costs.weight_bits,
        **{limit: figure for limit in LIMITS if (figure := found.chip.figure(limit)) is not None},
    }
    result = [
        f"{name}: {figure.value:,} is assumed ({figure.source})"
        for name, figure in figures.items()
        if figure.basis == "assumed"
    ]
    if any(layer.name.endswith(".squeeze") for layer in found.placements["unrolled"].layers):
        result.append(
            f"squeeze: where every connection is stored, one synapse is assumed to hold a sum of weights, more than "
            f"{costs.weight_bits.value} bits"
        )
    return tuple(result)


def to_json(found: Fit) -> dict[str, Any]:
    """Return everything but the cores of single neurons as plain JSON data."""
    figures = {limit: found.chip.figure(limit) for limit in LIMITS} | {"cores": found.chip.cores}
    return {
        "fits": found.fits,
        "verdict": verdict(found),
        "reasons": list(found.reasons),
        "assumptions": list(assumptions(found)),
        "limits": {name: None if one is None else dataclasses.asdict(one) for name, one in figures.items()},
        **{sharing: _placement_to_json(one) for sharing, one in found.placements.items()},
    }


def _size(placement: Placement) -> str:
    chips = placement.chips
    many = "" if chips is None else f" on {chips:,} {'chip' if chips == 1 else 'chips'}"
    cores = "1 core" if placement.cores == 1 else f"{placement.cores:,} cores"
    return f"{cores}{many} with {STORED[placement.sharing]}"


def _placement_to_json(placement: Placement) -> dict[str, Any]:
    return {
        "fits": placement.fits,
        "cores": placement.cores,
        "chips": placement.chips,
        "reasons": list(placement.reasons),
        "unchecked": list(placement.unchecked),
        "layers": [_layer_to_json(layer) for layer in placement.layers],
    }


def _layer_to_json(layer: LayerPlacement) -> dict[str, Any]:
    return {
        "name": layer.name,
        "nodes": list(layer.nodes),
        "neurons": math.prod(layer.shape),
        "tile": list(layer.tile),
        "grid": list(layer.grid),
        "first_core": layer.first_core,
        "cores": layer.cores,
        "binding": layer.binding,
        "usage": [dataclasses.asdict(one) for one in layer.usage],
    }
