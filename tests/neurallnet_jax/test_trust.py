import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax import trust

number = st.floats(allow_nan=False, allow_infinity=False)
share = st.floats(0.01, 0.99)


def a_trust(**changes: Any) -> trust.Trust:
    region = trust.Region("stain", (0.1, 2.0), ((1.0, 0.0), (0.3, 1 / 3)), 1.4, 3.1)
    start = trust.Trust(
        trust.ConformalRule("lac", 0.9, (0.25,), 100), trust.Abstention(0.8, "risk", 0.01), (region,), {"images": 100}
    )
    return dataclasses.replace(start, **changes)


@given(
    coverage=share,
    quantiles=st.lists(number, min_size=1, max_size=4),
    method=st.sampled_from(trust.METHODS),
    threshold=st.none() | number,
    mean=st.lists(number, max_size=3),
)
def test_any_trust_survives_json_exactly(coverage, quantiles, method, threshold, mean):
    rule = trust.ConformalRule(method, coverage, tuple(quantiles), 7)
    regions = (trust.Region("focus", tuple(mean), (tuple(mean),) * len(mean), 0.0, 1.0),) if mean else ()
    abstention = None if threshold is None else trust.Abstention(threshold, "answered", 0.9)
    made = trust.Trust(rule, abstention, regions, {"a": [1, None]})
    assert trust.trust_from_json(json.loads(json.dumps(trust.trust_to_json(made)))) == made


def damaged(path: tuple[Any, ...], value: Any) -> Any:
    data = json.loads(json.dumps(trust.trust_to_json(a_trust())))
    *above, last = path
    place = data
    for step in above:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("conformal", "method"), "best", "method 'best' is unknown; expected one of lac, aps"),
        (("conformal", "coverage"), 1.0, "coverage is 1.0"),
        (("conformal", "quantiles"), [], "holds no number"),
        (("conformal", "quantiles"), [float("nan")], "holds nan"),
        (("conformal", "quantiles"), "x", "cannot be read"),
        (("conformal",), ..., "cannot be read .*conformal"),
        (("abstention",), ..., "cannot be read .*abstention"),
        (("abstention", "target"), "luck", "aims at 'luck'"),
        (("abstention", "threshold"), None, "holds None"),
        (("regions", 0, "whitening"), [[1.0, 0.0]], "not square"),
        (("regions", 0, "mean"), [1.0], "not square"),
        (("regions", 0, "threshold"), float("inf"), "holds inf"),
        (("regions",), 3, "cannot be read"),
        (("provenance",), [], "expected a mapping"),
    ],
)
def test_a_damaged_block_is_refused_in_one_line_with_the_remedy(path, value, message):
    with pytest.raises(ValueError, match=rf"^trust: .*{message}.*run `neurallnet calibrate` again") as raised:
        trust.trust_from_json(damaged(path, value))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("data", [None, 3, [], "trust", {}])
def test_something_else_is_refused(data):
    with pytest.raises(ValueError, match=r"^trust: cannot be read"):
        trust.trust_from_json(data)
