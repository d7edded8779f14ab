"""Figures of an explained image: what is drawn where, and that a grey print still tells it."""

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from neurallnet_jax import checkpoint
from neurallnet_jax.evaluation.evaluate import Prediction
from neurallnet_jax.explain.attribution import Attribution
from neurallnet_jax.explain.faithfulness import Curves
from neurallnet_jax.explain.gates import GateTrace
from neurallnet_jax.workflows import figures_explain
from neurallnet_jax.workflows.explain_image import Explained, Map

SIZE = 24
CURVES = Curves(np.linspace(0, 1, 3), np.array([0.9, 0.4, 0.1]), np.array([0.1, 0.6, 0.9]))


def a_map(heat: np.ndarray, *, signed: bool = False, steps: int = 0) -> Map:
    over_time = np.stack([heat * step for step in range(steps)]).astype(np.float32) if steps else None
    return Map(Attribution(heat.astype(np.float32), signed, over_time), CURVES, {})


def spot(row: int, column: int) -> np.ndarray:
    heat = np.zeros((SIZE, SIZE))
    heat[row : row + 6, column : column + 6] = 1
    return heat


def explained(maps: dict[str, Map], *, gates: tuple[GateTrace, ...] = ()) -> Explained:
    said = Prediction("a.png", "Pro-B", {"Benign": 0.1, "$Pre_{B}$ of a very long name": 0.0, "Pro-B": 0.9})
    image = np.full((SIZE, SIZE, 3), 200, np.uint8)
    return Explained(said, image, "Pro-B", maps, {}, {}, gates)


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def test_one_method_gives_a_row_and_many_a_sheet():
    alone = opened(figures_explain.picture(explained({"cam": a_map(spot(2, 2))})))
    many = {name: a_map(spot(2, 2)) for name in ("a", "b", "c", "d", "e")}
    sheet = opened(figures_explain.picture(explained(many)))
    assert alone.shape[1] == sheet.shape[1] == 1050
    assert sheet.shape[0] > 2.2 * alone.shape[0]


def test_a_map_over_time_and_gates_have_rows_of_their_own():
    bare = opened(figures_explain.picture(explained({"cam": a_map(spot(2, 2))})))
    timed = opened(figures_explain.picture(explained({"cam": a_map(spot(2, 2), steps=6)})))
    gates = (GateTrace("gate_1", np.random.default_rng(0).random((4, 8)).astype(np.float32), 2),)
    gated = opened(figures_explain.picture(explained({"cam": a_map(spot(2, 2))}, gates=gates)))
    assert bare.shape[0] < timed.shape[0]
    assert bare.shape[0] < gated.shape[0]


def test_equal_images_give_equal_bytes_and_another_place_another_picture():
    first, same, other = (
        figures_explain.picture(explained({"cam": a_map(heat)})) for heat in (spot(2, 2), spot(2, 2), spot(14, 14))
    )
    assert first == same != other


@pytest.mark.parametrize("signed", [True, False])
def test_a_flat_map_and_a_map_of_one_pixel_are_drawn(signed):
    one = np.zeros((SIZE, SIZE))
    one[3, 3] = 5
    for heat in (np.zeros((SIZE, SIZE)), one):
        opened(figures_explain.picture(explained({"cam": a_map(heat, signed=signed)})))


def test_evidence_against_the_class_is_as_far_from_zero_as_evidence_for_it():
    assert figures_explain._ends(np.array([[-3.0, 1.0]]), True) == pytest.approx((-3, 3), rel=0.02)
    assert figures_explain._ends(np.array([[0.0, 0.0]]), False) == (0, 1)
    outlier = np.ones((100, 100))
    outlier[0, 0] = 1000
    assert figures_explain._ends(outlier, False) == (0, 1)


def test_colours_grow_brighter_all_the_way():
    """Luminance of the map of colours, which is all that a grey print keeps."""
    shades = matplotlib.colormaps[figures_explain._COLOURS](np.linspace(0, 1, 64))[:, :3]
    assert (np.diff(shades @ (0.2126, 0.7152, 0.0722)) > 0).all()


def test_a_real_explanation_is_drawn(reported):
    from neurallnet_jax.explain.trial import Settings
    from neurallnet_jax.workflows.explain_image import explain_image

    saved = checkpoint.load(reported.run)
    image = next((reported.data / "Benign").iterdir())
    found = explain_image(saved, image, names=["cam", "surrogate-gradient"], settings=Settings(steps=2))
    assert opened(figures_explain.picture(found)).std() > 10
