"""Show the layers, shapes, parameters and bytes of a RUN, or the integer layers and ranges of a PORT, and its origin.

Of a PORT also whether it fits a chip: cores per layer, the limit that decides, and why not. With --fit the exit code is 1
where it does not.
"""

import argparse
from pathlib import Path

from neurallnet_jax.cli.arguments import add_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inspect`."""
    parser.add_argument(
        "name", nargs="?", default="pretrained", metavar="RUN|PORT", help="what to look at (default: pretrained)"
    )
    parser.add_argument(
        "--fit",
        metavar="CHIP",
        help="answer whether the PORT fits this chip: loihi1, loihi2 (default: show both); `pretrained` is its port then",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Look and print."""
    from lava_port import port as ports
    from neurallnet_jax.cli import output

    if args.fit is None and not ports.is_port(Path(args.name)):
        output.write_json(args.json, _run(args.name))
        return 0
    result, fits = _port(args.name, args.fit)
    output.write_json(args.json, result)
    return 0 if fits or args.fit is None else 1


def _run(name: str) -> dict[str, object]:
    import dataclasses

    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax import models, spec
    from neurallnet_jax.cli import output

    saved = checkpoints.load(name)
    with output.progress("building the network"):
        rows = checkpoints.layer_sizes(saved, models.output_shapes(saved.spec))
    parameters = sum(row.parameters for row in rows)
    size = checkpoints.locate(name).stat().st_size
    output.show_table(
        f"{name}: {parameters:,} parameters, {size:,} bytes on disk, T = {saved.spec.steps}",
        ["layer", "kind", "output", "parameters", "bytes"],
        [[row.name, row.kind, " x ".join(map(str, row.shape)), row.parameters, row.bytes] for row in rows],
    )
    out = output.console()
    out.print(f"classes: {', '.join(saved.classes)}", markup=False)
    out.print(f"images: {len(saved.seen)} seen in training or selection, {len(saved.test)} kept apart for the test")
    temperature = "not calibrated" if saved.temperature is None else f"temperature {saved.temperature:.3f}"
    out.print(f"calibration: {temperature}")
    for key in ("command", "best_epoch", "validation_balanced_accuracy", "seconds"):
        if saved.provenance.get(key) is not None:
            out.print(f"{key.replace('_', ' ')}: {saved.provenance[key]}", markup=False)
    return {
        "kind": "run",
        "layers": [dataclasses.asdict(row) for row in rows],
        "parameters": parameters,
        "bytes": size,
        "spec": spec.network_to_json(saved.spec),
        "classes": list(saved.classes),
        "preprocessing": dataclasses.asdict(saved.preprocessing),
        "temperature": saved.temperature,
        "seen": len(saved.seen),
        "test": len(saved.test),
        "digest": checkpoints.digest(saved),
        "provenance": dict(saved.provenance),
    }


def _port(name: str, chip: str | None) -> tuple[dict[str, object], bool]:
    """Print a PORT and where it lies on a chip, or on all; return the result and whether it fits all of them."""
    import dataclasses
    import math

    from lava_port import graph as graphs
    from lava_port.energy import chips, fit
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.workflows.convert import open_port

    chosen = chips.select(None if chip is None else [chip])
    port = open_port(name)
    windows = graphs.windows(port.fixed)
    rows = [
        {
            "name": node.name,
            "kind": type(node).__name__,
            "shape": list(node.shape),
            "units": math.prod(node.shape),
            "window": [windows[node.name].start, windows[node.name].stop],
        }
        for node in port.fixed.nodes
    ]
    output.show_table(
        f"{name}: T = {port.fixed.steps}, {graphs.total_steps(port.fixed)} steps in all",
        ["node", "kind", "output", "units", "steps"],
        [
            [
                row["name"],
                row["kind"],
                " x ".join(map(str, row["shape"])),
                row["units"],
                f"{row['window'][0]} to {row['window'][1] - 1}",
            ]
            for row in rows
        ],
    )
    tables.show_rounding(port.rounding)
    out = output.console()
    out.print(f"classes: {', '.join(port.classes)}", markup=False)
    for origin in ("checkpoint", "nir"):
        if origin in port.provenance:
            out.print(f"{origin}: {port.provenance[origin]}", markup=False)
    found = [fit.fit(port.fixed, one) for one in chosen]
    for one in found:
        tables.show_fit(one)
    result = {
        "kind": "port",
        "layers": rows,
        "rounding": [dataclasses.asdict(entry) for entry in port.rounding],
        "steps": port.fixed.steps,
        "total_steps": graphs.total_steps(port.fixed),
        "classes": list(port.classes),
        "seen": len(port.seen),
        "test": len(port.test),
        "provenance": dict(port.provenance),
        "fit": {one.chip.name: fit.to_json(one) for one in found},
    }
    return result, all(one.fits for one in found)
