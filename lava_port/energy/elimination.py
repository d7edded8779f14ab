"""The cheapest joint choice of one candidate per variable under constraints between few of them, exact.

Knows neither cores nor neurons: costs and constraints are tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["NEVER", "Constraint", "choose"]

NEVER = 1 << 61
"""Cost of what is not allowed; sums of two stay below 2^63. Every sum of allowed costs must stay below it."""


@dataclass(frozen=True, eq=False)
class Constraint:
    """Which candidates of some variables go together.

    Attributes:
        variables: Indices of the variables, one per axis of `allowed`.
        allowed: bool, one axis per variable.
    """

    variables: tuple[int, ...]
    allowed: np.ndarray


@dataclass(frozen=True, eq=False)
class _Table:
    variables: tuple[int, ...]
    cost: np.ndarray


def choose(costs: Sequence[np.ndarray], constraints: Sequence[Constraint] = ()) -> tuple[int, ...] | None:
    """Return the candidate of every variable whose costs sum to the least; None where no choice is allowed.

    Variables are eliminated one after the other, the one with the smallest table first: its cost is minimised for every
    choice of the variables that it shares a constraint with (Dechter 1999, bucket elimination).

    Args:
        costs: Per variable, int64 (candidates,); at least one each.
        constraints: What must hold between them.
    """
    tables = [_Table((index,), np.asarray(cost, np.int64)) for index, cost in enumerate(costs)]
    tables += [_Table(one.variables, np.where(one.allowed, 0, NEVER)) for one in constraints]
    left = set(range(len(costs)))
    answers: list[tuple[int, tuple[int, ...], np.ndarray]] = []
    while left:
        variable = min(sorted(left), key=lambda index: _size(index, tables, costs))
        left.remove(variable)
        heard = [table for table in tables if variable in table.variables]
        others = tuple(sorted({index for table in heard for index in table.variables} - {variable}))
        total = _sum(heard, (*others, variable), costs)
        answers.append((variable, others, total.argmin(axis=-1)))
        tables = [table for table in tables if variable not in table.variables] + [_Table(others, total.min(axis=-1))]
    if sum(int(table.cost) for table in tables) >= NEVER:
        return None
    chosen: dict[int, int] = {}
    for variable, others, best in reversed(answers):
        chosen[variable] = int(best[tuple(chosen[index] for index in others)])
    return tuple(chosen[index] for index in range(len(costs)))


def _size(variable: int, tables: Sequence[_Table], costs: Sequence[np.ndarray]) -> int:
    scope = {index for table in tables if variable in table.variables for index in table.variables}
    return int(np.prod([len(costs[index]) for index in scope], dtype=np.float64))


def _sum(tables: Sequence[_Table], scope: tuple[int, ...], costs: Sequence[np.ndarray]) -> np.ndarray:
    """Return the sum of tables over all variables of `scope`, at most `NEVER`."""
    total = np.zeros([len(costs[index]) for index in scope], np.int64)
    for table in tables:
        order = sorted(range(len(table.variables)), key=lambda axis: scope.index(table.variables[axis]))
        shape = [len(costs[index]) if index in table.variables else 1 for index in scope]
        total = np.minimum(total + table.cost.transpose(order).reshape(shape), NEVER)
    return total
