"""Tell the class and the probability of single images.

Warnings say what makes an answer doubtful: an image unlike those of the training, seen in training, not calibrated. A
calibrated RUN tells the set of classes that holds the true one with a stated probability as well. Research use only; not a
medical device.
"""

import argparse
from typing import TYPE_CHECKING, Any

from neurallnet_jax.cli.arguments import add_json

if TYPE_CHECKING:
    from neurallnet_jax.checkpoint import Checkpoint
    from neurallnet_jax.evaluation.evaluate import Prediction

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
    parser.add_argument(
        "--abstain", action="store_true", help="give no answer where there is a warning or too little confidence"
    )
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
    found = evaluate.predict(saved, files, abstain=args.abstain)
    if found:
        tables.show_predictions(found)
        _say_what_was_fitted(saved, name)
    skipped = output.warn_skipped(files.bad)
    output.write_json(
        args.json,
        {
            "run": name,
            "coverage": saved.trust.conformal.coverage if saved.trust else None,
            "predictions": [*map(_entry, found), *skipped],
        },
    )
    return 1 if skipped else 0


def _entry(found: "Prediction") -> dict[str, Any]:
    """Return one prediction as plain data; what was not fitted is null."""
    doubt = found.doubt
    return {
        "path": found.path,
        "label": found.label,
        "probabilities": dict(found.probabilities),
        "warnings": list(found.warnings),
        "set": None if doubt is None else list(doubt.members),
        "novelty": None if doubt is None else doubt.novelty,
        "abstained": found.abstained is not None,
        "reason": found.abstained,
    }


def _say_what_was_fitted(saved: "Checkpoint", name: str) -> None:
    from neurallnet_jax.cli import output

    if saved.trust is None or not saved.trust.regions:
        output.console().print(
            "no warnings of unlike images: this RUN was not calibrated for them; "
            f"`neurallnet calibrate {name} --data DIR` does it",
            markup=False,
        )
