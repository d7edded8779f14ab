"""Show the layers, shapes, parameters and bytes of a RUN, or the integer layers and ranges of a PORT, and its origin."""

import argparse
from pathlib import Path

from neurallnet_jax.cli.arguments import add_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inspect`."""
    parser.add_argument(
        "name", nargs="?", default="pretrained", metavar="RUN|PORT", help="what to look at (default: pretrained)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Look and print."""
    from lava_port import port as ports

    result = _port(args.name) if ports.is_port(Path(args.name)) else _run(args.name)
    from neurallnet_jax.cli import output

    output.write_json(args.json, result)
    return 0


def _run(name: str) -> dict[str, object]:
    import dataclasses

    from neurallnet_jax import checkpoint as checkpoints
    from neurallnet_jax import spec
    from neurallnet_jax.cli import output

    saved = checkpoints.load(name)
    rows = checkpoints.layer_sizes(saved)
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


def _port(name: str) -> dict[str, object]:
    import dataclasses
    import math

    from lava_port import graph as graphs
    from lava_port import port as ports
    from neurallnet_jax.cli import output, tables

    port = ports.load(Path(name))
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
    return {
        "kind": "port",
        "layers": rows,
        "rounding": [dataclasses.asdict(entry) for entry in port.rounding],
        "steps": port.fixed.steps,
        "total_steps": graphs.total_steps(port.fixed),
        "classes": list(port.classes),
        "seen": len(port.seen),
        "test": len(port.test),
        "provenance": dict(port.provenance),
    }
