"""A training as a progress bar, and Ctrl-C or SIGTERM as a wish to stop after the step. Computes nothing."""

import signal
from types import FrameType, TracebackType
from typing import Literal

from rich.progress import TextColumn

from neurallnet_jax.cli import output
from neurallnet_jax.images import folder, splits
from neurallnet_jax.images.decode import one_line
from neurallnet_jax.training import loop
from neurallnet_jax.training.run import Watcher

__all__ = ["BarWatcher"]


_STOPS = (signal.SIGINT, signal.SIGTERM)


class BarWatcher(Watcher):
    """Shows a training on standard error: a bar per epoch, a line per finished epoch. Use it as a context manager.

    The first Ctrl-C, or the SIGTERM of a batch system, asks the loop to stop after the step, so that a whole state is
    saved; the second interrupts.

    Args:
        label: Name of one training among many, shown in its bar; its epochs then get no line of their own.
    """

    def __init__(self, label: str = "") -> None:
        self.images_per_second: float | None = None
        self._label = self._stage = label
        self._console = output.console(stderr=True)
        self._stop = False
        self._bar = output.progress_bar(TextColumn("{task.fields[state]}"))

    def __enter__(self) -> "BarWatcher":
        self._display = self._bar.__enter__()
        self._task = self._display.add_task(f"{self._label}  reading images".strip(), total=None, state="")
        self._before = {number: signal.signal(number, self._interrupt) for number in _STOPS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._bar.__exit__(kind, error, trace)

    def opened(self, dataset: folder.Dataset, split: splits.Split) -> None:
        """Say what was found and how it is split."""
        if self._label:
            return
        parts = {part: split.parts.count(part) for part in ("train", "validation", "test", "unused")}
        found = ", ".join(f"{count} {part}" for part, count in parts.items() if count)
        margin = "" if split.margin is None else f", margin {split.margin}"
        self._say(f"{len(dataset)} images of {', '.join(dataset.classes)}; split {split.scheme}{margin}: {found}")
        output.warn_skipped(dataset.bad)

    def stage(self, name: Literal["", "twin"], epochs: int, steps_per_epoch: int, start: int) -> None:
        """Say that the twin is trained first, and where an earlier training is taken up."""
        self._stage = f"{self._label}  {name}".strip()
        self._display.update(
            self._task, description=f"{self._stage}  compiling".strip(), completed=0, total=steps_per_epoch, state=""
        )
        if self._label:
            return
        if start:
            self._say(f"{name or 'network'}: going on after step {start}")
        elif name:
            self._say(f"the ReLU twin first, {epochs} epochs; then the network begins with its weights")

    def decoding(self, done: int, total: int) -> None:
        """Show how many images are decoded."""
        self._display.update(self._task, completed=done, total=total)

    def step(self, epoch: int, step: int, steps_per_epoch: int, metrics: loop.StepMetrics) -> None:
        """Show loss, accuracy and firing rates of the step."""
        rates = " ".join(f"{float(rate):.2f}" for rate in metrics.rates.values())
        state = f"loss {float(metrics.loss):.3f}  accuracy {float(metrics.accuracy):.2f}"
        self._display.update(
            self._task,
            description=f"{self._stage}  epoch {epoch}".strip(),
            completed=(step - 1) % steps_per_epoch + 1,
            total=steps_per_epoch,
            state=f"{state}  rates {rates}" if rates else state,
        )

    def epoch(self, record: loop.EpochRecord) -> None:
        """Print one line, and a warning for every layer that is silent or saturated."""
        self.images_per_second = record.images_per_second or self.images_per_second
        if self._label:
            return
        score = "" if record.validation is None else f"  validation {record.validation:.4f}"
        rates = " ".join(f"{rate:.3f}" for rate in record.rates.values())
        speed = f"  {record.images_per_second:.0f} images/s" if record.images_per_second else ""
        stage = f"{self._stage} " if self._stage else ""
        self._say(
            f"{stage}epoch {record.epoch:3d}  loss {record.loss:.3f}  accuracy {record.accuracy:.3f}{score}"
            f"{'  *' if record.best and record.validation is not None else ''}"
            f"{f'  rates {rates}' if rates else ''}{speed}"
        )
        for warning in record.warnings:
            self._console.print(f"  {warning}", style="yellow", markup=False)

    def should_stop(self) -> bool:
        """Return whether Ctrl-C was pressed."""
        return self._stop

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True
        self._say("stopping after this step; Ctrl-C again to stop at once")

    def _say(self, text: str) -> None:
        self._display.console.print(one_line(text), markup=False)
