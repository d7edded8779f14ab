"""Find twins: within DIR, between the parts of a split of DIR, or between DIR and OTHER.

Exact twins have the same decoded pixels. Near twins are one image resized, cropped to 80 % of its sides or more, mirrored,
turned by quarters, brightened or compressed anew. Other photographs of the same field are listed apart, as overlaps.
Exit code 1 where a twin crosses the split or the two folders, or where files were skipped.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from neurallnet_jax.cli.arguments import add_json, shown

__all__ = ["add_arguments", "run"]

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `audit leaks`."""
    parser.add_argument("data", metavar="DIR", help="image folder, with one sub-folder per class or flat")
    parser.add_argument("other", nargs="?", metavar="OTHER", help="another image folder, to compare DIR with")
    parser.add_argument(
        "--split", metavar="RUN|FILE", help="the split of DIR: a RUN, or a CSV with the columns path, sha256 and part"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the worst pairs side by side")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Search and print."""
    from neurallnet_jax import checkpoint
    from neurallnet_jax.cli import output
    from neurallnet_jax.evaluation import leaks, origin
    from neurallnet_jax.images.folder import list_folder

    output.check_places(args.html, args.json)
    with _bars() as progress:
        found = leaks.audit(
            Path(args.data), Path(args.other) if args.other else None, split=args.split, progress=progress
        )
    output.warn_skipped(found.bad)
    if args.html is not None:
        from neurallnet_jax.workflows import section_leaks

        roots = tuple(Path(folder) for folder in (args.data, args.other) if folder)
        section_leaks.write(found, args.html, command=shown("audit leaks", args, add_arguments), roots=roots)
    if args.json is not None:
        runs = [checkpoint.load(args.split)] if args.split and checkpoint.is_run(args.split) else []
        made_of = origin.of(list_folder(Path(args.data)), *runs, without={item.path for item in found.bad})
        output.write_json(args.json, {**leaks.to_json(found), **origin.to_json(made_of)})
    _show(found)
    return 0 if found.clean and not found.bad else 1


def _show(found) -> None:
    from neurallnet_jax.cli import output

    out = output.console()
    pairs = [*found.pairs, *(pair for pair in found.within if pair.conflict)]
    for title, listed in (("twins", pairs), ("the same field, photographed again", found.overlaps)):
        rows = [
            (
                pair.kind,
                f"{pair.correlation:.3f}",
                pair.first.path,
                pair.second.path,
                pair.orientation,
                " | ".join(str(one.part) for one in (pair.first, pair.second)) if found.split else "",
                "yes" if pair.crosses else "no",
                "labels differ" if pair.conflict else "",
            )
            for pair in listed[:_SHOWN]
        ]
        if rows:
            caption = f"{_SHOWN} of {len(listed)}; --json holds all" if len(listed) > _SHOWN else ""
            columns = ("kind", "r", "first", "second", "laid", "parts", "crosses", "")
            output.show_table(title, columns, rows, caption=caption)
    straddling = [(one.name, ", ".join(f"{side} {n}" for side, n in one.sides.items())) for one in found.blocks]
    straddling += [
        (f"sitting {one.name}", ", ".join(f"{side} {n}" for side, n in one.sides.items()))
        for one in found.sessions
        if len(one.sides) > 1
    ]
    if straddling:
        caption = f"{_SHOWN} of {len(straddling)}; --json holds all" if len(straddling) > _SHOWN else ""
        output.show_table("on more than one side", ("images", "sides"), straddling[:_SHOWN], caption=caption)
    images = f"{found.images[0]:,}" + (f" and {found.images[1]:,}" if found.other else "")
    crossing = sum(pair.crosses for pair in (*found.pairs, *found.within))
    again = sum(pair.crosses for pair in found.overlaps)
    out.print(
        f"{images} images: {len(found.pairs)} pairs of twins"
        + (f" between the folders, {len(found.within)} within them" if found.other else "")
        + f", {len(found.groups)} groups, {len(found.conflicts)} with different labels; {len(found.overlaps)} overlaps"
    )
    out.print(
        (f"NOT CLEAN: {crossing} pairs cross" if crossing else "clean: no twin crosses")
        + (f"; {again} overlaps cross, look at them" if again else "")
        + ("" if found.split or found.other else " (no split and no second folder to cross)")
    )


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    from neurallnet_jax.cli import output

    with output.progress_bar() as display:
        tasks: dict = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = display.add_task(step, total=total)
            display.update(tasks[step], completed=done, total=total)

        yield show
