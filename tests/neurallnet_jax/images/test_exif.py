import datetime
import io

from PIL import Image

from neurallnet_jax.images.exif import NOTHING, Taken, read, sessions


def photograph(time: str | None, make: str = "ZEISS") -> bytes:
    image, data = Image.new("RGB", (4, 4)), io.BytesIO()
    fields = image.getexif()
    fields[0x10F] = make
    if time:
        fields.get_ifd(0x8769)[0x9003] = time
    image.save(data, "JPEG", exif=fields)
    return data.getvalue()


def test_device_and_time_are_read_from_the_file():
    assert read(photograph("2021:02:09 09:45:02")) == Taken("ZEISS", datetime.datetime(2021, 2, 9, 9, 45, 2))


def test_a_file_without_legible_exif_says_nothing():
    data = io.BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG")
    assert read(data.getvalue()) == NOTHING
    assert read(b"no image") == NOTHING
    assert read(photograph("yesterday")).time is None


def test_a_sitting_ends_after_half_an_hour_and_with_the_device():
    """09:00, 09:20, 09:45 are one; 10:16 comes 31 minutes later; the other device sits apart; no time, no sitting."""

    def at(hour: int, minute: int, device: str = "a") -> Taken:
        return Taken(device, datetime.datetime(2021, 2, 9, hour, minute))

    taken = [at(10, 16), at(9, 0), NOTHING, at(9, 45), at(9, 20), at(9, 10, "b")]
    assert sessions(taken) == [1, 0, None, 0, 0, 2]
    assert sessions([]) == []
