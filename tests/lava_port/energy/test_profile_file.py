"""A profile survives YAML; whatever is wrong in a file is one line with file, line, key and what to do."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_port.energy.profile_file import dump, load, parse
from lava_port.energy.profiles import PROFILES

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "energy.md"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_is_read_back_equal(profile):
    assert parse(dump(profile)) == profile


def test_the_example_of_the_guide_is_a_profile():
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    profile = parse(text)
    assert profile.chargeable == {"compute", "neuron"}
    assert parse(dump(profile)) == profile


GOOD = dump(PROFILES["horowitz45_memory"])
LINES = GOOD.splitlines()


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize(("old", "new", "key", "words"), [
    ("value: 0.1\n", "value: nine\n", "variants.int8_best.constants.synop.value", "found 'nine'; expected a finite number"),
    ("value: 0.1\n", "value: .nan\n", "variants.int8_best.constants.synop.value", "expected a finite number"),
    ("value: 0.1\n", "value: '0.1'\n", "variants.int8_best.constants.synop.value", "expected a finite number"),
    ("value: 0.1\n", "valu: 0.1\n", "variants.int8_best.constants.synop.valu", "is an unknown key; remove it"),
    ("unit: pJ\n", "unit: erg\n", "variants.int8_best.constants.synop.unit", "found 'erg'; expected one of pJ, nJ"),
    ("basis: simulated\n", "basis: guessed\n", "variants.int8_best.constants.synop.basis", "expected one of measured"),
    ("bits: 8\n", "bits: 8.5\n", "variants.int8_best.bits", "found 8.5; expected a whole number"),
    ("reuse: best\n", "reuse: some\n", "variants.int8_best.reuse", "expected one of best, worst"),
    ("access_bits: 64\n", "access_bits: 0\n", "memories[0].access_bits", "found 0; expected a whole number of at least 1"),
])  # fmt: skip
def test_a_bad_value_is_refused_with_its_line_and_key(old, new, key, words):
    text = GOOD.replace(old, new, 1)
    line = line_of(text, new.strip())
    with pytest.raises(ValueError, match="^" + re.escape(f"mine.yaml:{line}: {key}: ") + ".*" + re.escape(words)):
        parse(text, name="mine.yaml")


@pytest.mark.parametrize(("text", "words"), [
    ("", "mine.yaml:1: holds nothing"),
    ("a: [", "mine.yaml:1: is no YAML"),
    ("- 1\n", "mine.yaml:1: the profile: found a list; expected keys with values"),
    ("name: x\ntitle: y\n", "mine.yaml:1: variants: is missing; add `variants: ...` here"),
    ("name: x\nname: y\n", "mine.yaml:2: name: is given twice; keep one of them"),
    ("name:\ntitle: y\nvariants: {}\n", "mine.yaml:1: name: found nothing; expected some words"),
    ("name: x\ntitle: y\nvariants: {}\n", "mine.yaml:1: the profile: it has no variants; expected at least one"),
    ("[" * 3000, "mine.yaml"),
    ("a: \0", "mine.yaml: is no YAML"),
])  # fmt: skip
def test_what_is_no_profile_is_refused_in_one_line(text, words):
    with pytest.raises(ValueError, match="^" + re.escape(words)) as found:
        parse(text, name="mine.yaml")
    assert "\n" not in str(found.value)


def test_what_a_profile_refuses_is_placed_at_its_line():
    swapped = GOOD.replace("low: 0.1", "low: 7", 1)
    with pytest.raises(ValueError, match=r"^mine\.yaml:\d+: variants\.int8_best\.constants\.synop: value 0\.1, low 7"):
        parse(swapped, name="mine.yaml")
    shrunk = GOOD.replace("capacity_bytes: 8192", "capacity_bytes: 65536")
    with pytest.raises(ValueError, match=r"memories: their capacities are .*; order them from small to large"):
        parse(shrunk)
    placed = dump(PROFILES["loihi1_davies2018"]).replace("chip: loihi1", "chip: loihi9")
    with pytest.raises(ValueError, match="chip: found 'loihi9'; expected one of loihi1, loihi2"):
        parse(placed)
    before, _, after = dump(PROFILES["loihi1_davies2018"]).rpartition("unit: ns")
    slow = f"{before}unit: pJ{after}"
    with pytest.raises(ValueError, match=r"times\.barrier: its unit is 'pJ'; give it in ns"):
        parse(slow)


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"none\.yaml: cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"odd\.yaml: is no UTF-8 text"):
        load(tmp_path / "odd.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (1 << 21))
    with pytest.raises(ValueError, match=r"big\.yaml: larger than 1 MB"):
        load(tmp_path / "big.yaml")


@given(place=st.integers(0, len(LINES) - 1), text=st.text(max_size=20))
def test_a_spoilt_line_is_read_or_refused_and_never_crashes(place, text):
    spoilt = "\n".join([*LINES[:place], text, *LINES[place + 1 :]])
    complaint = ""
    try:
        parse(spoilt)
    except ValueError as error:
        complaint = str(error)
    assert "\n" not in complaint
