import dataclasses

import numpy as np
import pytest

from neurallnet_jax.evaluation import novelty
from neurallnet_jax.evaluation.doubt import doubts
from neurallnet_jax.trust import Abstention, ConformalRule, Trust

CLASSES = ("a", "b", "c")
PROBABILITIES = np.array([[0.9, 0.06, 0.04], [0.5, 0.4, 0.1]])


@pytest.fixture(scope="module")
def usual() -> np.ndarray:
    return np.random.default_rng(0).integers(100, 140, (60, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def fitted(usual) -> Trust:
    values = novelty.statistics(usual)
    places = novelty.locate({kind: table[:30] for kind, table in values.items()})
    unseen = novelty.distances(places, {kind: table[30:] for kind, table in values.items()})
    return Trust(ConformalRule("lac", 0.9, (0.65,), 30), Abstention(0.6, "risk", 0.05), novelty.regions(places, unseen))


def test_the_set_holds_every_class_within_the_quantile(fitted, usual):
    first, second = doubts(fitted, CLASSES, PROBABILITIES, usual[30:32])
    assert first.members == ("a",)
    assert second.members == ("a", "b")


def test_too_little_confidence_is_a_reason_with_its_numbers(fitted, usual):
    first, second = doubts(fitted, CLASSES, PROBABILITIES, usual[30:32])
    assert first.reason is None
    assert second.reason == "probability 0.500 lies below 0.600, the threshold for at most 5 % wrong"
    share = dataclasses.replace(fitted, abstention=Abstention(0.95, "answered", 0.8))
    assert doubts(share, CLASSES, PROBABILITIES, usual[30:32])[0].reason == (
        "probability 0.900 lies below 0.950, the threshold for 80 % answered"
    )
    never = dataclasses.replace(fitted, abstention=None)
    assert [one.reason for one in doubts(never, CLASSES, PROBABILITIES, usual[30:32])] == [None, None]


def test_an_unlike_image_is_warned_of_and_a_reason_however_sure_the_network_is(fitted, usual):
    black = np.zeros((1, 16, 16, 3), np.uint8)
    (found,) = doubts(fitted, CLASSES, PROBABILITIES[:1], black)
    assert found.warnings
    assert found.reason == found.warnings[0]
    assert found.novelty is not None
    assert found.novelty > 1
    for one in doubts(fitted, CLASSES, PROBABILITIES, usual[30:32]):
        assert one.warnings == ()
        assert one.novelty is not None
        assert one.novelty <= 1


def test_without_regions_there_is_no_warning_and_no_novelty(fitted, usual):
    bare = dataclasses.replace(fitted, regions=())
    (found,) = doubts(bare, CLASSES, PROBABILITIES[:1], np.zeros((1, 16, 16, 3), np.uint8))
    assert (found.warnings, found.novelty) == ((), None)


def test_no_image_has_no_doubt(fitted, usual):
    assert doubts(fitted, CLASSES, np.zeros((0, 3)), usual[:0]) == ()
