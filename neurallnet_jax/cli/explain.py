"""Show where a network finds its evidence in an image, or test on a folder how far such maps can be believed.

IMAGE --out PNG writes a figure: the image as the network sees it, the heat map, both in one, and the class scores; with
`--method all` a sheet of all methods that the network can have, over time where it spikes. --data DIR writes a
table: deletion
and insertion curves, shares of the evidence on cells, background and scale bar, stability under noise, randomised weights,
with intervals over groups, beside three controls that ask no network. docs/explain.md says what each figure means and
when it misleads. Research use only; not a medical device.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurallnet_jax.cli.arguments import add_data, add_json, add_seed, shown, whole

if TYPE_CHECKING:
    from neurallnet_jax.checkpoint import Checkpoint
    from neurallnet_jax.explain.trial import Settings
    from neurallnet_jax.workflows.explain_image import Explained

__all__ = ["add_arguments", "run"]

_REPLACEMENTS = ("background", "offset", "mean", "blur")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    parser.add_argument(
        "words", nargs="*", metavar="[RUN] IMAGE", help="an image; a RUN may come first (default: pretrained)"
    )
    add_data(parser, required=False, without="IMAGE is explained")
    parser.add_argument(
        "--method",
        "--methods",
        default=None,
        metavar="M[,M...]",
        help="methods by name, or `all` that the network can have (default: grad-cam for an image, all for a folder)",
    )
    parser.add_argument(
        "--layer", metavar="NAME", help="layer that methods look at that look at one (default: the last)"
    )
    parser.add_argument("--target", metavar="CLASS", help="class to explain (default: the one the network says)")
    parser.add_argument("--out", type=Path, metavar="PNG", help="the figure of IMAGE")
    folder = parser.add_argument_group("of a folder")
    folder.add_argument(
        "--only",
        choices=("all", "unseen", "test"),
        help="which images (default: those that the split kept apart, else those that the network has not seen)",
    )
    folder.add_argument("--limit", type=whole, metavar="N", help="N images at most, drawn at random (default: all)")
    folder.add_argument("--masks", type=Path, metavar="DIR", help="weak masks of blasts, named as the images are")
    folder.add_argument("--random-run", metavar="RUN", help="the same network, trained on shuffled labels")
    folder.add_argument(
        "--checks",
        type=whole,
        default=8,
        metavar="N",
        help="images on which stability and randomised weights are tested, a dozen maps each (default: %(default)s)",
    )
    folder.add_argument("--html", type=Path, metavar="FILE", help="write tables and curves as one HTML page")
    parser.add_argument("--steps", type=whole, default=16, metavar="K", help="steps of a curve (default: %(default)s)")
    parser.add_argument(
        "--replacement",
        choices=_REPLACEMENTS,
        default="background",
        help="what stands where a curve takes a pixel out: the empty slide, the mean of the training, that of the image, "
        "or the image blurred (default: %(default)s)",
    )
    add_seed(parser, "all that is drawn: images, masks, noise, weights")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Explain and show."""
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.explain.trial import Settings

    run_name, paths = checkpoints.PRETRAINED, list(args.words)
    if paths and checkpoints.is_run(paths[0]):
        run_name, *paths = paths
    _check(args, run_name, paths)
    checks = min(args.checks, args.limit) if args.limit else args.checks
    settings = Settings(steps=args.steps, replacement=args.replacement, checks=checks, seed=args.seed)
    saved = checkpoints.load(run_name)
    if args.data is None:
        return _image(args, run_name, saved, Path(paths[0]), settings)
    return _folder(args, run_name, saved, settings)


def _check(args: argparse.Namespace, name: str, paths: list[str]) -> None:
    """Refuse, before anything is read, what does not go together."""
    from neurallnet_jax.cli import output

    if args.data is None and len(paths) != 1:
        found = "no image named" if not paths else f"{len(paths)} images named ({', '.join(paths)})"
        raise ValueError(f"{found}; say `neurallnet explain {name} IMAGE --out PNG`, or --data DIR for a folder")
    if args.data is not None and paths:
        raise ValueError(f"{paths[0]}: is no RUN, and an image does not go with --data {args.data}; name one of them")
    if args.data is None:
        if args.out is None:
            raise ValueError("--out is missing; name the figure, such as map.png")
        if args.out.suffix.lower() != ".png":
            raise ValueError(f"{args.out}: its ending is {args.out.suffix or 'missing'}; name a file that ends in .png")
        for option in ("only", "limit", "masks", "random_run", "html"):
            if getattr(args, option) is not None:
                raise ValueError(f"--{option.replace('_', '-')} goes with --data DIR, not with an image")
    elif args.out is not None:
        raise ValueError(f"--out {args.out} goes with an image; the page of a folder is --html")
    output.check_places(args.out, args.html, args.json)


