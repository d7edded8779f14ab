import dataclasses
import io
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lava_port.energy.results import EnergyReport
from lava_port.graph import Window
from lava_port.trace import LayerTrace, Trace
from neurallnet_jax.training.loop import EpochRecord
from neurallnet_jax.workflows import figures

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ("<script>alert(1)</script>", "$\\frac{$", "& \" ' --> ]]>", "_\x00\u202e\udc80 漢字\n" + 60 * "x")


def read_svg(data: bytes) -> ET.Element:
    """Return the root of a valid SVG of sane size."""
    root = ET.fromstring(data)
    assert root.tag == f"{SVG}svg"
    width, height = (float(number) for number in root.attrib["viewBox"].split()[2:])
    assert 100 < width <= 72 * 11
    assert 100 < height <= 72 * 20
    return root


def comments(data: bytes) -> str:
    """Return the texts of an SVG; matplotlib draws them as outlines and notes each in a comment."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    parser.feed(data)
    return "\n".join(node.text or "" for node in parser.close().iter() if node.tag is ET.Comment)


def drawn_trace(shape: tuple[int, ...], seed: int = 0) -> Trace:
    rng = np.random.default_rng(seed)
    layers = tuple(
        LayerTrace(f"lif_{n}", Window(n, n + 4), (rng.random((4, 2, *shape)) < 0.1).astype(np.uint8)) for n in (1, 2)
    )
    return Trace(layers, rng.integers(-9, 9, (2, 4)), steps=4, total_steps=7)


@pytest.fixture
def every_figure(epochs: tuple[EpochRecord, ...], energy: EnergyReport) -> dict[str, Callable[..., bytes]]:
    return {
        "confusion": lambda names=("a", "b", "c", "d"), **o: figures.confusion_matrix(
            np.arange(16).reshape(4, 4), names, **o
        ),
        "curve": lambda names=("lif_1", "lif_2"), **o: figures.learning_curve(
            [dataclasses.replace(e, rates=dict.fromkeys(names, 0.1)) for e in epochs], **o
        ),
        "raster": lambda **o: figures.spike_raster(drawn_trace((8, 8, 6)), 1, **o),
        "energy": lambda **o: figures.energy_bars(energy, **o),
    }


@pytest.mark.parametrize("name", ["confusion", "curve", "raster", "energy"])
@pytest.mark.parametrize("theme", [figures.LIGHT, figures.DARK], ids=["light", "dark"])
def test_a_figure_is_valid_small_and_the_same_again(
    every_figure: dict[str, Callable[..., bytes]], name: str, theme: figures.Theme
) -> None:
    data = every_figure[name](theme=theme)
    assert len(data) < 300_000
    assert data == every_figure[name](theme=theme)
    read_svg(data)


@pytest.mark.parametrize("name", ["confusion", "curve"])
def test_hostile_names_are_drawn_as_text(every_figure: dict[str, Callable[..., bytes]], name: str) -> None:
    data = every_figure[name](names=HOSTILE)
    assert not list(read_svg(data).iter(f"{SVG}script"))


def test_figures_leave_the_settings_of_matplotlib_alone(every_figure: dict[str, Callable[..., bytes]]) -> None:
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        mine = every_figure["confusion"]()
        assert matplotlib.rcParams["font.size"] == 30
    assert mine == every_figure["confusion"]()
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_not_imported() -> None:
    import subprocess
    import sys

    code = "import sys, neurallnet_jax.workflows.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_tile_holds_the_pixels_as_they_are() -> None:
    image = np.random.default_rng(1).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    with Image.open(io.BytesIO(figures.tile(image))) as read:
        np.testing.assert_array_equal(np.asarray(read), image)


def test_images_that_are_not_8_bit_colour_are_refused() -> None:
    with pytest.raises(ValueError, match=r"image is float64 \(4, 4, 3\); expected uint8"):
        figures.tile(np.zeros((4, 4, 3)))


def test_a_confusion_matrix_prints_counts_and_shares_of_the_row() -> None:
    texts = comments(figures.confusion_matrix(np.array([[3, 1], [0, 0]]), ("sick", "well")))
    for expected in ("3", "75%", "25%", "sick", "well", "predicted"):
        assert expected in texts
    assert "nan" not in texts


def test_a_confusion_matrix_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 2\); expected \(3, 3\)"):
        figures.confusion_matrix(np.eye(2, dtype=int), ("a", "b", "c"))


def test_a_learning_curve_names_the_epoch_that_was_kept(epochs: tuple[EpochRecord, ...]) -> None:
    texts = comments(figures.learning_curve(epochs))
    assert "epoch 7, whose weights were kept" in texts
    assert "lif_2" in texts


def test_a_learning_curve_does_without_validation(epochs: tuple[EpochRecord, ...]) -> None:
    bare = [dataclasses.replace(epochs[0], validation=None, validation_loss=None, rates={})]
    texts = comments(figures.learning_curve(bare))
    assert "validation" not in texts


def test_a_learning_curve_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no epochs to draw"):
        figures.learning_curve([])


def test_a_raster_of_65536_neurons_shows_an_evenly_spaced_subset_and_says_so() -> None:
    data = figures.spike_raster(drawn_trace((64, 64, 16)), 0, neurons_per_layer=50)
    assert "lif_1: 50 of 65,536 neurons" in comments(data)
    assert len(data) < 200_000


def test_a_raster_of_few_neurons_shows_them_all_with_the_rate_of_all() -> None:
    trace = drawn_trace((2, 2, 3))
    texts = comments(figures.spike_raster(trace, 1))
    assert "all 12 neurons" in texts
    share = 100 * trace.layers[0].spikes[:, 1].mean()
    assert f"{share:.{1 if share < 10 else 0}f}\u00a0% spike in a step" in texts


def test_a_raster_draws_one_mark_per_spike() -> None:
    """Three spikes in a layer of 2 neurons, none in the other: exactly three marks."""
    spikes = np.zeros((3, 1, 2), np.uint8)
    spikes[[0, 1, 1], 0, [0, 0, 1]] = 1
    layers = (LayerTrace("busy", Window(1, 4), spikes), LayerTrace("mute", Window(2, 5), np.zeros_like(spikes)))
    root = read_svg(figures.spike_raster(Trace(layers, np.zeros((1, 2)), 3, 5), 0))
    marks = [
        path
        for group in root.iter(f"{SVG}g")
        if group.get("id", "").startswith("LineCollection")
        for path in group.iter(f"{SVG}path")
    ]
    assert len(marks) == 3


def test_a_raster_of_an_image_beyond_the_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="image 2 is not in the trace; it holds 2"):
        figures.spike_raster(drawn_trace((2, 2, 2)), 2)


@given(st.integers(1, 70_000), st.integers(1, 200), st.integers(1, 100))
def test_the_subset_is_no_smaller_than_asked_and_meets_every_channel(places: int, channels: int, shown: int) -> None:
    neurons = places * channels
    n = figures.every_nth(neurons, channels, shown)
    assert math.gcd(n, channels) == 1
    chosen = np.arange(0, neurons, n)[: min(neurons, channels)]
    assert len(range(0, neurons, n)) >= min(shown, neurons)
    assert len(set((chosen % channels).tolist())) == len(chosen)


def test_energy_bars_star_what_leaves_parts_out(energy: EnergyReport) -> None:
    texts = comments(figures.energy_bars(energy))
    starred = [line for line in texts.splitlines() if "*" in line]
    assert len(starred) == sum(bool(entry.left_out and entry.spiking) for entry in energy.scopes)
    assert starred
    assert "horowitz45, int8" in texts


def test_energy_bars_of_nothing_charged_are_refused(energy: EnergyReport) -> None:
    bare: Any = dataclasses.replace(energy, scopes=())
    with pytest.raises(ValueError, match="charges no scope"):
        figures.energy_bars(bare)
