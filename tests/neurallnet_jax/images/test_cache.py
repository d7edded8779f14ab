import errno
import json
import os
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from neurallnet_jax.images import cache

SIZE = (4, 5)


def entries(count: int) -> list[tuple[str, str]]:
    return [(f"a/{place}.png", f"{place:064x}") for place in range(count)]


def row(place: int) -> np.ndarray:
    return np.random.default_rng(place).integers(0, 256, (*SIZE, 3), np.uint8)


def never(place: int) -> np.ndarray:
    raise AssertionError(f"row {place} was made again")


def expected(*places: int) -> np.ndarray:
    return np.stack([row(place) for place in places])


def test_rows_are_made_once_and_mapped_afterwards(tmp_path: Path):
    first = cache.load(entries(600), SIZE, row, folder=tmp_path)
    again = cache.load(entries(600), SIZE, never, folder=tmp_path)
    for rows in (first, again):
        assert isinstance(rows.pixels, np.memmap)
        assert not rows.pixels.flags.writeable
        np.testing.assert_array_equal(rows.pixels, expected(*range(600)))


def test_failures_leave_no_row_and_are_remembered(tmp_path: Path):
    def make(place: int) -> np.ndarray | str:
        return f"bad {place}" if place in (0, 3) else row(place)

    for function in (make, never):
        rows = cache.load(entries(5), SIZE, function, folder=tmp_path)
        assert rows.failures == {0: "bad 0", 3: "bad 3"}
        np.testing.assert_array_equal(rows.pixels, expected(1, 2, 4))


def test_nothing_but_failures_gives_no_rows(tmp_path: Path):
    rows = cache.load(entries(2), SIZE, lambda place: "bad", folder=tmp_path)
    assert rows.pixels.shape == (0, *SIZE, 3)
    assert rows.failures == {0: "bad", 1: "bad"}


def test_key_changes_with_bytes_path_order_size_and_version(monkeypatch):
    base = entries(3)
    keys = {cache.key(base, SIZE), cache.key(base[::-1], SIZE), cache.key(base, (5, 4)), cache.key(base[:2], SIZE)}
    keys.add(cache.key([(base[0][0], "f" * 64), *base[1:]], SIZE))
    keys.add(cache.key([("b/0.png", base[0][1]), *base[1:]], SIZE))
    monkeypatch.setattr(cache, "FORMAT_VERSION", cache.FORMAT_VERSION + 1)
    keys.add(cache.key(base, SIZE))
    assert len(keys) == 7


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "shape", "side", "no side", "old side"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: str):
    cache.load(entries(9), SIZE, row, folder=tmp_path)
    (pixels,), (side,) = tmp_path.glob("*.npy"), tmp_path.glob("*.json")
    if damage == "flip":
        data = bytearray(pixels.read_bytes())
        data[-7] ^= 1
        pixels.write_bytes(data)
    elif damage == "truncate":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "empty":
        pixels.write_bytes(b"")
    elif damage == "shape":
        np.save(pixels, expected(*range(9)).reshape(9, 5, 4, 3))
    elif damage == "side":
        side.write_bytes(b'{"checksum": 1')
    elif damage == "no side":
        side.unlink()
    else:
        side.write_text(json.dumps({"failures": []}))
    np.testing.assert_array_equal(cache.load(entries(9), SIZE, row, folder=tmp_path).pixels, expected(*range(9)))
    np.testing.assert_array_equal(cache.load(entries(9), SIZE, never, folder=tmp_path).pixels, expected(*range(9)))


def test_a_folder_that_cannot_be_made_leaves_rows_in_memory_with_a_warning(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    def make(place: int) -> np.ndarray | str:
        return "bad" if place == 1 else row(place)

    with pytest.warns(UserWarning, match=r"cannot be written .*stay in memory; free some space or name another folder"):
        rows = cache.load(entries(4), SIZE, make, folder=tmp_path / "file" / "cache")
    np.testing.assert_array_equal(rows.pixels, expected(0, 2, 3))
    assert rows.failures == {1: "bad"}
    assert not rows.pixels.flags.writeable


def test_a_full_disk_leaves_rows_in_memory_and_no_remains(tmp_path: Path, monkeypatch):
    real_open = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def tell(self) -> int:
            return self.file.tell()

        def write(self, data: bytes) -> int:
            if self.file.tell() > 300:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(data)

    def open_full(path: Path, mode: str = "r", **options):
        opened = real_open(path, mode, **options)
        return Full(opened) if "x" in mode else opened

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.warns(UserWarning, match="No space left on device"):
        rows = cache.load(entries(20), SIZE, row, folder=tmp_path)
    np.testing.assert_array_equal(rows.pixels, expected(*range(20)))
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_making_a_row_passes_through_and_leaves_nothing(tmp_path: Path):
    def make(place: int) -> np.ndarray:
        raise ValueError("changed while it was read")

    with pytest.raises(ValueError, match="changed while it was read"):
        cache.load(entries(3), SIZE, make, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_row_in_order_from_the_calling_thread(tmp_path: Path):
    seen = []

    def progress(done: int, count: int) -> None:
        seen.append((done, count, threading.current_thread() is threading.main_thread()))

    cache.load(entries(300), SIZE, row, folder=tmp_path, progress=progress)
    assert seen == [(done, 300, True) for done in range(1, 301)]


def test_folder_is_that_of_the_environment_or_of_the_platform(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("NEURALLNET_CACHE", str(tmp_path / "named"))
    assert cache.default_folder() == tmp_path / "named"
    monkeypatch.delenv("NEURALLNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert "neurallnet" in cache.default_folder().parts


def test_writing_the_same_rows_twice_at_once_is_harmless(tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [
            threading.Thread(target=cache.load, args=(entries(50), SIZE, row), kwargs={"folder": tmp_path})
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    np.testing.assert_array_equal(cache.load(entries(50), SIZE, never, folder=tmp_path).pixels, expected(*range(50)))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(os.name != "posix", reason="mode bits are those of POSIX")
def test_files_may_be_read_by_whoever_the_user_lets_read(tmp_path: Path):
    mask = os.umask(0o022)
    try:
        cache.load(entries(2), SIZE, row, folder=tmp_path)
    finally:
        os.umask(mask)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}
