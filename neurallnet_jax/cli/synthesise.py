"""Draw a folder of synthetic blood smears, one sub-folder per class: data to try everything on.

The four classes differ in their white cells, not in colour, stain or background. They are drawings; a network that
knows them knows nothing of patients.
"""

import argparse
from pathlib import Path

from neurallnet_jax.cli.arguments import add_json, add_seed, whole

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `synthesise`."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--count", type=whole, default=100, metavar="N", help="images of each class (default: 100)")
    parser.add_argument("--image-size", type=whole, default=128, metavar="PX", help="side, pixels (default: 128)")
    add_seed(parser, "the drawings")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Draw."""
    from neurallnet_jax.cli import output
    from neurallnet_jax.images import decode, synthetic

    if args.image_size**2 > decode.MAX_PIXELS:
        largest = int(decode.MAX_PIXELS**0.5)
        raise ValueError(f"--image-size {args.image_size}: at most {largest}, larger images are refused when read")
    size = (args.image_size, args.image_size)
    with output.progress("drawing") as progress:
        count = synthetic.write_folder(args.out, count=args.count, seed=args.seed, image_size=size, progress=progress)
    output.console().print(f"drew {count} smears of {', '.join(synthetic.CLASSES)} into {args.out}", markup=False)
    output.write_json(args.json, {"n": count, "classes": list(synthetic.CLASSES), "path": str(args.out)})
    return 0
