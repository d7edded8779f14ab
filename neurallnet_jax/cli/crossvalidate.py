"""Train and score a recipe on every fold, from several seeds, under one split or more, and print one table.

Every run is an ordinary RUN below FOLDER, such as FOLDER/contiguous-24/fold-0/seed-0. Whatever stops the command, a
power cut included, --resume goes on where it was and ends with the same table; with --out and --resume alone it takes
all settings from FOLDER, and prints the table again where everything is done.
"""

import argparse
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from neurallnet_jax.cli.arguments import add_data, add_json, typed
from neurallnet_jax.cli.train import add_recipe

if TYPE_CHECKING:
    from neurallnet_jax.evaluation.crossvalidation_plan import Plan

__all__ = ["add_arguments", "run"]

_SCHEMES = ("contiguous", "blocks", "random")
_MOST = 1000
"""Largest number of folds or seeds that is not taken for a mistake."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `crossvalidate`; those of the recipe are those of `train`."""
    add_data(parser, required=False, skip=False)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument(
        "--folds",
        default="5",
        metavar="N|LIST",
        help="number of folds, or which, such as 0,2 or 3, with its comma (default: %(default)s)",
    )
    parser.add_argument(
        "--split",
        nargs="+",
        choices=_SCHEMES,
        default=["contiguous"],
        metavar="S",
        help="contiguous, blocks or random, one or more; the first and the last give the gap (default: contiguous)",
    )
    parser.add_argument(
        "--seeds",
        default="1",
        metavar="N|LIST",
        help="number of seeds, from 0, or which, such as 3,7 or 3, with its comma (default: %(default)s)",
    )
    parser.add_argument(
        "--margin",
        nargs="+",
        type=int,
        metavar="N",
        help="capture numbers left out on either side of what split contiguous tests on; several make a split each "
        "(default: 24)",
    )
    add_recipe(parser)
    parser.add_argument("--resume", action="store_true", help="go on with a FOLDER that was begun")
    add_json(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with a picture of all folds")


def run(args: argparse.Namespace) -> int:
    """Run every fold and print the table."""
    from neurallnet_jax.cli import crossvalidation_tables, output
    from neurallnet_jax.cli.watching_folds import FoldsWatcher
    from neurallnet_jax.evaluation import crossvalidation, crossvalidation_table
    from neurallnet_jax.workflows import section_crossvalidation

    output.check_places(args.json, args.html)
    plan = _plan(args)
    began = time.perf_counter()
    words = typed(args, add_arguments, apart=("resume", "json", "html"))
    command = shlex.join(["neurallnet", "crossvalidate", *words])
    with FoldsWatcher() as watcher:
        found = crossvalidation.crossvalidate(plan, args.out, resume=args.resume, command=command, watcher=watcher)
    seconds = time.perf_counter() - began
    if found is None:
        again = shlex.join(["neurallnet", "crossvalidate", "--out", str(args.out), "--resume"])
        output.console().print(f"stopped; go on with\n  {again}", markup=False)
        output.write_json(args.json, {"finished": False, "seconds": seconds})
        return 130
    crossvalidation_tables.show(found, title=f"{args.out} on {found.data}")
    result = {**crossvalidation_table.to_json(found), "finished": True, "seconds": seconds}
    output.write_json(args.json, result)
    if args.html is not None:
        section_crossvalidation.write(found, args.html, command=_shown(found.command))
        output.console().print(f"the page: {args.html}", markup=False)
    return 0


def _plan(args: argparse.Namespace) -> "Plan":
    """Return what the arguments ask for, or, with `--resume` and none of them, what the folder was begun with."""
    from neurallnet_jax.cli.train import request_of
    from neurallnet_jax.evaluation import crossvalidation_folder
    from neurallnet_jax.evaluation.crossvalidation_plan import Plan
    from neurallnet_jax.images.splits import TEST_MARGIN

    if args.data is None:
        if not args.resume:
            raise ValueError("--data is missing; name an image folder with one sub-folder per class")
        if given := typed(args, add_arguments, apart=("resume", "json", "html", "out")):
            raise ValueError(
                f"{given[0]} without --data: with --resume repeat --data and all other options, or leave all of them out"
            )
        return crossvalidation_folder.begun(args.out).plan
    if args.margin is not None and "contiguous" not in args.split:
        named = ", ".join(args.split)
        raise ValueError(f"--margin {args.margin[0]}: split {named} leaves out no such numbers; leave it out")
    return Plan(
        request_of(args, split="contiguous", fold=0, seed=0, margin=TEST_MARGIN),
        schemes=tuple(args.split),
        folds=_numbers("--folds", args.folds),
        seeds=_numbers("--seeds", args.seeds),
        margins=(TEST_MARGIN,) if args.margin is None else tuple(args.margin),
    )


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """Return the numbers from 0 that a count asks for, or those of a list; one alone is written with a comma, `3,`."""
    parts = text.removesuffix(",").split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"{option} {text}: expected a number, or a list such as 0,2")
    values = tuple(int(part) for part in parts)
    if "," in text:
        return values
    if not 1 <= values[0] <= _MOST:
        raise ValueError(f"{option} {text}: expected 1 to {_MOST}, or a list such as 0,2")
    return tuple(range(values[0]))


def _shown(command: str) -> str:
    """Return a command line with the last part of every path alone: a page may be given to others."""
    return shlex.join([Path(word).name if "/" in word else word for word in shlex.split(command)])
