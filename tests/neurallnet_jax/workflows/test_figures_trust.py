import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from neurallnet_jax.metrics import calibration, selective
from neurallnet_jax.workflows import figures_trust
from neurallnet_jax.workflows.figures import DARK, LIGHT


def a_curve(n: int = 50) -> selective.RiskCoverage:
    rng = np.random.default_rng(0)
    return selective.risk_coverage(rng.random(n), rng.random(n) < 0.2)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_both_are_svg_and_equal_input_gives_equal_bytes(theme):
    rng = np.random.default_rng(1)
    first = rng.random(60)
    bins = calibration.reliability(rng.integers(0, 2, 60), np.stack([first, 1 - first], axis=1))
    for draw in (
        lambda: figures_trust.reliability(bins, bins, theme=theme),
        lambda: figures_trust.risk_coverage(a_curve(), answered=0.8, risk=0.1, theme=theme),
    ):
        svg = draw()
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert svg == draw()


def test_the_chosen_threshold_is_marked_only_where_there_is_one():
    marked = figures_trust.risk_coverage(a_curve(), answered=0.8, risk=0.1)
    assert marked != figures_trust.risk_coverage(a_curve(), answered=None, risk=None)
    assert figures_trust.risk_coverage(a_curve(), answered=0.0, risk=None) == figures_trust.risk_coverage(
        a_curve(), answered=None, risk=None
    )


def test_a_single_image_and_no_error_can_be_drawn():
    one = selective.risk_coverage([0.9], [False])
    assert figures_trust.risk_coverage(one, answered=1.0, risk=0.0)
