from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurallnet_jax.evaluation.leaks import Leaks, Member, Pair, Straddle
from neurallnet_jax.workflows import section_leaks

FIRST, SECOND = Member(0, "a/<1>.png", "a", 1, "train"), Member(0, "b/2.png", "b", 2, "test")
PAIR = Pair("near", FIRST, SECOND, 0.98, "mirror", (0.1, 0.1, 0.8, 0.8), crosses=True, conflict=True)


def result(*pairs: Pair) -> Leaks:
    block = (Straddle("a, numbers 1 to 48", {"train": 30, "test": 18}),)
    return Leaks("smears", None, "s.csv", (2, 0), pairs, (), (), ((FIRST, SECOND),) if pairs else (), block, ())


def test_the_page_names_both_ends_of_a_crossing_pair_and_escapes_them():
    text = section_leaks.render(result(PAIR), command="neurallnet audit leaks smears")
    assert "1 pairs of twins cross the split." in text
    assert "a/&lt;1&gt;.png" in text
    assert "<1>" not in text
    assert "numbers 1 to 48" in text
    assert "not clean" in text


def test_without_twins_it_says_so_and_holds_no_picture():
    text = section_leaks.render(result(), command="c")
    assert "No twin crosses the split." in text
    assert "data:image" not in text


def test_pictures_are_embedded_where_the_files_are_still_there(tmp_path: Path):
    (tmp_path / "b").mkdir()
    Image.fromarray(np.zeros((40, 30, 3), np.uint8)).save(tmp_path / "b" / "2.png")
    blocks = section_leaks.section(result(PAIR), roots=(tmp_path,)).blocks
    (gallery,) = [block for block in blocks if block.kind == "gallery"]
    assert [tile.title for tile in gallery.tiles] == ["b/2.png"]
    assert not gallery.tiles[0].good


def test_the_page_is_written_or_refused(tmp_path: Path):
    place = section_leaks.write(result(PAIR), tmp_path / "page.html", command="c")
    assert place.read_text().startswith("<!doctype html>")
    with pytest.raises(ValueError, match="cannot be written"):
        section_leaks.write(result(), place / "below.html", command="c")
