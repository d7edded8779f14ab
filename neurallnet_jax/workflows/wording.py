"""Numbers and names as people read them: significant digits, SI prefixes, thousands apart, nothing unprintable.

Knows neither pictures nor pages.
"""

import math
import unicodedata

__all__ = ["NOTHING", "NO_BREAK", "interval", "number", "percent", "printable", "rounded", "shorten", "si", "si_prefix"]

NOTHING = "–"
"""Stands where a value is not defined."""

NO_BREAK = "\u00a0"
_PREFIXES = ("f", "p", "n", "µ", "m", "", "k", "M", "G", "T")
_ONE = _PREFIXES.index("")
_TURNS_TEXT_AROUND = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SMALLEST_DECIMAL = 1e-4


def number(value: float | None, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits, thousands apart; whole digits are never rounded away.

    Args:
        value: None and NaN give a dash.
        digits: Significant digits.
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if abs(value) < _SMALLEST_DECIMAL:
        return f"{value:.{digits - 1}e}"
    # Rounded first: 0.9996 has one digit before the point once three are kept.
    rounded = round(value, digits - 1 - math.floor(math.log10(abs(value))))
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{decimals}f}"


def percent(share: float | None, digits: int = 3) -> str:
    """Return a share of 1 in per cent."""
    return NOTHING if share is None or math.isnan(share) else f"{number(100 * share, digits)}{NO_BREAK}%"


def si_prefix(value: float) -> tuple[float, str]:
    """Return (factor, prefix) so that `value / factor` lies between 1 and 1000 where a prefix allows it."""
    if value == 0 or not math.isfinite(value):
        return 1.0, ""
    # Three digits are kept, so what rounds to 1000 belongs to the next prefix.
    power = math.floor(math.log10(float(f"{abs(value):.2e}")) / 3)
    place = min(max(_ONE + power, 0), len(_PREFIXES) - 1)
    return 1000.0 ** (place - _ONE), _PREFIXES[place]


def rounded(value: float | None, digits: int = 2) -> str:
    """Return `value` with no more than `digits` significant digits, whole ones among them: 193 is shown as 190."""
    if value is None or not math.isfinite(value):
        return number(value, digits)
    return number(float(f"{value:.{digits}g}"), digits)


def si(value: float | None, unit: str, digits: int = 3) -> str:
    """Return `value` in `unit` with an SI prefix and three, or no more than `digits`, significant digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    factor, prefix = si_prefix(value)
    shown = number(value / factor) if digits == 3 else rounded(value / factor, digits)
    return f"{shown}{NO_BREAK}{prefix}{unit}".rstrip()


def interval(low: float, high: float, unit: str | None = None, *, digits: int = 3) -> str:
    """Return `[low, high]` with three, or no more than `digits`, significant digits; one SI prefix if there is a unit."""
    factor, prefix = (1.0, "") if unit is None else si_prefix(max(abs(low), abs(high)))
    shown = [number(end / factor) if digits == 3 else rounded(end / factor, digits) for end in (low, high)]
    return f"[{shown[0]},{NO_BREAK}{shown[1]}]" + (f"{NO_BREAK}{prefix}{unit}" if unit else "")


def printable(text: str) -> str:
    """Return `text` with a replacement sign for control characters, surrogates and what turns the writing around."""
    return "".join(
        "\ufffd" if unicodedata.category(sign) in ("Cc", "Cs") or sign in _TURNS_TEXT_AROUND else sign
        for sign in text.replace("\n", " ").replace("\t", " ")
    )


def shorten(text: str, length: int) -> str:
    """Return `text` on one line, printable, cut to `length` characters with an ellipsis."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= length else f"{line[: length - 1]}…"
