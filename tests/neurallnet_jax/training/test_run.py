import csv
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lava_port import graph
from neurallnet_jax import checkpoint, spec
from neurallnet_jax.baselines import pretrained
from neurallnet_jax.training import logs, loop
from neurallnet_jax.training import run as runs
from neurallnet_jax.training.run import Request
from neurallnet_jax.workflows import convert

NAMES = ("blue", "green", "red")


def write_folder(root: Path, squares_of: Callable, classes: int, seed: int) -> Path:
    pixels, labels = squares_of(12 * classes, seed, classes)
    for place, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        folder = root / NAMES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"square-{place + 1}.png")
    return root


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*.png")
    }


class Stop(runs.Watcher):
    """Asks to stop after some steps of this leg."""

    def __init__(self, after: int) -> None:
        self.left = after

    def step(self, epoch: int, step: int, steps_per_epoch: int, metrics: loop.StepMetrics) -> None:
        self.left -= 1

    def should_stop(self) -> bool:
        return self.left <= 0


@pytest.fixture(scope="module")
def data(tmp_path_factory, squares_of) -> Path:
    return write_folder(tmp_path_factory.mktemp("data") / "two", squares_of, 2, 0)


@pytest.fixture(scope="module")
def request_(data, network, training) -> Request:
    return Request(data=str(data), network=network, training=training, split="random", seed=4)


@pytest.fixture(scope="module")
def whole(request_, tmp_path_factory) -> tuple[Path, runs.Result]:
    out = tmp_path_factory.mktemp("runs") / "whole"
    return out, runs.train(request_, out, command="neurallnet train")


@pytest.fixture(scope="module")
def stopped(request_, tmp_path_factory) -> Path:
    """A RUN stopped within its second epoch; copy it before going on."""
    out = tmp_path_factory.mktemp("runs") / "stopped"
    result = runs.train(request_, out, watcher=Stop(after=3))
    assert result.checkpoint is None
    assert result.step == 3
    return out


def parts_of(out: Path) -> dict[str, str]:
    with (out / runs.SPLIT_NAME).open(encoding="utf-8") as file:
        return {row["path"]: row["part"] for row in csv.DictReader(line for line in file if line[0] != "#")}


def test_a_run_holds_its_request_split_log_states_and_checkpoint(whole, request_, data):
    out, result = whole
    names = {entry.name for entry in out.iterdir()}
    assert names == {"run.json", "split.csv", "log.jsonl", "tensorboard", "states", checkpoint.FILE_NAME}
    assert runs.begun(out) == request_
    assert [line["epoch"] for line in logs.read(out)] == [1, 2, 3]
    assert result.step == 3 * 2  # 24 images, 20 of them train, in batches of 8
    assert parts_of(out).keys() == hashes(data).keys()
    assert list(parts_of(out).values()).count("train") == 20
    assert json.loads((out / "run.json").read_text())["command"] == "neurallnet train"


def test_the_checkpoint_knows_what_it_has_seen_and_what_was_kept_apart(whole, data):
    out, result = whole
    saved = checkpoint.load(out)
    by_part = {part: set() for part in ("train", "validation", "test")}
    for path, part in parts_of(out).items():
        by_part[part].add(hashes(data)[path])
    assert set(saved.seen) == by_part["train"] | by_part["validation"]
    assert set(saved.test) == by_part["test"]
    assert result.test == len(by_part["test"]) > 0
    assert saved.classes == ("blue", "green")
    assert saved.provenance["best_epoch"] == result.best_epoch
    assert saved.provenance["validation_balanced_accuracy"] == result.validation
    assert saved.provenance["split"] == {"scheme": "random", "fold": 0, "train": 20, "validation": 2, "test": 2}


def test_the_offset_is_the_mean_colour_of_the_training_images(whole, data):
    out, _ = whole
    training = [path for path, part in parts_of(out).items() if part == "train"]
    pixels = np.stack([np.asarray(Image.open(data / path)) for path in training]).reshape(-1, 3)
    assert checkpoint.load(out).preprocessing.offset == tuple(pixels.mean(axis=0).round())


def same_bits(left: Path, right: Path) -> bool:
    ours, theirs = checkpoint.load(left), checkpoint.load(right)
    assert ours.weights.keys() == theirs.weights.keys()
    return ours.temperature == theirs.temperature and all(
        ours.weights[name].tobytes() == theirs.weights[name].tobytes() for name in ours.weights
    )


