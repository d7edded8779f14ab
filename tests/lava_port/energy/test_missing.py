"""A null never goes without its reason."""

import pytest

from lava_port.energy.missing import Missing, or_missing, resolve


def test_what_is_missing_becomes_null_and_its_reason_stands_under_its_path():
    data = {"a": 1, "b": {"c": Missing("why c")}, "d": [{"name": "x", "e": Missing("why e")}, (2, Missing("why 1"))]}
    plain, reasons = resolve(data)
    assert plain == {"a": 1, "b": {"c": None}, "d": [{"name": "x", "e": None}, [2, None]]}
    assert reasons == {"b.c": "why c", "d.x.e": "why e", "d.1.1": "why 1"}


def test_a_none_without_a_reason_is_refused():
    with pytest.raises(ValueError, match=r"^a\.0: is None without a reason"):
        resolve({"a": [None]})
    with pytest.raises(KeyError):
        or_missing(None, {}, "ratio")


def test_a_value_that_is_there_stays():
    assert or_missing(0.0, {}, "ratio") == 0.0
    assert or_missing(None, {"ratio": "why"}, "ratio") == Missing("why")
