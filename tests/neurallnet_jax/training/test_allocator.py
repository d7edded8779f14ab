import subprocess
import sys
import textwrap

import pytest

from neurallnet_jax.training import allocator

glibc = pytest.mark.skipif(
    sys.platform != "linux" or allocator.platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt"
)

# In a process of its own, because the setting stays. Blocks as large as activations, from another thread, where JAX runs.
FAULTS = textwrap.dedent("""
    import ctypes, os, resource, threading
    from neurallnet_jax.training import allocator

    agreed = allocator.keep_freed_memory()
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    faults = []

    def work():
        for _ in range(4):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            blocks = [libc.malloc(80 << 20) for _ in range(2)]
            for block in blocks:
                ctypes.memset(block, 1, 80 << 20)
            for block in blocks:
                libc.free(block)
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    print(int(agreed), faults[-1])
""")


def faults(monkeypatch: pytest.MonkeyPatch, **environment: str) -> tuple[int, int]:
    for name in ("GLIBC_TUNABLES", allocator.OPT_OUT):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ran = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    agreed, count = ran.stdout.split()
    return int(agreed), int(count)


@glibc
def test_large_blocks_are_faulted_in_once_and_not_each_time(monkeypatch):
    """160 MB are 40,960 pages of 4 KB."""
    agreed, count = faults(monkeypatch)
    assert agreed
    assert count < 1000


@glibc
@pytest.mark.parametrize(
    "environment", [{allocator.OPT_OUT: "1"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"}]
)
def test_who_opts_out_or_has_chosen_keeps_the_allocator_as_it_was(monkeypatch, environment):
    agreed, count = faults(monkeypatch, **environment)
    assert not agreed
    assert count > 10_000


@pytest.mark.parametrize(("system", "library"), [("darwin", ""), ("win32", ""), ("linux", "")])
def test_nothing_is_called_where_there_is_no_glibc(monkeypatch, system, library):
    monkeypatch.setattr(allocator.sys, "platform", system)
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: (library, ""))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("touched the C library"))
    assert not allocator.keep_freed_memory({})
