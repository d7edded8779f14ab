"""A record is read as it was written, or refused in one line."""

from pathlib import Path

import pytest

from neurallnet_jax.training import records


def read(path: Path) -> dict:
    return records.read(path, version=2, missing="nothing there", elsewhere="go elsewhere")


def test_a_record_of_the_version_is_returned_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text('{"format_version": 2, "what": [1]}')
    assert read(path) == {"format_version": 2, "what": [1]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "nothing there"),
        (b"\xff\xfe", "cannot be read .*; go elsewhere"),
        (b"{", "cannot be read .*; go elsewhere"),
        (b"[]", "format version None, this release reads 2"),
        (b'{"format_version": 1}', "format version 1, this release reads 2"),
    ],
)
def test_what_is_no_record_of_the_version_is_refused(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read(path)
