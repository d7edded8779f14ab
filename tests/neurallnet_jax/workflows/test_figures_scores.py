import html
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from neurallnet_jax.metrics import calibration
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.workflows import figures, figures_scores
from neurallnet_jax.workflows.figures_scores import ForestRow


def texts(data: bytes) -> str:
    """Return the texts of an SVG; matplotlib draws them as outlines and notes each in a comment."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    parser.feed(data)
    return html.unescape("\n".join(node.text or "" for node in parser.close().iter() if node.tag is ET.Comment))


def bins_of(n: int = 200) -> calibration.ReliabilityBins:
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=n)
    return calibration.reliability(labels, generator.dirichlet(np.ones(3), n))


ROWS = (
    ForestRow("good", 0.97, Interval(0.94, 0.99), Interval(0.96, 0.98)),
    ForestRow("<b>&$\\frac{", 0.9, None, Interval(0.88, 0.92)),
    ForestRow("x" * 80, 0.85, None, None),
)


@pytest.mark.parametrize("theme", [figures.LIGHT, figures.DARK])
def test_figures_are_the_same_svg_every_time(theme):
    for draw in (
        lambda: figures_scores.reliability(bins_of(), theme=theme),
        lambda: figures_scores.forest(ROWS, label="balanced accuracy", theme=theme),
    ):
        first = draw()
        assert ET.fromstring(first).tag.endswith("svg")
        assert draw() == first


def test_the_forest_names_its_models_and_both_kinds_of_interval():
    said = texts(figures_scores.forest(ROWS, label="balanced accuracy"))
    for text in ("good", "<b>&$\\frac{", "balanced accuracy", "95 % over groups", "95 % over images, too narrow"):
        assert text in said
    assert "x" * 80 not in said


def test_the_diagram_says_what_its_axes_are():
    said = texts(figures_scores.reliability(bins_of()))
    assert "Share of answers that are right" in said
    assert "probability that the network gives its answer" in said


def test_one_image_and_one_model_can_be_drawn():
    figures_scores.reliability(calibration.reliability([0], [[1.0, 0.0]]))
    figures_scores.forest([ForestRow("perfect", 1.0, Interval(1, 1), Interval(1, 1))], label="balanced accuracy")


def test_nothing_to_draw_is_refused():
    empty = calibration.ReliabilityBins(*(np.zeros(0) for _ in range(5)))
    with pytest.raises(ValueError, match="no bins"):
        figures_scores.reliability(empty)
    with pytest.raises(ValueError, match="no models"):
        figures_scores.forest([], label="x")
