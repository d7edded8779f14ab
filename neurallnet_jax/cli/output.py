"""What commands show: tables, progress bars and JSON files. Knows rich; computes nothing."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.images.decode import one_line

__all__ = ["check_places", "console", "number", "progress", "progress_bar", "show_table", "warn_skipped", "write_json"]


class _Console(Console):
    """A console that goes on, silently, when whoever reads it stops reading: files are still to be written."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def console(*, stderr: bool = False) -> Console:
    """Return a console for results (standard output) or for what goes on meanwhile (standard error)."""
    return _Console(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str = "", width: int = 140
) -> None:
    """Print a table, `width` wide where there is no terminal.

    Numbers stand to the right, and names are shown as they are, brackets and all.
    """
    table = Table(
        title=Text(one_line(title)),
        caption=Text(caption) if caption else None,
        title_justify="left",
        caption_justify="left",
    )
    for place, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[place], int | float) or row[place] in ("", "-") for row in rows)
        # Folded, not cut: half a path names no file.
        table.add_column(Text(one_line(column)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        cells = (number(cell) if isinstance(cell, int | float) else one_line(str(cell)) for cell in row)
        table.add_row(*map(Text, cells))
    _Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else width).print(table)


def number(value: float) -> str:
    """Return a number for people: thousands apart, four significant digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


@contextmanager
def progress_bar(*columns: TextColumn) -> Iterator[Progress]:
    """Yield a progress display on standard error; extra columns come last."""
    err = console(stderr=True)
    display = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        *columns,
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with display:
        yield display


@contextmanager
def progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that takes what is done and what there is in all; a bar shows it on standard error."""
    with progress_bar() as display:
        task = display.add_task(description, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)


def warn_skipped(bad: Sequence[Any]) -> list[dict[str, str]]:
    """Name on standard error every file that was skipped, and return them for the JSON result."""
    err = console(stderr=True)
    for entry in bad:
        err.print(f"skipped {entry.error}", style="yellow", markup=False)
    return [{"path": entry.path, "error": entry.error} for entry in bad]


def check_places(*paths: Path | None) -> None:
    """Refuse, before anything runs, places that no file can be written to, and one place for two files.

    Raises:
        ValueError: A place is a folder, lies below a file, or is named twice.
    """
    given = [path for path in paths if path is not None]
    for place, path in enumerate(given):
        if path.is_dir():
            raise ValueError(f"{path}: is a folder; name a file in it")
        if file := next((above for above in path.parents if above.exists() and not above.is_dir()), None):
            raise ValueError(f"{path}: cannot be written, {file} is no folder; name another place")
        if any(path.absolute() == other.absolute() for other in given[:place]):
            raise ValueError(f"{path}: is named for two files; name a second one")


def write_json(path: Path | None, result: dict[str, Any]) -> None:
    """Write a machine-readable result; NaN is refused, because JSON has none."""
    if path is None:
        return
    write_atomically(path, (json.dumps(result, indent=1, allow_nan=False) + "\n").encode())
