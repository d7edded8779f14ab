import dataclasses
import json

import pytest

from neurallnet_jax.training import logs
from neurallnet_jax.training.loop import EpochRecord


def record(epoch: int, **changes: object) -> EpochRecord:
    base = EpochRecord(
        epoch=epoch, step=4 * epoch, loss=1 / 3, accuracy=0.5, rates={"lif_1": 0.1}, validation=None,
        validation_loss=None, best=True, images_per_second=None, warnings=("layer 'lif_1' is silent",),
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


@pytest.fixture
def run(tmp_path):
    with logs.EpochLog(tmp_path, keep=0) as log:
        for epoch in (1, 2, 3):
            log.add(record(epoch))
    return tmp_path


def test_every_epoch_is_one_line_with_every_field(run):
    lines = (run / logs.LOG_NAME).read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    assert logs.read(run)[0] == json.loads(json.dumps(dataclasses.asdict(record(1))))


def test_a_resumed_run_drops_the_epochs_it_repeats(run):
    with logs.EpochLog(run, keep=1) as log:
        log.add(record(2, loss=9.0))
    assert [(line["epoch"], line["loss"]) for line in logs.read(run)] == [(1, 1 / 3), (2, 9.0)]


def test_a_line_cut_short_is_left_out_and_does_not_spoil_the_next(run):
    path = run / logs.LOG_NAME
    path.write_text(path.read_text()[:-20])
    assert [line["epoch"] for line in logs.read(run)] == [1, 2]
    with logs.EpochLog(run, keep=3) as log:
        log.add(record(3))
    assert [line["epoch"] for line in logs.read(run)] == [1, 2, 3]


def test_a_run_without_a_log_has_no_epochs(tmp_path):
    assert logs.read(tmp_path) == []


def test_tensorboard_gets_its_events(run):
    (events,) = (run / "tensorboard").iterdir()
    data = events.read_bytes()
    assert all(name in data for name in (b"loss/train", b"rate/lif_1", b"accuracy/train"))
    assert b"validation" not in data, "what was not measured is not written"
