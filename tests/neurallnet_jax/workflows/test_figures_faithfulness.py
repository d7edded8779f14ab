"""Pictures of a table of faithfulness."""

import dataclasses
import xml.etree.ElementTree as ET

import pytest

from neurallnet_jax.explain.faithfulness_result import Faithfulness, Figure, Row, Stage
from neurallnet_jax.explain.trial import METRICS, REGIONS
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.workflows import figures, figures_faithfulness


def row(
    name: str, value: float, *, control: bool = False, intervals: bool = True, missing: tuple[str, ...] = ()
) -> Row:
    around = Interval(value - 0.05, value + 0.05) if intervals else None
    names = (*METRICS, *(f"{region}_ratio" for region in REGIONS))
    found = {one: Figure(None, None, 0) if one in missing else Figure(value, around, 12) for one in names}
    stages = tuple(Stage(layer, Figure(value, around, 4), 0.25) for layer in ("dense_1", "conv_1"))
    return Row(name, control, found, stages)


def measured(**changed) -> Faithfulness:
    whole = {
        "rows": (row("grad-cam", 0.3), row("_lime", 0.1), row("random", 0.0, control=True, missing=("iou",))),
        "refused": {"cam": "no layer's mean goes into the scores"},
        "n": 12, "seen": 0, "masks": 3, "checked": 4, "groups": 6, "no_interval": None, "note": None,
        "target": "predicted", "settings": {"steps": 16, "replacement": "background", "noise": 2.0},
    }  # fmt: skip
    return Faithfulness(**{**whole, **changed})


def read_svg(data: bytes) -> str:
    """Return the comments of a valid SVG, which hold the texts that matplotlib draws as outlines."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    parser.feed(data)
    return "\n".join(node.text or "" for node in parser.close().iter() if node.tag is ET.Comment)


@pytest.mark.parametrize("theme", [figures.LIGHT, figures.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("draw", [figures_faithfulness.gains, figures_faithfulness.cascade])
def test_every_method_is_named_and_controls_are_marked(draw, theme):
    data = draw(measured(), theme=theme)
    assert data == draw(measured(), theme=theme)
    texts = read_svg(data)
    for name in ("grad-cam", "lime", "random *"):
        assert name in texts


def test_a_figure_that_is_not_defined_leaves_a_gap():
    bare = row("rise", 0.2, missing=("deletion_over_random", "scale_bar_ratio"), intervals=False)
    assert "rise" in read_svg(figures_faithfulness.gains(measured(rows=(bare,))))
    silent = dataclasses.replace(bare, cascade=(Stage("dense_1", Figure(None, None, 0)),))
    assert "rise" in read_svg(figures_faithfulness.cascade(measured(rows=(silent,))))


def test_without_randomised_weights_there_is_no_cascade():
    with pytest.raises(ValueError, match="there is no cascade to draw"):
        figures_faithfulness.cascade(measured(rows=(dataclasses.replace(row("a", 0.1), cascade=()),)))
