"""Write one self-contained page on a trained network and a folder of images.

Provenance and split, leaks, shortcuts, scores with both intervals beside the colour line, calibration, robustness, the
images told wrong, a model card, and the checklists CLAIM and TRIPOD+AI with what is filled and what is not. What can be
computed is computed; results that other commands wrote can be handed in, and are refused where they are of other images or
of another RUN. A part that is missing is shown as missing, with the command that makes it. Research use only; not a
medical device.
"""

import argparse
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from neurallnet_jax.cli.arguments import add_json, add_run, whole

__all__ = ["add_arguments", "run"]

_GIVEN = {
    "leaks": ("JSON", "result of `audit leaks DIR --split RUN --json`"),
    "shortcuts": ("JSON", "result of `audit shortcuts DIR --run RUN --json`"),
    "robustness": ("JSON", "result of `robustness RUN --data DIR --json`"),
    "calibration": ("JSON", "result of `calibrate RUN --data DIR --json`"),
    "crossvalidation": ("FOLDER", "folder that `crossvalidate` wrote"),
    "ablation": ("FOLDER", "folder that `ablate` wrote"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `report`."""
    add_run(parser)
    parser.add_argument("--data", required=True, metavar="DIR", help="image folder with one sub-folder per class")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="the page")
    parser.add_argument(
        "--quick", action="store_true", help="leave out what takes over a minute: shortcuts, robustness"
    )
    parser.add_argument(
        "--no-images", action="store_true", help="leave pictures out, for data whose terms forbid passing them on"
    )
    parser.add_argument(
        "--limit", type=whole, default=128, metavar="N", help="images of the robustness test (default: %(default)s)"
    )
    for name, (kind, what) in _GIVEN.items():
        parser.add_argument(f"--{name}", type=Path, metavar=kind, help=what)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compute, read and write."""
    from neurallnet_jax.cli import output
    from neurallnet_jax.evaluation import origin
    from neurallnet_jax.workflows import report_content, report_page, report_run
    from neurallnet_jax.workflows.report_inputs import Given

    output.check_places(args.out, args.json)
    found = report_run.report(
        args.run,
        Path(args.data),
        command=_command(args),
        given=Given(**{name: getattr(args, name) for name in _GIVEN}),
        quick=args.quick,
        pictures=not args.no_images,
        limit=args.limit,
        watching=_step,
    )
    report_page.write(found, args.out, roots=() if args.no_images else (Path(args.data),))
    result = report_content.to_json(found)
    made_of = origin.Origin(found.manifest.digest, (found.subject.digest,))
    output.write_json(
        args.json,
        {**result, "report": str(args.out), "bytes": args.out.stat().st_size, **origin.to_json(made_of)},
    )
    _show(args.out, result)
    return 1 if found.manifest.skipped else 0


@contextmanager
def _step(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while a step runs, and leave one line when it has ended."""
    import time

    from neurallnet_jax.cli import output

    began = time.perf_counter()
    with output.progress(name) as progress:
        yield progress
    output.console(stderr=True).print(f"{name}: {time.perf_counter() - began:.1f} s", markup=False)


def _show(path: Path, result: dict) -> None:
    from neurallnet_jax.cli import output

    out = output.console()
    for name in result["missing"]:
        what, reason, command = result[name]["missing"]
        out.print(f"missing: {what}: {reason} {command}".rstrip(), markup=False)
    out.print(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB)", markup=False)


def _command(args: argparse.Namespace) -> str:
    """Return the command line, with the last part of every path alone: a page may be given to others."""
    words = ["neurallnet", "report", Path(args.run).name, "--data", Path(args.data).resolve().name]
    words += ["--out", args.out.name]
    words += ["--quick"] if args.quick else []
    words += ["--no-images"] if args.no_images else []
    words += ["--limit", str(args.limit)] if args.limit != 128 else []
    for name in _GIVEN:
        given = getattr(args, name)
        words += [f"--{name}", given.name] if given is not None else []
    return shlex.join(words)
