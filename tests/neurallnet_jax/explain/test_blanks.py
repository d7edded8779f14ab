import numpy as np
import pytest

from neurallnet_jax.checkpoint import Preprocessing
from neurallnet_jax.explain.blanks import BLANKS, blank
from neurallnet_jax.network import white


@pytest.fixture(scope="module")
def smear() -> np.ndarray:
    """Return an image of light background, (200, 210, 220), with a dark quarter, (60, 20, 100)."""
    image = np.full((8, 8, 3), (200, 210, 220), np.uint8)
    image[:4, :4] = (60, 20, 100)
    return image


@pytest.mark.parametrize(
    ("kind", "colour"), [("background", (200, 210, 220)), ("offset", (9, 8, 7)), ("mean", (165, 162.5, 190))]
)
def test_every_blank_has_one_colour(smear, kind, colour):
    found = blank(smear, Preprocessing(offset=(9, 8, 7)), kind)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.broadcast_to(colour, smear.shape))


def test_the_background_of_a_balanced_image_is_the_white_level(smear):
    balanced = white.balanced(smear, 230, np).astype(np.uint8)
    assert (blank(balanced, Preprocessing(white_level=230), "background") == 230).all()


def test_another_blank_is_refused_with_those_that_exist(smear):
    with pytest.raises(ValueError, match="no blank 'black'; there are background, offset, mean"):
        blank(smear, Preprocessing(), "black")
    assert BLANKS == ("background", "offset", "mean")
