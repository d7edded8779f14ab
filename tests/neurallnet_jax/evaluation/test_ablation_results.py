"""Outcomes into arms: means, spreads, what is dead, what failed, and the trip through JSON."""

import dataclasses
import json

import pytest

from neurallnet_jax import config
from neurallnet_jax.evaluation import ablation_results, arms
from neurallnet_jax.evaluation.ablation_results import Outcome

EVERY = arms.arms(arms.baseline(config.preset("tiny").network))
LABELS, GROUPS = (0, 0, 0, 0, 1, 1, 1, 1), (0, 0, 1, 1, 2, 2, 3, 3)


def outcome(arm: str, seed: int, right: int = 8, **fields: object) -> Outcome:
    """Return an outcome whose first `right` images are told right."""
    predicted = tuple(label if place < right else 1 - label for place, label in enumerate(LABELS))
    found = sum(one == other for one, other in zip(predicted, LABELS, strict=True)) / 8
    return dataclasses.replace(
        Outcome(
            arm, seed, f"runs/{arm}/seed-{seed}", balanced_accuracy=found, accuracy=found, validation=found, best_epoch=1,
            parameters=10, rates={"lif_1": 0.1, "lif_2": 0.3}, rate=0.15, spikes=60.0, seconds=4.0, weights="ab",
            labels=LABELS, groups=GROUPS, predicted=predicted, machine={"jax": "1"},
        ),
        **fields,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def summary(*outcomes: Outcome) -> dict[str, ablation_results.ArmResult]:
    return {arm.name: arm for arm in ablation_results.summarise(EVERY, outcomes, {}).arms}


def test_an_arm_is_the_mean_of_its_seeds():
    """se: 8 and 6 of 8; mean 7/8, deviation sqrt(2 (1/8)^2) = 0.1768. none: 6 and 6, so -2/8 and 0 to the baseline."""
    found = summary(outcome("se", 0), outcome("se", 1, 6), outcome("none", 1, 6), outcome("none", 0, 6))
    assert list(found) == ["se", "none"]
    assert found["se"].balanced_accuracy == pytest.approx(7 / 8)
    assert found["se"].spread == pytest.approx(0.17678, abs=1e-5)
    assert found["se"].difference is None
    assert found["none"].difference is not None
    assert found["none"].difference.by_seed == pytest.approx((-0.25, 0))
    assert found["none"].difference.interval is not None
    assert (found["se"].rate, found["se"].spikes, found["se"].rates["lif_2"]) == pytest.approx((0.15, 60, 0.3))


def test_pairs_are_the_seeds_that_both_have():
    found = summary(outcome("se", 1, 8), outcome("none", 0, 2), outcome("none", 1, 7), outcome("static", 0))
    assert found["none"].difference is not None
    assert found["none"].difference.by_seed == pytest.approx((-1 / 8,))
    assert found["none"].spread is not None
    assert found["static"].difference is None
    assert found["static"].spread is None


def test_an_arm_is_compared_with_its_own_reference():
    found = summary(outcome("se", 0), outcome("static", 0, 4), outcome("steps-1", 0, 6))
    assert found["steps-1"].reference == "static"
    assert found["steps-1"].difference is not None
    assert found["steps-1"].difference.mean == pytest.approx(0.25)


def test_a_silent_layer_of_one_seed_makes_an_arm_dead_and_is_named():
    found = summary(outcome("se", 0), outcome("se", 1, silent=("lif_2",), saturated=("lif_1",)))["se"]
    assert found.dead
    assert ablation_results.state(found) == "dead: lif_2 in 1 of 2; saturated: lif_1 in 1 of 2"
    alive = summary(outcome("se", 0))["se"]
    assert not alive.dead
    assert ablation_results.state(alive) == "ok"


def test_a_training_that_came_to_no_number_is_counted_and_never_scored():
    failed = Outcome("none", 1, "runs/none/seed-1", error="step 1: the loss is not a number")
    found = summary(outcome("se", 0), outcome("se", 1), outcome("none", 0, 6), failed)["none"]
    assert (found.seeds, found.failed, found.balanced_accuracy) == ((0,), (1,), 0.75)
    assert ablation_results.state(found) == "failed: 1 of 2"
    alone = summary(failed)["none"]
    assert (alone.balanced_accuracy, alone.difference, alone.seconds, alone.rates) == (None, None, None, {})


def test_the_control_compares_weights_and_answers():
    def control(**fields: object) -> bool | None:
        pair = (outcome("none", 0), outcome("identity", 0, **fields))  # pyright: ignore[reportArgumentType]
        return ablation_results.summarise(EVERY, pair, {}).identity_equals_none

    assert control() is True
    assert control(weights="cd") is False
    assert control(right=7) is False
    assert (
        ablation_results.summarise(EVERY, [outcome("none", 0), outcome("identity", 1)], {}).identity_equals_none is None
    )


def test_results_survive_the_trip_through_json():
    failed = Outcome("relu-twin", 0, "runs/relu-twin/seed-0", error="no")
    rectified = outcome("relu-twin", 1, 5, rates={}, rate=None, spikes=None)
    every = (outcome("se", 0), outcome("se", 1, 6, silent=("lif_1",)), outcome("none", 0), failed, rectified)
    found = ablation_results.summarise(EVERY, every, {"seeds": 2})
    text = json.dumps(ablation_results.to_json(found), allow_nan=False)
    assert ablation_results.from_json(json.loads(text)) == found


def test_results_of_another_release_are_refused():
    good = ablation_results.to_json(ablation_results.summarise(EVERY, [outcome("se", 0)], {}))
    with pytest.raises(ValueError, match="format version 99, this release reads 1"):
        ablation_results.from_json({**good, "format_version": 99})
    with pytest.raises(ValueError, match="a field is missing or unknown"):
        ablation_results.from_json({key: value for key, value in good.items() if key != "arms"})
