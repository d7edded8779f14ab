"""One process at a time in a folder that a training writes to. Knows files and locks, nothing of what is written.

The operating system holds the lock and drops it when its process ends, however that happens: none is left behind by a kill.
"""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks; there, two processes in one folder are not told apart.
    fcntl = None

__all__ = ["LOCK_NAME", "alone"]

LOCK_NAME = ".at-work"
"""File of a folder that holds the number of the process at work in it, and is gone when none is."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make a folder and hold it for this process.

    On a file system without locks nothing is held.

    Raises:
        ValueError: Another process is at work in it, or it cannot be made; one line.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked(folder / LOCK_NAME)
    except BlockingIOError:
        raise ValueError(
            f"{folder}: {_holder(folder / LOCK_NAME)} is at work in it; wait until it has ended, or name another folder"
        ) from None
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written ({error.strerror or error}); name another place") from None
    try:
        yield
    finally:
        if handle is not None:
            # Removed while it is still held, so that whoever opens it next opens another file.
            (folder / LOCK_NAME).unlink(missing_ok=True)
            os.close(handle)


def _locked(path: Path) -> int | None:
    """Return the open, locked file, or None where there are no locks; BlockingIOError where another process has it."""
    if fcntl is None:
        return None
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed it between our opening and our locking it.
            if path.exists() and os.fstat(handle).st_ino == path.stat().st_ino:
                os.ftruncate(handle, 0)
                os.write(handle, f"{os.getpid()}\n".encode())
                return handle
            os.close(handle)
        except BlockingIOError:
            os.close(handle)
            raise
        except OSError:
            os.close(handle)
            path.unlink(missing_ok=True)
            return None


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return f"process {int(path.read_text(encoding='utf-8'))}"
    return "another process"
