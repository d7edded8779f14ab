import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lava_port.trace import Mismatch
from neurallnet_jax.images import synthetic
from neurallnet_jax.workflows import demo_page
from neurallnet_jax.workflows.demo_page import Missing, Parity, ReportContent, Samples

Make = Callable[..., ReportContent]
PICTURES = dict.fromkeys(("samples", "scores", "epochs", "trace", "energy"), Missing("Not for this test."))
"""Parts whose pictures take most of the time."""
SECTIONS = ["samples", "scores", "training", "layers", "raster", "rounding", "parity", "energy", "making"]


@pytest.fixture(scope="module")
def whole(content_of: Make) -> str:
    return demo_page.render(content_of())


def test_every_section_is_there_and_in_the_contents(whole: str) -> None:
    assert re.findall(r'<section id="(\w+)"', whole) == SECTIONS
    assert re.findall(r'<a href="#(\w+)">', whole)[-len(SECTIONS) :] == SECTIONS


def test_the_head_says_what_this_is_and_is_not(whole: str) -> None:
    head = whole[whole.index("<header>") : whole.index("</header>")]
    for said in (
        "not a medical device",
        "a program drew them",
        "is an estimate",
        "archived by Intel",
        "reconstruction",
    ):
        assert said in head
    assert "neurallnet demo --out demo" in head


def test_nothing_is_fetched_and_links_lead_to_sources_only(whole: str) -> None:
    assert re.findall(r'\b(?:src|srcset)="(?!data:image/)', whole) == []
    links = set(re.findall(r'href="(?!#)([^"]*)"', whole))
    assert links
    assert all(link.startswith("https://doi.org/10.") for link in links)
    assert "<script" not in whole
    assert "url(" not in whole


def test_every_picture_is_told_in_words(whole: str) -> None:
    pictures = re.findall(r"<img [^>]*>", whole)
    assert len(pictures) == 8 + 4
    assert all(re.search(r'alt="[^"]{20,}"', picture) for picture in pictures)


def test_the_page_is_the_same_again(content_of: Make, whole: str) -> None:
    assert demo_page.render(content_of()) == whole


def test_hostile_class_names_are_escaped_everywhere(content_of: Make) -> None:
    names = ("<script>alert(1)</script>", '"><b onload=1>', "{{ 7 * 7 }}", "$\\frac{\x00\udc80\u202e")
    page = demo_page.render(content_of(classes=names))
    page.encode()
    assert "<script" not in page
    assert "<b onload" not in page
    assert "{{ 7 * 7 }}" in page
    assert "&lt;script&gt;alert(1)" in page
    assert not {"\x00", "\u202e"} & set(page)


def test_a_report_without_conversion_says_why(content_of: Make) -> None:
    why = Missing("Lava does not run on <Windows>; use --backend emulator.")
    parts = dict.fromkeys(("samples", "scores", "intervals", "epochs", "layers", "rounding", "trace", "energy"), why)
    page = demo_page.render(content_of(**parts, parity=(Parity("NumPy reference", "Lava", 0, why),), facts=()))
    assert re.findall(r'<section id="(\w+)"', page) == SECTIONS
    assert page.count("Lava does not run on &lt;Windows&gt;; use --backend emulator.") == 8 + 4


def test_a_report_of_large_images_stays_below_three_megabytes(content_of: Make, whole: str) -> None:
    images, labels = synthetic.dataset(3, 1, (224, 224))
    chances = np.full((len(images), 4), 0.25)
    page = demo_page.render(content_of(**{**PICTURES, "samples": Samples(images, labels, labels, chances)}))
    drawn = len(whole.encode())
    assert drawn < 1_000_000
    assert 300_000 < drawn + len(page.encode()) < 3_000_000


def test_the_card_of_executions_tells_same_from_different_from_not_compared(content_of: Make) -> None:
    same, other = (Mismatch("lif_1", 9, 0, None),), (Mismatch("lif_1", 9, 2, (0, 1, 2)),)
    reference = "NumPy reference"
    good = demo_page.render(content_of(**PICTURES, parity=(Parity(reference, "Lava", 2, same),)))
    bad = demo_page.render(
        content_of(parity=(Parity(reference, "emulator", 2, same), Parity(reference, "Lava", 2, other)))
    )
    part = (Parity(reference, "emulator", 2, same), Parity(reference, "Lava", 0, Missing("No Lava on this machine.")))
    partly = demo_page.render(content_of(**PICTURES, parity=part))
    none = demo_page.render(
        content_of(**PICTURES, parity=(Parity(reference, "Lava", 0, Missing("No Lava on this machine.")),))
    )
    assert "✓ identical</div>" in good
    assert "✗ they differ</div>" in bad
    assert "first differ in lif_1" in bad
    assert "and every score; Lava was not compared</div>" in partly
    assert ">not compared</div>" in none
    assert "No Lava on this machine." in none[none.index('class="cards"') : none.index("<nav")]


def test_a_written_report_replaces_the_old_one_and_leaves_nothing_beside_it(
    content_of: Make, whole: str, tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "report.html"
    path.parent.mkdir()
    path.write_text("old")
    assert demo_page.write(content_of(), path) == path
    assert path.read_text(encoding="utf-8") == whole
    assert list(path.parent.iterdir()) == [path]
