"""Comparisons of models: which images count, what is refused, and tests that equal those of `metrics.paired`."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.special

from neurallnet_jax.evaluation import comparison
from neurallnet_jax.evaluation.comparison import Entrant
from neurallnet_jax.evaluation.footprint import Footprint, Latency
from neurallnet_jax.evaluation.operations import Energy, Operations
from neurallnet_jax.evaluation.predictions import PredictionTable, in_order, take
from neurallnet_jax.evaluation.trained import Trained
from neurallnet_jax.metrics import intervals, paired, scores

CLASSES = ("Benign", "Early Pre-B", "Pre-B")
COST = Footprint("spiking", 4, (32, 32), 1000, 4100, 123456, Latency(1e-3, 8e-4, 2e-3, 5), 9000)


def hash_of(place: int) -> str:
    return f"{place:064x}"


def table(seed: int, places: range = range(60), *, seen: tuple[int, ...] = (), skill: float = 1.0) -> PredictionTable:
    """Return predictions of images 0..., of which image p is of class p % 3 and of group p // 12 within it."""
    numbers = np.array(places)
    labels = numbers % 3
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(200, 3))[numbers] + skill * np.eye(3)[labels]
    return PredictionTable(
        classes=CLASSES,
        paths=tuple(f"{CLASSES[k]}/{p}.png" for p, k in zip(numbers, labels, strict=True)),
        sha256=tuple(map(hash_of, numbers.tolist())),
        labels=labels,
        probabilities=scipy.special.softmax(logits, axis=1),
        seen=np.isin(numbers, seen),
        groups=labels + 3 * (numbers // 12),
    )


def entrant(name: str, rows: PredictionTable | None, footprint: Footprint | None = None) -> Entrant:
    return Entrant(name, f"digest of {name}", rows, footprint)


def test_scores_and_tests_are_those_of_the_shared_images():
    one, other = table(0), table(1, skill=2.0)
    found = comparison.compare([entrant("a", one, COST), entrant("b", other)], draws=500)
    assert (found.shared, found.groups) == (60, (5, 5, 5))
    for row, rows in zip(found.models, (one, other), strict=True):
        expected = scores.score(rows.labels, rows.probabilities, CLASSES, malignant=(False, True, True))
        assert scores.to_json(row.scores) == scores.to_json(expected)
        assert row.intervals == intervals.bootstrap(
            rows.labels, rows.probabilities, rows.groups, malignant=(False, True, True), classes=CLASSES
        )
    mcnemar, bootstrap, macro, *per_class = found.tests
    right = [rows.probabilities.argmax(axis=1) == rows.labels for rows in (one, other)]
    assert mcnemar.p == paired.mcnemar(*right).p
    assert mcnemar.difference == pytest.approx(right[0].mean() - right[1].mean())
    drawn = paired.bootstrap_difference(one.labels, one.probabilities, other.probabilities, one.groups, draws=500)
    assert (bootstrap.p, bootstrap.low, bootstrap.high) == (drawn.p, drawn.low, drawn.high)
    for k, test in zip((None, 0, 1, 2), (macro, *per_class), strict=True):
        expected = paired.delong(one.labels, one.probabilities, other.probabilities, positive=k)
        assert (test.p, test.difference) == (expected.p, expected.difference)
        assert test.class_name == (None if k is None else CLASSES[k])
    assert [test.p_holm for test in found.tests] == list(paired.holm([test.p for test in found.tests]))


def test_the_colour_line_is_that_of_the_shared_images_whatever_the_order_of_classes_and_images():
    """Colour is right on the even images; of 30..59, which are shared, half of every class are even."""
    one, other = table(0), table(1, range(30, 90))
    wrong = np.where(one.labels == 0, 1, 0)
    said = np.where(np.arange(60) % 2 == 0, one.labels, wrong)
    colour = dataclasses.replace(one, probabilities=np.eye(3)[said])
    shuffled = in_order(take(colour, np.arange(60)[::-1]), CLASSES[::-1])
    for known in (colour, shuffled):
        entrants = [
            dataclasses.replace(entrant("a", one), colour=known),
            dataclasses.replace(entrant("b", other), colour_reason="why not"),
        ]
        found = comparison.compare(entrants, draws=20)
        assert found.shared == 30
        assert [row.colour_line for row in found.models] == [0.5, None]
        assert [row.colour_line_reason for row in found.models] == [None, "why not"]
        again = comparison.from_json(json.loads(json.dumps(comparison.to_json(found))))
        assert [row.colour_line for row in again.models] == [0.5, None]


def test_images_that_one_lacks_or_has_seen_are_left_out_for_all():
    """a has 0..59 and has seen 0..5; b has 30..89 and has seen 50..59: 30..49 are left."""
    one, other = table(0, range(60), seen=tuple(range(6))), table(1, range(30, 90), seen=tuple(range(50, 60)))
    found = comparison.compare([entrant("a", one), entrant("b", other)], draws=20)
    assert found.shared == 20
    a, b = found.models
    assert (a.own, a.seen, a.left_out) == (54, 6, 34)
    assert (b.own, b.seen, b.left_out) == (50, 10, 30)
    kept = np.arange(30, 50)
    assert a.scores is not None
    assert a.scores.accuracy == pytest.approx((one.probabilities[kept].argmax(axis=1) == one.labels[kept]).mean())
    assert a.own_balanced_accuracy == pytest.approx(
        scores.score(one.labels[6:], one.probabilities[6:], CLASSES).balanced_accuracy
    )


def test_the_order_of_images_and_columns_does_not_matter():
    one, other = table(0), table(1)
    shuffled = np.random.default_rng(0).permutation(60)
    turned = [2, 0, 1]
    moved = PredictionTable(
        classes=tuple(CLASSES[k] for k in turned),
        paths=tuple(other.paths[p] for p in shuffled),
        sha256=tuple(other.sha256[p] for p in shuffled),
        labels=np.array([turned.index(k) for k in other.labels[shuffled]]),
        probabilities=other.probabilities[shuffled][:, turned],
        seen=other.seen[shuffled],
        groups=other.groups[shuffled],
    )
    plain = comparison.compare([entrant("a", one), entrant("b", other)], draws=50)
    assert comparison.to_json(comparison.compare([entrant("a", one), entrant("b", moved)], draws=50)) == (
        comparison.to_json(plain)
    )


def test_an_image_that_lies_twice_in_a_folder_counts_once():
    one, other = table(0), table(1)
    doubled = dataclasses.replace(one, sha256=(*one.sha256[:57], *one.sha256[:3]))
    found = comparison.compare([entrant("a", doubled), entrant("b", other)], draws=20)
    assert (found.shared, found.models[0].own, found.models[1].left_out) == (57, 57, 3)


def test_groups_of_both_sources_are_joined():
    """a joins groups 0 and 3 of the first class, b groups 6 and 9: five groups become three."""
    one, other = table(0), table(1)
    one = dataclasses.replace(one, groups=np.where(one.groups == 3, 0, one.groups))
    other = dataclasses.replace(other, groups=100 + np.where(other.groups == 9, 6, other.groups))
    assert comparison.compare([entrant("a", one), entrant("b", other)], draws=20).groups == (3, 5, 5)


def test_holm_runs_over_all_pairs():
    entrants = [entrant(name, table(seed, skill=0.5 * seed)) for seed, name in enumerate("abc")]
    done: list[tuple[int, int]] = []
    found = comparison.compare(entrants, draws=50, progress=lambda *now: done.append(now))
    assert [(t.first, t.second) for t in found.tests[::6]] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert len(found.tests) == 3 * (2 + 1 + 3)
    assert [t.p_holm for t in found.tests] == list(paired.holm([t.p for t in found.tests]))
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_a_class_without_enough_images_has_a_reason_in_place_of_its_test():
    few = table(0, range(60), seen=tuple(p for p in range(3, 60) if p % 3 == 2))
    found = comparison.compare([entrant("a", few), entrant("b", table(1))], draws=20)
    assert found.groups[2] == 1
    by_name = {(t.test, t.class_name): t for t in found.tests}
    lonely = by_name["delong", "Pre-B"]
    assert (lonely.p, lonely.p_holm) == (None, None)
    assert "class Pre-B has 1 of the 41 images" in str(lonely.reason)
    assert "class Pre-B has only 1 group" in str(by_name["group_bootstrap", None].reason)
    assert by_name["delong", "Benign"].p is not None


def test_one_model_has_a_row_and_no_tests():
    found = comparison.compare([entrant("a", table(0), COST)])
    assert found.shared == 60
    assert found.tests == ()


def test_models_without_images_are_compared_by_what_they_cost():
    found = comparison.compare([entrant("a", None, COST), entrant("b", None, COST)])
    assert (found.shared, found.tests, found.models[0].scores) == (0, (), None)
    data = comparison.to_json(found)
    assert data["models"][0]["macs"] == 123456
    assert data["models"][0]["balanced_accuracy"] is None
    assert data["models"][0]["reasons"] == ["scores: no images; name a folder with --data"]


def test_no_shared_image_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"no image is shared .*unseen test images: a 20, b 20") as refused:
        comparison.compare([entrant("a", table(0, range(20))), entrant("b", table(1, range(20, 40)))])
    assert "\n" not in str(refused.value)


