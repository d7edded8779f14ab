"""How faithful the methods are, as frozen dataclasses and as plain data.

Knows means and intervals; neither how they were measured nor how they are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurallnet_jax.metrics.intervals import Interval

__all__ = ["Faithfulness", "Figure", "Row", "Stage", "from_json", "to_json"]


@dataclass(frozen=True)
class Figure:
    """A mean over images.

    Attributes:
        value: The mean; None where it is defined for no image.
        interval: Its 95 % interval over groups, or None.
        n: Images for which it is defined.
    """

    value: float | None
    interval: Interval | None
    n: int


@dataclass(frozen=True)
class Stage:
    """All layers down to one drawn anew.

    Attributes:
        down_to: The lowest of them.
        figure: Mean rank correlation with the map of the trained network.
        emptied: Share of the maps that are flat then, whose correlation of 0 proves little; None where none was made.
    """

    down_to: str
    figure: Figure
    emptied: float | None = None


@dataclass(frozen=True)
class Row:
    """One method.

    Attributes:
        method: Its name.
        control: Whether no model made its maps.
        figures: Means by metric, see `trial.METRICS`, and by `<region>_ratio`: mean share over mean area.
        cascade: From the top down; empty where no weights were randomised.
    """

    method: str
    control: bool
    figures: Mapping[str, Figure]
    cascade: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Faithfulness:
    """What a table of faithfulness holds.

    Attributes:
        rows: Methods, then controls.
        refused: Methods that the model cannot have, with the reason.
        n: Images.
        seen: How many of them training or selection has used.
        masks: How many of them have a weak mask.
        checked: On how many the costly figures were taken.
        groups: Groups that the intervals draw.
        no_interval: Why there are no intervals, or None.
        note: What to bear in mind of them, or None.
        target: Name of the class that was explained, or `predicted`.
        settings: Steps, replacement and the like, by name.
    """

    rows: tuple[Row, ...]
    refused: Mapping[str, str]
    n: int
    seen: int
    masks: int
    checked: int
    groups: int
    no_interval: str | None
    note: str | None
    target: str
    settings: Mapping[str, float | str]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods without the controls."""
        return tuple(row.method for row in self.rows if not row.control)


def to_json(found: Faithfulness) -> dict[str, Any]:
    """Return the table as plain data: `method` (names), `faithfulness[]` and what it was taken on."""
    return {
        "method": list(found.methods),
        "n": found.n,
        "seen": found.seen,
        "masks": found.masks,
        "checked": found.checked,
        "groups": found.groups,
        "no_interval": found.no_interval,
        "note": found.note,
        "target": found.target,
        "settings": dict(found.settings),
        "refused": dict(found.refused),
        "faithfulness": [
            {
                "method": row.method,
                "control": row.control,
                **{name: _figure_json(figure) for name, figure in row.figures.items()},
                "cascade": [
                    {"down_to": one.down_to, "emptied": one.emptied, **_figure_json(one.figure)} for one in row.cascade
                ],
            }
            for row in found.rows
        ],
    }


def from_json(data: Mapping[str, Any]) -> Faithfulness:
    """Return what `to_json` wrote; further keys beside the table are left alone.

    Raises:
        ValueError: A key is missing or holds something else.
    """
    try:
        return Faithfulness(
            rows=tuple(_row(one) for one in data["faithfulness"]),
            refused=dict(data["refused"]),
            n=int(data["n"]),
            seen=int(data["seen"]),
            masks=int(data["masks"]),
            checked=int(data["checked"]),
            groups=int(data["groups"]),
            no_interval=data["no_interval"],
            note=data["note"],
            target=str(data["target"]),
            settings=dict(data["settings"]),
        )
    except KeyError as error:
        raise ValueError(
            f"explain: the key {error} is missing; write the file with `neurallnet explain --data`"
        ) from None
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"explain: {error}; write the file with `neurallnet explain --data`") from None


def _row(data: Mapping[str, Any]) -> Row:
    figures = {name: _figure(one) for name, one in data.items() if name not in ("method", "control", "cascade")}
    cascade = tuple(Stage(str(one["down_to"]), _figure(one), one["emptied"]) for one in data["cascade"])
    return Row(str(data["method"]), bool(data["control"]), figures, cascade)


def _figure_json(figure: Figure) -> dict[str, Any]:
    pair = None if figure.interval is None else [figure.interval.low, figure.interval.high]
    return {"value": figure.value, "interval": pair, "n": figure.n}


def _figure(data: Mapping[str, Any]) -> Figure:
    value, pair = data["value"], data["interval"]
    return Figure(None if value is None else float(value), _of_pair(pair), int(data["n"]))


def _of_pair(pair: Sequence[float] | None) -> Interval | None:
    return None if pair is None else Interval(float(pair[0]), float(pair[1]))
