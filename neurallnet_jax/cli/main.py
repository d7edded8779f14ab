"""The `neurallnet` command: finds the sub-command, runs it, turns bad input into one line and exit code 2.

Imports nothing that computes: a command's file is imported when it is called, and imports what it needs when it runs.
"""

import difflib
import importlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path

import neurallnet_jax
from neurallnet_jax.cli.arguments import Parser

__all__ = ["COMMANDS", "convert_to_lava", "main"]

COMMANDS = {
    "demo": "the whole chain on drawn smears: train, convert, run Lava, estimate energy, write a report",
    "train": "train a network on a folder of images",
    "crossvalidate": "train and score every fold of one or more splits, in one table with intervals",
    "ablate": "train with one part changed at a time, over seeds: accuracy beside firing rates",
    "evaluate": "score a trained network on a folder, with intervals",
    "compare": "trained networks side by side, with paired tests",
    "robustness": "score a trained network on images that get worse, in eight ways and five severities",
    "report": "one page on a RUN: images, leaks, shortcuts, scores, trust, robustness, failures, checklists",
    "explain": "where a network finds its evidence in an image, and how far such maps can be believed",
    "audit": "what flatters a score: twins on both sides of a split, and shortcuts such as colour",
    "predict": "class and probability of single images",
    "calibrate": "fit temperature, conformal sets, abstention and warnings on unseen images",
    "convert-to-lava": "turn a trained network into integers and Lava processes (a PORT)",
    "simulate": "run a PORT on images: emulator, NumPy reference or Lava",
    "parity": "prove that emulator, reference and Lava spike alike",
    "energy": "synaptic operations and energy of a PORT on images",
    "export": "hand a RUN or PORT to others: NIR, StableHLO or safetensors",
    "inspect": "layers, shapes, parameters and provenance of a RUN or PORT",
    "synthesise": "draw a folder of synthetic smears",
    "doctor": "what works on this machine",
}
"""One file of this folder per command."""

INTERRUPTED = 130
INTERNAL_ERROR = 70

_NO_MEMORY = "not enough memory; use smaller images, a smaller batch or --limit"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `neurallnet` with the given arguments and return the exit code.

    0: done. 1: the answer is no, or some files were skipped. 2: bad input, one line on stderr. 70: a fault of ours, one
    line as well; with NEURALLNET_DEBUG set its traceback is printed. 130: interrupted.
    """
    # Closed by whoever started us; what is printed then goes nowhere.
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    try:
        try:
            return _dispatch(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has stopped reading; there is nobody left to tell.
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        return _refuse(f"standard output: {error.strerror or error}; free some space or redirect it elsewhere")


def convert_to_lava() -> int:
    """Run the `convert-to-lava` command, which is `neurallnet convert-to-lava`."""
    return main(["convert-to-lava", *sys.argv[1:]])


def _dispatch(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if arguments[0] == "--version":
        print(f"neurallnet-jax {neurallnet_jax.__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "`neurallnet --help` lists them"
        return _refuse(f"no command {name!r}; {hint}")
    if not os.environ.get("NEURALLNET_DEBUG"):
        # Libraries log what they raise as well, with tracebacks, and from threads that outlive the command.
        logging.disable(logging.ERROR)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(name, rest)


def _run(name: str, arguments: Sequence[str]) -> int:
    out = None
    try:
        command = importlib.import_module(f"neurallnet_jax.cli.{name.replace('-', '_')}")
        parser = Parser(prog=f"neurallnet {name}", description=command.__doc__, summary=COMMANDS[name])
        command.add_arguments(parser)
        parsed = parser.parse_args(arguments)
        out = getattr(parsed, "out", None)
        return command.run(parsed)
    except ValueError as error:
        if os.environ.get("NEURALLNET_DEBUG"):
            traceback.print_exc()
        return _refuse(str(error))
    except KeyboardInterrupt:
        return _refuse("interrupted", INTERRUPTED)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = error.filename or out
        return _refuse(
            f"{f'{where}: ' if where else ''}{error.strerror or error}; check the place and the space left on it"
        )
    except MemoryError:
        return _refuse(_NO_MEMORY)
    except ImportError as error:
        return _refuse(f"{error}; a package is missing, the README says how to install everything")
    except Exception as error:  # noqa: BLE001 - the last line of defence; the traceback is one variable away
        if os.environ.get("NEURALLNET_DEBUG"):
            traceback.print_exc()
        if "RESOURCE_EXHAUSTED" in str(error):  # how JAX says that a device has no memory left
            return _refuse(_NO_MEMORY)
        return _refuse(
            f"internal error, {type(error).__name__}: {error}; please report it with what NEURALLNET_DEBUG=1 prints",
            INTERNAL_ERROR,
        )


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    _refuse(f"warning: {message}")


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(message: str, code: int = 2) -> int:
    print(f"neurallnet: {' '.join(message.split())}", file=sys.stderr)
    return code


def _overview() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    return (
        "usage: neurallnet COMMAND [options]\n\n"
        "Spiking networks for leukaemia smears: trained in JAX, carried to Lava, with energy figures.\n"
        "Research use only; not a medical device.\n\n"
        f"{rows}\n\n"
        "A RUN is a folder that `train` wrote, or `pretrained`; a PORT is what `convert-to-lava` wrote, or `pretrained`.\n"
        "`neurallnet COMMAND --help` explains a command; `neurallnet --version` prints the version.\n"
        "Exit codes: 0 done; 1 the answer is no, or files were skipped; 2 bad input."
    )


if __name__ == "__main__":
    sys.exit(main())
