"""Asks the C library to keep the memory that one training step frees, because the next step wants it again.

Knows glibc on Linux, where every large block is otherwise given back to the system and zeroed page by page when it
returns; does nothing elsewhere, and knows nothing of what is trained.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Mapping

__all__ = ["OPT_OUT", "keep_freed_memory"]

OPT_OUT = "NEURALLNET_KEEP_MALLOC"
"""Environment variable that, set to anything but nothing or 0, leaves the allocator as the process found it."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
"""Parameters of `mallopt(3)`, from glibc's malloc.h."""


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Let glibc keep freed blocks in the heap and serve large ones from there; return whether it agreed.

    The process then holds its peak until it ends. Where the user has set `GLIBC_TUNABLES` or a `MALLOC_` variable, or
    `OPT_OUT`, nothing is changed.

    Args:
        environment: Environment variables.
    """
    if environment.get(OPT_OUT, "0") not in ("", "0") or _user_has_chosen(environment):
        return False
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    # Heaps of other threads end at 64 MB and take larger blocks from mmap, whose memory returns to the system when it is
    # freed; so there is one heap for all, it uses no mmap, and its top is never cut off.
    wanted = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1))
    return all(mallopt(parameter, value) for parameter, value in wanted)


def _user_has_chosen(environment: Mapping[str, str]) -> bool:
    chosen = "glibc.malloc." in environment.get("GLIBC_TUNABLES", "")
    return chosen or any(name.startswith("MALLOC_") for name in environment)