def test_one_model_twice_is_refused():
    with pytest.raises(ValueError, match="a is named twice"):
        comparison.compare([entrant("a", table(0)), entrant("a", table(1))])
    copied = dataclasses.replace(entrant("b", table(0)), digest="digest of a")
    with pytest.raises(ValueError, match="b and a are the same model"):
        comparison.compare([entrant("a", table(0)), copied])
    with pytest.raises(ValueError, match="no model"):
        comparison.compare([])


def test_other_classes_are_refused():
    other = dataclasses.replace(table(1), classes=("Benign", "Early Pre-B", "Pro-B"))
    with pytest.raises(ValueError, match=r"b: knows the classes .* only models of the same classes"):
        comparison.compare([entrant("a", table(0)), entrant("b", other)])


def test_an_image_of_two_classes_is_refused():
    other = table(1)
    labels = other.labels.copy()
    labels[4] = 2
    with pytest.raises(ValueError, match=r"4\.png is Early Pre-B for a and Pre-B for b"):
        comparison.compare([entrant("a", table(0)), entrant("b", dataclasses.replace(other, labels=labels))])


def test_a_comparison_comes_back_from_its_json():
    few = table(0, range(60), seen=tuple(p for p in range(3, 60) if p % 3 == 2))
    found = comparison.compare([entrant("a", few, COST), entrant("b", table(1))], draws=20)
    data = json.loads(json.dumps(comparison.to_json(found), allow_nan=False))
    assert comparison.to_json(comparison.from_json({**data, "skipped": []})) == data
    first, second = data["models"]
    assert first["latency_ms"] == 1.0
    assert second["parameters"] is None
    assert second["reasons"] == ["parameters to buffer_bytes: only the predictions of this model were given"]
    assert first["recall"] == first["balanced_accuracy"]
    assert {test["assumes"] for test in data["tests"]} == {"independent images", "independent groups"}


def test_how_a_model_was_trained_and_what_it_costs_come_along():
    record = Trained(6, 4, (8, 8), "blocks", 2, 1066, "random weights", 61.5)
    spent = Operations(8, 12.5, 6e6, (Energy("gpu", "native", "static", None, "why"),))
    one = dataclasses.replace(entrant("a", table(0), COST), trained=record, operations=spent)
    for found in (comparison.compare([one], draws=20), comparison.compare([dataclasses.replace(one, table=None)])):
        again = comparison.from_json(json.loads(json.dumps(comparison.to_json(found))))
        assert (again.models[0].trained, again.models[0].operations) == (record, spent)


def test_a_comparison_written_before_these_were_known_is_read():
    data = comparison.to_json(comparison.compare([entrant("a", table(0), COST)], draws=20))
    for row in data["models"]:
        del row["trained"], row["operations"]
    assert comparison.from_json(data).models[0].operations is None
