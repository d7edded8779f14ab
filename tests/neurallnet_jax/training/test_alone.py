"""A folder belongs to one process: refused to a second one, free again once the first has ended or was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neurallnet_jax.training.alone import LOCK_NAME, alone

HOLD = """
import sys, time
from pathlib import Path
from neurallnet_jax.training.alone import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(tmp_path: Path):
    """A folder with a process at work in it, and that process."""
    folder = tmp_path / "folder"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield folder, process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_process_is_refused_and_told_which_is_at_work(held):
    folder, process = held
    with pytest.raises(ValueError, match=f"folder: process {process.pid} is at work in it; wait until"), alone(folder):
        pass


def test_a_kill_leaves_the_folder_free(held):
    folder, process = held
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / LOCK_NAME).exists()
    with alone(folder):
        assert (folder / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    assert list(folder.iterdir()) == []


def test_a_folder_is_made_and_nothing_of_the_lock_stays_even_after_an_error(tmp_path):
    with pytest.raises(KeyError), alone(tmp_path / "new" / "folder"):
        raise KeyError
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    with alone(tmp_path / "new" / "folder"):
        pass


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file: cannot be written"), alone(tmp_path / "file"):
        pass
