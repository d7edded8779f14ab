"""The page on an energy estimate: well formed, self-contained, every link arrives, every number is the report's."""

import dataclasses
import html.parser
import re
from pathlib import Path

import pytest

from lava_port.energy.report import ESTIMATE, LEFT_OUT
from lava_port.energy.results import EnergyReport
from neurallnet_jax.workflows import energy_page, energy_sections, wording

VOID = ("meta", "img", "source", "br")


class Reader(html.parser.HTMLParser):
    """Collects elements, ids, links and the words of every table cell; checks that elements are nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data.strip("\n")

    def named(self, attribute: str) -> list[str]:
        """Return every value of an attribute."""
        return [found for _, attributes in self.elements if (found := attributes.get(attribute)) is not None]


@pytest.fixture(scope="module")
def text(placed_energy: EnergyReport) -> str:
    return energy_page.render(placed_energy, command="neurallnet energy", accuracy=0.5)


@pytest.fixture(scope="module")
def reader(text: str) -> Reader:
    return Reader(text)


def test_it_refers_to_nothing_outside_but_the_resolver_of_sources(text: str, reader: Reader) -> None:
    for attribute in ("src", "srcset"):
        assert all(value.startswith("data:image/") for value in reader.named(attribute))
    outside = [value for value in reader.named("href") if not value.startswith("#")]
    assert outside
    assert all(value.startswith("https://doi.org/10.") for value in outside)
    assert not {tag for tag, _ in reader.elements} & {"script", "link", "iframe", "object", "form", "base"}
    assert set(re.findall(r"https?://[^/\"]+", text)) == {"https://doi.org"}
    assert "url(" not in text


def test_every_link_within_the_page_arrives(reader: Reader) -> None:
    anchors = reader.named("id")
    assert len(anchors) == len(set(anchors))
    inner = {value[1:] for value in reader.named("href") if value.startswith("#")}
    assert inner <= set(anchors)
    assert any(anchor.startswith("constant-") for anchor in inner)
    assert any(anchor.startswith("reason-") for anchor in inner)


def test_every_picture_has_words(reader: Reader) -> None:
    pictures = [attributes for tag, attributes in reader.elements if tag == "img"]
    assert len(pictures) >= 6
    assert all(len(attributes["alt"] or "") > 60 for attributes in pictures)
    # A picture for light ground, and the same for dark.
    assert sum(tag == "source" for tag, _ in reader.elements) == len(pictures)


def test_it_says_that_nothing_was_measured_and_what_it_leaves_out(text: str) -> None:
    head = text[: text.index('<main id="content">')]
    assert ESTIMATE in head
    assert LEFT_OUT.replace("'", "&#39;") in head


def test_no_photograph_is_shown(reader: Reader) -> None:
    assert all(value.startswith("data:image/svg+xml") for value in (*reader.named("src"), *reader.named("srcset")))


def test_every_energy_of_the_report_stands_in_the_table_of_scopes(reader: Reader, placed_energy: EnergyReport) -> None:
    rows = iter(
        [row for row in reader.rows if (len(row) == 7 and row[1] in ("this network", "ratio")) or row[1:2] == ["What"]]
    )
    assert next(rows)[:2] == ["Profile", "What"]
    networks = [row for row in rows if row[1] == "this network"]
    entries = list(placed_energy.scopes)
    assert len(networks) == len(entries) / 5
    for row in networks:
        for cell in row[2:]:
            entry = entries.pop(0)
            if entry.spiking is None:
                assert cell == wording.NOTHING
                continue
            shown = wording.si(entry.spiking.mean, "J" if entry.unit == "J" else "", 2)
            assert cell == shown + ("*" if entry.left_out else "")


def test_every_verdict_stands_on_the_page(reader: Reader, placed_energy: EnergyReport) -> None:
    shown = [row for row in reader.rows if len(row) == 5 and any(sign in row[2] for sign in ("✓", "✗", "?"))]
    found = list(energy_sections.compared(placed_energy))
    assert len(shown) == len(found) > 3
    expected = sorted(energy_sections.SIGNS[one.verdict] for _, one in found if one.verdict)
    assert sorted(row[2] for row in shown) == expected


def test_every_constant_has_a_row_that_links_can_reach(reader: Reader, placed_energy: EnergyReport) -> None:
    rows = [anchor for anchor in reader.named("id") if anchor.startswith("constant-")]
    assert len(rows) == sum(len(profile.constants()) for profile in placed_energy.profiles)


def test_equal_reports_give_equal_pages(text: str, placed_energy: EnergyReport) -> None:
    assert energy_page.render(placed_energy, command="neurallnet energy", accuracy=0.5) == text


def test_without_placement_labels_or_a_verdict_the_page_says_why(energy: EnergyReport) -> None:
    Reader(energy_page.render(energy, command="x"))
    bare = dataclasses.replace(energy, scopes=tuple(dataclasses.replace(one, baselines=()) for one in energy.scopes))
    shown = energy_page.render(bare, command="x")
    for words in ("A verdict: not available.", "Cores in use: not available.", "Energy by class: not available."):
        assert words in shown


def test_a_page_is_written_whole_or_not_at_all(energy: EnergyReport, tmp_path: Path) -> None:
    place = energy_page.write(energy, tmp_path / "deep" / "energy.html", command="x")
    assert place.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(ValueError, match="cannot be written"):
        energy_page.write(energy, tmp_path, command="x")
