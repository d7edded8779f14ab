"""What a robustness test found: figures per corruption and severity, as frozen dataclasses and as plain data.

Knows neither how they were measured nor how they are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurallnet_jax.images import corruptions
from neurallnet_jax.metrics.intervals import Interval

__all__ = ["Clean", "Condition", "Robustness", "Summary", "from_json", "to_json"]


@dataclass(frozen=True)
class Clean:
    """The images as they are.

    Attributes:
        balanced_accuracy: Mean recall over the classes that occur.
        interval: Its 95 % interval over groups, or None.
        rates: Spikes per neuron and step by layer.
    """

    balanced_accuracy: float
    interval: Interval | None
    rates: Mapping[str, float]


@dataclass(frozen=True)
class Condition:
    """One corruption at one severity.

    Attributes:
        name: The corruption.
        severity: 1 to 5.
        parameter: Its level in the unit of the corruption.
        balanced_accuracy: Mean recall over the classes that occur.
        interval: Its 95 % interval over groups, or None.
        drop: Clean balanced accuracy minus this one.
        drop_interval: Its 95 % interval, both under the same draws of groups, or None.
        changed: Share of the images that get another answer than when clean.
        rates: Spikes per neuron and step by layer.
    """

    name: str
    severity: int
    parameter: float
    balanced_accuracy: float
    interval: Interval | None
    drop: float
    drop_interval: Interval | None
    changed: float
    rates: Mapping[str, float]


@dataclass(frozen=True)
class Summary:
    """Means over the severities of one corruption, or over all corruptions.

    Attributes:
        name: The corruption, or `all`.
        balanced_accuracy: Mean over the severities; of `all`, the mean of these means.
        interval: Its 95 % interval over groups, or None.
        drop: Clean balanced accuracy minus it.
        drop_interval: Its 95 % interval, both under the same draws of groups, or None.
        lost: The drop as a share of what lies between clean and chance; None where nothing does.
    """

    name: str
    balanced_accuracy: float
    interval: Interval | None
    drop: float
    drop_interval: Interval | None
    lost: float | None


@dataclass(frozen=True)
class Robustness:
    """What `measure` returns.

    Attributes:
        classes: Class names.
        n: Images.
        seen: How many of them training or selection has used, which flatters every figure.
        seed: Of the corruptions.
        chance: Balanced accuracy of guessing: 1 over the classes that occur.
        groups: Groups that the intervals draw.
        no_interval: Why there are no intervals, or None.
        clean: The images as they are.
        conditions: By corruption, then severity.
        summaries: By corruption.
        overall: Over all of them.
        colour_line: What colour alone gets on the clean images, see `shortcuts.colour_line`; None with a reason.
        colour_line_reason: Why there is none.
    """

    classes: tuple[str, ...]
    n: int
    seen: int
    seed: int
    chance: float
    groups: int
    no_interval: str | None
    clean: Clean
    conditions: tuple[Condition, ...]
    summaries: tuple[Summary, ...]
    overall: Summary
    colour_line: float | None = None
    colour_line_reason: str | None = "not computed"

    @property
    def error(self) -> float:
        """Mean corruption error: 1 minus balanced accuracy, averaged over severities, then over corruptions."""
        return 1 - self.overall.balanced_accuracy


def to_json(found: Robustness) -> dict[str, Any]:
    """Return the figures as plain data: `clean`, `corruptions[]`, `summaries[]`, `overall` and what they were taken on."""
    return {
        "n": found.n,
        "seen": found.seen,
        "seed": found.seed,
        "classes": list(found.classes),
        "chance": found.chance,
        "groups": found.groups,
        "no_interval": found.no_interval,
        "clean": {
            "balanced_accuracy": found.clean.balanced_accuracy,
            "interval": _pair(found.clean.interval),
            "rates": dict(found.clean.rates),
            "colour_line": found.colour_line,
            "colour_line_reason": found.colour_line_reason,
        },
        "corruptions": [
            {
                "name": one.name,
                "severity": one.severity,
                "parameter": one.parameter,
                "unit": corruptions.CORRUPTIONS[one.name].unit,
                **_figures(one),
                "changed": one.changed,
                "rates": dict(one.rates),
            }
            for one in found.conditions
        ],
        "summaries": [_summary_json(one) for one in found.summaries],
        "overall": {**_summary_json(found.overall), "error": found.error},
    }


def from_json(data: Mapping[str, Any]) -> Robustness:
    """Return what `to_json` wrote; further keys are left alone.

    Raises:
        ValueError: A key is missing or holds something else.
    """
    try:
        clean = data["clean"]
        return Robustness(
            classes=tuple(data["classes"]),
            n=int(data["n"]),
            seen=int(data["seen"]),
            seed=int(data["seed"]),
            chance=float(data["chance"]),
            groups=int(data["groups"]),
            no_interval=data["no_interval"],
            clean=Clean(float(clean["balanced_accuracy"]), _of_pair(clean["interval"]), dict(clean["rates"])),
            conditions=tuple(
                Condition(
                    name=_known(one["name"]),
                    severity=int(one["severity"]),
                    parameter=one["parameter"],
                    **_of_figures(one),
                    changed=float(one["changed"]),
                    rates=dict(one["rates"]),
                )
                for one in data["corruptions"]
            ),
            summaries=tuple(_of_summary(one) for one in data["summaries"]),
            overall=_of_summary(data["overall"]),
            colour_line=clean.get("colour_line"),
            colour_line_reason=clean.get("colour_line_reason"),
        )
    except KeyError as error:
        raise ValueError(
            f"robustness: the key {error} is missing; write the file with `neurallnet robustness`"
        ) from None
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"robustness: {error}; write the file with `neurallnet robustness`") from None


def _figures(one: Condition | Summary) -> dict[str, Any]:
    return {
        "balanced_accuracy": one.balanced_accuracy,
        "interval": _pair(one.interval),
        "drop": one.drop,
        "drop_interval": _pair(one.drop_interval),
    }


def _of_figures(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "balanced_accuracy": float(data["balanced_accuracy"]),
        "interval": _of_pair(data["interval"]),
        "drop": float(data["drop"]),
        "drop_interval": _of_pair(data["drop_interval"]),
    }


def _summary_json(one: Summary) -> dict[str, Any]:
    return {"name": one.name, **_figures(one), "lost": one.lost}


def _of_summary(data: Mapping[str, Any]) -> Summary:
    return Summary(name=data["name"], **_of_figures(data), lost=data["lost"])


def _known(name: str) -> str:
    return corruptions.select([name])[0]


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _of_pair(pair: Sequence[float] | None) -> Interval | None:
    return None if pair is None else Interval(float(pair[0]), float(pair[1]))
