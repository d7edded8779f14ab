import dataclasses
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from neurallnet_jax.evaluation.robustness_result import Clean, Condition, Robustness, Summary
from neurallnet_jax.images.corruptions import CORRUPTIONS
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.workflows import figures, figures_robustness

SVG = "{http://www.w3.org/2000/svg}"


def measured(names: tuple[str, ...] = tuple(CORRUPTIONS), slope: float = 0.12, intervals: bool = True) -> Robustness:
    """A model that loses `slope` per severity, with rates that fall by a tenth of the clean ones."""
    around = lambda value: Interval(value - 0.05, value + 0.05) if intervals else None
    conditions = tuple(
        Condition(
            name, severity, CORRUPTIONS[name].levels[severity - 1],
            0.95 - slope * severity, around(0.95 - slope * severity), slope * severity, around(slope * severity),
            0.1 * severity, {"lif_1": 0.1 * (1 - severity / 10), "lif_2": 0.05},
        )
        for name in names for severity in range(1, 6)
    )  # fmt: skip
    means = tuple(Summary(name, 0.95 - 3 * slope, around(0.6), 3 * slope, around(0.3), 0.5) for name in names)
    clean = Clean(0.95, around(0.95), {"lif_1": 0.1, "lif_2": 0.05})
    reason = None if intervals else "class 0 has only 1 group, so nothing varies between its draws"
    overall = dataclasses.replace(means[0], name="all")
    return Robustness(("a", "b", "c", "d"), 40, 0, 0, 0.25, 12, reason, clean, conditions, means, overall)


def read_svg(data: bytes) -> str:
    """Return the comments of a valid SVG, which hold the texts that matplotlib draws as outlines."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    parser.feed(data)
    root = parser.close()
    assert root.tag == f"{SVG}svg"
    return "\n".join(node.text or "" for node in root.iter() if node.tag is ET.Comment)


@pytest.mark.parametrize("theme", [figures.LIGHT, figures.DARK], ids=["light", "dark"])
def test_a_panel_per_corruption_with_its_parameters_below(theme: figures.Theme) -> None:
    data = figures_robustness.corruption_curves({"pretrained": measured()}, theme=theme)
    assert data == figures_robustness.corruption_curves({"pretrained": measured()}, theme=theme)
    texts = read_svg(data)
    for chosen in CORRUPTIONS.values():
        assert chosen.title in texts
        assert chosen.unit in texts
        assert all(f"{level:g}" in texts.split("\n") or f" {level:g} " in texts for level in chosen.levels)
    assert len(data) < 400_000


def test_one_corruption_is_drawn_too_and_rates_as_well() -> None:
    found = measured(("jpeg",))
    assert "JPEG" in read_svg(figures_robustness.corruption_curves({"one": found}))
    texts = read_svg(figures_robustness.rate_curves(found))
    assert "lif_1" in texts
    assert "lif_2" in texts


def test_several_models_stand_in_one_figure_by_name() -> None:
    texts = read_svg(figures_robustness.corruption_curves({"_one": measured(), "two": measured(slope=0.05)}))
    assert "one" in texts
    assert "two" in texts


def test_models_tested_otherwise_or_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="2 models, tested in 2 ways"):
        figures_robustness.corruption_curves({"one": measured(), "two": measured(("jpeg",))})
    with pytest.raises(ValueError, match="5 models in one figure hide each other; at most 4"):
        figures_robustness.corruption_curves({str(place): measured(("jpeg",)) for place in range(5)})


def test_a_png_is_drawn_on_white_and_its_lines_darken_it() -> None:
    data = figures_robustness.corruption_curves({"one": measured(("jpeg",))}, kind="png")
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert (pixels[0, 0] == 255).all()
    blue = np.abs(pixels / 255 - np.array(to_rgb(figures.LIGHT.first))).max(axis=-1) < 0.02
    assert blue.sum() > 100


def test_without_intervals_there_is_no_band_and_no_word_of_one() -> None:
    with_band = read_svg(figures_robustness.corruption_curves({"one": measured()}))
    without = read_svg(figures_robustness.corruption_curves({"one": measured(intervals=False)}))
    assert "95 % over groups" in with_band
    assert "95 % over groups" not in without


def test_rates_of_a_silent_network_are_refused() -> None:
    silent = dataclasses.replace(measured(), clean=Clean(0.95, None, {"lif_1": 0.0}))
    with pytest.raises(ValueError, match="no layer spikes on clean images"):
        figures_robustness.rate_curves(silent)


def test_the_ending_of_a_file_decides_the_kind() -> None:
    assert figures_robustness.kind_of(Path("a.SVG")) == "svg"
    assert figures_robustness.kind_of(Path("b.png")) == "png"
    for name in ("c.pdf", "d"):
        with pytest.raises(ValueError, match=rf"{name}: its ending is .*; name a file that ends in .svg or .png"):
            figures_robustness.kind_of(Path(name))
