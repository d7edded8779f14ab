"""What a cross-validation is asked to do, and the runs that this means. Opens no image and trains nothing."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from neurallnet_jax.images import splits
from neurallnet_jax.images.splits import Scheme
from neurallnet_jax.training import request as requests
from neurallnet_jax.training.request import Request

__all__ = ["SCHEMES", "Arm", "Cell", "Plan", "differences", "from_json", "to_json"]

SCHEMES = tuple(scheme for scheme in get_args(Scheme) if scheme != "all")
"""Splits that have folds."""


@dataclass(frozen=True)
class Arm:
    """A way to cut folds: a scheme, and for `contiguous` how many capture numbers are left out on either side."""

    scheme: Scheme
    margin: int | None

    @property
    def name(self) -> str:
        """What folders and tables call it."""
        return self.scheme if self.margin is None else f"{self.scheme}-{self.margin}"


@dataclass(frozen=True)
class Cell:
    """One run: a fold of a split, trained from one seed."""

    arm: Arm
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """Its folder below that of the cross-validation."""
        return f"{self.arm.name}/fold-{self.fold}/seed-{self.seed}"

    def folder(self, out: Path) -> Path:
        """Return the RUN."""
        return out / self.name


@dataclass(frozen=True)
class Plan:
    """What a cross-validation is asked to do.

    Attributes:
        request: What every run is asked; its split, fold, seed and margin are replaced by those of each run.
        schemes: Splits, out of `SCHEMES`.
        folds: Folds of every split.
        seeds: Seeds of every fold.
        margins: Capture numbers left out on either side of a contiguous test fifth; each makes a split of its own.

    Raises:
        ValueError: One of them is empty, given twice, unknown or out of range; one line.
    """

    request: Request
    schemes: tuple[Scheme, ...] = ("contiguous",)
    folds: tuple[int, ...] = tuple(range(splits.FOLDS))
    seeds: tuple[int, ...] = (0,)
    margins: tuple[int, ...] = (splits.TEST_MARGIN,)

    def __post_init__(self) -> None:
        neutral = {"split": "contiguous", "fold": 0, "seed": 0, "margin": splits.TEST_MARGIN}
        object.__setattr__(self, "request", dataclasses.replace(self.request, **neutral))
        for name in ("schemes", "folds", "seeds", "margins"):
            _check_list(name, getattr(self, name))
        for scheme in self.schemes:
            if scheme not in SCHEMES:
                raise ValueError(f"split {scheme!r} has no folds to cross-validate; expected {', '.join(SCHEMES)}")
        for fold in self.folds:
            if fold not in range(splits.FOLDS):
                raise ValueError(f"fold {fold}: the splits have {splits.FOLDS} folds, 0 to {splits.FOLDS - 1}")
        for seed in self.seeds:
            if not 0 <= seed < 2**32:
                raise ValueError(f"seed is {seed}; expected 0..{2**32 - 1}")
        for margin in self.margins:
            splits.check_margin("contiguous", margin)
        if "contiguous" not in self.schemes and self.margins != (splits.TEST_MARGIN,):
            named = ", ".join(self.schemes)
            raise ValueError(f"margin {self.margins[0]}: split {named} leaves out no such numbers; add contiguous")

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Every split, with its margin where it has one."""
        return tuple(
            Arm(scheme, margin)
            for scheme in self.schemes
            for margin in (self.margins if scheme == "contiguous" else (None,))
        )

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every run, the folds of one seed after each other."""
        return tuple(Cell(arm, fold, seed) for seed in self.seeds for arm in self.arms for fold in self.folds)

    def request_of(self, cell: Cell) -> Request:
        """Return what one run is asked to do."""
        margin = splits.TEST_MARGIN if cell.arm.margin is None else cell.arm.margin
        return dataclasses.replace(self.request, split=cell.arm.scheme, fold=cell.fold, seed=cell.seed, margin=margin)


def to_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain data."""
    lists = {name: list(getattr(plan, name)) for name in ("schemes", "folds", "seeds", "margins")}
    return {"request": requests.to_json(plan.request), **lists}


def from_json(data: Mapping[str, Any]) -> Plan:
    """Return the plan that `to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    lists = {name: tuple(data[name]) for name in ("schemes", "folds", "seeds", "margins")}
    return Plan(requests.from_json(data["request"]), **lists)


def differences(before: Plan, now: Plan) -> tuple[str, ...]:
    """Return every setting that differs, and how, in words."""
    named = {"schemes": "splits", "folds": "folds", "seeds": "seeds", "margins": "margins"}
    lists = [
        f"{title} were {_listed(getattr(before, name))}, are {_listed(getattr(now, name))}"
        for name, title in named.items()
        if getattr(before, name) != getattr(now, name)
    ]
    return (*lists, *requests.differences(before.request, now.request))


def _check_list(name: str, values: Sequence[object]) -> None:
    if not values:
        raise ValueError(f"{name}: none is given; name at least one")
    if len(set(values)) < len(values):
        raise ValueError(f"{name} {_listed(values)}: one is named twice; name each once")


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))
