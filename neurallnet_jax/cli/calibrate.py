"""Fit what lets an answer be doubted: temperature, conformal sets, abstention, and warnings of unlike images.

Uses the images of DIR that training and selection have not seen, or, for a RUN trained on everything, the test images of
its cross-validation (--folds). Every printed figure comes from rules fitted on other groups of captures than it was
measured on.
"""

import argparse
from pathlib import Path

from neurallnet_jax.cli.arguments import add_data, add_json, shown

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `calibrate`."""
    parser.add_argument("run", metavar="RUN", help="folder that `train` wrote, or pretrained")
    add_data(parser)
    parser.add_argument(
        "--folds", type=Path, metavar="FOLDER", help="RUNs of a cross-validation, at any depth; their test images count"
    )
    parser.add_argument(
        "--coverage", type=float, default=0.9, metavar="C", help="of the conformal sets (default: %(default)s)"
    )
    parser.add_argument(
        "--method",
        choices=("lac", "aps"),
        default="lac",
        help="lac: smallest sets; aps: larger where the network is unsure (default: %(default)s)",
    )
    parser.add_argument(
        "--by-class", action="store_true", help="hold the coverage within each class; needs more images"
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--risk", type=float, metavar="R", help="share of wrong answers to abstain for (default: 0.01)")
    target.add_argument("--answered", type=float, metavar="A", help="share of images to answer, instead of a risk")
    parser.add_argument(
        "--false-warnings",
        type=float,
        default=0.02,
        metavar="W",
        help="share of unseen images that may be warned of (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="RUN2", help="write the calibrated RUN there (default: into RUN)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with diagrams")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Fit, measure, write and print."""
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.cli import output, trust_tables
    from neurallnet_jax.evaluation import held_out, origin, trust
    from neurallnet_jax.images import splits
    from neurallnet_jax.images.folder import open_folder

    saved = checkpoints.load(args.run)
    out = _place(args)
    output.check_places(args.json, args.html)
    settings = trust.Settings(
        coverage=args.coverage,
        method=args.method,
        by_class=args.by_class,
        risk=0.01 if args.risk is None and args.answered is None else args.risk,
        answered=args.answered,
        false_warnings=args.false_warnings,
    )
    with output.progress("reading images") as progress:
        dataset = open_folder(
            Path(args.data),
            saved.spec.image_size,
            classes=saved.classes,
            on_bad_image=args.on_bad_image,
            progress=progress,
        )
    with output.progress("scoring") as progress:
        held = (
            held_out.of_unseen(saved, dataset, progress=progress)
            if args.folds is None
            else held_out.of_folds(saved, dataset, args.folds, progress=progress)
        )
    record = {"data": {"digest": splits.digest(dataset), "images": len(dataset)}}
    made, report = trust.calibrate(saved, held, settings, record=record)
    file = checkpoints.save(made, out)
    skipped = output.warn_skipped(dataset.bad)
    trust_tables.show_trust(report, title=f"{args.run} on {args.data}")
    if args.html is not None:
        from neurallnet_jax.workflows import section_trust

        section_trust.write(report, args.html, command=shown("calibrate", args, add_arguments))
    output.console().print(f"written: {file}", markup=False)
    result = {"run": args.run, "out": str(out), "bytes": file.stat().st_size, **trust.to_json(report)}
    output.write_json(args.json, {**result, **origin.to_json(origin.of(dataset, saved)), "skipped": skipped})
    return 1 if skipped else 0


def _place(args: argparse.Namespace) -> Path:
    """Return the folder of the calibrated RUN, or refuse one that is not ours to write."""
    from neurallnet_jax import checkpoint as checkpoints

    if args.out is None:
        if args.run == checkpoints.PRETRAINED:
            raise ValueError(
                "the shipped checkpoint stays as it is; name a folder for the calibrated one with --out RUN2"
            )
        return Path(args.run)
    if (args.out / checkpoints.FILE_NAME).exists() and args.out.resolve() != Path(args.run).resolve():
        raise ValueError(f"{args.out}: holds a RUN already; name another folder with --out")
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f"{args.out}: is a file; name a folder with --out")
    return args.out
