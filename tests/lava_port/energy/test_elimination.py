"""The joint choice against a loop over all choices."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy.elimination import Constraint, choose


def best_by_trying(costs, constraints) -> int | None:
    allowed = [
        sum(int(cost[at]) for cost, at in zip(costs, choice, strict=True))
        for choice in itertools.product(*(range(len(cost)) for cost in costs))
        if all(one.allowed[tuple(choice[index] for index in one.variables)] for one in constraints)
    ]
    return min(allowed, default=None)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_choice_costs_what_trying_all_of_them_finds_and_keeps_every_constraint(seed):
    rng = np.random.default_rng(seed)
    costs = [rng.integers(0, 50, rng.integers(1, 5)) for _ in range(rng.integers(1, 6))]
    constraints = []
    for _ in range(rng.integers(0, 6)):
        size = int(rng.integers(1, min(3, len(costs)) + 1))
        variables = tuple(int(index) for index in rng.permutation(len(costs))[:size])
        shape = [len(costs[index]) for index in variables]
        constraints.append(Constraint(variables, rng.random(shape) < 0.6))
    best, chosen = best_by_trying(costs, constraints), choose(costs, constraints)
    assert (chosen is None) == (best is None)
    if chosen is not None:
        assert sum(int(cost[at]) for cost, at in zip(costs, chosen, strict=True)) == best
        assert all(one.allowed[tuple(chosen[index] for index in one.variables)] for one in constraints)


def test_a_dear_choice_is_taken_where_the_cheap_one_forbids_its_neighbour():
    # Variable 0 prefers candidate 0, which goes with nothing of variable 1 but its candidate 1, ten times as dear.
    costs = [np.array([1, 3]), np.array([2, 20])]
    assert choose(costs) == (0, 0)
    assert choose(costs, [Constraint((0, 1), np.array([[False, True], [True, True]]))]) == (1, 0)
    # The axes of a table follow its variables, in whatever order.
    assert choose(costs, [Constraint((1, 0), np.array([[False, True], [True, True]]))]) == (1, 0)
