"""Tell the class and the probability of single images.

Warnings say what makes an answer doubtful. Research use only; not a medical device.
"""

import argparse

from neurallnet_jax.cli.arguments import add_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict`."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="[RUN] IMAGE",
        help="image files; a RUN may come first (default: pretrained)",
    )
    parser.add_argument("--on-bad-image", choices=("skip", "fail"), default="skip", help="default: %(default)s")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Predict and print."""
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.evaluation import evaluate
    from neurallnet_jax.images.folder import open_files

    name, paths = checkpoints.PRETRAINED, args.images
    if checkpoints.is_run(paths[0]):
        name, *paths = paths
    if not paths:
        raise ValueError(f"no image named; say `neurallnet predict {name} IMAGE`")
    saved = checkpoints.load(name)
    files = open_files(paths, saved.spec.image_size, on_bad_image=args.on_bad_image)
    found = evaluate.predict(saved, files) if files.paths else ()
    if found:
        tables.show_predictions(found)
    skipped = output.warn_skipped(files.bad)
    output.write_json(
        args.json,
        {
            "run": name,
            "predictions": [
                *(
                    {
                        "path": entry.path,
                        "label": entry.label,
                        "probabilities": dict(entry.probabilities),
                        "warnings": list(entry.warnings),
                    }
                    for entry in found
                ),
                *skipped,
            ],
        },
    )
    return 1 if skipped else 0
