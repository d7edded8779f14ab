"""The published schema of `neurallnet energy --json`: it takes what is written, describes every key, refuses the rest."""

import copy
import dataclasses
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any, get_args

import numpy as np
import pytest

from lava_port.energy.activity import measure
from lava_port.energy.baselines import Twin
from lava_port.energy.chips import CHIPS
from lava_port.energy.constants import SCOPES, Operation
from lava_port.energy.counts import counts
from lava_port.energy.estimate import estimate
from lava_port.energy.mapping import place
from lava_port.energy.profiles import PROFILES, select
from lava_port.energy.report import FORMAT_VERSION, to_json

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the group dev")

SCHEMA: dict[str, Any] = json.loads(
    resources.files("lava_port.energy").joinpath("energy.schema.json").read_text(encoding="utf-8")
)
NEUROBENCH = (
    "Footprint",
    "ConnectionSparsity",
    "ActivationSparsity",
    "SynapticOperations",
    "MembraneUpdates",
    "ClassificationAccuracy",
)


def errors(data: object) -> list[str]:
    return [f"{one.json_path}: {one.message}" for one in jsonschema.Draft202012Validator(SCHEMA).iter_errors(data)]


@pytest.fixture
def answers(hand_graph, hand_counts, placed_counts, plain_graph, make_trace) -> dict[str, dict[str, Any]]:
    """Results with and without twin, placement, labels, accuracy and a second image."""
    twin = Twin("twin", {"conv_2": np.array([12, 6]), "dense_1": np.array([3, 3])}, {"conv_2": 0.4, "dense_1": 0.5})
    davies = dataclasses.replace(PROFILES["loihi1_davies2018"], chip="test")
    others = [profile for profile in PROFILES.values() if profile.name != davies.name]
    one = counts(plain_graph, measure(plain_graph, make_trace(plain_graph, 1)))
    run = measure(plain_graph, make_trace(plain_graph, 3))
    on_chip = {
        name: counts(plain_graph, run, placement=place(plain_graph, CHIPS[name], sharing="shared"))
        for name in ("loihi1", "loihi2")
    }
    reports = {
        "all profiles": estimate(hand_graph, hand_counts, select(), labels=[0, 1]),
        "a twin, a placement, one class": estimate(
            hand_graph, placed_counts, [davies, *others], labels=[1, 1], twin=twin
        ),
        "one image, no labels": estimate(plain_graph, one, select()),
        "nothing fits": estimate(plain_graph, on_chip["loihi1"], select(["loihi1_davies2018", "loihi1_silicon"])),
        "loihi2": estimate(plain_graph, on_chip["loihi2"], select(["loihi2_halapoint", "horowitz45_memory"])),
        "no joules": estimate(hand_graph, hand_counts, select(["intel_proxy"])),
    }
    return {name: to_json(report, accuracy=None if "no" in name else 0.5) for name, report in reports.items()}


