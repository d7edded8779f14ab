"""A cross-validation as two progress bars: the training of the moment, and all runs. Computes nothing."""

import time
from typing import Literal

from neurallnet_jax.cli.watching import BarWatcher
from neurallnet_jax.evaluation import crossvalidation
from neurallnet_jax.evaluation.crossvalidation_plan import Cell
from neurallnet_jax.training import loop

__all__ = ["FoldsWatcher"]


class FoldsWatcher(BarWatcher, crossvalidation.Watcher):
    """Shows a bar over the epochs of all runs below that of the training, and a line per run."""

    def __enter__(self) -> "FoldsWatcher":
        super().__enter__()
        self._overall = None
        return self

    def run(self, number: int, total: int, cell: Cell, epochs: int) -> None:
        """Say which run begins, and about how long all of them will take still."""
        if self._overall is None:
            # Only now, because a bar that jumps over finished runs would promise too early an end.
            self._overall = self._display.add_task("", total=total * epochs, completed=number * epochs, state="")
            self._first, self._since = number, time.monotonic()
        self._passed, self._epochs, self._before_stage = number * epochs, epochs, 0
        self._display.update(self._overall, description=f"run {number + 1} of {total}", completed=self._passed)
        self._display.update(self._task, description="compiling", completed=0, total=None, state="")
        done = number - self._first
        left = (time.monotonic() - self._since) / done * (total - number) if done else None
        time_left = "" if left is None else f"; about {_duration(left)} left"
        self._say(f"run {number + 1} of {total}: {cell.name}{time_left}")

    def stage(self, name: Literal["", "twin"], epochs: int, steps_per_epoch: int, start: int) -> None:
        """Count the epochs of the twin in."""
        super().stage(name, epochs, steps_per_epoch, start)
        self._before_stage = 0 if name else self._epochs - epochs

    def step(self, epoch: int, step: int, steps_per_epoch: int, metrics: loop.StepMetrics) -> None:
        """Move both bars."""
        super().step(epoch, step, steps_per_epoch, metrics)
        if self._overall is not None:
            epochs = self._before_stage + step / steps_per_epoch
            state = f"epoch {self._before_stage + epoch} of {self._epochs}"
            self._display.update(self._overall, completed=self._passed + epochs, state=state)

    def scoring(self, done: int, total: int) -> None:
        """Show how many test images are scored."""
        self._display.update(self._task, description="scoring", completed=done, total=total, state="")

    def scored(self, cell: Cell, balanced_accuracy: float) -> None:
        """Say how the run did."""
        self._say(f"{cell.name}: balanced accuracy {balanced_accuracy:.4f} on its test images")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