def test_a_stopped_run_resumed_ends_with_the_same_bits(stopped, whole, request_, tmp_path):
    out = shutil.copytree(stopped, tmp_path / "run")
    assert [line["epoch"] for line in logs.read(out)] == [1]
    again = runs.train(request_, out, resume=True, watcher=Stop(after=1))
    assert again.step == 4
    result = runs.train(request_, out, resume=True)
    assert result.step == 6
    assert same_bits(out, whole[0])
    assert [line["epoch"] for line in logs.read(out)] == [1, 2, 3]


@pytest.fixture(scope="module")
def taught(request_) -> Request:
    """The network of three epochs begins with a twin of two."""
    training = dataclasses.replace(request_.training, twin_epochs=2)
    return dataclasses.replace(request_, training=training)


@pytest.fixture(scope="module")
def taught_whole(taught, tmp_path_factory) -> tuple[Path, runs.Result]:
    out = tmp_path_factory.mktemp("runs") / "taught"
    return out, runs.train(taught, out)


def test_a_run_with_a_twin_keeps_the_log_of_both(taught_whole, whole):
    out, result = taught_whole
    assert [line["epoch"] for line in logs.read(out / runs.TWIN_NAME)] == [1, 2]
    assert [line["rates"] for line in logs.read(out / runs.TWIN_NAME)] == [{}, {}]
    assert [line["epoch"] for line in logs.read(out)] == [1, 2, 3]
    assert result.step == 3 * 2
    assert result.checkpoint.spec.spiking
    assert not same_bits(out, whole[0])


@pytest.mark.parametrize("after", [3, 6], ids=["in the twin", "in the network"])
def test_a_run_with_a_twin_resumed_ends_with_the_same_bits(taught, taught_whole, tmp_path, after):
    out = tmp_path / "run"
    assert runs.train(taught, out, watcher=Stop(after=after)).checkpoint is None
    assert runs.train(taught, out, resume=True).step == 6
    assert same_bits(out, taught_whole[0])


def test_weights_of_a_run_leave_nothing_for_a_twin_to_begin(whole, taught):
    with pytest.raises(ValueError, match=f"begins with the weights of {whole[0]}, not a twin's"):
        dataclasses.replace(taught, source=str(whole[0]))


_KILLED = """
import pathlib, pickle, sys, time
from neurallnet_jax.training import run as runs

class Slow(runs.Watcher):
    def epoch(self, record):
        time.sleep(2)

if __name__ == "__main__":
    request = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
    runs.train(request, pathlib.Path(sys.argv[2]), watcher=Slow())
"""


@pytest.mark.slow
def test_a_killed_run_resumed_ends_with_the_same_bits(whole, request_, tmp_path):
    import pickle

    out = tmp_path / "run"
    (tmp_path / "train.py").write_text(_KILLED)
    (tmp_path / "request").write_bytes(pickle.dumps(request_))
    process = subprocess.Popen([sys.executable, tmp_path / "train.py", tmp_path / "request", out], env=os.environ)
    try:
        deadline = time.monotonic() + 240
        while not logs.read(out):
            assert process.poll() is None, "the training ended before it could be killed"
            assert time.monotonic() < deadline, "no epoch within four minutes"
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (out / checkpoint.FILE_NAME).exists()
    runs.train(request_, out, resume=True)
    assert same_bits(out, whole[0])
    assert [line["epoch"] for line in logs.read(out)] == [1, 2, 3]


def test_a_run_that_has_ended_returns_at_once_and_is_left_as_it_is(whole, request_, data):
    out, result = whole
    before = (out / checkpoint.FILE_NAME).read_bytes()
    hidden = data.rename(data.with_name("hidden"))
    try:
        again = runs.train(request_, out, resume=True)
    finally:
        hidden.rename(data)
    assert (out / checkpoint.FILE_NAME).read_bytes() == before
    for field in ("best_epoch", "validation", "test", "step"):
        assert getattr(again, field) == getattr(result, field)


# --- What is refused --------------------------------------------------------------------------------------------------


def test_resuming_with_other_settings_is_refused(stopped, request_):
    for change in ({"seed": 5}, {"training": dataclasses.replace(request_.training, epochs=9)}, {"fold": 1}):
        with pytest.raises(ValueError, match="was begun with other settings"):
            runs.train(dataclasses.replace(request_, **change), stopped, resume=True)


