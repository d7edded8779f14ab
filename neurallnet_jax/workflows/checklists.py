"""The items of two checklists, and which of them a report fills: the wording is ours, the numbers are those of the papers.

Knows names of facts; neither what they say nor how a page looks.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal, TypeAlias

from neurallnet_jax import workflows

__all__ = ["FACTS", "Answer", "Checklist", "Item", "State", "answers", "checklists", "count"]

State: TypeAlias = Literal["filled", "partly", "open"]

FACTS: Mapping[str, str] = {
    "data": "provenance",
    "split": "provenance-split",
    "leaks": "leaks",
    "scores": "scores",
    "sensitivity": "scores",
    "internal": "scores",
    "external": "scores",
    "crossvalidation": "crossvalidation",
    "trust": "trust",
    "robustness": "robustness",
    "explain": "explain",
    "failures": "failures",
    "use": "card-use",
    "input": "card-input",
    "layers": "card-layers",
    "training": "card-training",
    "software": "card-software",
    "limits": "card-limits",
}
"""Where on the page a fact stands."""


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Attributes:
        id: Its number in the paper.
        section: Its heading.
        text: What it asks for, in our words.
        fact: The name of the fact that answers it, a key of `FACTS`; None where no software can.
        holds: How far the fact answers it: `filled` or `partly`; None without a fact.
        note: What the fact says, or what is missing.
    """

    id: str
    section: str
    text: str
    fact: str | None
    holds: Literal["filled", "partly"] | None
    note: str

    def __post_init__(self) -> None:
        if (self.fact is None) != (self.holds is None) or (self.fact is not None and self.fact not in FACTS):
            raise ValueError(
                f"checklist item {self.id}: fact {self.fact!r} and holds {self.holds!r} do not go together"
            )


@dataclass(frozen=True)
class Checklist:
    """A checklist with the paper it comes from."""

    name: str
    citation: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Answer:
    """What a report says to an item; `anchor` is where on the page, empty for an open one."""

    item: Item
    state: State
    anchor: str
    note: str


def checklists() -> dict[str, Checklist]:
    """Return CLAIM (2024 update) and TRIPOD+AI (2024), by the anchor of their section."""
    text = resources.files(workflows).joinpath("checklists.json").read_text(encoding="utf-8")
    return {
        name: Checklist(one["name"], one["citation"], tuple(Item(**item) for item in one["items"]))
        for name, one in json.loads(text).items()
    }


def answers(checklist: Checklist, facts: frozenset[str]) -> tuple[Answer, ...]:
    """Return the state of every item.

    Args:
        checklist: The list.
        facts: Facts that the page truly holds.
    """
    return tuple(_answer(item, facts) for item in checklist.items)


def count(found: tuple[Answer, ...], state: State) -> int:
    """Return how many items are in a state."""
    return sum(one.state == state for one in found)


def _answer(item: Item, facts: frozenset[str]) -> Answer:
    if item.fact is None or item.holds is None:
        return Answer(item, "open", "", "to be filled by the authors")
    if item.fact not in facts:
        return Answer(item, "open", "", "to be filled by the authors: this page does not hold it")
    return Answer(item, item.holds, FACTS[item.fact], item.note)
