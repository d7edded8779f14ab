"""Score a trained network, or a table of predictions, on a folder of labelled images.

Every metric comes with two 95 % intervals: over groups of neighbouring captures, and over single images, which is what
most papers print and too narrow. Images that training or selection has seen are counted. A CSV that `--predictions` wrote
may stand in place of a RUN: it is matched with the folder by SHA-256, and refused where it speaks of another one.
Beside the figures of a RUN stands what colour alone gets on the same images, knowing those that the RUN has seen.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from neurallnet_jax.cli.arguments import add_data, add_json, add_limit, add_only, shown

if TYPE_CHECKING:
    from neurallnet_jax.evaluation.evaluate import Evaluation
    from neurallnet_jax.images.folder import Dataset

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    parser.add_argument(
        "run",
        nargs="?",
        default="pretrained",
        metavar="RUN",
        help="folder that `train` wrote, or a CSV file of `--predictions` (default: pretrained)",
    )
    add_data(parser)
    add_only(parser)
    add_limit(parser)
    parser.add_argument(
        "--predictions", type=Path, metavar="CSV", help="write one line per image, with its SHA-256 and its group"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write scores, confusion and reliability as a page")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="write the reliability diagram")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Score and print."""
    from neurallnet_jax.checkpoint import write_atomically
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.evaluation import evaluate, predictions

    output.check_places(args.predictions, args.html, args.plot, args.json)
    if args.plot is not None and args.plot.suffix.lower() != ".svg":
        raise ValueError(f"{args.plot}: the diagram is an SVG file; name it *.svg")
    dataset, result = _of_table(args) if predictions.is_file(args.run) else _of_run(args)
    skipped = output.warn_skipped(dataset.bad)
    tables.show_scores(result, title=f"{args.run} on {args.data}")
    if args.predictions:
        write_atomically(args.predictions, evaluate.predictions_csv(result).encode())
    if args.html:
        from neurallnet_jax.workflows import section_scores

        subject = f"{Path(args.run).name} on {result.scores.n:,} images of {Path(args.data).resolve().name}"
        section_scores.write(result, args.html, subject=subject, command=shown("evaluate", args, add_arguments))
    if args.plot:
        from neurallnet_jax.workflows import figures_scores

        write_atomically(args.plot, figures_scores.reliability(result.reliability))
    output.write_json(args.json, {**evaluate.to_json(result), "skipped": skipped})
    return 1 if skipped else 0


def _of_run(args: argparse.Namespace) -> "tuple[Dataset, Evaluation]":
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.cli import output
    from neurallnet_jax.cli.opening import open_selected
    from neurallnet_jax.evaluation import evaluate, shortcuts

    saved = checkpoints.load(args.run)
    dataset, selection = open_selected(args, saved.classes, saved.spec.image_size, seen=saved.seen, test=saved.test)
    with output.progress("scoring") as progress:
        found = evaluate.evaluate(saved, dataset, selection, progress=progress)
    with output.progress("reading colours") as progress:
        line = shortcuts.colour_line_of(saved, dataset, selection, progress=progress)
    return dataset, dataclasses.replace(found, colour_line=line.value, colour_line_reason=line.reason)


def _of_table(args: argparse.Namespace) -> "tuple[Dataset, Evaluation]":
    from neurallnet_jax.cli import output
    from neurallnet_jax.evaluation import entrants, evaluate, predictions
    from neurallnet_jax.images.folder import open_folder

    table = predictions.read(Path(args.run))
    with output.progress("reading images") as progress:
        dataset = open_folder(
            Path(args.data),
            entrants.THUMBNAIL,
            classes=table.classes,
            on_bad_image=args.on_bad_image,
            progress=progress,
        )
    predictions.match(table, dataset, source=args.run)
    chosen = predictions.choose(table, only=args.only, limit=args.limit, source=args.run)
    reason = "a table of predictions does not say which images its model has seen; score the RUN itself"
    return dataset, dataclasses.replace(evaluate.judge_table(chosen), colour_line_reason=reason)
