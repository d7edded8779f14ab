"""Score a trained network on a folder of labelled images.

Every metric comes with two 95 % intervals: over groups of neighbouring captures, and over single images, which is what
most papers print and too narrow. Images that training or selection has seen are counted.
"""

import argparse
from pathlib import Path

from neurallnet_jax.cli.arguments import add_data, add_json, add_limit, add_only, add_run

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    add_run(parser)
    add_data(parser)
    add_only(parser)
    add_limit(parser)
    parser.add_argument("--predictions", type=Path, metavar="CSV", help="write one line per image")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Score and print."""
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.cli.opening import open_selected
    from neurallnet_jax.evaluation import evaluate

    saved = checkpoints.load(args.run)
    dataset, selection = open_selected(args, saved.classes, saved.spec.image_size, seen=saved.seen, test=saved.test)
    with output.progress("scoring") as progress:
        result = evaluate.evaluate(saved, dataset, selection, progress=progress)
    skipped = output.warn_skipped(dataset.bad)
    tables.show_scores(result, title=f"{args.run} on {args.data}")
    if args.predictions:
        checkpoints.write_atomically(args.predictions, evaluate.predictions_csv(result).encode())
    output.write_json(args.json, {**evaluate.to_json(result), "skipped": skipped})
    return 1 if skipped else 0
