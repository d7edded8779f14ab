"""What is put in place of what an image shows, where evidence is taken away. Knows neither models nor methods.

No choice is neutral. What a classifier says of an image with a hole depends on the colour of the hole, and a pixel that
already has that colour can never count.
"""

from typing import Literal, TypeAlias, get_args

import numpy as np

from neurallnet_jax.checkpoint import Preprocessing
from neurallnet_jax.network import white

__all__ = ["BLANKS", "Blank", "blank"]

Blank: TypeAlias = Literal["background", "offset", "mean"]

BLANKS: tuple[str, ...] = get_args(Blank)


def blank(image: np.ndarray, preprocessing: Preprocessing, kind: Blank) -> np.ndarray:
    """Return an image without evidence, float32 (height, width, channels), of one colour.

    Args:
        image: uint8 (height, width, channels), as `models.prepare` returned it.
        preprocessing: That of the classifier.
        kind: `background`, the white point of each channel (`network/white.py`): an empty slide under the light of this
            image, and for balanced images the white level itself. `offset`, the colour that becomes an input of zero, which
            is the mean of the images that trained. `mean`, that of this image.

    Raises:
        ValueError: Another kind.
    """
    match kind:
        case "background":
            colour = white.white_points(image.astype(np.int32), np)
        case "offset":
            colour = np.asarray(preprocessing.offset)
        case "mean":
            colour = image.mean(axis=(0, 1))
        case _:
            raise ValueError(f"no blank {kind!r}; there are {', '.join(BLANKS)}")
    return np.broadcast_to(colour, image.shape).astype(np.float32)
