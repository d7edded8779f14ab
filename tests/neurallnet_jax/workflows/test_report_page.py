"""The whole page: every section, well-formed, its links lead somewhere, its figures are those of the results."""

import dataclasses
import html.parser
import re
from pathlib import Path

import pytest

from neurallnet_jax.workflows import checklists, report_page, section_scores, wording
from neurallnet_jax.workflows.report_content import RunReport

SECTIONS = [
    "provenance", "leaks", "shortcuts", "scores", "crossvalidation", "trust", "robustness", "explain", "ablation",
    "failures", "model-card", "claim", "tripod", "making",
]  # fmt: skip
_VOID = {"meta", "img", "source", "br"}


class Reader(html.parser.HTMLParser):
    """Reads a page, refuses a tag that is closed out of order, and keeps ids, links and the text of each section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: dict[str, list[str]] = {}
        self.section = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag not in _VOID:
            self.open.append(tag)
        if identity := named.get("id"):
            self.ids.append(identity)
        if tag == "section":
            self.section = str(named["id"])
        if tag == "a":
            self.links.append(str(named["href"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        self.words.setdefault(self.section, []).append(data)

    def text(self, section: str) -> str:
        return " ".join(" ".join(self.words[section]).split())


@pytest.fixture(scope="module")
def whole(full: RunReport) -> str:
    return report_page.render(full)


@pytest.fixture(scope="module")
def page(whole: str) -> Reader:
    return Reader(whole)


def test_every_section_stands_there_once_and_begins_with_an_answer(whole: str) -> None:
    assert re.findall(r'<section id="([\w-]+)"', whole) == SECTIONS
    assert whole.count('<p class="answer">') == len(SECTIONS)


def test_every_link_leads_somewhere(page: Reader) -> None:
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    assert inside >= set(SECTIONS)
    assert all(link.startswith("https://doi.org/10.") for link in page.links if not link.startswith("#"))


def test_what_is_called_filled_stands_on_the_page(full: RunReport, page: Reader) -> None:
    held = report_page.facts(full)
    for one in checklists.checklists().values():
        for answer in checklists.answers(one, held):
            assert (answer.state == "open") == (answer.anchor == "")
            assert not answer.anchor or answer.anchor in page.ids


@pytest.mark.parametrize(
    "name", ["scores", "robustness", "explain", "trust", "crossvalidation", "failures", "leaks", "shortcuts"]
)
def test_without_a_part_nothing_is_filled_from_it_and_the_page_says_it_is_missing(full: RunReport, name: str) -> None:
    from neurallnet_jax.workflows.page import Absent

    bare = dataclasses.replace(full, **{name: Absent("This part", "Nobody made it.", "neurallnet make it")})
    assert name not in report_page.facts(bare)
    reader = Reader(report_page.render(bare))
    assert "This part: not available. Nobody made it. neurallnet make it" in reader.text(name)
    held = report_page.facts(bare)
    for one in checklists.checklists().values():
        assert all(answer.anchor in (*reader.ids, "") for answer in checklists.answers(one, held))
        assert not any(answer.anchor == name for answer in checklists.answers(one, held))


def test_the_figures_are_those_of_the_results(full: RunReport, page: Reader) -> None:
    said = page.text("scores").replace("\u00a0", " ")
    for metric in section_scores.METRICS:
        value = section_scores.metric_text(metric, getattr(full.scores.scores, metric))
        assert value.replace("\u00a0", " ") in said
    line = wording.percent(full.scores.colour_line).replace("\u00a0", " ")
    assert f"colour alone gets {line}" in said
    robust = page.text("robustness").replace("\u00a0", " ")
    for one in full.robustness.conditions:
        assert wording.percent(one.balanced_accuracy).replace("\u00a0", " ") in robust
    assert f"{full.trust.after.ece:.4f}" in page.text("trust")
    assert all(one.path in page.text("failures") for one in full.failures.shown)


def test_the_page_says_what_it_is_not_and_that_it_holds_images(full: RunReport, whole: str) -> None:
    head = whole[whole.index("<header>") : whole.index("</header>")]
    assert "Not a medical device" in head
    assert "holds images of the folder" in head
    without = report_page.render(dataclasses.replace(full, pictures=False))
    assert "holds images of the folder" not in without


def test_nothing_is_fetched_and_no_folder_of_the_machine_is_named(whole: str, reported) -> None:
    assert re.findall(r'\b(?:src|srcset)="(?!data:image/)', whole) == []
    assert "<script" not in whole
    assert str(reported.data.parent) not in whole
    assert str(Path.home()) not in whole
    assert len(whole) < 10e6


def test_a_killed_run_leaves_the_old_page(full: RunReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("old", encoding="utf-8")

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            report_page.write(full, path)
    assert path.read_text(encoding="utf-8") == "old"
    report_page.write(full, path)
    assert path.read_text(encoding="utf-8").endswith("</html>")
