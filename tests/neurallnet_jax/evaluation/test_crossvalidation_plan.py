"""A plan names its runs, survives JSON, and says how two of them differ."""

import dataclasses
import json

import pytest

from neurallnet_jax import config
from neurallnet_jax.evaluation import crossvalidation_plan as plans
from neurallnet_jax.evaluation.crossvalidation_plan import Plan
from neurallnet_jax.training.request import Request


@pytest.fixture(scope="module")
def plan() -> Plan:
    chosen = config.preset("tiny")
    return Plan(
        Request("smears", chosen.network, chosen.training),
        schemes=("contiguous", "random"),
        folds=(0, 3),
        seeds=(0, 7),
        margins=(24, 100),
    )


def test_every_split_margin_fold_and_seed_is_a_run_of_its_own(plan: Plan) -> None:
    names = [cell.name for cell in plan.cells]
    assert len(names) == len(set(names)) == 3 * 2 * 2
    assert names[0] == "contiguous-24/fold-0/seed-0"
    assert names[-1] == "random/fold-3/seed-7"
    assert "contiguous-100/fold-3/seed-7" in names


def test_each_run_is_asked_what_its_name_says_and_nothing_else_differs(plan: Plan) -> None:
    for cell in plan.cells:
        request = plan.request_of(cell)
        assert (request.split, request.fold, request.seed) == (cell.arm.scheme, cell.fold, cell.seed)
        assert request.margin == (24 if cell.arm.scheme == "random" else cell.arm.margin)
        neutral = dataclasses.replace(request, split="contiguous", fold=0, seed=0, margin=24)
        assert neutral == plan.request


def test_split_fold_and_seed_of_the_request_do_not_matter(plan: Plan) -> None:
    other = dataclasses.replace(plan.request, split="blocks", fold=4, seed=9)
    assert dataclasses.replace(plan, request=other) == plan


def test_a_plan_survives_json(plan: Plan) -> None:
    assert plans.from_json(json.loads(json.dumps(plans.to_json(plan)))) == plan


def test_plans_that_differ_say_where(plan: Plan) -> None:
    assert plans.differences(plan, plan) == ()
    training = dataclasses.replace(plan.request.training, epochs=9)
    other = Plan(dataclasses.replace(plan.request, training=training), folds=(0, 3), seeds=(0, 7))
    assert plans.differences(plan, other) == (
        "splits were contiguous, random, are contiguous",
        "margins were 24, 100, are 24",
        "training.epochs was 30, is 9",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schemes": ("all",)}, "split 'all' has no folds to cross-validate; expected contiguous, blocks, random"),
        ({"schemes": ()}, "schemes: none is given; name at least one"),
        ({"folds": (5,)}, "fold 5: the splits have 5 folds, 0 to 4"),
        ({"folds": (1, 1)}, "folds 1, 1: one is named twice"),
        ({"folds": ()}, "folds: none is given"),
        ({"seeds": (-1,)}, r"seed is -1; expected 0\.\.4294967295"),
        ({"margins": (-1,)}, "margin is -1; expected a whole number of captures, at least 0"),
        (
            {"schemes": ("blocks", "random")},
            "margin 24: split blocks, random leaves out no such numbers; add contiguous",
        ),
    ],
)
def test_what_is_out_of_range_is_refused(plan: Plan, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(plan, **change)