def test_resuming_with_other_bytes_is_refused_with_the_file_named(stopped, request_, data, tmp_path):
    out = shutil.copytree(stopped, tmp_path / "run")
    path = next(data.rglob("*.png"))
    name, before = path.relative_to(data).as_posix(), path.read_bytes()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    try:
        with pytest.raises(ValueError, match=f"{name} has other bytes"):
            runs.train(request_, out, resume=True)
        path.unlink()
        with pytest.raises(ValueError, match=f"{name} is not in"):
            runs.train(request_, out, resume=True)
    finally:
        path.write_bytes(before)


def test_resuming_what_was_never_begun_is_refused(request_, tmp_path):
    with pytest.raises(ValueError, match=r"no RUN to resume \(run\.json is missing\); train without --resume"):
        runs.train(request_, tmp_path, resume=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "run.json: cannot be read"),
        ("\xff\xfe", "run.json: cannot be read"),
        ("[]", "format version None"),
        ('{"format_version": 2}', "format version 2, this release reads 1"),
        ('{"format_version": 1}', "does not say what was asked for"),
        ('{"format_version": 1, "request": {"network": {}, "training": {}}}', "does not say what was asked for"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused(request_, tmp_path, text, message):
    (tmp_path / runs.RUN_NAME).write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        runs.train(request_, tmp_path, resume=True)


@pytest.mark.parametrize("left", [runs.RUN_NAME, runs.STATES_NAME, checkpoint.FILE_NAME])
def test_a_folder_that_holds_a_run_is_not_trained_over(whole, request_, tmp_path, left):
    kept = whole[0] / left
    (shutil.copytree if kept.is_dir() else shutil.copy)(kept, tmp_path / left)
    with pytest.raises(ValueError, match="holds a RUN already; add --resume to go on with it"):
        runs.train(request_, tmp_path)


def test_a_folder_of_one_class_is_refused(request_, data, tmp_path):
    shutil.copytree(data / "blue", tmp_path / "data" / "blue")
    with pytest.raises(ValueError, match="images of blue alone cannot teach blue"):
        runs.train(dataclasses.replace(request_, data=str(tmp_path / "data")), tmp_path / "run")


# --- Splits and sources -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brief(request_) -> Request:
    """One epoch with a learning rate so small that the weights stay where they began."""
    settings = dataclasses.replace(request_.training, epochs=1, learning_rate=1e-30, ema_decay=0.0)
    return dataclasses.replace(request_, training=settings)


def test_with_the_split_all_everything_trains_and_the_last_epoch_is_kept(brief, data, tmp_path):
    result = runs.train(dataclasses.replace(brief, split="all"), tmp_path / "run")
    saved = checkpoint.load(tmp_path / "run")
    assert set(saved.seen) == set(hashes(data).values())
    assert (result.validation, result.test, saved.test, saved.temperature) == (None, 0, (), None)


def write_manifest(path: Path, data: Path, part_of: Callable[[int], str]) -> str:
    rows = [(name, sha256, part_of(place)) for place, (name, sha256) in enumerate(sorted(hashes(data).items()))]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "sha256", "part"), *rows])
    return str(path)


def test_a_manifest_decides_what_trains(brief, data, tmp_path):
    part_of = lambda place: ("train", "train", "validation", "unused")[place % 4]
    manifest = write_manifest(tmp_path / "split.csv", data, part_of)
    result = runs.train(dataclasses.replace(brief, split=manifest), tmp_path / "run")
    expected = {sha for place, (_, sha) in enumerate(sorted(hashes(data).items())) if part_of(place) != "unused"}
    assert result.checkpoint is not None
    assert set(result.checkpoint.seen) == expected
    assert result.checkpoint.provenance["split"]["scheme"] == "manifest"


def test_a_manifest_that_trains_on_nothing_is_refused(brief, data, tmp_path):
    manifest = write_manifest(tmp_path / "split.csv", data, lambda place: "test")
    with pytest.raises(ValueError, match="leaves no image to train on"):
        runs.train(dataclasses.replace(brief, split=manifest), tmp_path / "run")


