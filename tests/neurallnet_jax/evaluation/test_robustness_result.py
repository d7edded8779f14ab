import json

import pytest

from neurallnet_jax.evaluation import robustness_result
from neurallnet_jax.evaluation.robustness_result import Clean, Condition, Robustness, Summary
from neurallnet_jax.metrics.intervals import Interval


@pytest.fixture
def found() -> Robustness:
    summary = Summary("jpeg", 0.7, Interval(0.6, 0.8), 0.2, Interval(0.1, 0.3), 0.3)
    return Robustness(
        classes=("a", "b", "c"),
        n=30,
        seen=0,
        seed=1,
        chance=1 / 3,
        groups=9,
        no_interval=None,
        clean=Clean(0.9, Interval(0.85, 0.95), {"lif_1": 0.1}),
        conditions=(Condition("jpeg", 5, 10, 0.7, None, 0.2, None, 0.25, {"lif_1": 0.05}),),
        summaries=(summary,),
        overall=Summary("all", 0.7, None, 0.2, None, None),
    )


def test_it_is_plain_data_and_comes_back(found):
    data = json.loads(json.dumps(robustness_result.to_json(found), allow_nan=False))
    assert set(data) >= {"n", "seen", "clean", "corruptions", "summaries", "overall"}
    assert set(data["clean"]) == {"balanced_accuracy", "interval", "rates", "colour_line", "colour_line_reason"}
    assert set(data["corruptions"][0]) >= {
        "name", "severity", "parameter", "unit", "balanced_accuracy", "interval", "drop", "changed", "rates",
    }  # fmt: skip
    assert data["clean"]["interval"] == [0.85, 0.95]
    assert data["overall"]["error"] == pytest.approx(0.3)
    assert robustness_result.from_json(data) == found
    assert robustness_result.from_json({**data, "run": "pretrained", "skipped": []}) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clean": {}}, "the key 'balanced_accuracy' is missing"),
        ({"corruptions": None}, "not iterable"),
        ({"corruptions": [{"name": "fog"}]}, "no corruption 'fog'; there are"),
        ({"overall": {"name": "all", "balanced_accuracy": 1, "interval": [1], "drop": 0}}, "index out of range"),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line(found, change, message):
    with pytest.raises(ValueError, match=message) as refused:
        robustness_result.from_json({**robustness_result.to_json(found), **change})
    assert "\n" not in str(refused.value)
    assert "neurallnet robustness" in str(refused.value)
