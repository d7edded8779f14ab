import io
import os
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neurallnet_jax.images import decode as decode_module
from neurallnet_jax.images.decode import decode, decode_bytes, one_line, open_rgb, quiet_pillow, read_bytes

SIZE = (48, 40)
ENCODINGS = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
]


def noise(height: int = 48, width: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def smooth() -> Image.Image:
    return Image.fromarray(noise(6, 5)).resize((40, 48), Image.Resampling.BICUBIC)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT"
    chunks = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    chunks += struct.pack(">I", 0) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + chunks


def refused(data: bytes, match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        decode_bytes(data, SIZE, name="cell.png")
    text = str(caught.value)
    assert text.startswith("cell.png: ")
    assert "\n" not in text
    assert "; " in text, "a refusal says what to do"


def outcome(data: bytes, size: tuple[int, int] = SIZE) -> np.ndarray | str:
    try:
        return decode_bytes(data, size, name="cell.png")
    except ValueError as error:
        return str(error)


def test_lossless_pixels_come_back_unchanged():
    for kind in ("PNG", "BMP", "TIFF"):
        np.testing.assert_array_equal(decode_bytes(encode(Image.fromarray(noise()), kind), SIZE, name="x"), noise())


def test_result_is_a_writable_uint8_array_of_its_own():
    image = decode_bytes(encode(Image.fromarray(noise())), SIZE, name="x")
    assert image.dtype == np.uint8
    assert image.flags.owndata
    assert image.flags.writeable


def test_downsizing_is_the_mean_over_areas():
    pixels = noise(96, 120)
    expected = pixels.reshape(48, 2, 40, 3, 3).mean((1, 3))
    found = decode_bytes(encode(Image.fromarray(pixels)), SIZE, name="x").astype(float)
    # Pillow rounds once per axis.
    assert np.abs(found - expected).max() <= 1


def test_upsizing_interpolates_and_repeats_no_pixels():
    ramp = np.repeat(np.array([[[0, 0, 0], [200, 200, 200]]], np.uint8), 2, axis=0)
    row = decode_bytes(encode(Image.fromarray(ramp)), (8, 8), name="x")[0, :, 0]
    assert list(row) == sorted(row)
    assert len(set(row.tolist())) > 2


@pytest.mark.parametrize(("kind", "options"), ENCODINGS)
def test_a_truncated_file_is_refused_or_still_whole(kind, options):
    data = encode(smooth(), kind, **options)
    whole = decode_bytes(data, SIZE, name="x")
    lengths = [*range(0, len(data), 23), *range(len(data) - 12, len(data))]
    with quiet_pillow():
        found = [outcome(data[:length]) for length in lengths]
    refusals = [text for text in found if isinstance(text, str)]
    assert len(refusals) > 0.9 * (len(data) / 23)
    assert all(text.startswith("cell.png: ") and "\n" not in text for text in refusals)
    for image in found:
        if not isinstance(image, str):
            np.testing.assert_array_equal(image, whole)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "BMP", "WEBP", "GIF"]),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_changed_bytes_give_an_image_or_one_line(kind, changes):
    data = bytearray(encode(smooth(), kind))
    for place, value in changes:
        data[place % len(data)] = value
    with quiet_pillow():
        found = outcome(bytes(data), (8, 8))
    if isinstance(found, str):
        assert found.startswith("cell.png: ")
        assert "\n" not in found
    else:
        assert found.shape == (8, 8, 3)


def test_an_empty_file_is_refused():
    refused(b"", r"is empty \(0 bytes\); copy it again")


def test_what_is_no_image_is_refused_with_its_first_bytes():
    refused(b"%PDF-1.7 and more", r"is no image \(begins with b'%PDF-1\.7'\); expected JPEG, PNG")


def test_formats_that_run_programs_are_not_opened():
    refused(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "is no image")


def test_the_content_counts_and_not_the_ending(tmp_path: Path):
    (tmp_path / "cell.jpg").write_bytes(encode(Image.fromarray(noise())))
    np.testing.assert_array_equal(decode(tmp_path / "cell.jpg", SIZE), noise())


