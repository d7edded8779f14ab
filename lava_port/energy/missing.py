"""A value that cannot be computed, with its reason, inside plain data: null in JSON, never 0.

Knows nothing about what is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Missing", "or_missing", "resolve"]


@dataclass(frozen=True)
class Missing:
    """Stands where a value cannot be computed.

    Attributes:
        reason: Why, as words.
    """

    reason: str


def or_missing(value: Any, reasons: Mapping[str, str], name: str) -> Any:
    """Return a value, or why it is None.

    Raises:
        KeyError: It is None and nobody gave a reason.
    """
    return Missing(reasons[name]) if value is None else value


def resolve(data: Any, path: str = "") -> tuple[Any, dict[str, str]]:
    """Return plain data in which every `Missing` is None, and the reasons by their dotted path.

    Entries of a list go by their `name` where they have one, else by their place.

    Raises:
        ValueError: There is a None without a reason; the message holds its path.
    """
    if isinstance(data, Missing):
        return None, {path: data.reason}
    if data is None:
        raise ValueError(f"{path}: is None without a reason")
    reasons: dict[str, str] = {}
    if isinstance(data, Mapping):
        found: Any = {}
        for key, value in data.items():
            found[key], why = resolve(value, f"{path}.{key}" if path else str(key))
            reasons |= why
    elif isinstance(data, list | tuple):
        found = []
        for place, value in enumerate(data):
            label = value.get("name", place) if isinstance(value, Mapping) else place
            plain, why = resolve(value, f"{path}.{label}" if path else str(label))
            found.append(plain)
            reasons |= why
    else:
        found = data
    return found, reasons
