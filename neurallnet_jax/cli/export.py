"""Hand a trained network to others: as NIR for other spiking libraries, as StableHLO to run anywhere, or as safetensors.

NIR holds the float network, and no gate that moves: --freeze-gates holds each at its mean over a folder of images and
says what that changed. StableHLO holds the exact integer network of a PORT, or the float model of a RUN, for any number of
images on CPU, GPU or TPU; a JSON file beside it describes it. safetensors holds the numbers.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neurallnet_jax.cli.arguments import add_json, whole

if TYPE_CHECKING:
    from lava_port.graph import Graph
    from neurallnet_jax.workflows.freeze import Freezing

__all__ = ["add_arguments", "run"]

_LIMIT = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    parser.add_argument(
        "name", nargs="?", default="pretrained", metavar="RUN|PORT", help="what to export (default: pretrained)"
    )
    parser.add_argument("--format", required=True, choices=("nir", "stablehlo", "safetensors"), help="kind of file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--freeze-gates",
        type=Path,
        metavar="DIR",
        help="nir only: hold every gate at its mean over the images of this folder, one sub-folder per class",
    )
    parser.add_argument(
        "--limit",
        type=whole,
        metavar="N",
        help=f"use N images of that folder only, spread evenly over it (default: {_LIMIT})",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Export and print what was written."""
    import dataclasses

    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.workflows import export as exports

    _check(args, exports.sidecar(args.out))
    exports.check_place(args.out, args.format)
    source = exports.open_source(args.name)
    graph, freezing, skipped = None, None, []
    if args.freeze_gates:
        graph, freezing, skipped = _freeze(args, exports.float_graph_of(source), source.classes)
        tables.show_freezing(freezing, title=f"gates of {args.name} frozen at their mean over {args.freeze_gates}")
    with output.progress(f"writing {args.format}"):
        written = exports.export(source, args.format, args.out, graph=graph)
    out = output.console()
    out.print(
        f"wrote {written.path}: {written.format} of a {written.kind.upper()}, {written.bytes:,} bytes", markup=False
    )
    if written.sidecar:
        out.print(f"{written.sidecar} describes it", markup=False)
    if written.output:
        out.print(f"it puts out {written.output}", markup=False)
    output.write_json(
        args.json,
        {
            "format": written.format,
            "path": str(written.path),
            "kind": written.kind,
            "bytes": written.bytes,
            "sha256": written.sha256,
            "sidecar": str(written.sidecar) if written.sidecar else None,
            "classes": list(source.classes),
            "freezing": None
            if freezing is None
            else {
                **dataclasses.asdict(freezing),
                "layers": [{**dataclasses.asdict(layer), "share": layer.share} for layer in freezing.layers],
            },
            "skipped": skipped,
        },
    )
    return 1 if skipped else 0


def _check(args: argparse.Namespace, sidecar: Path) -> None:
    if args.freeze_gates and args.format != "nir":
        raise ValueError(f"--freeze-gates goes with --format nir; {args.format} holds gates that move as they are")
    if args.limit is not None and not args.freeze_gates:
        raise ValueError("--limit is the number of images for --freeze-gates, which is not given")
    taken = {args.out.absolute(), sidecar.absolute()} if args.format == "stablehlo" else {args.out.absolute()}
    if args.json is not None and args.json.absolute() in taken:
        raise ValueError(f"{args.json}: is written by --out already; name another file for --json")


def _freeze(
    args: argparse.Namespace, graph: "Graph", classes: Sequence[str]
) -> tuple["Graph", "Freezing", list[dict[str, str]]]:
    import numpy as np

    from neurallnet_jax.cli import output
    from neurallnet_jax.evaluation.selection import spread
    from neurallnet_jax.images.folder import open_folder
    from neurallnet_jax.workflows.freeze import freeze

    height, width, _ = graph.nodes[0].shape
    with output.progress("reading images") as progress:
        dataset = open_folder(
            args.freeze_gates, (height, width), classes=classes, on_bad_image="skip", progress=progress
        )
    places = spread(np.arange(len(dataset)), args.limit or _LIMIT)
    skipped = output.warn_skipped(dataset.bad)
    with output.progress("freezing gates") as progress:
        pixels, labels = np.asarray(dataset.pixels[places]), dataset.labels[places]
        frozen, freezing = freeze(graph, pixels, labels=labels, progress=progress)
    return frozen, freezing, skipped
