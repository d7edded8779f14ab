"""A checklist as a section of a page: every item with its state, and where on the page it is filled.

Knows how states are said; decides none.
"""

from neurallnet_jax.workflows import checklists, page
from neurallnet_jax.workflows.checklists import Answer, Checklist
from neurallnet_jax.workflows.page import Cell, Jump, Section, Table

__all__ = ["section"]

_STATES = {"filled": "✓ filled", "partly": "◐ partly", "open": "○ open"}


def section(anchor: str, checklist: Checklist, found: tuple[Answer, ...]) -> Section:
    """Return the items of a checklist, with what fills them.

    Args:
        anchor: Of the section.
        checklist: The list.
        found: Its answers, as `checklists.answers` gives them.
    """
    rows = tuple((one.item.id, one.item.section, one.item.text, _state(one), one.note) for one in found)
    header = ("Item", "Part", "Asks for (our words)", "State", "From this page, or missing")
    table = Table(f"{checklist.name}, {len(rows)} items", header, "llwlw", rows)
    source = Table("Source", ("Source",), "w", ((page.source(checklist.citation),),))
    lead = (
        "Filled: this page holds what the item asks for. Partly: a part of it. Open: for the authors, because no software "
        "knows it. The wording is ours, the numbers are those of the paper."
    )
    return Section(anchor, f"Checklist: {checklist.name}", lead, (table, source), answer=_answer(checklist, found))


def _state(one: Answer) -> Cell:
    return Jump(_STATES[one.state], one.anchor) if one.anchor else _STATES[one.state]


def _answer(checklist: Checklist, found: tuple[Answer, ...]) -> str:
    filled, partly, left = (checklists.count(found, state) for state in ("filled", "partly", "open"))
    return f"Of {len(found)} items this page fills {filled}, and {partly} more in part; {left} are for the authors to fill."
