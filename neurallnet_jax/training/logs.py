"""What a training leaves to read: one JSON line per epoch, and the same for TensorBoard. Knows nothing of the loop."""

import dataclasses
import json
from pathlib import Path
from types import TracebackType

from tensorboardX import SummaryWriter

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.training.loop import EpochRecord

__all__ = ["LOG_NAME", "EpochLog", "read"]

LOG_NAME = "log.jsonl"


class EpochLog:
    """Appends epochs to `log.jsonl` and to TensorBoard events below `tensorboard/`. Use it as a context manager.

    Args:
        folder: The RUN.
        keep: Epochs already in the log that still hold; later ones, which a resumed run repeats, are dropped.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        self._path = folder / LOG_NAME
        kept = [line for line in _lines(self._path) if json.loads(line)["epoch"] <= keep]
        write_atomically(self._path, "".join(f"{line}\n" for line in kept).encode())
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=keep + 1)

    def __enter__(self) -> "EpochLog":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._writer.close()

    def add(self, record: EpochRecord) -> None:
        """Append one epoch."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(record)) + "\n")
        scalars = {
            "loss/train": record.loss,
            "loss/validation": record.validation_loss,
            "accuracy/train": record.accuracy,
            "balanced_accuracy/validation": record.validation,
            "images_per_second": record.images_per_second,
            **{f"rate/{name}": rate for name, rate in record.rates.items()},
        }
        for name, value in scalars.items():
            if value is not None:
                self._writer.add_scalar(name, value, record.epoch)


def read(folder: Path) -> list[dict[str, object]]:
    """Return the epochs of a RUN's log, oldest first; a last line cut short by a killed run is left out."""
    return [json.loads(line) for line in _lines(folder / LOG_NAME)]


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    # A complete line ends with a line feed, so what stands after the last one was cut short.
    return [line for line in lines[:-1] if line]
