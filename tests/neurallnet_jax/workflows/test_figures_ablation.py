"""The picture of an ablation names every arm, marks the dead, and is the same again."""

import dataclasses
import xml.etree.ElementTree as ET

import pytest

from neurallnet_jax.evaluation.ablation_results import Ablation, ArmResult
from neurallnet_jax.workflows import figures, figures_ablation


def texts(data: bytes) -> list[str]:
    """Return the texts of an SVG; matplotlib draws them as outlines and notes each in a comment."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    parser.feed(data)
    return [(node.text or "").strip() for node in parser.close().iter() if node.tag is ET.Comment]


@pytest.mark.parametrize("theme", [figures.LIGHT, figures.DARK], ids=["light", "dark"])
def test_the_figure_is_valid_small_and_the_same_again(ablated: Ablation, theme: figures.Theme) -> None:
    data = figures_ablation.dots(ablated.arms, theme=theme)
    assert len(data) < 300_000
    assert data == figures_ablation.dots(ablated.arms, theme=theme)
    assert ET.fromstring(data).tag.endswith("svg")


def test_every_arm_is_named_and_only_the_dead_are_called_so(ablated: Ablation) -> None:
    shown = texts(figures_ablation.dots(ablated.arms))
    for arm in ablated.arms:
        mark = " (dead)" if arm.dead else " (failed)" if not arm.seeds else ""
        assert f"{arm.name}{mark}" in shown
    assert {arm.name for arm in ablated.arms if arm.dead} == {"static"}
    assert "rate (failed)" in shown


def dots_of(data: bytes) -> int:
    """Return how many markers are drawn."""
    return sum(node.tag.endswith("}use") and "x" in node.attrib for node in ET.fromstring(data).iter())


def test_a_seed_more_is_a_dot_more(ablated: Ablation) -> None:
    base: ArmResult = ablated.arms[0]
    more = dataclasses.replace(base, by_seed=(*base.by_seed, 0.5))
    assert dots_of(figures_ablation.dots([more])) >= dots_of(figures_ablation.dots([base])) + 1


def test_no_arm_is_refused() -> None:
    with pytest.raises(ValueError, match="no arm to draw"):
        figures_ablation.dots([])