def test_a_run_can_begin_with_the_weights_of_another(whole, brief, tmp_path, squares_of):
    """On other images of the same classes: the weights stay, the hashes of both are united, the offset is inherited."""
    data = write_folder(tmp_path / "data", squares_of, 2, 9)
    source = checkpoint.load(whole[0])
    begun = dataclasses.replace(brief, data=str(data), source=str(whole[0]), split="all")
    saved = runs.train(begun, tmp_path / "run").checkpoint
    assert saved is not None
    for name, weight in source.weights.items():
        if name.startswith("params/"):
            np.testing.assert_array_equal(saved.weights[name], weight, err_msg=name)
    assert set(saved.seen) == set(source.seen) | set(hashes(data).values())
    assert saved.preprocessing == source.preprocessing
    assert saved.provenance["source"] == str(whole[0])


def test_a_run_can_begin_with_the_weights_of_another_on_classes_of_its_own(whole, brief, tmp_path, squares_of):
    data = write_folder(tmp_path / "data", squares_of, 3, 9)
    source = checkpoint.load(whole[0])
    begun = dataclasses.replace(brief, data=str(data), source=str(whole[0]), split="all")
    saved = runs.train(begun, tmp_path / "run").checkpoint
    assert saved is not None
    assert saved.classes == NAMES
    np.testing.assert_array_equal(saved.weights["params/conv_1/kernel"], source.weights["params/conv_1/kernel"])
    assert saved.weights["params/dense_1/kernel"].shape == (4, 3)


def test_a_run_of_few_bits_saves_rounded_weights_that_convert_to_themselves(whole, request_, tmp_path):
    """What the port holds times its scale is the checkpoint's kernel; the float network scores as training saw it."""
    training = dataclasses.replace(request_.training, weight_bits=3)
    quantised = dataclasses.replace(request_, training=training, source=str(whole[0]))
    result = runs.train(quantised, tmp_path / "run")
    saved = checkpoint.load(tmp_path / "run")
    assert saved.provenance["training"]["weight_bits"] == 3
    assert result.validation == saved.provenance["validation_balanced_accuracy"]
    port = convert.convert(saved)
    assert port.provenance["weight_bits"] == 3
    norm = {
        node.inputs[0]: node.scale[:, None, None, None] for node in port.graph.nodes if isinstance(node, graph.NormNode)
    }
    for name, least in (("conv_1", 1), ("dense_1", 0)):
        node = graph.find(port.fixed, name)
        entry = next(entry for entry in port.rounding if entry.name == name)
        assert entry.weight_error_max < 1e-6
        assert entry.weight_bits == 3
        real = graph.find(port.graph, name)
        real = real.weight if name == "dense_1" else real.kernel
        scaled = real * norm.get(name, 1.0)
        largest = np.abs(scaled.reshape(len(scaled), -1)).max(axis=1)
        scale = largest / 192 if least else np.full(len(scaled), largest.max() / 192)
        found = node.weight * scale.reshape(-1, *(1,) * (node.weight.ndim - 1))
        np.testing.assert_allclose(found, scaled, rtol=3e-7)
        assert set(np.unique(node.weight)) <= {-192, -128, -64, 0, 64, 128, 192}


def test_a_stopped_run_of_few_bits_resumed_ends_with_the_same_bits(request_, tmp_path):
    quantised = dataclasses.replace(request_, training=dataclasses.replace(request_.training, weight_bits=4))
    runs.train(quantised, tmp_path / "whole")
    runs.train(quantised, tmp_path / "run", watcher=Stop(after=3))
    runs.train(quantised, tmp_path / "run", resume=True)
    assert same_bits(tmp_path / "whole", tmp_path / "run")


def test_a_run_begun_before_there_were_weight_bits_can_be_resumed(stopped, whole, request_, tmp_path):
    out = shutil.copytree(stopped, tmp_path / "run")
    record = json.loads((out / runs.RUN_NAME).read_text())
    del record["request"]["training"]["weight_bits"]
    (out / runs.RUN_NAME).write_text(json.dumps(record))
    other = dataclasses.replace(request_, training=dataclasses.replace(request_.training, weight_bits=4))
    with pytest.raises(ValueError, match=r"training.weight_bits was None, is 4"):
        runs.train(other, out, resume=True)
    runs.train(request_, out, resume=True)
    assert same_bits(out, whole[0])