def test_cmyk_becomes_the_colour_that_it_prints():
    ink = Image.new("CMYK", (40, 48), (0, 255, 255, 0))
    found = decode_bytes(encode(ink, "TIFF"), SIZE, name="x")
    np.testing.assert_array_equal(found, np.broadcast_to(np.array([255, 0, 0], np.uint8), (*SIZE, 3)))


def test_an_adobe_cmyk_jpeg_is_not_inverted():
    found = decode_bytes(encode(Image.new("CMYK", (40, 48), (0, 255, 255, 0)), "JPEG", quality=100), SIZE, name="x")
    assert found[..., 0].min() > 240
    assert found[..., 1:].max() < 15


def test_grey_is_spread_over_three_channels():
    grey = noise()[..., 0]
    found = decode_bytes(encode(Image.fromarray(grey)), SIZE, name="x")
    np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, -1))


def test_black_and_white_is_0_and_255():
    bits = noise()[..., 0] > 127
    found = decode_bytes(encode(Image.fromarray(bits)), SIZE, name="x")
    np.testing.assert_array_equal(found[..., 0], bits * 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(kind):
    deep = np.linspace(0, 65535, 48 * 40).astype(np.uint16).reshape(48, 40)
    found = decode_bytes(encode(Image.fromarray(deep), kind), SIZE, name="x")
    np.testing.assert_array_equal(found[..., 0], np.floor(deep / 257 + 0.5))
    assert found.min() == 0
    assert found.max() == 255


@pytest.mark.parametrize(("value", "mode"), [(70_000, "I"), (0.5, "F")])
def test_pixels_without_an_8_bit_meaning_are_refused(value, mode):
    refused(encode(Image.new(mode, (40, 48), value), "TIFF"), f"has pixels of mode '{mode}'.*save it as 8-bit RGB")


def test_a_palette_is_looked_up():
    image = Image.fromarray(noise()).quantize(16)
    found = decode_bytes(encode(image), SIZE, name="x")
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")))


def test_transparency_is_laid_on_white():
    pixels = np.zeros((48, 40, 4), np.uint8)
    pixels[:24, :, 3] = 255
    pixels[24:, :20, 3] = 128
    found = decode_bytes(encode(Image.fromarray(pixels)), SIZE, name="x")
    assert (found[:24] == 0).all()
    assert (np.abs(found[24:, :20].astype(int) - 127) <= 1).all()
    assert (found[24:, 20:] == 255).all()


def test_a_transparent_palette_colour_is_white():
    image = Image.new("P", (40, 48), 0)
    image.putpalette([10, 20, 30] + [0] * 765)
    assert (decode_bytes(encode(image), SIZE, name="x") == [10, 20, 30]).all()
    assert (decode_bytes(encode(image, transparency=0), SIZE, name="x") == 255).all()


@pytest.mark.parametrize(("orientation", "turn"), [(3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1))])
def test_exif_rotation_is_applied(orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(noise()), "PNG", exif=exif)
    expected = turn(noise())
    np.testing.assert_array_equal(decode_bytes(data, expected.shape[:2], name="x"), expected)


def test_a_decompression_bomb_is_refused_before_its_pixels_are_decoded():
    # The header alone is there: decoding would fail with another message.
    with warnings.catch_warnings(), quiet_pillow():
        refused(png_header(10_000, 8_000), r"has 10,000 x 8,000 pixels; at most 64,000,000 are taken")
        refused(png_header(200_000, 200_000), "has more than 64,000,000 pixels; make it smaller")


def test_as_many_pixels_as_the_limit_are_taken(monkeypatch):
    monkeypatch.setattr(decode_module, "MAX_PIXELS", 48 * 40)
    decode_bytes(encode(Image.fromarray(noise())), SIZE, name="x")
    monkeypatch.setattr(decode_module, "MAX_PIXELS", 48 * 40 - 1)
    refused(encode(Image.fromarray(noise())), "has 40 x 48 pixels")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_animations_and_pages_are_refused(kind):
    frames = [Image.fromarray(noise(seed=seed)) for seed in range(3)]
    refused(encode(frames[0], kind, save_all=True, append_images=frames[1:]), "holds 3 frames or pages; save the one")


