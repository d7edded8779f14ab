"""Run the whole chain on drawn smears, in under three minutes on two cores.

Draws synthetic blood smears, trains a small spiking network, scores it, turns it into integers, runs it in Lava, compares
spike by spike, estimates energy, and writes an HTML report. Nothing is downloaded, no patient's image is used.
"""

import argparse
import itertools
from pathlib import Path

from neurallnet_jax.cli.arguments import add_json, add_seed

__all__ = ["add_arguments", "run"]

_FOLDER = "neurallnet-demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo`."""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"folder to write (default: {_FOLDER}, or the next free {_FOLDER}-2 ...)",
    )
    add_seed(parser, "drawings and training")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the chain and print what it found."""
    import time

    from neurallnet_jax.cli import energy_tables, output, tables
    from neurallnet_jax.cli.watching import BarWatcher
    from neurallnet_jax.workflows import demo

    began = time.perf_counter()
    out = args.out or _free_folder()
    command = "neurallnet demo" + (f" --seed {args.seed}" if args.seed else "")
    found = demo.run(out, seed=args.seed, command=command, watching=BarWatcher(), steps=output.progress)
    seconds = time.perf_counter() - began
    tables.show_scores(found.evaluation, title="drawn smears kept apart for the test")
    tables.show_activity(found.activity)
    energy_tables.show_short(found.energy)
    equal = {one.right: one.equal for one in found.parity}
    output.show_table(
        "the chain",
        ["what", "result"],
        [
            ["accuracy, float network", f"{found.evaluation.scores.accuracy:.4f}"],
            ["accuracy, integer network", f"{found.integer_accuracy:.4f}"],
            *([f"{name} spikes like the reference", "yes" if same else "NO"] for name, same in equal.items()),
            *([["Lava", found.lava]] if found.lava else []),
            ["time", f"{seconds:.0f} s"],
            ["report", str(found.report)],
        ],
    )
    output.write_json(args.json, demo.to_json(found, seconds=seconds))
    return 0 if all(equal.values()) else 1


def _free_folder() -> Path:
    names = itertools.chain([_FOLDER], (f"{_FOLDER}-{number}" for number in itertools.count(2)))
    return next(Path(name) for name in names if not Path(name).exists())