def test_a_run_begun_before_there_were_margins_left_24_numbers_out_and_can_be_resumed(
    stopped, whole, request_, tmp_path
):
    out = shutil.copytree(stopped, tmp_path / "run")
    record = json.loads((out / runs.RUN_NAME).read_text())
    assert record["request"].pop("margin") == 24
    (out / runs.RUN_NAME).write_text(json.dumps(record))
    assert runs.begun(out).margin == 24
    runs.train(request_, out, resume=True)
    assert same_bits(out, whole[0])


def test_a_run_records_how_many_numbers_its_contiguous_split_left_out(brief, squares_of, tmp_path):
    data = write_folder(tmp_path / "data", lambda count, *rest: squares_of(20 * count, *rest), 2, 0)
    request = dataclasses.replace(brief, data=str(data), split="contiguous", margin=3, fold=2)
    saved = runs.train(request, tmp_path / "run").checkpoint
    assert saved is not None
    assert saved.provenance["split"]["margin"] == 3
    assert json.loads((tmp_path / "run" / runs.RUN_NAME).read_text())["request"]["margin"] == 3
    header = (tmp_path / "run" / runs.SPLIT_NAME).read_text().splitlines()[0]
    assert header.endswith("scheme contiguous, margin 3")
    # 240 numbers of a class, of which the fold tests on 97 to 144.
    assert list(parts_of(tmp_path / "run").values()).count("test") == 2 * 48
    with pytest.raises(ValueError, match=r"was begun with other settings \(margin was 3, is 4\)"):
        runs.train(dataclasses.replace(request, margin=4), tmp_path / "run", resume=True)


def test_weights_that_do_not_fit_the_network_are_refused(whole, brief, tmp_path):
    wider = spec.neurallnet(2, widths=(5,), image_size=(8, 8), steps=2, attention=None)
    with pytest.raises(ValueError, match=r"has shape \(4,\), the network \(5,\)"):
        runs.train(dataclasses.replace(brief, network=wider, source=str(whole[0]), split="all"), tmp_path / "run")


@pytest.mark.usefixtures("small_keras")
def test_a_stopped_run_of_keras_resumed_ends_with_the_same_bits_dropout_and_all(request_, tmp_path):
    asked = dataclasses.replace(request_, network=spec.KerasNetwork("resnet50", (32, 32)))
    whole = runs.train(asked, tmp_path / "whole")
    assert runs.train(asked, tmp_path / "run", watcher=Stop(after=3)).step == 3
    assert runs.train(asked, tmp_path / "run", resume=True).step == whole.step == 6
    assert same_bits(tmp_path / "run", tmp_path / "whole")
    assert whole.checkpoint is not None
    assert whole.checkpoint.spec == spec.KerasNetwork("resnet50", (32, 32), classes=2)
    moved = whole.checkpoint.weights["batch_stats/batch_normalization/moving_mean"]
    assert np.abs(moved).max() > 0


@pytest.mark.usefixtures("small_keras")
def test_weights_of_a_file_are_recorded_with_their_hash(request_, tmp_path, monkeypatch):
    """What stands in a file is tested with the baselines; here it is two arrays and a convention."""
    file = tmp_path / "w.weights.h5"
    file.write_bytes(b"weights")
    network = spec.KerasNetwork("resnet50", (32, 32))
    bias = np.arange(6, dtype=np.float32)
    given = pretrained.Pretrained({"params/conv2d/bias": bias}, pretrained.Convention((1, 2, 3), 5.0), ("predictions",))
    monkeypatch.setattr(pretrained, "load", lambda network, path: given)
    one_epoch = dataclasses.replace(request_.training, epochs=1, learning_rate=1e-12)
    asked = dataclasses.replace(request_, network=network, training=one_epoch, weights=str(file))
    saved = runs.train(asked, tmp_path / "run").checkpoint
    assert saved is not None
    digest = hashlib.sha256(b"weights").hexdigest()
    assert saved.provenance["weights"] == {"file": file.name, "sha256": digest, "fresh": ["predictions"]}
    assert (saved.preprocessing.offset, saved.preprocessing.scale) == ((1, 2, 3), 5.0)
    np.testing.assert_allclose(saved.weights["params/conv2d/bias"], bias, atol=1e-6)
    wrong = dataclasses.replace(asked, weights_sha256="00")
    with pytest.raises(ValueError, match="its SHA-256 is"):
        runs.train(wrong, tmp_path / "other")
