"""One image file to one uint8 array, or one line that says why not.

Knows Pillow and single files; folders, classes and caches stand in `folder.py` and `cache.py`.
"""

import contextlib
import io
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from neurallnet_jax.images import resize

__all__ = [
    "FORMATS",
    "MAX_FILE_BYTES",
    "MAX_PIXELS",
    "decode",
    "decode_bytes",
    "one_line",
    "open_rgb",
    "quiet_pillow",
    "read_bytes",
    "resized",
]

MAX_PIXELS = 64_000_000
"""Pixels above which an image is refused before a pixel is decoded: 8,000 x 8,000, below Pillow's own limit."""

MAX_FILE_BYTES = 512 * 1024 * 1024
"""Bytes above which a file is not read at all."""

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
"""The decoders that are tried, whatever the file is called. Pillow has others that start programs or parse scripts."""

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")

# Pillow's decoders answer malformed input with any of these.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    zlib.error,
)


def decode(path: Path, image_size: tuple[int, int], *, root: Path | None = None) -> np.ndarray:
    """Return the image of a file as uint8 RGB, resized by area.

    Args:
        path: The file.
        image_size: Height and width of the result, pixels; the aspect ratio is not kept.
        root: Folder that the file must lie in once symbolic links are followed, or None.

    Returns:
        Array (height, width, 3).

    Raises:
        ValueError: The file cannot be read or is no image we take; one line that names it, what was found, what to do.
    """
    with quiet_pillow():
        return decode_bytes(read_bytes(path, name=str(path), root=root), image_size, name=str(path))


def read_bytes(path: Path, *, name: str, root: Path | None = None) -> bytes:
    """Return the bytes of a regular file that lies in `root`.

    Args:
        path: The file.
        name: How messages call it.
        root: Folder that the file must lie in once symbolic links are followed, or None.

    Raises:
        ValueError: It is missing, no file, empty, too large, unreadable or a link out of `root`; one line.
    """
    name = one_line(name)
    try:
        target = Path(path).resolve(strict=True)
        if root is not None and not target.is_relative_to(Path(root).resolve(strict=True)):
            raise ValueError(
                f"{name}: is a link to {one_line(str(target))}, outside {one_line(str(root))}; copy the file instead"
            )
        found = target.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ValueError(f"{name}: is a folder, not an image file; name a file in it")
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{name}: is a pipe or a device, not an image file; save the image as a file")
        if found.st_size > MAX_FILE_BYTES:
            raise ValueError(
                f"{name}: has {found.st_size:,} bytes, at most {MAX_FILE_BYTES:,} are read; make it smaller"
            )
        data = target.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{name}: does not exist or is a broken link; check the path") from None
    except (OSError, RuntimeError) as error:  # resolve raises RuntimeError on a loop of links before Python 3.13
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{name}: cannot be read ({one_line(reason)}); check its permissions") from None
    if not data:
        raise ValueError(f"{name}: is empty (0 bytes); copy it again from its source")
    return data


def decode_bytes(data: bytes, image_size: tuple[int, int], *, name: str) -> np.ndarray:
    """Return the image in the bytes of a file as uint8 RGB, resized by area.

    The content counts, not the name. Rotation by EXIF is applied, transparency is laid on white, grey of 16 bits is
    scaled to 8, colour profiles are ignored. Downsizing averages over areas, upsizing interpolates linearly.

    Args:
        data: The content of the file.
        image_size: Height and width of the result, pixels; the aspect ratio is not kept.
        name: How messages call the file.

    Returns:
        Array (height, width, 3).

    Raises:
        ValueError: The bytes are no image we take; one line that names it, what was found, what to do.
    """
    return resized(np.asarray(open_rgb(data, name=name), dtype=np.uint8), image_size)


def open_rgb(data: bytes, *, name: str) -> Image.Image:
    """Return the image in the bytes of a file as RGB, in its own size; what `decode_bytes` makes smaller.

    Args:
        data: The content of the file.
        name: How messages call the file.

    Raises:
        ValueError: The bytes are no image we take; one line that names it, what was found, what to do.
    """
    name = one_line(name)
    if not data:
        raise ValueError(f"{name}: is empty (0 bytes); copy it again from its source")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_header(image, name)
            return _to_rgb(ImageOps.exif_transpose(image), name)
    except _Refused as refusal:
        raise ValueError(str(refusal)) from None
    except UnidentifiedImageError:
        raise ValueError(
            f"{name}: is no image (begins with {data[:8]!r}); expected {', '.join(FORMATS)}; remove or convert it"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"{name}: has more than {MAX_PIXELS:,} pixels; make it smaller first") from None
    except _DECODER_ERRORS as error:
        reason = one_line(str(error)) or type(error).__name__
        raise ValueError(f"{name}: is a damaged image ({reason}); copy it again from its source") from None


def resized(image: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Return an image, uint8 (height, width, 3), at another size as `decode_bytes` would: by area, or, larger, linearly."""
    height, width = image_size
    if height <= image.shape[0] and width <= image.shape[1]:
        return resize.by_area(image, image_size)
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR), dtype=np.uint8)


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow from warning about odd or large files, which `decode_bytes` takes or refuses itself.

    Enter it once around threads, never inside one: the warning filters belong to the process.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield


def one_line(text: str) -> str:
    """Return text with everything unprintable escaped, so that a message stays one line whatever a file is called."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


class _Refused(Exception):  # noqa: N818
    """A refusal of ours on its way past the handler of the decoders' own errors."""


def _check_header(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _Refused(
            f"{name}: has {image.width:,} x {image.height:,} pixels; at most {MAX_PIXELS:,} are taken, make it smaller"
        )
    frames = getattr(image, "n_frames", 1)
    # MPO is a camera's JPEG with previews behind the photograph.
    if frames > 1 and image.format != "MPO":
        raise _Refused(f"{name}: holds {frames} frames or pages; save the one that is meant as a PNG")


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode in ("F", "LAB", "I") and not (image.mode == "I" and _fits_sixteen_bits(image)):
        raise _Refused(f"{name}: has pixels of mode {image.mode!r}, which have no 8-bit colours; save it as 8-bit RGB")
    if image.mode in (*_SIXTEEN_BIT, "I"):
        grey = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _fits_sixteen_bits(image: Image.Image) -> bool:
    values = np.asarray(image)
    return image.format == "PNG" or bool(values.min() >= 0 and values.max() <= 65535)
