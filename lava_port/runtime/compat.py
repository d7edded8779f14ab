"""Lets lava-nc 0.10.0 import on Python 3.11 and later, and says what is missing where Lava cannot run at all.

Knows which lines of Lava break and why; knows no process and no network, and writes nothing into the installed package.

Lava is archived, so these lines will not be mended there. They are rewritten in memory while the modules load.
"""

import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType

import numpy as np

__all__ = ["REWRITES", "Rewrite", "install", "lava_version", "require_lava"]

_NUMPY = tuple(int(part) for part in np.__version__.split(".")[:2])


@dataclass(frozen=True)
class Rewrite:
    """Lines of one module that break on newer Pythons or NumPys, and what stands in their place.

    Attributes:
        module: Full name of the module.
        replacements: Triples (text, its replacement, how often it occurs).
        needed: Whether this interpreter needs it.
    """

    module: str
    replacements: tuple[tuple[str, str, int], ...]
    needed: bool


REWRITES = (
    # Python 3.11 refuses a mutable (unhashable) object as default of a dataclass field.
    Rewrite(
        "lava.magma.compiler.var_model",
        (
            ("from dataclasses import dataclass, InitVar", "from dataclasses import dataclass, field, InitVar", 1),
            (": ByteEncoder = ByteEncoder()", ": ByteEncoder = field(default_factory=ByteEncoder)", 8),
        ),
        needed=sys.version_info >= (3, 11),
    ),
    # NumPy 2.1 renamed the argument, 2.4 dropped the old name.
    Rewrite(
        "lava.magma.core.process.ports.ports",
        (("ft.partial(np.reshape, newshape=", "ft.partial(np.reshape, shape=", 2),),
        needed=_NUMPY >= (2, 1),
    ),
)


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the rewritten source itself: neither reads nor writes the byte code beside the installed file."""

    def __init__(self, fullname: str, path: str, rewrite: Rewrite) -> None:
        super().__init__(fullname, path)
        self._rewrite = rewrite

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path).decode("utf-8")
        return compile(_rewritten(source, self._rewrite), path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of `REWRITES` as Python would, and loads them through `_Loader`."""

    def __init__(self, rewrites: Sequence[Rewrite]) -> None:
        self._rewrites = {rewrite.module: rewrite for rewrite in rewrites}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._rewrites:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self._rewrites[fullname])
        return spec


def install() -> None:
    """Make the next `import lava` work on this interpreter; a second call changes nothing.

    Raises:
        ValueError: Lava cannot run here or is not installed.
        RuntimeError: A module to be rewritten is loaded already, so it is too late.
    """
    require_lava()
    needed = [rewrite for rewrite in REWRITES if rewrite.needed]
    if any(isinstance(finder, _Finder) for finder in sys.meta_path) or not needed:
        return
    loaded = [rewrite.module for rewrite in needed if rewrite.module in sys.modules]
    if loaded:
        raise RuntimeError(f"{loaded[0]} is imported already; call compat.install() before the first import of lava")
    sys.meta_path.insert(0, _Finder(needed))


def require_lava() -> None:
    """Refuse, in one line that says what to do, where Lava cannot run.

    Raises:
        ValueError: The system is not Linux, or lava-nc is not installed.
    """
    if not sys.platform.startswith("linux"):
        raise ValueError("backend 'lava' runs on Linux only; use --backend emulator, which spikes identically")
    if lava_version() is None:
        # pip honours Lava's `Requires-Python: <3.11`; it works on later Pythons through this module.
        extra = "pip install 'neurallnet-jax[lava]'"
        later = "pip install --ignore-requires-python --no-deps lava-nc==0.10.0 && pip install scipy networkx asteval"
        raise ValueError(
            "backend 'lava' needs lava-nc 0.10.0, which is not installed; install it with 'uv sync --group lava' or "
            f'"{extra if sys.version_info < (3, 11) else later}", or use --backend emulator, which spikes identically'
        )


def lava_version() -> str | None:
    """Return the installed version of lava-nc without importing it, or None."""
    try:
        return importlib.metadata.version("lava-nc")
    except importlib.metadata.PackageNotFoundError:
        return None


def _rewritten(source: str, rewrite: Rewrite) -> str:
    for old, new, expected in rewrite.replacements:
        found = source.count(old)
        if found != expected:
            raise ImportError(
                f"{rewrite.module} of lava-nc {lava_version()} holds {old!r} {found} times, expected {expected}; "
                "lava_port/runtime/compat.py fits lava-nc 0.10.0, so install that version"
            )
        source = source.replace(old, new)
    return source
