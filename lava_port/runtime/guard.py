"""Sees to it, from within the worker, that no process, shared memory or file outlives it or its parent.

Knows processes and files, nothing of networks, and imports no Lava.
"""

import contextlib
import ctypes
import json
import multiprocessing.connection
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, NoReturn, TextIO

__all__ = ["Guard", "Segments"]

_PR_SET_PDEATHSIG = 1
_SHARED_MEMORY = Path("/dev/shm")
_PERIOD_S = 0.5


class Segments:
    """Stands in for Lava's shared memory manager: segments with names that can be found again, no server process.

    Args:
        prefix: Beginning of every name.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._segments: list[SharedMemory] = []

    def start(self) -> None:
        """Do nothing; Lava calls it."""

    def create_shared_memory(self, size: int) -> SharedMemory:
        """Return a new segment."""
        segment = SharedMemory(f"{self._prefix}{len(self._segments)}", create=True, size=size)
        self._segments.append(segment)
        return segment

    def shutdown(self) -> None:
        """Remove all segments; their memory goes with the last process that has them open."""
        for segment in self._segments:
            segment.unlink()
        self._segments.clear()


class Guard(threading.Thread):
    """Watches the parent and Lava's children; when one is gone, says so and takes the whole process group along.

    Args:
        folder: Files of this run; removed when the parent can no longer do it.
        parent: Process id of the parent.
        segments: Prefix of this run's shared memory.
        reports: Where reports go, one JSON object per line.
    """

    def __init__(self, folder: Path, parent: int, segments: str, reports: TextIO) -> None:
        super().__init__(daemon=True)
        self._folder, self._parent, self._segments, self._reports = folder, parent, segments, reports
        self._sentinels: list[int] = []
        self._writing, self._ending = threading.Lock(), threading.Lock()

    def run(self) -> None:
        """Watch until the end."""
        while os.getppid() == self._parent:
            if not self._sentinels:
                time.sleep(_PERIOD_S)
            elif multiprocessing.connection.wait(self._sentinels, timeout=_PERIOD_S) and self._sentinels:
                time.sleep(_PERIOD_S)  # a dying child's last words are on their way to the file
                self.abort("a process of the Lava network died", "")
        self.abort("the parent process is gone", "")

    def report(self, **entries: Any) -> None:
        """Send one report."""
        with self._writing:
            self._reports.write(json.dumps(entries) + "\n")

    def watch(self, sentinels: Sequence[int]) -> None:
        """Take the end of any of these processes as a failure from now on."""
        self._sentinels = list(sentinels)

    def rest(self) -> None:
        """Let the processes end."""
        self._sentinels = []

    def adopt(self, work: Callable[..., None]) -> Callable[..., None]:
        """Return `work` as a child is to do it: dying with this process, its traceback passed on."""
        worker = os.getpid()

        def child(*args: Any, **kwargs: Any) -> None:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != worker:
                os._exit(1)
            os.close(self._reports.fileno())
            try:
                work(*args, **kwargs)
            except Exception:
                with (self._folder / "errors.txt").open("a", encoding="utf-8") as words:
                    words.write(traceback.format_exc())
                raise

        return child

    def abort(self, message: str, trace: str, *, refused: bool = False) -> NoReturn:
        """Report an error, a child's in preference, and kill the group, this process included.

        Args:
            message: One line.
            trace: Traceback for the log.
            refused: Whether the input is to blame.
        """
        self._ending.acquire()  # for good: whoever comes second waits for the end
        words = self._folder / "errors.txt"
        if words.exists():
            trace, refused = words.read_text(encoding="utf-8", errors="replace"), False
            message = trace.strip().splitlines()[-1]
        print(trace or message, file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):  # nobody listens any more
            self.report(event="error", message=message, refused=refused)
        for segment in _SHARED_MEMORY.glob(self._segments + "*"):
            segment.unlink(missing_ok=True)
        self._remove_files()
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    def leave(self) -> None:
        """Clean up after an orderly end."""
        self._ending.acquire()
        self._remove_files()

    def _remove_files(self) -> None:
        """Do what a parent that lives would do itself."""
        tries = 50 if os.getppid() != self._parent else 0
        while tries and self._folder.exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            tries -= 1
            time.sleep(0.02)
