"""What becomes of processes, shared memory and files when a child, the worker or the parent is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lava_port.runtime.guard import Segments
from lava_port.runtime.handover import save_graph
from lava_port.runtime.host import LavaNetwork


def test_segments_carry_their_prefix_and_go_at_shutdown():
    prefix = f"neurallnet_test_{os.getpid()}_"
    segments = Segments(prefix)
    segments.start()
    held = [segments.create_shared_memory(size) for size in (10, 20)]
    assert sorted(path.name for path in Path("/dev/shm").glob(prefix + "*")) == [prefix + "0", prefix + "1"]
    held[0].buf[3] = 7
    segments.shutdown()
    assert not list(Path("/dev/shm").glob(prefix + "*"))
    assert held[0].buf[3] == 7
    for segment in held:
        segment.close()


def test_a_child_that_is_killed_is_noticed_at_once(shared, temporary, gone, children):
    with LavaNetwork(shared, timeout_s=60) as network:
        pid, segments = network.pid, network._segments
        os.kill(children(pid)[2], signal.SIGKILL)
        start = time.monotonic()
        with pytest.raises(RuntimeError, match="a process of the Lava network died; its log is"):
            network.run(np.zeros((1, 7, 6, 1), np.uint8))
        assert time.monotonic() - start < 20
        assert gone(pid, segments)


PARENT = """
import sys, time
from pathlib import Path
import numpy as np
from lava_port.runtime.handover import load_graph
from lava_port.runtime.host import LavaNetwork
with LavaNetwork(load_graph(Path(sys.argv[1]))) as network:
    print(network.pid, network._segments, flush=True)
    while True:
        network.run(np.zeros((1, 7, 6, 1), np.uint8))
"""


@pytest.mark.parametrize(
    "killed",
    [
        "parent of a network that hangs",
        pytest.param("parent", marks=pytest.mark.slow),
        pytest.param("parent and worker", marks=pytest.mark.slow),
    ],
)
def test_a_parent_that_is_killed_takes_everything_along(killed, shared, tmp_path, gone, children):
    save_graph(shared, tmp_path)
    (tmp_path / "temporary").mkdir()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
    )
    with parent:
        assert parent.stdout is not None
        pid, segments = parent.stdout.readline().split()
        layers = children(int(pid))
        assert layers
        if killed == "parent of a network that hangs":
            os.kill(layers[2], signal.SIGSTOP)
        parent.kill()
        if killed == "parent and worker":
            os.kill(int(pid), signal.SIGKILL)
    assert gone(int(pid), segments)
    if killed != "parent and worker":
        assert list((tmp_path / "temporary").iterdir()) == []
