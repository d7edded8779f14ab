"""When and with what an image was taken, as its file says, and which images were taken in one sitting.

Knows the EXIF fields of single images; neither folders nor splits.
"""

import datetime
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from neurallnet_jax.images.decode import FORMATS, one_line

__all__ = ["GAP_MINUTES", "NOTHING", "Taken", "read", "sessions"]

GAP_MINUTES = 30
"""Minutes between two images of one device after which a new sitting begins."""

_DESCRIPTION, _MAKE, _MODEL, _SOFTWARE, _DATE, _ARTIST, _EXIF, _ORIGINAL = (
    *(0x10E, 0x10F, 0x110, 0x131, 0x132, 0x13B, 0x8769, 0x9003),
)


@dataclass(frozen=True)
class Taken:
    """How an image came about.

    Attributes:
        device: Make, model, software, artist and description, as far as the file names them; empty if it names none.
        time: Date and time of the photograph, None where the file has none that can be read.
    """

    device: str = ""
    time: datetime.datetime | None = None


NOTHING = Taken()
"""What a file without EXIF says."""


def read(data: bytes) -> Taken:
    """Return what the file says of its origin; a file that says nothing legible says nothing.

    Args:
        data: The content of the file.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            fields = image.getexif()
            original = fields.get_ifd(_EXIF).get(_ORIGINAL) or fields.get(_DATE)
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        TypeError,
        LookupError,
        Image.DecompressionBombError,
    ):
        return NOTHING
    texts = [str(fields.get(tag, "")).strip("\0 ") for tag in (_MAKE, _MODEL, _SOFTWARE, _ARTIST, _DESCRIPTION)]
    return Taken(one_line(", ".join(text for text in texts if text)), _time(original))


def sessions(taken: Sequence[Taken]) -> list[int | None]:
    """Return the sitting of every image, numbered from 0 by device and time; None where the file has no time.

    Images of one device belong to one sitting as long as no more than 30 minutes lie between one and the next.

    Args:
        taken: What the file of every image says.
    """
    known = [place for place, one in enumerate(taken) if one.time is not None]
    known.sort(key=lambda place: (taken[place].device, taken[place].time))
    result: list[int | None] = [None] * len(taken)
    session = -1
    for before, place in zip([None, *known], known, strict=False):
        if before is None or not _same(taken[before], taken[place]):
            session += 1
        result[place] = session
    return result


def _same(before: Taken, after: Taken) -> bool:
    assert before.time is not None
    assert after.time is not None
    return before.device == after.device and after.time - before.time <= datetime.timedelta(minutes=GAP_MINUTES)


def _time(text: object) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(str(text).strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
