"""Every number of a chip has a basis and a source, and those that were published stand as printed."""

import dataclasses
import re
from typing import get_args

import pytest

from lava_port.energy.chips import CHIPS, LIMITS, Basis, Capability, Figure, Item, select
from lava_port.energy.profiles import PROFILES

NUMBERS = [
    pytest.param(number, id=f"{chip.name}.{where}")
    for chip in CHIPS.values()
    for where, number in [
        *((field.name, getattr(chip, field.name)) for field in dataclasses.fields(chip)),
        ("weight_bits", chip.costs.weight_bits),
        ("index_bits", chip.costs.index_bits),
        *chip.costs.items.items(),
        *((f"mesh.{field.name}", getattr(chip.mesh, field.name)) for field in dataclasses.fields(chip.mesh)),
    ]
    if isinstance(number, Figure | Capability)
]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_says_where_it_comes_from(number):
    assert number.basis in get_args(Basis)
    assert len(number.source) > 10
    if number.basis == "published":
        assert re.search(r"\w+ (et al\. |Labs )(19|20)\d\d.*doi( 10\.\d{4,}/\S+)?$", number.source)
    if isinstance(number, Figure):
        assert number.value > 0


def test_limits_stand_as_published():
    # Davies et al. 2018, Table 2; Intel's technology brief of 2021.
    first, second = CHIPS["loihi1"], CHIPS["loihi2"]
    numbers = [(chip.figure(limit) or Figure(0, "assumed", "")).value for chip in (first, second) for limit in LIMITS]
    assert numbers == [1024, 131072, 4096, 4096, 8192, 196608, 0, 0]
    assert [chip.cores.value for chip in (first, second) if chip.cores] == [128, 128]
    assert (first.memory_holds, second.memory_holds) == ("synapses", "everything")


def test_the_tiles_of_a_mesh_hold_all_cores_of_the_chip():
    for chip in CHIPS.values():
        tiles = chip.mesh.columns.value * chip.mesh.rows.value
        assert chip.cores is not None
        assert tiles * chip.mesh.cores_per_tile.value == chip.cores.value == 128
        assert (chip.mesh.columns.value, chip.mesh.rows.value) == (8, 4)


def test_the_two_tables_that_quote_davies_agree():
    reference, chip = PROFILES["loihi1_davies2018"].reference, CHIPS["loihi1"]
    for key, limit in {
        "compartments_per_core": "compartments",
        "synapse_bytes_per_core": "memory",
        "input_axons_per_core": "input axons",
        "output_axons_per_core": "output axons",
    }.items():
        assert reference[key].value == chip.figure(limit).value


def test_a_chip_says_in_words_what_it_lacks():
    first, second = CHIPS["loihi1"], CHIPS["loihi2"]
    assert first.lacks(graded=True, programmable=True) == "graded spikes and programmable neurons"
    assert first.lacks(graded=False, programmable=True) == "programmable neurons"
    assert first.lacks(graded=False, programmable=False) == ""
    assert second.lacks(graded=True, programmable=True) == ""


def test_chips_stand_under_their_own_name_and_price_every_item():
    assert all(name == chip.name for name, chip in CHIPS.items())
    assert all(set(chip.costs.items) == set(get_args(Item)) for chip in CHIPS.values())


def test_an_unknown_chip_is_refused_with_the_list():
    assert [chip.name for chip in select()] == ["loihi1", "loihi2"]
    assert [chip.name for chip in select(["loihi2"])] == ["loihi2"]
    with pytest.raises(ValueError, match="no chip 'loihi9'; there are loihi1, loihi2"):
        select(["loihi9"])
