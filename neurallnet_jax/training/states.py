"""The state of an unfinished training on disk, through Orbax. Knows the loop's state and nothing of what it means."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from neurallnet_jax.training.loop import Best, TrainState

__all__ = ["StateStore"]

_KEEP = 2


class StateStore:
    """A folder of training states, the last two kept; saving runs beside the training. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        options = ocp.CheckpointManagerOptions(max_to_keep=_KEEP, create=True)
        self._manager = ocp.CheckpointManager(folder.resolve(), options=options)

    def __enter__(self) -> "StateStore":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with self._saving():
            self._manager.close()

    @property
    def latest(self) -> int | None:
        """Step of the last state that was saved completely, or None."""
        return self._manager.latest_step()

    def save(self, state: TrainState, best: Best) -> None:
        """Begin to save a state; a step that is there already is left as it is."""
        step = int(state.step)
        if step != self.latest:
            tree = _tree(state, best)
            with self._saving():
                self._check_space(sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(tree)))
                self._manager.save(step, args=ocp.args.StandardSave(tree))

    def _check_space(self, needed: int) -> None:
        # Beforehand, because a disk that fills up while threads write makes their library print tracebacks.
        free = shutil.disk_usage(self._manager.directory).free
        if free < needed:
            raise OSError(f"it takes {needed:,} bytes, and {free:,} are free")

    @contextmanager
    def _saving(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError) as error:
            text = str(error)
            full = "no space is left on the device" if "No space left" in text else text.split("\n")[0]
            raise ValueError(
                f"{self._manager.directory}: a state cannot be saved ({full}); free some space, then go on with "
                "--resume, or name another folder"
            ) from None

    def restore(self, like: tuple[TrainState, Best]) -> tuple[TrainState, Best]:
        """Return the last state.

        Args:
            like: A state of the same network and settings, which gives structure and shapes.

        Raises:
            ValueError: There is none, or it is damaged or of another network.
        """
        if self.latest is None:
            raise ValueError(f"{self._manager.directory}: holds no finished state; train without --resume")
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, _tree(*like))
        try:
            tree: Any = self._manager.restore(self.latest, args=ocp.args.StandardRestore(abstract))
        except (ValueError, KeyError, OSError, TypeError) as error:
            reason = str(error).split("\n")[0]
            raise ValueError(
                f"{self._manager.directory}: its state does not fit this network or is damaged ({reason}); "
                "train into another folder"
            ) from None
        best = tree["best"]
        # In the order of `begin`, because the optimiser's state is a nest of tuples.
        state = jax.tree.unflatten(jax.tree.structure(like[0]), jax.tree.leaves(tree["state"]))
        return state, Best(int(best["epoch"]), float(best["score"]), float(best["loss"]), best["variables"])


def _tree(state: TrainState, best: Best) -> dict[str, Any]:
    return {
        "state": {f"{place:05d}": leaf for place, leaf in enumerate(jax.tree.leaves(state))},
        "best": {
            "epoch": np.asarray(best.epoch, np.int32),
            "score": np.asarray(best.score, np.float64),
            "loss": np.asarray(best.loss, np.float64),
            "variables": best.variables,
        },
    }
