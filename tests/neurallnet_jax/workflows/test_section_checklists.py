"""A checklist on a page: a state per item, and a way to what fills it."""

from neurallnet_jax.workflows import checklists, page, section_checklists


def test_every_item_has_a_state_and_a_filled_one_leads_somewhere() -> None:
    claim = checklists.checklists()["claim"]
    found = checklists.answers(claim, frozenset({"scores", "robustness"}))
    made = section_checklists.section("claim", claim, found)
    table = made.blocks[0]
    assert isinstance(table, page.Table)
    states = {row[0]: row[3] for row in table.rows}
    assert states["28"] == page.Jump("✓ filled", "scores")
    assert states["30"] == page.Jump("✓ filled", "robustness")
    assert states["10"] == page.Jump("◐ partly", "scores")
    assert states["1"] == "○ open"
    filled = sum(isinstance(one, page.Jump) and "filled" in one.text for one in states.values())
    assert f"fills {filled}, and" in made.answer


def test_the_paper_is_a_link() -> None:
    tripod = checklists.checklists()["tripod"]
    made = section_checklists.section("tripod", tripod, checklists.answers(tripod, frozenset()))
    links = [cell for row in made.blocks[1].rows for cell in row]  # type: ignore[union-attr]
    assert isinstance(links[0], page.Link)
    assert links[0].doi == "10.1136/bmj-2023-078378"
