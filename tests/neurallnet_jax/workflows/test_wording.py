import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax.workflows import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (0.9996, "1.00"),
        (9.996, "10.0"),
        (0.012345, "0.0123"),
        (123.4, "123"),
        (999.7, "1,000"),
        (65_536.2, "65,536"),
        (-2.5, "-2.50"),
        (3.21e-7, "3.21e-07"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
    ],
)
def test_a_number_keeps_three_digits_and_all_whole_ones(value: float | None, text: str) -> None:
    assert wording.number(value) == text


@given(st.floats(1e-4, 1e12))
def test_a_number_is_off_by_less_than_its_last_digit(value: float) -> None:
    assert float(wording.number(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.18e-6, "2.18\u00a0µJ"),
        (9.996e-7, "1.00\u00a0µJ"),
        (999e-9, "999\u00a0nJ"),
        (0.0, "0\u00a0J"),
        (1.0, "1.00\u00a0J"),
        (4.2e-17, "0.0420\u00a0fJ"),
        (None, "–"),
    ],
)
def test_joules_carry_the_prefix_that_leaves_one_to_three_whole_digits(value: float | None, text: str) -> None:
    assert wording.si(value, "J") == text


@given(st.floats(1e-14, 1e13))
def test_a_prefix_leaves_one_to_a_thousand(value: float) -> None:
    factor, _ = wording.si_prefix(value)
    assert 0.999 <= value / factor < 1000


def test_both_ends_of_an_interval_share_one_prefix() -> None:
    assert wording.interval(9e-7, 2e-6, "J") == "[0.900,\u00a02.00]\u00a0µJ"
    assert wording.interval(0.5, 0.75) == "[0.500,\u00a00.750]"


def test_a_share_is_told_in_per_cent() -> None:
    assert wording.percent(0.9816) == "98.2\u00a0%"
    assert wording.percent(1.0, 2) == "100\u00a0%"
    assert wording.percent(None) == "–"


@given(st.text())
def test_what_is_printable_can_be_written_and_holds_no_control_character(text: str) -> None:
    shown = wording.printable(text)
    assert len(shown) == len(text)
    assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 for sign in shown)
    shown.encode()


def test_signs_that_turn_the_writing_around_are_replaced() -> None:
    assert wording.printable("a\u202eb\udc80\x00") == "a\ufffdb\ufffd\ufffd"


def test_a_long_name_is_cut_with_an_ellipsis() -> None:
    assert wording.shorten("Early\n Pre-B", 20) == "Early Pre-B"
    assert wording.shorten("abcdefgh", 5) == "abcd…"


@pytest.mark.parametrize(
    ("value", "text"),
    [(193.0, "190"), (0.0512, "0.051"), (9.96, "10"), (99.6, "100"), (0.0, "0"), (None, wording.NOTHING)],
)
def test_a_rounded_number_has_two_digits_and_no_more(value: float | None, text: str) -> None:
    assert wording.rounded(value) == text


def test_joules_with_two_digits() -> None:
    assert wording.si(193e-6, "J", 2) == f"190{wording.NO_BREAK}µJ"
    assert wording.si(9.96e-6, "", 2) == f"10{wording.NO_BREAK}µ"


def test_intervals_show_as_many_digits_as_asked_for():
    space = wording.NO_BREAK
    assert wording.interval(1.494e-6, 1.129e-5, "J") == f"[1.49,{space}11.3]{space}µJ"
    assert wording.interval(1.494e-6, 1.129e-5, "J", digits=2) == f"[1.5,{space}11]{space}µJ"
    assert wording.interval(0.2345, 1.888, digits=2) == f"[0.23,{space}1.9]"
