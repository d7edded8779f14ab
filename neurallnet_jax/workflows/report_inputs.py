"""Results that other commands wrote, read for the report of a RUN; those of other images or another RUN are refused.

Knows files and digests; computes no result and shows none.
"""

import dataclasses
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from neurallnet_jax import checkpoint
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import (
    ablation,
    crossvalidation_folder,
    crossvalidation_table,
    leaks,
    origin,
    robustness_result,
    shortcut_audit,
    trust,
)
from neurallnet_jax.evaluation.ablation_results import Ablation
from neurallnet_jax.evaluation.crossvalidation_table import CrossValidation
from neurallnet_jax.evaluation.leaks import Leaks
from neurallnet_jax.evaluation.origin import Origin
from neurallnet_jax.evaluation.robustness_result import Robustness
from neurallnet_jax.evaluation.shortcut_audit import Audit
from neurallnet_jax.evaluation.trust import TrustReport
from neurallnet_jax.explain import faithfulness_result
from neurallnet_jax.explain.faithfulness_result import Faithfulness

__all__ = ["Given", "Wanted", "read_ablation", "read_crossvalidation", "read_explain", "read_leaks", "read_robustness",
           "read_shortcuts", "read_trust", "without_folders"]  # fmt: skip


_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Given:
    """Places of results that exist already; None for what is to be computed, or to be left out."""

    leaks: Path | None = None
    shortcuts: Path | None = None
    robustness: Path | None = None
    calibration: Path | None = None
    crossvalidation: Path | None = None
    explain: Path | None = None
    ablation: Path | None = None


@dataclass(frozen=True)
class Wanted:
    """What results must be of.

    Attributes:
        origin: The images, and the one RUN.
        names: What the folder and the RUN are called.
        model: The RUN.
    """

    origin: Origin
    names: tuple[str, str]
    model: Checkpoint


def read_leaks(path: Path, wanted: Wanted) -> Leaks:
    """Return the result of `audit leaks DIR --split RUN --json`, its split by name.

    Raises:
        ValueError: It is no such result, or one of other images or another RUN; one line.
    """
    data = _json(path)
    _place(data, path, wanted)
    found = _parsed(leaks.from_json, data, path, "audit leaks")
    return dataclasses.replace(found, split=None if found.split is None else Path(found.split).name)


def read_shortcuts(path: Path, wanted: Wanted) -> Audit:
    """Return the result of `audit shortcuts DIR --run RUN --json`, with this RUN alone.

    Raises:
        ValueError: As `read_leaks`.
    """
    data = _json(path)
    at = _place(data, path, wanted)
    found = _parsed(shortcut_audit.from_json, data, path, "audit shortcuts")
    return dataclasses.replace(found, runs=found.runs[at : at + 1])


def read_robustness(path: Path, wanted: Wanted) -> Robustness:
    """Return the result of `robustness RUN --data DIR --json`, that of this RUN where it holds several.

    Raises:
        ValueError: As `read_leaks`.
    """
    data = _json(path)
    at = _place(data, path, wanted)
    return _parsed(robustness_result.from_json, [data, *data.get("others", ())][at], path, "robustness")


def read_trust(path: Path, wanted: Wanted) -> TrustReport:
    """Return the result of `calibrate RUN --data DIR --json`.

    Raises:
        ValueError: As `read_leaks`.
    """
    data = _json(path)
    _place(data, path, wanted)
    return _parsed(trust.from_json, data, path, "calibrate")


def read_explain(path: Path, wanted: Wanted) -> Faithfulness:
    """Return the table of `explain RUN --data DIR --json`.

    Raises:
        ValueError: As `read_leaks`.
    """
    data = _json(path)
    _place(data, path, wanted)
    return _parsed(faithfulness_result.from_json, data, path, "explain --data")


def read_crossvalidation(folder: Path, wanted: Wanted) -> CrossValidation:
    """Return the table of a cross-validation of the same network on the same images, without folders.

    Raises:
        ValueError: It is none, is not finished, or is of other images or another network; one line.
    """
    begun = crossvalidation_folder.begun(folder)
    _same_images(begun.digest, folder, wanted)
    for run in _runs(folder):
        if run.spec != wanted.model.spec:
            raise ValueError(f"{folder}: holds folds of another network than {wanted.names[1]}; name its own folds")
    found = crossvalidation_table.tabulate(folder)
    return dataclasses.replace(found, data=Path(found.data).name, command=without_folders(found.command))


def read_ablation(folder: Path, wanted: Wanted) -> Ablation:
    """Return the table of an ablation on the same images; its networks are variants, of another size perhaps.

    Raises:
        ValueError: It is none, or is of other images; one line.
    """
    found = ablation.table(folder)
    digests = {str(dict(run.provenance.get("data") or {}).get("digest")) for run in _runs(folder)}
    for digest in sorted(digests) or ["unknown"]:
        _same_images(digest, folder, wanted)
    split = Path(str(found.protocol["split"])).name
    return dataclasses.replace(found, protocol={**found.protocol, "split": split})


def without_folders(command: str) -> str:
    """Return a command line with the last part of every path alone: a page may be given to others."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return shlex.join(_last(word) for word in words)


def _last(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    name = value.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return f"{option}{equals}{name}" if value else word


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error}); name a file that --json wrote") from None
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON ({error}); name a file that --json wrote") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: holds no result; name a file that --json wrote")
    return data


def _parsed(read: Callable[[Any], _Result], data: Any, path: Path, command: str) -> _Result:
    try:
        return read(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: is no result of `neurallnet {command}` ({error}); write it again") from None


def _place(data: Mapping[str, Any], path: Path, wanted: Wanted) -> int:
    found = origin.from_json(data, source=str(path))
    return origin.place(found, wanted.origin, source=str(path), names=wanted.names)


def _same_images(digest: str, folder: Path, wanted: Wanted) -> None:
    origin.place(Origin(digest, wanted.origin.runs), wanted.origin, source=str(folder), names=wanted.names)


def _runs(folder: Path) -> Sequence[Checkpoint]:
    return [checkpoint.load(file.parent) for file in sorted(folder.rglob(checkpoint.FILE_NAME))]