def test_a_camera_jpeg_with_a_preview_behind_it_is_its_photograph():
    data = encode(smooth(), "MPO", save_all=True, append_images=[Image.fromarray(noise(seed=1))])
    alone = decode_bytes(encode(smooth(), "JPEG"), SIZE, name="x")
    np.testing.assert_array_equal(decode_bytes(data, SIZE, name="x"), alone)


def test_a_missing_file_and_a_broken_link_are_named(tmp_path: Path):
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    for name in ("absent.png", "link.png"):
        with pytest.raises(ValueError, match=rf"{name}: does not exist or is a broken link"):
            decode(tmp_path / name, SIZE)


def test_a_loop_of_links_is_refused(tmp_path: Path):
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: cannot be read"):
        decode(tmp_path / "a.png", SIZE)


def test_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="is a folder, not an image file"):
        decode(tmp_path, SIZE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="is a pipe or a device"):
        decode(tmp_path / "pipe.png", SIZE)


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch):
    path = tmp_path / "locked.png"
    path.write_bytes(encode(Image.fromarray(noise())))

    def denied(self):
        raise PermissionError(13, "Permission denied", str(self))

    # By patch and not by mode bits, which do not bind the super-user.
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ValueError, match=r"locked\.png: cannot be read \(Permission denied\); check its permissions"):
        decode(path, SIZE)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch):
    (tmp_path / "big.png").write_bytes(b"x" * 101)
    monkeypatch.setattr(decode_module, "MAX_FILE_BYTES", 100)
    with pytest.raises(ValueError, match=r"has 101 bytes, at most 100 are read"):
        decode(tmp_path / "big.png", SIZE)


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_taken(tmp_path: Path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    for folder in (inside, outside):
        (folder / "cell.png").write_bytes(encode(Image.fromarray(noise())))
    (inside / "within.png").symlink_to(inside / "cell.png")
    (inside / "beyond.png").symlink_to(outside / "cell.png")
    np.testing.assert_array_equal(decode(inside / "within.png", SIZE, root=inside), noise())
    with pytest.raises(ValueError, match=r"beyond\.png: is a link to .*out.cell\.png, outside .*in; copy the file"):
        decode(inside / "beyond.png", SIZE, root=inside)


def test_a_name_next_to_the_root_is_not_inside_it(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data2").mkdir()
    (tmp_path / "data2" / "cell.png").write_bytes(b"x")
    with pytest.raises(ValueError, match="outside"):
        read_bytes(tmp_path / "data" / ".." / "data2" / "cell.png", name="cell.png", root=tmp_path / "data")


def test_a_message_stays_one_line_whatever_the_file_is_called(tmp_path: Path):
    with pytest.raises(ValueError, match=re.escape(r"a\nb\x1b[31m.png: is empty")):
        decode_bytes(b"", SIZE, name="a\nb\x1b[31m.png")
    assert one_line("Früh – 3.png") == "Früh – 3.png"


@pytest.mark.real
def test_real_smears_of_three_laboratories_decode(real_data: Path):
    found = [
        decode(real_data / "bccd" / "BloodImage_00000.jpg", (128, 128)),
        decode(real_data / "cnmc-samples" / "UID_2_1_2_all.bmp", (128, 128)),
        decode(real_data / "eshraghi-samples" / "Snp_147_64.jpg", (128, 128)),
    ]
    assert all(image.shape == (128, 128, 3) and image.std() > 5 for image in found)


def test_an_image_in_its_own_size_is_what_decoding_to_that_size_gives(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    np.testing.assert_array_equal(np.asarray(open_rgb(data, name="a")), pixels)
    np.testing.assert_array_equal(decode_bytes(data, (7, 5), name="a"), pixels)