def _names(method: str | None, default: str) -> list[str]:
    names = [name.strip() for name in (default if method is None else method).split(",")]
    if not all(names):
        raise ValueError(f"--method {method}: names no method between two commas; `neurallnet explain --help` says how")
    if "all" in names and len(names) > 1:
        raise ValueError(f"--method {method}: all stands for every method; name it alone")
    return names


def _image(args: argparse.Namespace, run_name: str, saved: "Checkpoint", path: Path, settings: "Settings") -> int:
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.cli import explain_tables, output
    from neurallnet_jax.workflows import explain_image, figures_explain

    with output.progress("explaining") as progress:
        found = explain_image.explain_image(
            saved,
            path,
            names=_names(args.method, "grad-cam"),
            layer=args.layer,
            target=args.target,
            settings=settings,
            progress=progress,
        )
    checkpoints.write_atomically(args.out, figures_explain.picture(found))
    output.write_json(args.json, _image_json(found, run_name, args))
    explain_tables.show_image(found)
    output.console().print(f"written: {args.out}", markup=False)
    return 0


def _image_json(found: "Explained", run_name: str, args: argparse.Namespace) -> dict[str, Any]:
    names = list(found.maps)
    return {
        "run": run_name,
        "path": found.prediction.path,
        "out": str(args.out),
        "method": names[0] if len(names) == 1 else names,
        "target": found.target,
        "label": found.prediction.label,
        "probabilities": dict(found.prediction.probabilities),
        "warnings": list(found.prediction.warnings),
        "layer": args.layer,
        "faithfulness": [
            {
                "method": name,
                "control": name in found.controls,
                **one.figures,
                "shares": one.curves.shares.tolist(),
                "deletion_curve": one.curves.deletion.tolist(),
                "insertion_curve": one.curves.insertion.tolist(),
                "facts": dict(one.found.facts),
            }
            for name, one in {**found.maps, **found.controls}.items()
        ],
        "refused": dict(found.refused),
    }


def _folder(args: argparse.Namespace, run_name: str, saved: "Checkpoint", settings: "Settings") -> int:
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax import models
    from neurallnet_jax.cli import explain_tables, output
    from neurallnet_jax.evaluation import origin
    from neurallnet_jax.explain import faithfulness_result
    from neurallnet_jax.images.folder import open_folder
    from neurallnet_jax.workflows import explain, section_explain

    shuffled = None if args.random_run is None else checkpoints.load(args.random_run)
    names = _names(args.method, explain.ALL)
    # Refused before a folder is read.
    explain.select(models.from_checkpoint(saved), names, layer=args.layer)
    with output.progress("reading images") as progress:
        dataset = open_folder(
            Path(args.data),
            saved.spec.image_size,
            classes=saved.classes,
            on_bad_image=args.on_bad_image,
            progress=progress,
        )
    chosen = explain.choose(saved, dataset, only=args.only, limit=args.limit, seed=args.seed)
    with output.progress("explaining") as progress:
        found = explain.measure(
            saved,
            dataset,
            chosen,
            names=names,
            layer=args.layer,
            target=args.target,
            masks=args.masks,
            shuffled=shuffled,
            settings=settings,
            progress=progress,
        )
    skipped = output.warn_skipped(dataset.bad)
    run_title = Path(run_name).name
    if args.html:
        section_explain.write(found, args.html, run=run_title, command=shown("explain", args, add_arguments))
    result = faithfulness_result.to_json(found)
    output.write_json(
        args.json, {"run": run_name, **result, **origin.to_json(origin.of(dataset, saved)), "skipped": skipped}
    )
    explain_tables.show_faithfulness(found, title=f"{run_title} on {args.data}")
    return 1 if skipped else 0