def schemas(data: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema below a key of `properties`, with its path."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "properties":
                yield from ((f"{path}.{name}", one) for name, one in value.items())
            yield from schemas(value, f"{path}.{key}")
    elif isinstance(data, list):
        for place_, value in enumerate(data):
            yield from schemas(value, f"{path}.{place_}")


def keys(data: object) -> Iterator[str]:
    if isinstance(data, dict):
        yield from data
        for value in data.values():
            yield from keys(value)
    elif isinstance(data, list):
        for value in data:
            yield from keys(value)


def test_the_schema_is_one_of_its_own_draft() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_it_takes_all_that_is_written(answers: dict[str, dict[str, Any]]) -> None:
    for name, data in answers.items():
        assert not errors(data), name


def test_every_key_has_a_description() -> None:
    for path, one in schemas(SCHEMA):
        target = SCHEMA["$defs"][one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one
        assert one.get("description") or target.get("description"), path


def objects(data: object) -> Iterator[dict[str, Any]]:
    """Yield every schema of an object with fixed keys."""
    if isinstance(data, dict):
        if isinstance(data.get("properties"), dict) and "type" in data:
            yield data
        for value in data.values():
            yield from objects(value)
    elif isinstance(data, list):
        for value in data:
            yield from objects(value)


def test_where_keys_are_fixed_no_other_is_taken() -> None:
    found = list(objects(SCHEMA))
    assert len(found) > 20
    for one in found:
        assert one["additionalProperties"] is False, one["description"]
        assert set(one["required"]) <= set(one["properties"])


def test_every_number_that_is_described_has_its_unit() -> None:
    units = (
        "no unit",
        "per image",
        "per pass",
        "byte",
        "bit",
        "count",
        "J",
        "in `unit`",
        ", s",
        "step",
        "number of the core",
    )
    for path, one in schemas(SCHEMA):
        kind = one.get("type")
        if kind in ("number", "integer") or (isinstance(kind, list) and {"number", "integer"} & set(kind)):
            assert any(unit in one["description"] for unit in units), f"{path}: {one['description']}"


def test_a_value_that_may_be_null_says_why_and_where_the_reason_stands() -> None:
    for path, one in schemas(SCHEMA):
        kind = one.get("type")
        branches = [branch.get("type") for branch in one.get("anyOf", [])]
        if (isinstance(kind, list) and "null" in kind) or "null" in branches or None in one.get("enum", []):
            assert "null: " in one["description"], path
            assert "x_energy.reasons" in one["description"], path


def test_what_is_never_null_may_not_become_it(answers: dict[str, dict[str, Any]]) -> None:
    data = copy.deepcopy(answers["no joules"])
    for key in ("n", "Footprint", "SynapticOperations", "x_energy"):
        assert errors({**data, key: None}), key
    ours = data["x_energy"]
    for key in ("format_version", "images", "steps", "operating", "counts", "profiles", "notes", "reasons"):
        assert errors({**data, "x_energy": {**ours, key: None}}), key


def test_an_unknown_or_a_missing_key_is_refused(answers: dict[str, dict[str, Any]]) -> None:
    data = answers["all profiles"]
    assert errors({**data, "joules": 1})
    assert errors({**data, "x_energy": {**data["x_energy"], "watts": 1}})
    for key in NEUROBENCH:
        assert errors({name: value for name, value in data.items() if name != key}), key
    for key in data["x_energy"]:
        left = {name: value for name, value in data["x_energy"].items() if name != key}
        assert errors({**data, "x_energy": left}), key
    wrong = copy.deepcopy(data)
    wrong["x_energy"]["profiles"]["horowitz45"]["variants"]["f32"]["scopes"]["compute"]["verdict"] = "good"
    assert errors(wrong)
    wrong = copy.deepcopy(data)
    wrong["x_energy"]["counts"]["nodes"][0]["spikes"] = -1
    assert errors(wrong)
    wrong = copy.deepcopy(data)
    del wrong["x_energy"]["profiles"]["gpu"]["variants"]["native"]["constants"]["mac"]["source"]
    assert errors(wrong)


def test_neurobenchs_keys_stand_at_top_level_and_nothing_else_does(answers: dict[str, dict[str, Any]]) -> None:
    for data in answers.values():
        assert set(data) == {*NEUROBENCH, "x_energy"}
        assert set(data["SynapticOperations"]) == {"Effective_MACs", "Effective_ACs", "Dense"}
    assert set(SCHEMA["required"]) == {*NEUROBENCH, "x_energy"}


def test_the_schema_knows_the_same_version_scopes_and_operations() -> None:
    assert SCHEMA["properties"]["x_energy"]["properties"]["format_version"]["const"] == FORMAT_VERSION
    assert tuple(SCHEMA["$defs"]["scope"]["enum"]) == SCOPES
    for where in ("constants", "unpriced", "covered"):
        named = SCHEMA["$defs"]["variant"]["properties"][where]["propertyNames"]["enum"]
        assert set(named) == set(get_args(Operation))


def test_no_key_of_the_schema_is_written_nowhere(answers: dict[str, dict[str, Any]]) -> None:
    written = {key for data in answers.values() for key in keys(data)}
    added_by_the_command = {"n", "seen", "skipped", "path", "error"}
    described = {path.rsplit(".", 1)[1] for path, _ in schemas(SCHEMA)}
    assert described - written - added_by_the_command == set()
