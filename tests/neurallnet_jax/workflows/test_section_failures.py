"""Images told wrong: pictures, tables, and neither where there is nothing to show."""

from neurallnet_jax.workflows import page, section_failures
from neurallnet_jax.workflows.report_content import Failure, Failures

SHOWN = (
    Failure("Pro/9.png", "Pro-B", "Benign", 0.9, 0.05, ("out of focus",), "data:image/jpeg;base64,AAAA"),
    Failure("Pro/7.png", "Pro-B", "Benign", 0.7, 0.2, (), "data:image/jpeg;base64,AAAA"),
    Failure("Pre/1.png", "Pre-B", "Pro-B", 0.6, 0.3, ()),
)


def blocks(kind: type, found: Failures) -> list:
    return [block for block in section_failures.section(found).blocks if isinstance(block, kind)]


def test_pictures_stand_in_the_order_given_with_truth_and_answer() -> None:
    gallery = blocks(page.Gallery, Failures(20, 3, SHOWN, "rules"))[0]
    assert [one.title for one in gallery.tiles] == ["Pro-B, told Benign"] * 2
    assert gallery.tiles[0].detail == "90.0\u00a0%; warned; Pro/9.png"
    assert "2 of 3" in gallery.caption


def test_the_table_has_the_images_without_pictures_too() -> None:
    pairs, table = blocks(page.Table, Failures(20, 3, SHOWN, "rules"))
    assert [row[:3] for row in table.rows] == [(one.path, one.truth, one.answer) for one in SHOWN]
    assert table.rows[0][5] == "out of focus"
    assert pairs.rows[0] == ("Pro-B", "Benign", "2", "1")


def test_without_pictures_the_page_says_so_and_without_failures_there_is_nothing() -> None:
    bare = Failures(20, 1, SHOWN[2:], "rules")
    assert not blocks(page.Gallery, bare)
    assert any("Pictures are left out" in block.text for block in blocks(page.Text, bare))
    assert section_failures.section(Failures(20, 0, (), "rules")).blocks == ()
