import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from neurallnet_jax.metrics import rules


def clouds(seed: int, *, spread: float = 1.0, counts: tuple[int, ...] = (60, 30, 15)) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of four numbers on quite different scales, and their classes."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = rng.normal(0, 2, (len(counts), 4))
    return (centres[labels] + rng.normal(0, spread, (len(labels), 4))) * (1, 10, 0.1, 1000), labels


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_neighbour_is_scikit_learn_s(seed):
    known, labels = clouds(seed)
    unknown, _ = clouds(seed + 100)
    scaler = StandardScaler().fit(known)
    peer = KNeighborsClassifier(1).fit(scaler.transform(known), labels)
    np.testing.assert_array_equal(
        rules.nearest_neighbour(known, labels, unknown), peer.predict(scaler.transform(unknown))
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_the_linear_model_is_scikit_learn_s(seed, spread):
    """The same loss: scikit-learn's is C times the sum of weighted losses plus half the squared weights."""
    known, labels = clouds(seed, spread=spread)
    unknown, _ = clouds(seed + 100, spread=spread)
    scaler = StandardScaler().fit(known)
    weights = 1 / (3 * np.bincount(labels)[labels])
    peer = LogisticRegression(C=1000, tol=1e-10, max_iter=20_000)
    peer.fit(scaler.transform(known), labels, sample_weight=weights)
    agreeing = rules.linear(known, labels, unknown) == peer.predict(scaler.transform(unknown))
    assert agreeing.mean() >= 0.99


@given(seed=st.integers(0, 1000), power=st.floats(-3, 3), shift=st.floats(-100, 100))
@settings(max_examples=20)
def test_neither_rule_minds_the_unit(seed, power, shift):
    known, labels = clouds(seed)
    unknown, _ = clouds(seed + 1)
    scale = 10.0**power
    for rule in rules.RULES.values():
        moved = rule(known * scale + shift, labels, unknown * scale + shift)
        assert (moved == rule(known, labels, unknown)).mean() >= 0.99


@pytest.mark.parametrize("rule", rules.RULES.values(), ids=rules.RULES)
def test_classes_that_are_apart_are_told_apart(rule):
    known = np.array([[0.0], [0.1], [5.0], [5.1], [9.0], [9.1]])
    labels = np.array([4, 4, 1, 1, 7, 7])
    assert rule(known, labels, np.array([[0.05], [5.2], [8.9]])).tolist() == [4, 1, 7]


@pytest.mark.parametrize("rule", rules.RULES.values(), ids=rules.RULES)
def test_numbers_that_are_all_the_same_tell_nothing(rule):
    labels = np.repeat(np.arange(3), 4)
    found = rule(np.ones((12, 2)), labels, np.ones((5, 2)))
    assert len(set(found.tolist())) == 1


@pytest.mark.parametrize("rule", rules.RULES.values(), ids=rules.RULES)
def test_nobody_to_judge_gives_no_answer(rule):
    assert rule(np.eye(3), np.arange(3), np.empty((0, 3))).shape == (0,)


def test_of_equally_near_neighbours_the_first_counts():
    known = np.array([[-1.0], [1.0]])
    assert rules.nearest_neighbour(known, np.array([1, 0]), np.array([[0.0]])).tolist() == [1]
