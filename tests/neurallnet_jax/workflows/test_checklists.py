"""The items of both checklists, and that none is called filled without a fact."""

from itertools import chain

import pytest

from neurallnet_jax.workflows import checklists
from neurallnet_jax.workflows.checklists import FACTS, Item


def test_both_lists_have_the_items_of_their_papers() -> None:
    found = checklists.checklists()
    assert [one.id for one in found["claim"].items] == [str(number) for number in range(1, 45)]
    tripod = [one.id for one in found["tripod"].items]
    assert len(tripod) == len(set(tripod)) == 52
    numbers = [int(one.rstrip("abcdefg")) for one in tripod]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 28))
    assert "10.1148/ryai.240300" in found["claim"].citation
    assert "10.1136/bmj-2023-078378" in found["tripod"].citation


def test_without_facts_nothing_is_filled() -> None:
    for one in checklists.checklists().values():
        found = checklists.answers(one, frozenset())
        assert checklists.count(found, "open") == len(one.items)
        assert not any(answer.anchor for answer in found)
        assert all(answer.note.startswith("to be filled by the authors") for answer in found)


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_fills_what_it_answers_and_nothing_else(fact: str) -> None:
    found = list(chain(*(checklists.answers(one, frozenset({fact})) for one in checklists.checklists().values())))
    filled = [one for one in found if one.state != "open"]
    assert filled
    assert all(one.item.fact == fact and one.anchor == FACTS[fact] and one.state == one.item.holds for one in filled)


def test_what_is_partly_filled_says_what_is_missing() -> None:
    for one in chain(*(entry.items for entry in checklists.checklists().values())):
        assert bool(one.note) == (one.fact is not None)


@pytest.mark.parametrize(("fact", "holds"), [("scores", None), (None, "filled"), ("rumours", "filled")])
def test_an_item_without_a_known_fact_cannot_be_filled(fact: str | None, holds: str | None) -> None:
    with pytest.raises(ValueError, match="do not go together"):
        Item("1", "Title", "text", fact, holds, "")  # type: ignore[arg-type]
