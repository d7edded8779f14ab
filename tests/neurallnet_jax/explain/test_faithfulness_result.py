"""A table of faithfulness as plain data and back."""

import json

import pytest

from neurallnet_jax.explain import faithfulness_result as results
from neurallnet_jax.metrics.intervals import Interval


def table() -> results.Faithfulness:
    figure = results.Figure(0.25, Interval(0.2, 0.3), 12)
    return results.Faithfulness(
        rows=(
            results.Row(
                "grad-cam",
                False,
                {"deletion": figure, "iou": results.Figure(None, None, 0)},
                (results.Stage("dense_1", figure, 0.5),),
            ),
            results.Row("random", True, {"deletion": results.Figure(0.5, None, 12)}),
        ),
        refused={"cam": "no layer is pooled"},
        n=12,
        seen=0,
        masks=3,
        checked=4,
        groups=6,
        no_interval=None,
        note="few groups",
        target="predicted",
        settings={"steps": 16, "replacement": "background"},
    )


def test_a_table_survives_json():
    data = json.loads(json.dumps(results.to_json(table()), allow_nan=False))
    assert results.from_json({**data, "origin": {}}) == table()
    assert data["method"] == ["grad-cam"]
    assert data["faithfulness"][0]["deletion"] == {"value": 0.25, "interval": [0.2, 0.3], "n": 12}


@pytest.mark.parametrize("key", ["faithfulness", "n", "settings", "refused"])
def test_what_is_missing_is_named(key):
    data = results.to_json(table())
    del data[key]
    with pytest.raises(ValueError, match=f"the key '{key}' is missing; write the file with `neurallnet explain"):
        results.from_json(data)


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="write the file with"):
        results.from_json(
            {**results.to_json(table()), "faithfulness": [{"method": "x", "control": False, "cascade": 3}]}
        )
    with pytest.raises(ValueError, match="write the file with"):
        results.from_json({**results.to_json(table()), "n": "many"})
