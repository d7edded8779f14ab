"""Turn a trained network into integers and Lava processes, and write them as a PORT.

Batch norms fold into the weights, weights become even integers of 9 bits with a scale per channel, thresholds and biases
follow, and every range is proven from the weights. The table says what rounding cost each layer.
"""

import argparse
from pathlib import Path

from neurallnet_jax.cli.arguments import add_json, add_run
from neurallnet_jax.spec import GATE_PATH_MESSAGES

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `convert-to-lava`."""
    add_run(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="PORT", help="folder to write")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Convert and print what it cost."""
    import dataclasses

    from lava_port import graph as graphs
    from lava_port import port as ports
    from lava_port.energy import chips, fit
    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.workflows.convert import convert

    port = convert(checkpoints.load(args.run))
    ports.save(port, args.out)
    size = sum(file.stat().st_size for file in args.out.iterdir())
    integers = (args.out / ports.FIXED_NAME).stat().st_size
    tables.show_rounding(port.rounding)
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
        },
    )
    return 0


def _delay(steps: int) -> str:
    if steps == 0:
        return "gates with the statistics of the same step: simulation only, no core sees a whole channel in time"
    path = f"squeeze -> excite -> neuron are {GATE_PATH_MESSAGES} messages"
    return f"gates with the statistics of {steps} steps earlier ({path})"
