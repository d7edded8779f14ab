"""Ablations: the network with one part changed at a time, each arm trained from several seeds on the same images.

Every arm and seed is a RUN below FOLDER/runs, every finished one a line of FOLDER/results.jsonl. A killed command goes on
with --resume, which takes all other settings from FOLDER. No arm is tuned for itself: all train with the settings of the
preset. An arm with a silent layer is marked dead: its accuracy tells of missing spikes, not of the idea.
"""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurallnet_jax.cli.arguments import add_json, shown, whole

if TYPE_CHECKING:
    from neurallnet_jax.evaluation.ablation import Protocol
    from neurallnet_jax.evaluation.ablation_results import Ablation

__all__ = ["add_arguments", "run"]

_PRESET, _IMAGE_SIZE, _EPOCHS, _SPLIT, _FOLD, _SEEDS = "neurallnet", 112, 24, "contiguous", 1, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `ablate`; with --resume those left out are those of the folder."""
    parser.add_argument("--data", metavar="DIR", help="image folder with one sub-folder per class")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the RUNs and results")
    parser.add_argument(
        "--study",
        nargs="+",
        metavar="S",
        help="attention, steps, surrogate, decay, encoding, twin, or single arms such as static (default: all)",
    )
    parser.add_argument("--seeds", type=whole, metavar="N", help=f"seeds 0 to N - 1 of every arm (default: {_SEEDS})")
    parser.add_argument("--split", metavar="S", help=f"contiguous, blocks, random or a split file (default: {_SPLIT})")
    parser.add_argument("--fold", type=int, metavar="K", help=f"fold of the split, 0 to 4 (default: {_FOLD})")
    parser.add_argument(
        "--image-size", type=whole, metavar="PX", help=f"side of the square input, pixels (default: {_IMAGE_SIZE})"
    )
    parser.add_argument(
        "--epochs", type=whole, metavar="N", help=f"passes over the training images (default: {_EPOCHS})"
    )
    parser.add_argument("--preset", help=f"neurallnet or tiny (default: {_PRESET})")
    parser.add_argument("--steps", type=whole, metavar="T", help="time steps of the baseline (default: the preset's)")
    parser.add_argument(
        "--delay", type=int, metavar="K", help="delay of the baseline's attention (default: the preset's)"
    )
    parser.add_argument(
        "--on-bad-image",
        choices=("skip", "fail"),
        help="what to do about files that are no readable image (default: fail)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a folder that was begun")
    parser.add_argument(
        "--show", action="store_true", help="print what is finished in a folder that was begun, and train nothing"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the table and figures as one page")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Train what is missing, and print the table."""
    from neurallnet_jax.cli import output, tables_ablation
    from neurallnet_jax.evaluation import ablation, ablation_results

    output.check_places(args.json, args.html)
    command = shown("ablate", args, add_arguments)
    result = ablation.table(args.out, words=args.study or (), seeds=args.seeds) if args.show else _ablate(args, command)
    if result is None:
        out = shlex.quote(str(args.out))
        output.console().print(f"stopped; go on with\n  neurallnet ablate --out {out} --resume", markup=False)
        return 130
    tables_ablation.show_ablation(result)
    if args.html:
        from neurallnet_jax.workflows import section_ablation

        section_ablation.write(result, args.html, command=command)
    output.write_json(args.json, ablation_results.to_json(result))
    return 1 if result.identity_equals_none is False else 0


def _ablate(args: argparse.Namespace, command: str) -> "Ablation | None":
    from neurallnet_jax.cli import tables_ablation
    from neurallnet_jax.cli.watching import BarWatcher
    from neurallnet_jax.evaluation import ablation

    before = ablation.begun(args.out) if args.resume else None
    protocol = _protocol(args, before.protocol if before else None)
    return ablation.ablate(
        protocol,
        args.out,
        words=args.study or (before.words if before else ("all",)),
        seeds=args.seeds or (before.seeds if before else _SEEDS),
        resume=args.resume,
        command=command,
        watching=BarWatcher,
        heard=tables_ablation.say_outcome,
    )


def _protocol(args: argparse.Namespace, before: "Protocol | None") -> "Protocol":
    """Return what is asked for: what was given, else what the folder was begun with, else the defaults."""
    import dataclasses

    from neurallnet_jax import config, spec
    from neurallnet_jax.evaluation import arms
    from neurallnet_jax.evaluation.ablation import Protocol

    if before is None and args.data is None:
        raise ValueError("--data is missing; name an image folder to begin with, or go on with --resume")

    def pick(name: str, own: Any, default: Any) -> Any:
        given = getattr(args, name)
        return given if given is not None else own if before else default

    preset = config.preset(args.preset or _PRESET)
    network, training = preset.network, preset.training
    steps, delay = args.steps, args.delay
    if before and args.preset is None:
        network, training = before.network, before.training
    elif before:
        # Another preset than before shows as a difference; what the presets do not decide is kept.
        steps = steps or before.network.steps
    size = pick("image_size", before and before.network.image_size[0], _IMAGE_SIZE)
    epochs = pick("epochs", before and before.training.epochs, _EPOCHS)
    network = dataclasses.replace(
        spec.layered(network, "has no layers that an arm could change; name the preset neurallnet or tiny"),
        image_size=(size, size),
    )
    return Protocol(
        data=pick("data", before and before.data, None),
        network=arms.baseline(network, delay=delay, steps=steps),
        # Every arm from random weights: those of a twin would make all arms alike, and some have none.
        training=dataclasses.replace(training, epochs=epochs, twin_epochs=0),
        split=pick("split", before and before.split, _SPLIT),
        fold=pick("fold", before and before.fold, _FOLD),
        on_bad_image=pick("on_bad_image", before and before.on_bad_image, "fail"),
    )
