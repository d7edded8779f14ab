"""Turn a trained network into integers and Lava processes, and write them as a PORT.

Batch norms fold into the weights, weights become integers of 2 to 8 bits with a scale per channel, thresholds and biases
follow, and every range is proven from the weights. The table says what rounding cost each layer.

A NIR file converts as well, be it from `neurallnet export` or from another library: a plain chain of layers with LIF or IF
neurons. What the file does not say about itself has to be given.

With --calibrate, channels that the proof would take bits from trust ranges measured on images instead, biases are corrected
where that brings integers nearer to floats on these images, and a second table compares the two. docs/quantisation.md has
the equations.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from neurallnet_jax.cli.arguments import add_json, positive, whole
from neurallnet_jax.spec import GATE_PATH_MESSAGES

if TYPE_CHECKING:
    from lava_port.port import Port
    from neurallnet_jax.workflows.convert import Source
    from neurallnet_jax.workflows.quantisation import Calibration

__all__ = ["add_arguments", "run"]

_OF_NIR = ("classes", "steps", "offset", "scale", "dt")
CALIBRATION_IMAGES = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `convert-to-lava`."""
    parser.add_argument(
        "run",
        nargs="?",
        default="pretrained",
        metavar="RUN|FILE.nir",
        help="folder that `train` wrote, or a NIR file (default: pretrained)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PORT", help="folder to write")
    parser.add_argument(
        "--bits",
        type=int,
        choices=range(2, 9),
        metavar="N",
        help="bits of a weight, sign included, 2 to 8 (default: those the RUN was trained for, else 8)",
    )
    parser.add_argument(
        "--calibrate", metavar="DIR", help="image folder, one sub-folder per class, to measure ranges on"
    )
    parser.add_argument(
        "--limit",
        type=whole,
        metavar="N",
        help=f"images to calibrate on, spread evenly (default: {CALIBRATION_IMAGES})",
    )
    nir = parser.add_argument_group("for a NIR file that does not say it, or to say something else")
    nir.add_argument("--classes", type=_names, metavar="A,B,C", help="class names in the order of the outputs")
    nir.add_argument("--steps", type=whole, metavar="T", help="number of time steps")
    nir.add_argument("--offset", type=_offsets, metavar="N[,N,N]", help="what is subtracted from a pixel (0 to 255)")
    nir.add_argument("--scale", type=positive, metavar="X", help="what that is divided by")
    nir.add_argument("--dt", type=positive, metavar="SECONDS", help="length of the step the network was made for")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Convert and print what it cost."""
    import dataclasses

    from lava_port import graph as graphs
    from lava_port import port as ports
    from lava_port.energy import chips, fit
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.workflows.convert import to_port

    if args.limit and not args.calibrate:
        raise ValueError("--limit goes with --calibrate DIR, of whose images it counts")
    source, calibration, skipped = _source(args), None, []
    if args.calibrate:
        port, calibration, skipped = _calibrated(source, args)
    else:
        port = to_port(source, bits=args.bits)
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
    if "nir" in port.provenance:
        out.print("a NIR file does not say which images trained it, so no command will mark any as seen")
    found = [fit.fit(port.fixed, chip) for chip in chips.select()]
    for one in found:
        out.print(fit.verdict(one), markup=False)
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
            "fit": {one.chip.name: {"fits": one.fits, "verdict": fit.verdict(one)} for one in found},
            "weight_bits": port.provenance["weight_bits"],
            "calibration": port.provenance.get("calibration"),
            "skipped": skipped,
        },
    )
    return 1 if skipped else 0


def _source(args: argparse.Namespace) -> "Source":
    """Return the float network that the arguments name."""
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.workflows import convert

    path = Path(args.run)
    given = {name: getattr(args, name) for name in _OF_NIR}
    if args.run != checkpoints.PRETRAINED and (path.is_file() or path.suffix == ".nir"):
        return convert.of_nir(path, **given)
    extra = [name for name, value in given.items() if value is not None]
    if extra:
        raise ValueError(f"--{extra[0]} goes with a NIR file; {args.run} says it itself")
    return convert.of_checkpoint(checkpoints.load(args.run))


def _calibrated(source: "Source", args: argparse.Namespace) -> tuple["Port", "Calibration", list[dict[str, str]]]:
    """Return the PORT, what calibration made of it, and the files that were skipped."""
    import numpy as np

    from neurallnet_jax.cli import output
    from neurallnet_jax.cli.opening import open_selected
    from neurallnet_jax.workflows.quantisation import convert_with_images

    height, width, _ = source.graph.nodes[0].shape
    wish = argparse.Namespace(
        data=args.calibrate, on_bad_image="skip", only="all", limit=args.limit or CALIBRATION_IMAGES
    )
    dataset, chosen = open_selected(wish, source.graph.classes, (height, width), seen=source.seen, test=source.test)
    pixels, labels = np.asarray(dataset.pixels[chosen.places]), dataset.labels[chosen.places]
    seen = int(chosen.seen.sum())
    with output.progress("calibrating") as progress:
        port, found = convert_with_images(source, pixels, labels, seen=seen, bits=args.bits, progress=progress)
    return port, found, output.warn_skipped(dataset.bad)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of distinct class names, separated by commas")
    return names


def _offsets(text: str) -> tuple[int, ...]:
    try:
        values = tuple(int(value) for value in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number, nor one per colour channel") from None
    if not all(0 <= value <= 255 for value in values):
        raise argparse.ArgumentTypeError(f"{text!r} is not in 0..255")
    return values


def _delay(steps: int) -> str:
    if steps == 0:
        return "gates with the statistics of the same step: simulation only, no core sees a whole channel in time"
    path = f"squeeze -> excite -> neuron are {GATE_PATH_MESSAGES} messages"
    return f"gates with the statistics of {steps} steps earlier ({path})"
