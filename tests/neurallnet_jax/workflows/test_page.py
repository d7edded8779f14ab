import html.parser

import numpy as np
import pytest

from neurallnet_jax.workflows import figures, page


def small_page(*blocks: page.Block, **parts: object) -> page.Page:
    whole: dict[str, object] = {
        "title": "A title",
        "subtitle": "below it",
        "command": "neurallnet demo",
        "notice": ("bear in mind",),
        "cards": (page.Card("label", "1.2", "detail", good=True),),
        "sections": (page.Section("one", "First", "A lead.", blocks),),
    }
    return page.Page(**{**whole, **parts})  # type: ignore[arg-type]


def every_block(text: str) -> tuple[page.Block, ...]:
    return (
        page.Text(text),
        page.Points(text, (text,)),
        page.Table(text, (text, text), "lr", ((text, text), (text, page.Link(text, text)))),
        page.Table(text, (text,), "w", ((text,),), folded=True),
        page.Table(text, (text,), "w", ((page.Jump(text, "row"),),), anchor="table", anchors=("row",)),
        page.Picture("data:,", "data:,", 10, 10, text, text),
        page.Gallery((page.Tile("data:,", text, text, text, text, good=False),), text),
        page.Absent(text, text),
    )


class Outline(html.parser.HTMLParser):
    """Collects elements and checks that they are nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\"><img src=x onerror='1'>", "{{ 7 * 7 }}", "a\x00b\udc80"]
)
def test_text_of_any_kind_is_shown_and_never_obeyed(text: str) -> None:
    harmless = Outline(page.render(small_page(*every_block("x"), title="x", command="x")))
    whole = page.render(small_page(*every_block(text), title=text, command=text))
    whole.encode()
    assert [tag for tag, _ in Outline(whole).elements] == [tag for tag, _ in harmless.elements]
    assert {frozenset(attributes) for _, attributes in Outline(whole).elements} == {
        frozenset(attributes) for _, attributes in harmless.elements
    }
    assert "49" not in whole.split("</style>")[1]


def test_a_page_may_load_nothing_and_holds_no_script() -> None:
    whole = page.render(small_page(*every_block("x")))
    elements = Outline(whole).elements
    policy = next(a["content"] for tag, a in elements if tag == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not {"script", "link", "iframe", "object", "base", "form"} & {tag for tag, _ in elements}
    assert "@import" not in whole
    assert "url(" not in whole


def test_a_table_has_a_header_for_every_column_and_row() -> None:
    whole = page.render(small_page(page.Table("cap", ("a", "b"), "lr", (("r1", "1"), ("r2", "2")))))
    elements = Outline(whole).elements
    assert [a["scope"] for tag, a in elements if tag == "th"] == ["col", "col", "row", "row"]
    assert "<caption>cap</caption>" in whole


def test_a_table_with_a_row_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="table 'cap': 2 columns"):
        page.Table("cap", ("a", "b"), "lr", (("only",),))


def test_a_figure_is_drawn_for_light_and_dark_ground_and_told_in_words() -> None:
    light, dark = (figures.confusion_matrix(np.eye(2, dtype=int), "ab", theme=t) for t in (figures.LIGHT, figures.DARK))
    shown = page.picture(light, dark, alt="in words", caption="caption")
    assert 200 < shown.width < 600
    elements = dict(Outline(page.render(small_page(shown))).elements)
    assert elements["source"] == {"media": "screen and (prefers-color-scheme: dark)", "srcset": page.data_uri(dark)}
    assert elements["img"]["src"] == page.data_uri(light)
    assert elements["img"]["alt"] == "in words"


def test_a_png_states_its_size() -> None:
    png = figures.tile(np.zeros((3, 5, 3), np.uint8))
    shown = page.picture(png, png, alt="", caption="")
    assert (shown.width, shown.height) == (5, 3)
    assert shown.light.startswith("data:image/png;base64,")


def test_bytes_that_are_no_picture_are_refused() -> None:
    with pytest.raises(ValueError, match="neither PNG nor an SVG"):
        page.picture(b"GIF89a", b"", alt="", caption="")


def test_a_source_with_a_doi_becomes_a_link_to_it() -> None:
    link = page.source("Davies et al. 2018, Table 2, doi 10.1109/MM.2018.112130359.")
    assert isinstance(link, page.Link)
    assert link.address == "https://doi.org/10.1109/MM.2018.112130359"
    assert page.source("a book without one") == "a book without one"


def test_a_card_says_by_a_sign_whether_it_is_good() -> None:
    cards = (page.Card("a", "same", "", good=True), page.Card("b", "differ", "", good=False), page.Card("c", "7", ""))
    whole = page.render(small_page(cards=cards))
    assert ">✓ same</div>" in whole
    assert ">✗ differ</div>" in whole
    assert ">7</div>" in whole


def test_equal_pages_give_equal_text() -> None:
    assert page.render(small_page(*every_block("x"))) == page.render(small_page(*every_block("x")))


def test_a_jump_leads_to_a_row_or_a_table_of_the_page() -> None:
    table = page.Table("t", ("a",), "l", (("x",),), anchor="whole", anchors=("row",))
    links = page.Table("l", ("a", "b"), "ll", ((page.Jump("there", "row"), page.Jump("all", "whole")),))
    outline = Outline(page.render(small_page(table, links)))
    ids = {attributes.get("id") for _, attributes in outline.elements}
    inner = [a for tag, a in outline.elements if tag == "a" and a.get("href") in ("#row", "#whole")]
    assert len(inner) == 2
    assert {"row", "whole"} <= ids
    assert all("rel" not in attributes for attributes in inner)


def test_a_table_with_fewer_anchors_than_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="1 anchors for 2 rows"):
        page.Table("t", ("a",), "l", (("x",), ("y",)), anchors=("one",))


def test_a_picture_names_its_sources() -> None:
    svg = b'<svg viewBox="0 0 72 72"></svg>'
    block = page.picture(svg, svg, alt="x", caption="A caption.", sources=(page.Jump("here", "one"),))
    assert 'Sources of the numbers: <a href="#one">here</a>' in page.render(small_page(block)).replace("\n", "")


def test_a_source_with_a_doi_or_a_paper_on_arxiv_is_a_link() -> None:
    assert page.source("Somebody 2014, doi 10.1109/ISSCC.2014.6757323") == page.Link(
        "Somebody 2014, doi 10.1109/ISSCC.2014.6757323", "10.1109/ISSCC.2014.6757323"
    )
    found = page.source("Others 2023, arXiv:2303.09503, Table 1")
    assert isinstance(found, page.Link)
    assert found.address == "https://doi.org/10.48550/arXiv.2303.09503"
    assert page.source("Bench log 12") == "Bench log 12"
