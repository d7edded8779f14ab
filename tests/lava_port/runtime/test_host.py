"""What is left after a Lava network ran, failed, hung or lost its parent: nothing."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from lava_port.graph import FixedConv, FixedDense, FixedGate, FixedGraph, FixedHold, FixedInput, FixedLif, FixedReadout
from lava_port.runtime import compat, host
from lava_port.runtime.host import LavaNetwork


def overflowing() -> FixedGraph:
    """Return a graph whose squeeze leaves 32 bits in a white image, in one of Lava's children."""
    gate = FixedGate(
        "gate_1", ("hold",), (1,), np.zeros((1, 1), np.int16), np.zeros(1, np.int64), np.zeros((1, 1), np.int16),
        np.zeros(1, np.int64), 0, 0, np.zeros(1, np.int64), np.zeros(1, np.int64), 2,
    )  # fmt: skip
    nodes = (
        FixedInput("input", (400, 400, 1), (0,)),
        FixedConv("conv_1", ("input",), (400, 400, 1), np.full((1, 1, 1, 1), 254, np.int16)),
        FixedHold("hold", ("conv_1",), (400, 400, 1), 0),
        gate,
        FixedLif("lif_1", ("hold", "gate_1"), (400, 400, 1), 4095, 0, np.ones(1, np.int32), np.zeros(1, np.int32)),
        FixedDense("dense_1", ("lif_1",), (1,), np.full((1, 1), 2, np.int16), shared=True),
        FixedReadout("readout", ("dense_1",), (1,), np.zeros(1, np.int64), 1.0),
    )
    return FixedGraph(nodes, 3, ("one",))


def test_check_runs_two_neurons_and_leaves_nothing_behind(temporary):
    result = host.check()
    assert result.versions["lava-nc"] == compat.lava_version()
    assert set(result.versions) == {"python", "lava-nc", "numpy", "scipy"}
    assert 0 < result.seconds < 60
    assert list(temporary.iterdir()) == []


def test_a_network_reports_progress_and_ends_in_order(shared, temporary, gone, children):
    seen = []
    with LavaNetwork(shared) as network:
        pid, segments = network.pid, network._segments
        assert list(Path("/dev/shm").glob(segments + "*"))
        assert len(children(pid)) >= 6
        assert "jaxlib" not in Path(f"/proc/{pid}/maps").read_text()
        network.run(np.zeros((3, 7, 6, 1), np.uint8), progress=lambda done, total: seen.append((done, total)))
        with pytest.raises(
            ValueError, match=r"images are uint8 \(1, 6, 7, 1\); the network reads uint8 \(batch, 7, 6, 1\)"
        ):
            network.run(np.zeros((1, 6, 7, 1), np.uint8))
        with pytest.raises(ValueError, match="images are float64"):
            network.run(np.zeros((1, 7, 6, 1)))
        network.run(np.zeros((1, 7, 6, 1), np.uint8))
        worker = network._worker
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert worker.returncode == 0
    assert gone(pid, segments)
    assert list(temporary.iterdir()) == []
    with pytest.raises(RuntimeError, match="does not run; use it in a with block"):
        network.run(np.zeros((1, 7, 6, 1), np.uint8))


def test_an_error_in_a_child_arrives_in_one_line_with_its_log(temporary, gone):
    with LavaNetwork(overflowing()) as network:
        pid, segments = network.pid, network._segments
        with pytest.raises(RuntimeError, match=r"Lava: ValueError: squeeze reaches .*, beyond 32 bits") as caught:
            network.run(np.full((1, 400, 400, 1), 255, np.uint8))
        assert gone(pid, segments)
    message = str(caught.value)
    assert "\n" not in message
    log = Path(message.rpartition("its log is ")[2])
    assert list(temporary.iterdir()) == [log]
    assert "in run_spk" in log.read_text()


@pytest.mark.slow
def test_a_network_that_hangs_is_killed_after_its_time(shared, temporary, gone, children):
    with LavaNetwork(shared, timeout_s=1.5) as network:
        pid, segments = network.pid, network._segments
        os.kill(children(pid)[2], signal.SIGSTOP)
        with pytest.raises(RuntimeError, match=r"Lava: an image took more than 1\.5 s; its log is"):
            network.run(np.zeros((1, 7, 6, 1), np.uint8))
        assert gone(pid, segments)


def test_a_network_that_is_not_built_in_time_is_killed(shared, temporary):
    before = time.monotonic()
    with (
        pytest.raises(RuntimeError, match=r"Lava: building the network took more than 0\.2 s"),
        LavaNetwork(shared, build_timeout_s=0.2),
    ):
        pytest.fail("it was built")
    assert time.monotonic() - before < 10
    assert [path.suffix for path in temporary.iterdir()] == [".log"]


@pytest.mark.slow
def test_an_interrupt_leaves_nothing_behind(shared, temporary, gone):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with LavaNetwork(shared) as network:
        pid, segments = network.pid, network._segments
        with pytest.raises(KeyboardInterrupt):
            network.run(np.zeros((5, 7, 6, 1), np.uint8), progress=interrupt)
        assert gone(pid, segments)
    assert list(temporary.iterdir()) == []
