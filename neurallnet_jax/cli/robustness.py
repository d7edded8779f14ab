"""Score a trained network on images that get worse: eight corruptions at five severities.

The six of the NeurALLNet paper (Gaussian noise, salt and pepper, Gaussian blur, random occlusion, rotation, illumination),
JPEG and resampling. Balanced accuracy and its fall with intervals over groups, answers that change, and firing rates, since
a spiking network may go silent. An image is corrupted at 224 px, before it is resized for the network: a severity means the
same for every network. docs/evaluation/robustness.md says what.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neurallnet_jax.cli.arguments import add_data, add_json, add_limit, add_only, add_run, add_seed, shown, whole

if TYPE_CHECKING:
    from neurallnet_jax.checkpoint import Checkpoint
    from neurallnet_jax.evaluation.selection import Selection
    from neurallnet_jax.images.folder import Dataset

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `robustness`."""
    add_run(parser)
    add_data(parser)
    add_only(parser, default="unseen")
    add_limit(parser)
    parser.add_argument(
        "--corruption", nargs="+", action="extend", metavar="C", help="corruptions by name (default: all eight)"
    )
    parser.add_argument(
        "--severity",
        nargs="+",
        action="extend",
        type=whole,
        metavar="S",
        help="severities, 1 (mild) to 5 (severe) (default: all)",
    )
    parser.add_argument(
        "--backend",
        choices=("float", "emulator"),
        default="float",
        help="the trained network, or its integers as they run on Lava (default: %(default)s)",
    )
    parser.add_argument(
        "--run",
        dest="others",
        action="append",
        default=[],
        metavar="RUN",
        help="another RUN on the same images, in the same figure; may be repeated",
    )
    add_seed(parser, "noise, places and directions")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write tables and curves as one HTML page")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the curves, as FILE.svg or FILE.png")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Corrupt, score and print."""
    # Images are spread over threads; a BLAS that spreads every product of theirs as well only waits for itself.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.cli import output, robustness_tables
    from neurallnet_jax.evaluation import origin, robustness_result
    from neurallnet_jax.images import corruptions
    from neurallnet_jax.workflows import figures_robustness, robustness, section_robustness

    output.check_places(args.json, args.html, args.plot)
    kind = figures_robustness.kind_of(args.plot) if args.plot else "svg"
    names, severities = corruptions.select(args.corruption), corruptions.select_severities(args.severity)
    runs = _by_name([args.run, *args.others])
    saved = {name: checkpoints.load(run) for name, run in runs.items()}
    dataset, selection = _images(args, saved)
    found = {}
    for name, model in saved.items():
        with output.progress(f"corrupting, {name}") as progress:
            found[name] = robustness.measure(
                model,
                dataset,
                selection,
                backend=args.backend,
                names=names,
                severities=severities,
                seed=args.seed,
                progress=progress,
            )
    skipped = output.warn_skipped(dataset.bad)
    if args.plot:
        checkpoints.write_atomically(args.plot, figures_robustness.corruption_curves(found, kind=kind))
    if args.html:
        section_robustness.write(found, args.html, command=shown("robustness", args, add_arguments))
    first, *others = [
        {"run": name, "backend": args.backend, **robustness_result.to_json(one)} for name, one in found.items()
    ]
    made_of = origin.to_json(origin.of(dataset, *saved.values()))
    output.write_json(args.json, {**first, "others": others, **made_of, "skipped": skipped})
    for name, one in found.items():
        robustness_tables.show_robustness(one, title=f"{name} on {args.data}, backend {args.backend}")
    return 1 if skipped else 0


def _by_name(runs: Sequence[str]) -> dict[str, str]:
    """Return RUNs by the last part of their path, or by all of it where two end alike."""
    distinct = list(dict.fromkeys(runs))
    short = [Path(run).name or run for run in distinct]
    return dict(zip(short if len(set(short)) == len(short) else distinct, distinct, strict=True))


def _images(args: argparse.Namespace, saved: Mapping[str, "Checkpoint"]) -> "tuple[Dataset, Selection]":
    """Return the images at the size at which they are corrupted: what no model has seen, or every model kept apart."""
    from neurallnet_jax.cli.opening import open_selected
    from neurallnet_jax.images.corruptions import SIDE
    from neurallnet_jax.workflows.figures_robustness import MOST_MODELS

    first, *others = saved.values()
    for name, other in saved.items():
        if other.classes != first.classes:
            raise ValueError(
                f"{name}: has the classes {', '.join(other.classes)}, the first RUN {', '.join(first.classes)}"
            )
    if len(saved) > MOST_MODELS:
        raise ValueError(f"{len(saved)} RUNs in one figure hide each other; name at most {MOST_MODELS}")
    seen = set(first.seen).union(*(other.seen for other in others))
    test = set(first.test).intersection(*(other.test for other in others))
    return open_selected(args, first.classes, (SIDE, SIDE), seen=sorted(seen), test=sorted(test))
