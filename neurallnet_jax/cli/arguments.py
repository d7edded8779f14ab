"""Arguments that several commands share, and a parser that refuses in one line. Imports nothing that computes."""

import argparse
import shlex
from collections.abc import Callable, Collection, Iterator
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
    "grey_level",
    "positive",
    "seed",
    "shown",
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


def grey_level(text: str) -> int:
    """Return a grey level, 0 to 255."""
    value = _integer(text)
    if not 0 <= value <= 255:
        raise argparse.ArgumentTypeError(f"{value} does not lie in 0..255")
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
    return [word for words in _given(args, add_arguments, apart=apart) for word in words]


def shown(
    command: str,
    args: argparse.Namespace,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    *,
    apart: Collection[str] = ("html", "json", "plot", "predictions"),
) -> str:
    """Return the command line with the last part of every path alone: a page may be given to others.

    Args:
        command: Name of the command, such as `audit leaks`.
        args: Parsed arguments.
        add_arguments: What added them to the parser.
        apart: Names of options to leave out; files that the command writes say nothing of what it found.
    """
    words = [word for given in _given(args, add_arguments, apart=apart) for word in given]
    names = [Path(word).name or Path(word).resolve().name for word in words]
    return shlex.join(["neurallnet", *command.split(), *names])


def _given(
    args: argparse.Namespace, add_arguments: Callable[[argparse.ArgumentParser], None], *, apart: Collection[str]
) -> Iterator[list[str]]:
    """Yield the words of every argument that was given, options that have their defaults left out."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    # Positional ones first, where no option with several values can take them for its own.
    for action in sorted(parser._actions, key=lambda action: bool(action.option_strings)):
        value = getattr(args, action.dest, None)
        if action.dest in ("help", *apart) or value is None or value == []:
            continue
        values = list(map(str, value)) if isinstance(value, list) else [str(value)]
        if not action.option_strings:
            yield values
        elif value == action.default:
            continue
        elif action.nargs == 0:
            yield [action.option_strings[0]]
        elif action.nargs is None and isinstance(value, list):
            # An option that may be repeated.
            yield [word for one in values for word in (action.option_strings[0], one)]
        else:
            yield [action.option_strings[0], *values]


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
