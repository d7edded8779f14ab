"""Arguments that several commands share, and a parser that refuses in one line. Imports nothing that computes."""

import argparse
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

__all__ = [
    "Parser",
    "add_backend",
    "add_data",
    "add_json",
    "add_limit",
    "add_only",
    "add_port",
    "add_run",
    "add_seed",
    "add_timeout",
    "positive",
    "seed",
    "typed",
    "whole",
]


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line and whose help shows defaults."""

    def __init__(self, *, prog: str, description: str | None, summary: str) -> None:
        super().__init__(
            prog=prog,
            description=description or summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Leave with one line and exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json FILE`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")


def add_run(parser: argparse.ArgumentParser, name: str = "run") -> None:
    """Add a RUN as first, optional argument."""
    parser.add_argument(
        name, nargs="?", default="pretrained", metavar="RUN", help="folder that `train` wrote (default: pretrained)"
    )


def add_data(parser: argparse.ArgumentParser, *, required: bool = True, skip: bool = True, without: str = "") -> None:
    """Add `--data DIR` and `--on-bad-image`; `without` says what becomes of a command without images."""
    parser.add_argument(
        "--data",
        required=required,
        metavar="DIR",
        help="image folder with one sub-folder per class" + (f"; without it, {without}" if without else ""),
    )
    parser.add_argument(
        "--on-bad-image",
        choices=("skip", "fail"),
        default="skip" if skip else "fail",
        help="what to do about files that are no readable image (default: %(default)s)",
    )


def add_limit(parser: argparse.ArgumentParser, default: int | None = None) -> None:
    """Add `--limit N`."""
    parser.add_argument(
        "--limit",
        type=whole,
        default=default,
        metavar="N",
        help="use N images only, spread evenly over the folder"
        + (f" (default: {default})" if default else " (default: all)"),
    )


def add_only(parser: argparse.ArgumentParser, default: str = "all") -> None:
    """Add `--only PART`."""
    parser.add_argument(
        "--only",
        choices=("all", "unseen", "test"),
        default=default,
        help="use all images, those whose bytes the model has not seen, or the test part of the split it was trained with "
        "(default: %(default)s)",
    )


def add_port(parser: argparse.ArgumentParser) -> None:
    """Add a PORT as first, optional argument."""
    parser.add_argument(
        "port",
        nargs="?",
        default="pretrained",
        metavar="PORT",
        help="folder that `convert-to-lava` wrote (default: pretrained, converted on the fly)",
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add `--backend` and the time-out that goes with it."""
    parser.add_argument(
        "--backend",
        choices=("emulator", "lava", "reference"),
        default="emulator",
        help="who runs the network; lava needs Linux (default: %(default)s)",
    )
    add_timeout(parser)


def add_seed(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--seed S`."""
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help=f"seed of {what} (default: 0)")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add `--timeout SECONDS`."""
    parser.add_argument(
        "--timeout",
        type=positive,
        default=120.0,
        metavar="SECONDS",
        help="time Lava may take for building, and for one image, before it is ended (default: %(default)g)",
    )


def seed(text: str) -> int:
    """Return a seed, a whole number of 32 bits, because that is what a key of JAX is made from."""
    value = _integer(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{value} is not in 0..{2**32 - 1}")
    return value


def whole(text: str) -> int:
    """Return a whole number of at least 1."""
    value = _integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def positive(text: str) -> float:
    """Return a number above zero."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above zero")
    return value


def typed(
    args: argparse.Namespace,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    *,
    apart: Collection[str] = ("resume", "json"),
) -> list[str]:
    """Return the options that were given other values than their defaults, as they would be typed.

    Args:
        args: Parsed arguments.
        add_arguments: What added them to the parser.
        apart: Names of options to leave out.
    """
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = []
    for action in parser._actions:
        value = getattr(args, action.dest, None)
        if action.dest in ("help", *apart) or value is None or value == action.default:
            continue
        words += [action.option_strings[0], *map(str, value if isinstance(value, list) else [value])]
    return words


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
