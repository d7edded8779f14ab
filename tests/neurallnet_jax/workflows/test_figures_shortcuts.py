import dataclasses
import re

import pytest

from neurallnet_jax.evaluation.edits import EDITS, EditScore, RunScore
from neurallnet_jax.evaluation.shortcut_audit import Audit
from neurallnet_jax.evaluation.shortcuts import COLOUR, REFERENCE, Shortcut
from neurallnet_jax.workflows import figures_shortcuts
from neurallnet_jax.workflows.figures import DARK

RUN = RunScore(
    "first", "test", 40, 160, (2, 3), (240.0, 240.0, 240.0), (Shortcut(COLOUR, 18, REFERENCE, (0.93,)),),
    tuple(EditScore(name, 0.9, 0.05, (0.0, 0.1), 0.1) for name in EDITS),
)  # fmt: skip
AUDIT = Audit(
    "smears", 200, ("a", "b"), "contiguous", (0, 1), 24, 0,
    (Shortcut("background colour", 3, REFERENCE, (0.7, 0.8)), Shortcut("background colour", 3, "linear", (0.5, 0.6)),
     Shortcut(COLOUR, 18, REFERENCE, (0.9, 0.94)), Shortcut("JPEG", 0, REFERENCE, (), "no JPEG")),
)  # fmt: skip


@pytest.mark.parametrize("theme", [figures_shortcuts.LIGHT, DARK])
def test_every_shortcut_with_a_figure_has_its_bars_and_equal_audits_give_equal_bytes(theme):
    first = figures_shortcuts.shortcut_bars(AUDIT, theme=theme)
    assert first == figures_shortcuts.shortcut_bars(AUDIT, theme=theme)
    text = first.decode()
    assert "<!-- background colour -->" in text
    assert f"<!-- {COLOUR} -->" in text
    assert "<!-- JPEG -->" not in text
    assert "<!-- colour line, 0.920 -->" in text
    assert "<!-- chance -->" in text
    # The linear model is told apart by hatching, which a grey print keeps.
    assert re.search(r"<pattern|clip-path", text)
    assert "hatch" in text or "<pattern" in text


def test_an_audit_without_figures_has_no_bars():
    with pytest.raises(ValueError, match="holds no figure"):
        figures_shortcuts.shortcut_bars(dataclasses.replace(AUDIT, shortcuts=AUDIT.shortcuts[-1:]))


def test_every_edit_has_its_bar_with_or_without_interval_and_colour_line():
    text = figures_shortcuts.edit_bars(RUN, 0.25).decode()
    for name in EDITS:
        assert f"<!-- {name} -->" in text
    assert f"<!-- {COLOUR} alone -->" in text
    bare = dataclasses.replace(
        RUN, shortcuts=(), edits=tuple(dataclasses.replace(edit, interval=None) for edit in RUN.edits)
    )
    assert "<!-- colour line" not in figures_shortcuts.edit_bars(bare, 0.25).decode()
