"""The record that a folder of trainings was begun with, read back. Knows its version, not what it says."""

import json
from pathlib import Path
from typing import Any

__all__ = ["read"]


def read(path: Path, *, version: int, missing: str, elsewhere: str) -> dict[str, Any]:
    """Return a record as it was written.

    Args:
        path: The file, JSON with a `format_version`.
        version: The version that can be read.
        missing: The message where there is no such file.
        elsewhere: What to do where it cannot be read.

    Raises:
        ValueError: There is none, it cannot be read, or another version wrote it.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(missing) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); {elsewhere}") from None
    found = data.get("format_version") if isinstance(data, dict) else None
    if found != version:
        raise ValueError(f"{path}: format version {found}, this release reads {version}")
    return data
