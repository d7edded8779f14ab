"""Turn a trained network into integers and Lava processes, and write them as a PORT.

Batch norms fold into the weights, weights become integers of 2 to 8 bits with a scale per channel, thresholds and biases
follow, and every range is proven from the weights. The table says what rounding cost each layer.
With --calibrate, channels that the proof would take bits from trust ranges measured on images instead, biases are corrected
where that brings integers nearer to floats on these images, and a second table compares the two. docs/quantisation.md has
the equations.
"""

import argparse
from pathlib import Path
from typing import Any

from neurallnet_jax.cli.arguments import add_json, add_limit, add_run
from neurallnet_jax.spec import GATE_PATH_MESSAGES

__all__ = ["add_arguments", "run"]

CALIBRATION_IMAGES = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `convert-to-lava`."""
    add_run(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="PORT", help="folder to write")
    parser.add_argument(
        "--bits", type=int, choices=range(2, 9), metavar="N",
        help="bits of a weight, sign included, 2 to 8 (default: those the RUN was trained for, else 8)",
    )  # fmt: skip
    parser.add_argument(
        "--calibrate", metavar="DIR", help="image folder, one sub-folder per class, to measure ranges on"
    )
    add_limit(parser, CALIBRATION_IMAGES)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Convert and print what it cost."""
    import dataclasses

    from lava_port import graph as graphs
    from lava_port import port as ports
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.workflows.convert import convert

    saved, calibration, skipped = checkpoints.load(args.run), None, []
    if args.calibrate:
        port, calibration, skipped = _calibrated(saved, args)
    else:
        port = convert(saved, bits=args.bits)
    ports.save(port, args.out)
    size = sum(file.stat().st_size for file in args.out.iterdir())
    integers = (args.out / ports.FIXED_NAME).stat().st_size
    tables.show_rounding(port.rounding)
    if calibration:
        tables.show_calibration(calibration, title=f"floats against integers on {args.calibrate}")
    out = output.console()
    windows = graphs.windows(port.fixed)
    out.print(
        f"T = {port.fixed.steps} steps, {graphs.total_steps(port.fixed)} with the delays of the layers; "
        f"the read-out works in steps {windows['readout'].start} to {windows['readout'].stop - 1}"
    )
    for node in port.fixed.nodes:
        if isinstance(node, graphs.FixedGate):
            out.print(f"{node.name}: {_delay(node.delay)}", markup=False)
    out.print(f"wrote {args.out}: integer network {integers:,} bytes, in all {size:,} bytes", markup=False)
    output.write_json(
        args.json,
        {
            "port": str(args.out),
            "layers": [dataclasses.asdict(entry) for entry in port.rounding],
            "bits": {entry.name: entry.bits for entry in port.rounding},
            "bytes": integers,
            "bytes_with_float_graph": size,
            "steps": port.fixed.steps,
            "total_steps": graphs.total_steps(port.fixed),
            "seen": len(port.seen),
            "weight_bits": port.provenance["weight_bits"],
            "calibration": port.provenance.get("calibration"),
            "skipped": skipped,
        },
    )
    return 1 if skipped else 0


def _calibrated(saved: Any, args: argparse.Namespace) -> tuple[Any, Any, list[dict[str, str]]]:
    """Return the PORT, what calibration made of it, and the files that were skipped."""
    import numpy as np

    from neurallnet_jax.cli import output
    from neurallnet_jax.cli.opening import open_selected
    from neurallnet_jax.workflows.quantisation import convert_with_images

    wish = argparse.Namespace(data=args.calibrate, on_bad_image="skip", only="all", limit=args.limit)
    dataset, chosen = open_selected(wish, saved.classes, saved.spec.image_size, seen=saved.seen, test=saved.test)
    pixels, labels = np.asarray(dataset.pixels[chosen.places]), dataset.labels[chosen.places]
    seen = int(chosen.seen.sum())
    with output.progress("calibrating") as progress:
        port, found = convert_with_images(saved, pixels, labels, seen=seen, bits=args.bits, progress=progress)
    return port, found, output.warn_skipped(dataset.bad)


def _delay(steps: int) -> str:
    if steps == 0:
        return "gates with the statistics of the same step: simulation only, no core sees a whole channel in time"
    path = f"squeeze -> excite -> neuron are {GATE_PATH_MESSAGES} messages"
    return f"gates with the statistics of {steps} steps earlier ({path})"
