import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax.evaluation.selection import kept_apart, select, spread


def test_all_images_are_chosen_and_those_seen_are_marked(dataset, saved):
    chosen = select(dataset, seen=saved.seen)
    assert chosen.places.tolist() == list(range(20))
    assert chosen.seen.tolist() == [True] * 5 + [False] * 15


def test_unseen_leaves_out_what_the_model_has_seen(dataset, saved):
    chosen = select(dataset, seen=saved.seen, only="unseen")
    assert chosen.places.tolist() == list(range(5, 20))
    assert not chosen.seen.any()


def test_test_takes_what_the_split_kept_apart_and_nothing_between(dataset, saved):
    chosen = select(dataset, seen=saved.seen, test=saved.test, only="test")
    assert chosen.places.tolist() == [5, 6, 7]


def test_a_test_image_that_was_seen_as_well_is_marked(dataset, saved):
    hashes = [record.sha256 for record in dataset.records]
    chosen = select(dataset, seen=hashes[:6], test=saved.test, only="test")
    assert chosen.seen.tolist() == [True, False, False]


def test_images_are_known_by_their_bytes_wherever_they_lie(dataset, saved, dataset_of):
    order = list(range(19, -1, -1))
    moved = dataset_of(dataset.pixels[order], [1] * 10 + [0] * 10)
    assert select(moved, seen=saved.seen, test=saved.test, only="test").places.tolist() == [12, 13, 14]


def test_a_model_is_judged_by_its_test_images_else_by_unseen_ones_else_by_none(dataset, saved):
    only, chosen = kept_apart(dataset, seen=saved.seen, test=saved.test)
    assert (only, chosen.places.tolist()) == ("test", [5, 6, 7])
    only, chosen = kept_apart(dataset, seen=saved.seen)
    assert (only, chosen.places.tolist()) == ("unseen", list(range(5, 20)))
    assert kept_apart(dataset, seen=[record.sha256 for record in dataset.records]) is None


def test_a_limit_spreads_over_the_choice_so_that_every_class_is_met(dataset, saved):
    """20 images, 5 of them: the first, the last and three between at equal distance, 19 / 4 = 4.75 rounded."""
    chosen = select(dataset, seen=saved.seen, limit=5)
    assert chosen.places.tolist() == [0, 5, 10, 14, 19]
    assert chosen.seen.tolist() == [True, False, False, False, False]


@given(count=st.integers(1, 200), limit=st.integers(1, 250))
def test_a_spread_has_distinct_ascending_places_at_even_distance(count, limit):
    places = spread(np.arange(count) * 3, limit)
    assert len(places) == min(count, limit)
    steps = np.diff(places) // 3
    assert (steps >= 1).all()
    assert len(steps) == 0 or steps.max() - steps.min() <= 1


def test_without_a_limit_all_are_kept():
    assert spread(np.arange(3), None).tolist() == [0, 1, 2]


def test_a_choice_without_images_is_refused(dataset):
    everything = [record.sha256 for record in dataset.records]
    with pytest.raises(ValueError, match="holds no image for --only unseen; name the folder the model was trained on"):
        select(dataset, seen=everything, only="unseen")
    with pytest.raises(ValueError, match="holds no image for --only test"):
        select(dataset, seen=(), only="test")


def test_an_unknown_choice_is_refused(dataset):
    with pytest.raises(ValueError, match="--only best: expected one of all, unseen, test"):
        select(dataset, seen=(), only="best")  # pyright: ignore[reportArgumentType]
