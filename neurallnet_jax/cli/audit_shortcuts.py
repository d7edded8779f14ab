"""Measure how far background colour, scale bar, cell colour, file and focus alone get on the folds of a model.

Each of them is given to two plain rules, the nearest neighbour and a linear model; a network whose score lies near the best
of these has not been shown to read cells. With --run, the RUN is scored on its own test images (or, where DIR holds none
of them, on those it has not seen) with the background filled by one colour, the scale bar painted over, the colour taken
out, and combinations, beside controls that change as much and take nothing out. docs/evaluation/shortcuts.md says more.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from neurallnet_jax.cli.arguments import add_json, add_seed, shown

if TYPE_CHECKING:
    from neurallnet_jax.evaluation.edits import RunScore
    from neurallnet_jax.evaluation.shortcut_audit import Audit
    from neurallnet_jax.evaluation.shortcuts import Features
    from neurallnet_jax.images.folder import Dataset

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `audit shortcuts`."""
    parser.add_argument("data", metavar="DIR", help="image folder with one sub-folder per class")
    parser.add_argument(
        "--run", action="append", default=[], dest="runs", metavar="RUN", help="score this RUN as well; may be repeated"
    )
    parser.add_argument(
        "--split", choices=("contiguous", "blocks", "random"), default="contiguous", help="default: %(default)s"
    )
    parser.add_argument(
        "--fold",
        dest="folds",
        type=_fold,
        nargs="+",
        metavar="K",
        help="score these folds of the split alone, 0 to 4 (default: all)",
    )
    parser.add_argument(
        "--margin",
        type=_margin,
        metavar="N",
        help="capture numbers left out on either side of a contiguous test fifth (default: 24)",
    )
    add_seed(parser, "the random split")
    parser.add_argument(
        "--on-bad-image",
        choices=("skip", "fail"),
        default="skip",
        help="what to do about files that are no readable image (default: %(default)s)",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write all of it as one HTML page")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.cli import output
    from neurallnet_jax.evaluation import origin, shortcut_audit, shortcuts
    from neurallnet_jax.images import splits
    from neurallnet_jax.images.folder import open_folder

    output.check_places(args.html, args.json)
    if args.margin is not None and args.split != "contiguous":
        raise ValueError(f"--margin goes with --split contiguous; split {args.split} leaves out no such numbers")
    if len(set(args.runs)) < len(args.runs):
        raise ValueError("a RUN is named twice; name each once")
    margin = splits.TEST_MARGIN if args.margin is None else args.margin
    folds = tuple(range(splits.FOLDS)) if args.folds is None else tuple(dict.fromkeys(args.folds))
    saved = {name: checkpoints.load(name) for name in args.runs}
    with output.progress("reading images") as progress:
        dataset = open_folder(Path(args.data), shortcuts.SIZE, on_bad_image=args.on_bad_image, progress=progress)
    if len(dataset.classes) < 2:
        raise ValueError(f"{args.data}: holds one class, {', '.join(dataset.classes)}; there is nothing to tell apart")
    for fold in folds:
        splits.make_split(dataset.records, scheme=args.split, fold=fold, seed=args.seed, margin=margin)
    with output.progress("measuring images") as progress:
        features = shortcuts.measure(dataset, progress=progress)
    found = shortcuts.score_folds(dataset, features, scheme=args.split, folds=folds, margin=margin, seed=args.seed)
    audit = shortcut_audit.Audit(
        data=Path(args.data).resolve().name,
        images=len(dataset),
        classes=dataset.classes,
        scheme=args.split,
        folds=folds,
        margin=margin if args.split == "contiguous" else None,
        seed=args.seed,
        shortcuts=found,
        runs=tuple(_score(saved[name], name, dataset, features, args.on_bad_image) for name in args.runs),
    )
    skipped = output.warn_skipped(dataset.bad)
    _show(audit, output.show_table)
    if args.html is not None:
        from neurallnet_jax.workflows import section_shortcuts

        section_shortcuts.write(audit, args.html, command=shown("audit shortcuts", args, add_arguments))
    made_of = origin.to_json(origin.of(dataset, *saved.values()))
    output.write_json(args.json, {**shortcut_audit.to_json(audit), **made_of, "skipped": skipped})
    return 1 if skipped else 0


def _score(saved: object, name: str, dataset: "Dataset", features: "tuple[Features, ...]", on_bad: str) -> "RunScore":
    from neurallnet_jax.checkpoint import Checkpoint
    from neurallnet_jax.cli import output
    from neurallnet_jax.evaluation import edits, shortcuts

    assert isinstance(saved, Checkpoint)
    own, selection, only = edits.open_for(saved, dataset.root, run=name, on_bad_image=on_bad)
    mine = shortcuts.reordered(features, dataset, own)
    with output.progress(f"scoring {Path(name).name}") as progress:
        return edits.score_run(saved, own, selection, mine, run=Path(name).name, only=only, progress=progress)


def _show(audit: "Audit", show: Callable[..., None]) -> None:
    columns = ["what", "numbers", "rule", *(f"fold {fold}" for fold in audit.folds), "mean"]
    nothing = ["-"] * len(audit.folds)
    left_out = "" if audit.margin is None else f", {audit.margin} numbers left out on either side"
    reasons = {f"{one.name}: {one.reason}": None for one in audit.shortcuts if one.reason}
    show(
        f"balanced accuracy without a look at shapes: {audit.data}, {audit.images} images, {audit.scheme} split{left_out}",
        columns,
        [
            [one.name, one.numbers or "-", one.rule, *(one.folds or nothing), "-" if one.mean is None else one.mean]
            for one in audit.shortcuts
        ],
        caption="; ".join([f"chance: {audit.chance:.4g}", *reasons]),
    )
    for one in audit.runs:
        _show_run(audit, one, show)


def _show_run(audit: "Audit", one: "RunScore", show: Callable[..., None]) -> None:
    line = "no colour line" if one.colour_line is None else f"colour line on the same images {one.colour_line:.4f}"
    show(
        f"{one.run} on its {one.images} {one.only} images of {audit.data}",
        ["taken out", "balanced accuracy", "drop", "95 % over groups", "classes changed"],
        [
            [
                edit.name,
                f"{edit.balanced_accuracy:.4f}",
                f"{edit.drop:+.4f}",
                "-" if edit.interval is None else f"{edit.interval[0]:+.4f} to {edit.interval[1]:+.4f}",
                f"{100 * edit.changed:.1f} %",
            ]
            for edit in one.edits
        ],
        caption=f"{line}; {sum(one.groups)} groups of neighbouring captures"
        + (f"; {one.reason}" if one.reason else "")
        + "; a drop says that the answer hangs on what was taken out or that the model never met such images: compare with "
        "the controls",
    )


def _fold(text: str) -> int:
    if text not in ("0", "1", "2", "3", "4"):
        raise argparse.ArgumentTypeError(f"{text!r} is no fold; expected 0 to 4")
    return int(text)


def _margin(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of captures, at least 0")
    return int(text)
