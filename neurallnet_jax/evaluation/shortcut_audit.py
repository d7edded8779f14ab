"""The answer of `audit shortcuts` as one object, and its JSON, from which a report can be made again.

Knows what was found, not how.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurallnet_jax.evaluation.edits import EDITS, UNEDITED, EditScore, RunScore
from neurallnet_jax.evaluation.shortcuts import COLOUR, REFERENCE, Shortcut

__all__ = ["FORMAT_VERSION", "Audit", "from_json", "to_json"]

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Audit:
    """What shortcuts reach, and what models lose without them.

    Attributes:
        data: Name of the folder.
        images: How many it holds.
        classes: Their classes.
        scheme: How images were split.
        folds: The folds that were scored.
        margin: Capture numbers left out on either side of a test fifth; None where the scheme has none.
        seed: Seed of the `random` scheme.
        shortcuts: Each kind of numbers under each rule.
        runs: Models under every edit.
    """

    data: str
    images: int
    classes: tuple[str, ...]
    scheme: str
    folds: tuple[int, ...]
    margin: int | None
    seed: int
    shortcuts: tuple[Shortcut, ...]
    runs: tuple[RunScore, ...] = ()

    @property
    def chance(self) -> float:
        """Balanced accuracy of whoever guesses: one over the number of classes."""
        return 1 / len(self.classes)

    @property
    def colour_line(self) -> float | None:
        """Mean over the folds of the nearest neighbour on 18 colour statistics."""
        return next((one.mean for one in self.shortcuts if (one.name, one.rule) == (COLOUR, REFERENCE)), None)


def to_json(audit: Audit) -> dict[str, Any]:
    """Return an audit as plain data: `shortcuts[]`, `runs[]`, `edits[]` (each with its `run`), and what they rest on."""
    return {
        "format_version": FORMAT_VERSION,
        "data": audit.data,
        "n": audit.images,
        "classes": list(audit.classes),
        "split": audit.scheme,
        "folds": list(audit.folds),
        "margin": audit.margin,
        "seed": audit.seed,
        "chance": audit.chance,
        "colour_line": audit.colour_line,
        "shortcuts": [_shortcut_json(one, audit.chance) for one in audit.shortcuts],
        "runs": [_run_json(one, audit.chance) for one in audit.runs],
        "edits": [
            {"run": one.run, **dataclasses.asdict(edit), "takes_out": list(EDITS[edit.name])}
            for one in audit.runs
            for edit in one.edits
        ],
    }


def from_json(data: Mapping[str, Any]) -> Audit:
    """Return the audit that `to_json` was given.

    Raises:
        ValueError: It is no such data, or of another version.
    """
    version = data.get("format_version")
    if version != FORMAT_VERSION:
        raise ValueError(f"audit of shortcuts: format version {version}, this release reads {FORMAT_VERSION}")
    try:
        return Audit(
            data=data["data"],
            images=data["n"],
            classes=tuple(data["classes"]),
            scheme=data["split"],
            folds=tuple(data["folds"]),
            margin=data["margin"],
            seed=data["seed"],
            shortcuts=tuple(_shortcut(entry) for entry in data["shortcuts"]),
            runs=tuple(_run(entry, data["edits"]) for entry in data["runs"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"audit of shortcuts: is incomplete ({error}); run `neurallnet audit shortcuts` again"
        ) from None


def _shortcut_json(one: Shortcut, chance: float) -> dict[str, Any]:
    return {
        "name": one.name,
        "numbers": one.numbers,
        "rule": one.rule,
        "balanced_accuracy": {"folds": list(one.folds), "mean": one.mean},
        "chance": chance,
        "reason": one.reason,
    }


def _shortcut(entry: Mapping[str, Any]) -> Shortcut:
    folds = tuple(entry["balanced_accuracy"]["folds"])
    return Shortcut(entry["name"], entry["numbers"], entry["rule"], folds, entry["reason"])


def _run_json(one: RunScore, chance: float) -> dict[str, Any]:
    unedited = next(edit.balanced_accuracy for edit in one.edits if edit.name == UNEDITED)
    return {
        "run": one.run,
        "only": one.only,
        "n": one.images,
        "known": one.known,
        "groups": list(one.groups),
        "fill": list(one.fill),
        "balanced_accuracy": unedited,
        "colour_line": one.colour_line,
        "shortcuts": [_shortcut_json(each, chance) for each in one.shortcuts],
        "reason": one.reason,
    }


def _run(entry: Mapping[str, Any], edits: Sequence[Mapping[str, Any]]) -> RunScore:
    red, green, blue = entry["fill"]
    return RunScore(
        run=entry["run"],
        only=entry["only"],
        images=entry["n"],
        known=entry["known"],
        groups=tuple(entry["groups"]),
        fill=(red, green, blue),
        shortcuts=tuple(_shortcut(each) for each in entry["shortcuts"]),
        edits=tuple(_edit(each) for each in edits if each["run"] == entry["run"]),
        reason=entry["reason"],
    )


def _edit(entry: Mapping[str, Any]) -> EditScore:
    interval = entry["interval"]
    return EditScore(
        name=entry["name"],
        balanced_accuracy=entry["balanced_accuracy"],
        drop=entry["drop"],
        interval=None if interval is None else (interval[0], interval[1]),
        changed=entry["changed"],
        reason=entry["reason"],
    )
