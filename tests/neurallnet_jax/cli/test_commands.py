"""The commands end to end, in this process, on drawn smears of 32 pixels and a network trained for two epochs."""

import csv
import dataclasses
import errno
import hashlib
import io
import json
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from lava_port import emulator
from lava_port import port as ports
from lava_port.energy import profile_file, profiles
from lava_port.graph import FixedLif
from neurallnet_jax import checkpoint
from neurallnet_jax.baselines import applications
from neurallnet_jax.cli import main as cli
from neurallnet_jax.cli import output
from neurallnet_jax.images import cache, synthetic
from neurallnet_jax.training import run as runs
from neurallnet_jax.workflows import convert

COUNT = 12
MARKS = {"better": "✓", "worse": "✗", "undecided": "?"}
TRAINING = ("--preset", "tiny", "--image-size", "32", "--split", "random", "--epochs")


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str
    json: dict[str, Any]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    before = logging.root.manager.disable
    yield
    logging.disable(before)


@pytest.fixture
def neurallnet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Answer]:
    """Return a function that runs a command with `--json` and gives back all it said; the JSON file must be new."""

    def run(*words: object) -> Answer:
        result = tmp_path / "result.json"
        result.unlink(missing_ok=True)
        code = cli.main([*map(str, words), "--json", str(result)])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err, json.loads(result.read_text()) if result.exists() else {})

    return run


@pytest.fixture(scope="session")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 smears of each class."""
    folder = tmp_path_factory.mktemp("drawn") / "smears"
    assert cli.main(["synthesise", "--out", str(folder), "--count", str(COUNT), "--image-size", "32"]) == 0
    return folder


@pytest.fixture(scope="session")
def trained(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RUN of two epochs."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert cli.main(["train", "--data", str(smears), "--out", str(run), *TRAINING, "2"]) == 0
    return run


@pytest.fixture(scope="session")
def port(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its PORT."""
    folder = tmp_path_factory.mktemp("converted") / "port"
    assert cli.main(["convert-to-lava", str(trained), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def marred(smears: Path, tmp_path: Path) -> Path:
    """The smears with a file cut short, an empty one and a text."""
    folder = shutil.copytree(smears, tmp_path / "marred")
    whole = next((folder / "Benign").iterdir()).read_bytes()
    (folder / "Benign" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "Pre-B" / "empty.png").write_bytes(b"")
    (folder / "Pro-B" / "text.jpg").write_text("no smear")
    return folder


def marred_files(entries: list[dict[str, str]]) -> set[str]:
    return {entry["path"] for entry in entries if entry["path"] in entry["error"]}


def refused(answer: Answer, *parts: str) -> None:
    """Check for exit code 2 and one line on standard error that holds every part."""
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert answer.json == {}
    for part in parts:
        assert part in answer.err


# --- synthesise ---------------------------------------------------------------------------------------------------------


def test_synthesise_draws_every_class(neurallnet: Callable[..., Answer], tmp_path: Path) -> None:
    answer = neurallnet("synthesise", "--out", tmp_path / "out", "--count", 2, "--image-size", 32)
    assert answer.code == 0
    assert answer.json["n"] == 8
    assert answer.json["classes"] == list(synthetic.CLASSES)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 8


def test_synthesise_does_not_touch_what_is_there(neurallnet: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("three years")
    refused(neurallnet("synthesise", "--out", tmp_path / "out", "--count", 1), "is not an empty folder")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "three years"


def test_synthesise_draws_nothing_that_could_not_be_read_back(
    neurallnet: Callable[..., Answer], tmp_path: Path
) -> None:
    for size, message in ((7, "at least 8 pixels"), (8001, "at most 8000")):
        refused(neurallnet("synthesise", "--out", tmp_path / "out", "--count", 1, "--image-size", size), message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["synthesise --out s", "demo --out d", "train --data d --out r"])
@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.5", "x"])
def test_a_seed_that_no_generator_takes_is_refused(command: str, seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([*command.split(), "--seed", seed])
    assert left.value.code == 2
    assert seed in capsys.readouterr().err


# --- train --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_train_leaves_a_run_and_says_how_to_score_it(
    neurallnet: Callable[..., Answer], smears: Path, tmp_path: Path
) -> None:
    run = tmp_path / "a run"
    answer = neurallnet("train", "--data", smears, "--out", run, *TRAINING, 1)
    assert answer.code == 0
    assert {"best_epoch", "validation", "seconds", "images_per_second"} <= set(answer.json)
    assert answer.json["finished"]
    assert answer.json["best_epoch"] == 1
    assert answer.json["test_images"] == 4
    assert "epoch   1  loss" in answer.err
    advice = next(line for line in answer.out.splitlines() if line.startswith("  neurallnet"))
    assert shlex.split(advice)[1:] == ["evaluate", str(run), "--data", str(smears), "--only", "test"]
    assert cli.main(shlex.split(advice)[1:]) == 0
    refused(neurallnet("train", "--data", smears, "--out", run, *TRAINING, 1), "holds a RUN already", "--resume")


def test_resume_returns_the_finished_run_and_names_every_other_setting(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path
) -> None:
    before = (trained / checkpoint.FILE_NAME).read_bytes()
    again = neurallnet("train", "--data", smears, "--out", trained, *TRAINING, 2, "--resume")
    assert again.code == 0
    assert again.json["best_epoch"] == checkpoint.load(trained).provenance["best_epoch"]
    other = neurallnet("train", "--data", smears, "--out", trained, *TRAINING, 3, "--seed", 1, "--resume")
    refused(other, "other settings", "training.epochs was 2, is 3", "seed was 0, is 1")
    bigger = [*TRAINING[:2], "--image-size", "40", *TRAINING[4:], "2"]
    refused(
        neurallnet("train", "--data", smears, "--out", trained, *bigger, "--resume"),
        "(network.image_size was (32, 32), is (40, 40))",
    )
    assert (trained / checkpoint.FILE_NAME).read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["ctrl_c", "batch_system"])
def test_a_stop_saves_and_the_command_it_names_goes_on(
    neurallnet: Callable[..., Answer],
    smears: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: signal.Signals,
) -> None:
    from neurallnet_jax.cli.watching import BarWatcher

    heard = BarWatcher.step

    def step(self: BarWatcher, epoch: int, *rest: Any) -> None:
        heard(self, epoch, *rest)
        if epoch == 1:
            os.kill(os.getpid(), stop)

    monkeypatch.setattr(BarWatcher, "step", step)
    before = signal.getsignal(stop)
    run = tmp_path / "a run"
    stopped = neurallnet("train", "--data", smears, "--out", run, *TRAINING, 2)
    assert stopped.code == cli.INTERRUPTED
    assert not stopped.json["finished"]
    assert "Ctrl-C again to stop at once" in stopped.err
    assert not (run / checkpoint.FILE_NAME).exists()
    assert signal.getsignal(stop) == before
    named = next(line for line in stopped.out.splitlines() if line.startswith("  neurallnet"))
    monkeypatch.undo()
    resumed = neurallnet(*shlex.split(named)[1:])
    assert resumed.code == 0
    assert f"going on after step {checkpoint.load(run).provenance['steps'] // 2}" in resumed.err


@pytest.mark.slow
def test_train_goes_on_from_the_weights_of_another_run(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    words = ("train", "--data", smears, "--split", "random", "--epochs", 1, "--from", trained)
    answer = neurallnet(*words, "--out", tmp_path / "run")
    assert answer.code == 0
    made, source = checkpoint.load(tmp_path / "run"), checkpoint.load(trained)
    assert made.spec == source.spec
    assert set(source.seen) <= set(made.seen)
    for change, message in (
        (("--image-size", 48), "are for 32 px"),
        (("--model", "neurallnet-relu"), "those of a spiking network"),
    ):
        refused(neurallnet(*words, "--out", tmp_path / "other", *change), message)
        assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_train_takes_the_classes_from_the_folder(
    neurallnet: Callable[..., Answer], smears: Path, tmp_path: Path
) -> None:
    own, run = tmp_path / "own[", tmp_path / "run["
    shutil.copytree(smears / "Benign", own / "[bold]round[bold]")
    shutil.copytree(smears / "Pro-B", own / "ärmlich :smile:")
    classes = ["[bold]round[bold]", "ärmlich :smile:"]
    assert neurallnet("train", "--data", own, "--out", run, *TRAINING, 1).code == 0
    shown = neurallnet("evaluate", run, "--data", own)
    assert shown.code == 0
    assert shown.json["classes"] == classes
    assert all(name in shown.out for name in classes)
    assert str(own) in shown.out.replace("\n", "")
    refused(neurallnet("evaluate", run, "--data", smears), "is none of the model's", "train on this folder")


def test_nothing_is_left_of_a_training_that_cannot_begin(
    neurallnet: Callable[..., Answer], smears: Path, marred: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copytree(smears / "Benign", tmp_path / "one" / "Benign")
    shutil.copytree(smears, tmp_path / "other")
    (tmp_path / "other" / "Benign" / "smear-0001.png").unlink()
    for data, more, message in (
        (empty, (), "has no sub-folder"),
        (tmp_path / "one", (), "every class needs its folder with images"),
        (marred, (), "--on-bad-image skip leaves such files out"),
        (smears, ("--fold", 5), "fold is 5; expected 0..4"),
        (smears, ("--split", "nonsense"), "cannot be read as a split"),
        (tmp_path / "other", ("--split", trained / "split.csv"), "is not in"),
        (smears, ("--from", "nowhere"), "no RUN"),
    ):
        refused(neurallnet("train", "--data", data, "--out", out, *TRAINING, 1, *more), message)
        assert not out.exists()


def test_a_request_with_a_seed_that_no_key_takes_is_refused(trained: Path) -> None:
    network = checkpoint.load(trained).spec
    with pytest.raises(ValueError, match=r"seed is -1; expected 0\.\.4294967295"):
        runs.Request("smears", network, runs.begun(trained).training, seed=-1)


def test_a_disk_too_full_for_a_state_is_one_line(
    neurallnet: Callable[..., Answer], smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    run = tmp_path / "run"
    answer = neurallnet("train", "--data", smears, "--out", run, *TRAINING, 1)
    assert answer.code == 2
    last = answer.err.splitlines()[-1]
    assert "a state cannot be saved (it takes" in last
    assert "and 1,000 are free" in last
    monkeypatch.undo()
    assert neurallnet("train", "--data", smears, "--out", run, *TRAINING, 1, "--resume").code == 0


# --- robustness -----------------------------------------------------------------------------------------------------------


def test_robustness_holds_what_its_contract_says(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    words = ("robustness", trained, "--data", smears, "--only", "all", "--limit", 8)
    some = ("--corruption", "jpeg", "rotation", "--severity", 1, "--severity", 5)
    answer = neurallnet(*words, *some, "--html", tmp_path / "page.html", "--plot", tmp_path / "curves.svg")
    assert answer.code == 0
    assert set(answer.json) >= {"run", "backend", "n", "seen", "seed", "clean", "corruptions", "summaries", "overall"}
    assert [(one["name"], one["severity"], one["parameter"]) for one in answer.json["corruptions"]] == [
        ("rotation", 1, 5), ("rotation", 5, 45), ("jpeg", 1, 80), ("jpeg", 5, 10),
    ]  # fmt: skip
    assert answer.json["n"] == 8
    assert answer.json["seen"] > 0
    assert set(answer.json["clean"]["rates"]) == set(answer.json["corruptions"][0]["rates"])
    assert "which flatters the figures" in answer.out
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "were seen in training or selection" in page
    assert str(tmp_path) not in page
    assert (tmp_path / "curves.svg").read_bytes().startswith(b"<?xml")
    again = neurallnet(*words, *some)
    assert again.json == answer.json
    emulated = neurallnet(*words, "--corruption", "jpeg", "--severity", 5, "--backend", "emulator")
    assert emulated.json["backend"] == "emulator"
    float_rates, integer_rates = (one.json["corruptions"][-1]["rates"] for one in (answer, emulated))
    assert integer_rates == pytest.approx(float_rates, abs=0.05)


def test_robustness_compares_runs_on_images_that_none_has_seen(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(trained, tmp_path / "other")
    words = ("robustness", trained, "--data", smears, "--corruption", "jpeg", "--severity", 5, "--run", other)
    answer = neurallnet(*words, "--plot", tmp_path / "curves.png")
    assert answer.code == 0
    assert (answer.json["n"], answer.json["seen"]) == (4, 0)
    assert [one["run"] for one in answer.json["others"]] == ["other"]
    assert answer.json["others"][0]["corruptions"] == answer.json["corruptions"]
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"


def test_robustness_without_an_unseen_image_is_refused(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    seen = set(checkpoint.load(trained).seen)
    for file in (copy := shutil.copytree(smears, tmp_path / "seen")).rglob("*.png"):
        if hashlib.sha256(file.read_bytes()).hexdigest() not in seen:
            file.unlink()
    refused(neurallnet("robustness", trained, "--data", copy), "holds no image for --only unseen")


# --- explain ----------------------------------------------------------------------------------------------------------


def test_explain_draws_one_image(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    image = next((smears / "Benign").iterdir())
    answer = neurallnet("explain", trained, image, "--out", tmp_path / "map.png", "--steps", 4, "--layer", "lif_1")
    assert answer.code == 0
    assert answer.json["method"] == "grad-cam"
    assert [one["method"] for one in answer.json["faithfulness"]] == ["grad-cam", "random", "centre", "edges"]
    first = answer.json["faithfulness"][0]
    assert {"deletion", "insertion", "scale_bar_share", "background_share", "facts"} <= set(first)
    assert len(first["deletion_curve"]) == len(first["shares"]) == 5
    assert answer.json["target"] == answer.json["label"]
    assert first["deletion_curve"][0] == pytest.approx(answer.json["probabilities"][answer.json["label"]], abs=1e-4)
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.format == "PNG"
    assert "evidence for" in answer.out
    before = (tmp_path / "map.png").read_bytes()
    again = neurallnet("explain", trained, image, "--out", tmp_path / "map.png", "--steps", 4, "--layer", "lif_1")
    assert again.json == answer.json
    assert (tmp_path / "map.png").read_bytes() == before


def test_explain_refuses_in_one_line_and_leaves_the_old_figure(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    image, out = next((smears / "Benign").iterdir()), tmp_path / "map.png"
    out.write_bytes(b"old")
    words = ("explain", trained, image, "--out", out)
    refused(neurallnet(*words, "--layer", "lif_9"), "no layer 'lif_9' to look at; there are lif_1")
    refused(neurallnet(*words, "--target", "Hairy"), "no class 'Hairy'; there are Benign, Early Pre-B, Pre-B, Pro-B")
    refused(neurallnet(*words, "--method", "saliency"), "saliency: the gradient of a spiking network")
    refused(neurallnet(*words, "--method", "gradcam"), "no method 'gradcam'; there are grad-cam")
    (tmp_path / "text.png").write_text("no smear")
    refused(neurallnet("explain", trained, tmp_path / "text.png", "--out", out), "text.png")
    assert out.read_bytes() == b"old"
    assert {file.name for file in tmp_path.iterdir()} == {"map.png", "text.png"}


def test_explain_tells_how_faithful_methods_are_and_report_takes_it(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    words = ("explain", trained, "--data", smears, "--method", "grad-cam,cam", "--steps", 3, "--checks", 1)
    answer = neurallnet(*words, "--html", tmp_path / "page.html")
    assert answer.code == 0
    assert answer.json["method"] == ["grad-cam", "cam"]
    assert (answer.json["n"], answer.json["seen"]) == (4, 0)
    assert len(answer.json["faithfulness"]) == 5
    assert set(answer.json["faithfulness"][0]["deletion"]) == {"value", "interval", "n"}
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert str(tmp_path) not in page
    assert str(smears.parent) not in page
    kept = tmp_path / "explain.json"
    kept.write_text(json.dumps(answer.json), encoding="utf-8")
    out = tmp_path / "report.html"
    made = neurallnet("report", trained, "--data", smears, "--out", out, "--quick", "--no-images", "--explain", kept)
    assert made.code == 0
    assert "explain" not in made.json["missing"]
    assert made.json["explain"]["faithfulness"] == answer.json["faithfulness"]
    other = dataclasses.replace(checkpoint.load(trained), classes=("a", "b", "c", "d"))
    checkpoint.save(other, tmp_path / "other")
    refused(neurallnet(*words, "--random-run", tmp_path / "other"), "has other classes; train it as the first was")
    refused(neurallnet(*words, "--masks", tmp_path / "other"), "holds no segmentation named as one of the 4 images is")


# --- report -------------------------------------------------------------------------------------------------------------


def test_report_takes_what_other_commands_wrote_and_refuses_what_is_of_others(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    robustness, leaks = tmp_path / "robustness.json", tmp_path / "leaks.json"
    some = ("--corruption", "jpeg", "--severity", 5)
    assert cli.main([*map(str, ("robustness", trained, "--data", smears, *some, "--json", robustness))]) == 0
    cli.main([*map(str, ("audit", "leaks", smears, "--split", trained, "--json", leaks))])
    out = tmp_path / "report.html"
    words = ("report", trained, "--data", smears, "--out", out, "--quick", "--no-images")
    answer = neurallnet(*words, "--robustness", robustness, "--leaks", leaks)
    assert answer.code == 0
    assert answer.json["robustness"]["n"] == json.loads(robustness.read_text())["n"]
    # Four unseen images are too few to calibrate on.
    assert answer.json["missing"] == ["shortcuts", "crossvalidation", "trust", "explain", "ablation"]
    assert answer.json["bytes"] == out.stat().st_size
    assert "missing: Shortcuts" in answer.out
    text = out.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert str(smears.parent) not in text
    assert "image/jpeg" not in text
    out.unlink()
    for given in ("--robustness", "--shortcuts", "--calibration"):
        refused(neurallnet(*words, given, leaks), str(leaks))
    other = tmp_path / "other"
    assert cli.main(["synthesise", "--out", str(other), "--count", "2", "--image-size", "32", "--seed", "7"]) == 0
    refused(neurallnet("report", trained, "--data", other, "--out", out, "--leaks", leaks), "is of other images")
    assert not out.exists()


# --- ablate -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def ablated(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the arms `se` and `none` of one seed."""
    out = tmp_path_factory.mktemp("ablated") / "out"
    words = ("ablate", "--data", str(smears), "--out", str(out), "--study", "none", "--seeds", "1", "--fold", "0")
    assert cli.main([*words, *TRAINING, "1"]) == 0
    return out


def test_ablate_resumes_without_repeating_its_settings(
    neurallnet: Callable[..., Answer], ablated: Path, tmp_path: Path
) -> None:
    answer = neurallnet("ablate", "--out", ablated, "--resume", "--html", tmp_path / "page.html")
    assert answer.code == 0
    assert [arm["name"] for arm in answer.json["arms"]] == ["se", "none"]
    assert answer.json["protocol"]["image_size"] == [32, 32]
    assert answer.json["protocol"]["epochs"] == 1
    assert len(answer.json["outcomes"]) == 2
    for arm in answer.json["arms"]:
        assert arm["name"] in answer.out
        assert f"{arm['balanced_accuracy']:.4f}" in answer.out
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "What each part of the network is worth" in text
    assert "neurallnet ablate --out out --resume" in text
    record = json.loads((ablated / "ablation.json").read_text(encoding="utf-8"))
    settings = "--study none --seeds 1 --split random --fold 0 --image-size 32 --epochs 1 --preset tiny"
    assert record["command"] == f"neurallnet ablate --data smears --out out {settings}"


def test_ablate_shows_what_is_finished(neurallnet: Callable[..., Answer], ablated: Path) -> None:
    whole = neurallnet("ablate", "--out", ablated, "--resume").json
    assert neurallnet("ablate", "--out", ablated, "--show").json == whole
    refused(neurallnet("ablate", "--out", ablated, "--show", "--study", "gates"), "no study or arm 'gates'")


def test_ablate_refuses_other_settings_by_name(neurallnet: Callable[..., Answer], ablated: Path) -> None:
    resume = ("ablate", "--out", ablated, "--resume")
    refused(neurallnet(*resume, "--epochs", "3"), "training.epochs was 1, is 3")
    refused(neurallnet(*resume, "--preset", "neurallnet"), "was begun with other settings")
    refused(neurallnet(*resume, "--fold", "1"), "fold was 0, is 1")
    refused(neurallnet(*resume, "--image-size", "64"), "network.image_size was (32, 32), is (64, 64)")
    refused(neurallnet("ablate", "--data", ".", "--out", ablated), "add --resume")
    assert neurallnet(*resume, "--preset", "tiny", "--epochs", "1").code == 0, "the same settings may be repeated"


# --- evaluate and predict -----------------------------------------------------------------------------------------------

EVALUATED = {
    "n", "seen", "classes", "confusion", "accuracy", "balanced_accuracy", "auroc", "mean_average_precision", "per_class",
    "ece", "brier", "intervals",
}  # fmt: skip


def test_evaluate_holds_what_its_contract_says(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    table = tmp_path / "predictions.csv"
    answer = neurallnet("evaluate", trained, "--data", smears, "--predictions", table)
    assert answer.code == 0
    assert set(answer.json) >= EVALUATED
    assert answer.json["n"] == 4 * COUNT
    assert answer.json["seen"] == len(checkpoint.load(trained).seen) == 4 * COUNT - 4
    assert np.sum(answer.json["confusion"]) == 4 * COUNT
    assert 0 <= answer.json["colour_line"] <= 1
    assert answer.json["colour_line_reason"] is None
    assert f"balanced accuracy {answer.json['colour_line']:.4f} on the same unseen images" in answer.out
    low, high = answer.json["intervals"]["accuracy"]["image"]
    assert low <= answer.json["accuracy"] <= high
    assert "group" in answer.json["intervals"]["accuracy"]
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert len(rows) == 4 * COUNT
    right = np.mean([row["truth"] == row["prediction"] for row in rows])
    assert right == pytest.approx(answer.json["accuracy"])
    assert sum(int(row["seen"]) for row in rows) == answer.json["seen"]
    for row in rows:
        assert sum(float(row[name]) for name in synthetic.CLASSES) == pytest.approx(1, abs=1e-5)


def test_a_table_of_predictions_stands_for_a_run(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    table = tmp_path / "predictions.csv"
    first = neurallnet("evaluate", trained, "--data", smears, "--predictions", table)
    again = neurallnet("evaluate", table, "--data", smears)
    assert again.code == 0
    assert again.json["colour_line"] is None
    assert "does not say which images its model has seen" in again.json["colour_line_reason"]
    colour = {"colour_line": first.json["colour_line"], "colour_line_reason": None}
    assert again.json | colour == first.json
    unseen = neurallnet("evaluate", table, "--data", smears, "--only", "unseen")
    assert (unseen.json["n"], unseen.json["seen"]) == (4, 0)
    refused(
        neurallnet("evaluate", table, "--data", smears, "--only", "test"), "does not say which images the test held"
    )


def test_predictions_of_another_folder_or_damaged_ones_are_refused(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    table, other = tmp_path / "predictions.csv", tmp_path / "other"
    neurallnet("evaluate", trained, "--data", smears, "--predictions", table)
    assert cli.main(["synthesise", "--out", str(other), "--count", "2", "--image-size", "32", "--seed", "9"]) == 0
    for command in ("evaluate", "compare"):
        refused(neurallnet(command, table, "--data", other), "48 of its 48 images are not in", "another folder")
    header, first, *others = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([header, first.replace(",Benign,", ",Malign,", 1), *others]), encoding="utf-8")
    for command in ("evaluate", "compare"):
        refused(neurallnet(command, table, "--data", smears), "predictions.csv, line 2: class 'Malign' is none of")


def test_evaluate_writes_a_page_and_a_diagram(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    html, plot = tmp_path / "page.html", tmp_path / "diagram.svg"
    answer = neurallnet("evaluate", trained, "--data", smears, "--only", "test", "--html", html, "--plot", plot)
    assert answer.code == 0
    assert plot.read_text(encoding="utf-8").startswith("<?xml")
    text = html.read_text(encoding="utf-8")
    assert "Sensitivity" in text
    assert "Colour alone, the nearest neighbour on 18 colour statistics" in text
    assert f"neurallnet evaluate {trained.name} --data {smears.name} --only test" in text
    assert str(smears.parent) not in text
    assert answer.json["reliability"]["n"]
    assert {"sensitivity", "specificity", "macro_f1"} <= set(answer.json["intervals"])


# --- networks of the comparison paper -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def keras_run(smears: Path, tmp_path_factory: pytest.TempPathFactory, small_graphs: Callable[..., Any]) -> Path:
    """A RUN of `--model resnet50`, a small graph standing in for it."""
    run = tmp_path_factory.mktemp("keras") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(applications, "build", small_graphs)
        words = ("--model", "resnet50", "--image-size", "32", "--split", "random", "--epochs", "2")
        assert cli.main(["train", "--data", str(smears), "--out", str(run), *words]) == 0
    return run


@pytest.mark.usefixtures("small_keras")
def test_a_keras_run_is_scored_and_inspected_like_any_other(
    neurallnet: Callable[..., Answer], keras_run: Path, smears: Path
) -> None:
    scored = neurallnet("evaluate", keras_run, "--data", smears, "--only", "test")
    assert scored.code == 0
    assert 0 <= scored.json["balanced_accuracy"] <= 1
    looked = neurallnet("inspect", keras_run)
    assert looked.json["spec"] == {
        "type": "KerasNetwork", "name": "resnet50", "image_size": [32, 32], "classes": 4, "channels": 3,
    }  # fmt: skip
    assert [row["name"] for row in looked.json["layers"]][:2] == ["conv2d", "batch_normalization"]
    assert looked.json["layers"][-1]["shape"] == [4]
    image = next((smears / "Benign").iterdir())
    said = neurallnet("predict", keras_run, image)
    assert len(said.json["predictions"][0]["probabilities"]) == 4
    assert neurallnet("calibrate", keras_run, "--data", smears).code in (0, 2)


@pytest.mark.usefixtures("small_keras")
def test_a_keras_run_stands_beside_a_spiking_one(
    neurallnet: Callable[..., Answer], keras_run: Path, trained: Path, smears: Path, tmp_path: Path
) -> None:
    answer = neurallnet("compare", keras_run, trained, "--data", smears, "--passes", 2, "--html", tmp_path / "c.html")
    assert answer.code == 0
    ours, spiking = answer.json["models"]
    assert (ours["kind"], spiking["kind"]) == ("resnet50", "spiking")
    assert ours["trained"]["epochs"] == 2
    assert ours["operations"]["synops"] is None
    assert ours["operations"]["macs"] == ours["macs"] > 0
    assert spiking["operations"]["synops"] > 0
    energies = {(one["profile"], one["variant"]): one["joules"] for one in ours["operations"]["energies"]}
    assert energies["horowitz45", "f32"] == pytest.approx(4.6e-12 * ours["macs"])
    assert "random weights" in answer.out
    assert "How each was trained" in (tmp_path / "c.html").read_text()


@pytest.mark.usefixtures("small_keras")
def test_a_keras_run_is_refused_where_spikes_are_needed(
    neurallnet: Callable[..., Answer], keras_run: Path, port: Path, smears: Path, tmp_path: Path
) -> None:
    refused(neurallnet("convert-to-lava", keras_run, "--out", tmp_path / "port"), "resnet50 does not spike")
    refused(neurallnet("export", keras_run, "--format", "nir", "--out", tmp_path / "x.nir"), "resnet50 does not spike")
    refused(neurallnet("energy", port, "--data", smears, "--ann", keras_run), "resnet50 is no ReLU twin")
    refused(
        neurallnet("ablate", "--data", smears, "--out", tmp_path / "ablation", "--preset", "resnet50"),
        "resnet50 has no layers that an arm could change",
    )
    common = ("--data", smears, "--out", tmp_path / "run")
    refused(neurallnet("train", *common, "--model", "resnet50", "--weight-bits", 4), "resnet50 has no kernels to round")
    refused(
        neurallnet("train", *common, "--model", "neurallnet", "--from", keras_run),
        "resnet50 is no network of --model neurallnet",
    )
    refused(
        neurallnet("train", *common, "--model", "resnet50", "--from", checkpoint.PRETRAINED),
        "the weights of pretrained are those of the spiking network",
    )
    assert not (tmp_path / "port").exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("small_keras")
def test_a_keras_run_is_handed_to_others(neurallnet: Callable[..., Answer], keras_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    assert neurallnet("export", keras_run, "--format", "safetensors", "--out", out).code == 0
    with safe_open(str(out), framework="numpy") as file:
        assert "params/conv2d/kernel" in set(file.keys())
        assert json.loads(file.metadata()["spec"])["name"] == "resnet50"
    assert neurallnet("export", keras_run, "--format", "stablehlo", "--out", tmp_path / "x.stablehlo").code == 0


@pytest.mark.slow
@pytest.mark.usefixtures("small_keras")
def test_a_keras_run_is_audited_and_reported_like_any_other(
    neurallnet: Callable[..., Answer], keras_run: Path, smears: Path, tmp_path: Path
) -> None:
    words = ("--corruption", "jpeg", "--severity", 1, "--limit", 4)
    worse = neurallnet("robustness", keras_run, "--data", smears, *words)
    assert worse.code == 0
    page = tmp_path / "report.html"
    assert neurallnet("report", keras_run, "--data", smears, "--out", page, "--quick").code == 0
    assert "depthwise_conv2d" in page.read_text()
    folds = tmp_path / "folds"
    recipe = ("--model", "resnet50", "--image-size", 32, "--epochs", 1, "--split", "random", "--folds", "0,")
    assert neurallnet("crossvalidate", "--data", smears, "--out", folds, *recipe).code == 0
    assert checkpoint.load(folds / "random" / "fold-0" / "seed-0").spec == checkpoint.load(keras_run).spec


@pytest.mark.usefixtures("small_keras")
def test_a_keras_run_begins_with_another(
    neurallnet: Callable[..., Answer], keras_run: Path, smears: Path, tmp_path: Path
) -> None:
    out = tmp_path / "second"
    words = ("--from", keras_run, "--split", "random", "--epochs", 1)
    assert neurallnet("train", "--data", smears, "--out", out, *words).code == 0
    assert checkpoint.load(out).spec == checkpoint.load(keras_run).spec


def test_weights_that_are_not_what_they_should_be_are_refused(
    neurallnet: Callable[..., Answer], smears: Path, tmp_path: Path
) -> None:
    file = tmp_path / "w.weights.h5"
    file.write_bytes(b"weights")
    common = ("train", "--data", smears, "--out", tmp_path / "run", "--weights", file)
    refused(neurallnet(*common, "--model", "resnet50", "--weights-sha256", "00"), "its SHA-256 is", "not 00")
    refused(neurallnet(*common, "--model", "alexnet"), "alexnet is none of its networks")
    refused(neurallnet(*common), "the spiking network is none of its networks")
    refused(neurallnet(*common, "--model", "resnet50", "--from", "pretrained"), "--model resnet50: the weights of")
    refused(
        neurallnet("train", "--data", smears, "--out", tmp_path / "run", "--model", "resnet50", "--preset", "tiny"),
        "--preset tiny: has another network than --model resnet50",
    )
    assert not (tmp_path / "run").exists()


# --- compare ------------------------------------------------------------------------------------------------------------


def test_compare_sets_runs_and_tables_side_by_side(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    other, table, html = tmp_path / "other", tmp_path / "table.csv", tmp_path / "page.html"
    assert cli.main(["train", "--data", str(smears), "--out", str(other), *TRAINING, "1"]) == 0
    neurallnet("evaluate", trained, "--data", smears, "--only", "test", "--predictions", table)
    answer = neurallnet("compare", trained, other, table, "--data", smears, "--passes", 2, "--html", html)
    assert answer.code == 0
    assert answer.json["shared"] == 4
    assert [row["name"] for row in answer.json["models"]] == list(map(str, (trained, other, table)))
    first, second, third = answer.json["models"]
    assert first["macs"] == second["macs"] > 0
    assert first["latency_ms"] > 0
    assert third["parameters"] is None
    # The table was written by the first RUN.
    for key in ("balanced_accuracy", "auroc", "brier", "n"):
        assert first[key] == third[key]
    twins = [one for one in answer.json["tests"] if {one["first"], one["second"]} == {str(trained), str(table)}]
    assert {one["p"] for one in twins if one["test"] == "mcnemar"} == {1.0}
    assert "4 images that all share and none has seen" in answer.out
    assert "take images for independent" in answer.out
    assert "Models side by side" in html.read_text(encoding="utf-8")


def test_compare_refuses_what_has_nothing_in_common(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    assert neurallnet("train", "--data", smears, "--out", other, *TRAINING, 1, "--fold", 1).code == 0
    refused(neurallnet("compare", trained, other, "--data", smears, "--passes", 1), "no image is shared by all models")
    copy = shutil.copytree(trained, tmp_path / "copy")
    refused(neurallnet("compare", trained, copy, "--data", smears, "--passes", 1), "are the same model")
    fewer = shutil.copytree(smears, tmp_path / "fewer")
    shutil.rmtree(fewer / "Pro-B")
    refused(neurallnet("compare", trained, "--data", fewer), "holds no image of class Pro-B")


def test_compare_without_images_shows_what_models_cost(neurallnet: Callable[..., Answer], trained: Path) -> None:
    answer = neurallnet("compare", trained, "pretrained", "--passes", 1)
    assert answer.code == 0
    assert answer.json["tests"] == []
    assert all(row["balanced_accuracy"] is None and row["macs"] > 0 for row in answer.json["models"])
    assert "no images, so no scores" in answer.out


def test_only_and_limit_choose_the_images(neurallnet: Callable[..., Answer], smears: Path, trained: Path) -> None:
    counts = {
        words: neurallnet("evaluate", trained, "--data", smears, *words.split()).json
        for words in ("--only test", "--only unseen", "--limit 5", "--limit 1", "--limit 1000000")
    }
    assert {words: (found["n"], found["seen"] == 0) for words, found in counts.items()} == {
        "--only test": (4, True),
        "--only unseen": (4, True),
        "--limit 5": (5, False),
        "--limit 1": (1, False),
        "--limit 1000000": (4 * COUNT, False),
    }


@pytest.mark.parametrize("limit", ["0", "-3", "x"])
def test_no_image_at_all_is_no_limit(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["evaluate", "--data", ".", "--limit", limit])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_bad_images_are_skipped_named_and_cost_exit_code_one(
    neurallnet: Callable[..., Answer], marred: Path, trained: Path, port: Path, tmp_path: Path
) -> None:
    expected = {"Benign/cut.png", "Pre-B/empty.png", "Pro-B/text.jpg"}
    for words in (
        ("evaluate", trained, "--predictions", tmp_path / "table.csv"),
        ("simulate", port, "--limit", 2),
        ("energy", port, "--limit", 2),
        ("parity", port, "--limit", 2, "--backends", "emulator"),
    ):
        answer = neurallnet(*words, "--data", marred)
        assert answer.code == 1, words
        assert marred_files(answer.json["skipped"]) == expected
        assert answer.err.count("skipped ") == 3
        refused(neurallnet(*words, "--data", marred, "--on-bad-image", "fail"), "Benign/cut.png", "2 more bad files")
    assert (tmp_path / "table.csv").read_text().count("\n") == 4 * COUNT + 1


def test_predict_takes_a_run_first_or_the_shipped_one(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = sorted((smears / "Benign").iterdir())[:3]
    answer = neurallnet("predict", trained, *images)
    assert answer.code == 0
    assert [entry["path"] for entry in answer.json["predictions"]] == list(map(str, images))
    for entry in answer.json["predictions"]:
        assert entry["probabilities"][entry["label"]] == max(entry["probabilities"].values())
        assert sum(entry["probabilities"].values()) == pytest.approx(1)
        assert isinstance(entry["warnings"], list)
    refused(neurallnet("predict", trained), "no image named")
    monkeypatch.setattr(checkpoint, "_SHIPPED", trained)
    shipped = neurallnet("predict", *images)
    assert shipped.json["run"] == "pretrained"
    assert shipped.json["predictions"] == answer.json["predictions"]


def test_predict_names_bad_files_and_still_tells_the_others(
    neurallnet: Callable[..., Answer], marred: Path, trained: Path, tmp_path: Path
) -> None:
    good = next((marred / "Pre-B").glob("smear*"))
    # The tag that rich would read out of the two names, and a name of two lines.
    odd = marred / "d[" / "x] [red]a\nb.png"
    odd.parent.mkdir()
    shutil.copy(good, odd)
    bad = [marred / "Benign" / "cut.png", tmp_path / "missing.png", marred]
    answer = neurallnet("predict", trained, bad[0], good, *bad[1:], odd)
    assert answer.code == 1
    told = [entry["path"] for entry in answer.json["predictions"] if "label" in entry]
    assert told == [str(good), str(odd)]
    failed = {entry["path"]: entry["error"] for entry in answer.json["predictions"] if "error" in entry}
    assert set(failed) == set(map(str, bad))
    assert all(path in error for path, error in failed.items())
    assert "[red]a\\nb.png" in answer.out
    nothing = neurallnet("predict", trained, bad[0])
    assert nothing.code == 1
    assert len(nothing.json["predictions"]) == 1


# --- calibrate ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smears drawn with another seed, which no RUN of this file has seen."""
    folder = tmp_path_factory.mktemp("others") / "smears"
    words = ("synthesise", "--out", folder, "--count", 15, "--image-size", 32, "--seed", 9)
    assert cli.main([*map(str, words)]) == 0
    return folder


@pytest.fixture
def both(smears: Path, others: Path, tmp_path: Path) -> Path:
    """The smears of the training among those that no RUN has seen."""
    folder = shutil.copytree(smears, tmp_path / "both")
    for image in others.rglob("*.png"):
        shutil.copy(image, folder / image.parent.name / f"other-{image.name.replace('smear-', '1')}")
    return folder


def test_calibrate_fits_on_unseen_images_and_predict_tells_what_it_fitted(
    neurallnet: Callable[..., Answer], both: Path, trained: Path, tmp_path: Path
) -> None:
    run, page = tmp_path / "calibrated", tmp_path / "trust.html"
    before = (trained / checkpoint.FILE_NAME).read_bytes()
    words = ("calibrate", trained, "--data", both, "--out", run, "--risk", 1, "--false-warnings", 0.2)
    answer = neurallnet(*words, "--html", page)
    assert answer.code == 0
    assert {"temperature", "ece", "sets", "aurc", "warned", "trust"} <= set(answer.json)
    assert {"before", "after"} <= set(answer.json["ece"])
    assert answer.json["n"] == 4 * 15 + 4
    assert answer.json["reference"] == 4 * COUNT - 4
    assert "conformal sets" in answer.out
    assert "<svg" in page.read_text() or "data:image/svg" in page.read_text()
    made = checkpoint.load(run)
    assert made.trust is not None
    assert made.temperature == answer.json["temperature"]
    assert (trained / checkpoint.FILE_NAME).read_bytes() == before
    assert checkpoint.digest(made) == checkpoint.digest(checkpoint.load(trained))
    black = tmp_path / "black.png"
    Image.new("RGB", (40, 40)).save(black)
    usual = next((both / "Benign").glob("other*"))
    told = neurallnet("predict", run, black, usual, "--abstain")
    assert told.code == 0
    assert told.json["coverage"] == 0.9
    first, second = told.json["predictions"]
    assert first["warnings"]
    assert first["abstained"]
    assert first["reason"] in first["warnings"]
    assert first["novelty"] > 1
    assert f"abstained ({first['label']})" in told.out.replace("\n", "")
    for entry in (first, second):
        assert entry["label"] in entry["set"]
        assert set(entry["set"]) <= set(entry["probabilities"])
    assert not neurallnet("predict", run, black).json["predictions"][0]["abstained"]
    refused(neurallnet(*words), "holds a RUN already")


def test_calibrate_without_a_place_changes_the_run_itself(
    neurallnet: Callable[..., Answer], both: Path, trained: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    assert neurallnet("calibrate", run, "--data", both, "--coverage", 0.8, "--answered", 0.9, "--by-class").code == 0
    fitted = checkpoint.load(run).trust
    assert fitted is not None
    assert len(fitted.conformal.quantiles) == 4
    assert neurallnet("evaluate", run, "--data", both).code == 0


def test_calibrate_refuses_what_cannot_be_fitted_and_leaves_the_run_alone(
    neurallnet: Callable[..., Answer], smears: Path, both: Path, trained: Path, tmp_path: Path
) -> None:
    run, known = tmp_path / "run", set(checkpoint.load(trained).seen)
    seen = shutil.copytree(smears, tmp_path / "seen")
    for image in seen.rglob("*.png"):
        if hashlib.sha256(image.read_bytes()).hexdigest() not in known:
            image.unlink()
    strange = tmp_path / "strange"
    shutil.copytree(smears / "Benign", strange / "Cats")
    words = ("calibrate", trained, "--out", run, "--data")
    for data, more, message in (
        (seen, (), "every image was seen in training or selection"),
        (strange, (), "class Cats is none of the model's"),
        (smears, (), "4 images cannot promise a coverage of 0.9, which needs at least 9"),
        (both, ("--coverage", 0.99), "needs at least 99"),
        (both, ("--coverage", 0), "coverage: 0.0 is not between 0 and 1"),
        (both, ("--false-warnings", 2), "false warnings: 2.0 is not between 0 and 1"),
        (both, ("--folds", tmp_path / "nowhere"), "holds no RUN at any depth"),
    ):
        refused(neurallnet(*words, data, *more), message)
        assert not run.exists()


def test_calibrate_takes_the_folds_of_a_run_that_was_trained_on_everything(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    everything = checkpoint.load(trained)
    hashes = sorted(hashlib.sha256(image.read_bytes()).hexdigest() for image in smears.rglob("*.png"))
    whole = tmp_path / "whole"
    checkpoint.save(dataclasses.replace(everything, seen=tuple(hashes), test=()), whole)
    for fold in range(2):
        own = dataclasses.replace(everything, seen=tuple(hashes[1 - fold :: 2]), test=tuple(hashes[fold::2]))
        checkpoint.save(own, tmp_path / "folds" / "random" / f"fold-{fold}" / "seed-0")
    words = ("calibrate", whole, "--data", smears, "--risk", 1)
    refused(neurallnet(*words), "every image was seen")
    answer = neurallnet(*words, "--folds", tmp_path / "folds")
    assert answer.code == 0
    assert answer.json["n"] == answer.json["reference"] == 4 * COUNT
    assert "2 cross-validation RUNs" in answer.json["source"]


def test_a_damaged_block_of_trust_is_one_line(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(trained, tmp_path / "run") / checkpoint.FILE_NAME
    with safe_open(str(path), framework="numpy") as file:
        header = json.loads(file.metadata()["checkpoint"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    text = json.dumps({**header, "trust": {"conformal": {"method": "magic"}}})
    save_file(arrays, str(path), metadata={"checkpoint": text, "sha256": checkpoint._digest(arrays, text)})
    image = next((smears / "Benign").iterdir())
    refused(neurallnet("predict", path.parent, image), "trust: cannot be read", "run `neurallnet calibrate` again")


def test_abstention_that_nobody_fitted_is_refused_and_a_bare_run_says_what_it_lacks(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path
) -> None:
    image = next((smears / "Benign").iterdir())
    refused(neurallnet("predict", trained, image, "--abstain"), "holds no fitted abstention")
    plain = neurallnet("predict", trained, image)
    assert "was not calibrated for them" in plain.out.replace("\n", " ")
    (entry,) = plain.json["predictions"]
    assert (entry["set"], entry["novelty"], entry["abstained"], entry["reason"]) == (None, None, False, None)


# --- export -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def nir_file(trained: Path, smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its network with frozen gates, in NIR."""
    path = tmp_path_factory.mktemp("exported") / "net.nir"
    words = ["--format", "nir", "--freeze-gates", str(smears), "--limit", "6", "--out", str(path)]
    assert cli.main(["export", str(trained), *words]) == 0
    return path


def test_export_freezes_gates_and_says_what_that_changed(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, nir_file: Path, tmp_path: Path
) -> None:
    words = ("export", trained, "--format", "nir", "--freeze-gates", smears, "--limit", 6)
    answer = neurallnet(*words, "--out", tmp_path / "net.nir")
    assert answer.code == 0
    assert (answer.json["format"], answer.json["path"]) == ("nir", str(tmp_path / "net.nir"))
    assert answer.json["bytes"] == (tmp_path / "net.nir").stat().st_size
    freezing = answer.json["freezing"]
    assert freezing["images"] == 6
    assert 0 <= freezing["changed_classes"] <= 6
    for layer in freezing["layers"]:
        assert 0 <= layer["share"] <= 1
        assert layer["differing"] >= abs(layer["spikes"] - layer["frozen_spikes"])
        assert layer["name"] in answer.out
    assert f"{freezing['changed_classes']} of 6 images" in answer.out.replace("\n", " ")
    assert (tmp_path / "net.nir").read_bytes() == nir_file.read_bytes()


@pytest.mark.parametrize("form", ["stablehlo", "safetensors"])
def test_export_writes_a_run_and_a_port(
    neurallnet: Callable[..., Answer], trained: Path, port: Path, tmp_path: Path, form: str
) -> None:
    for source, kind in ((trained, "run"), (port, "port")):
        path = tmp_path / "there" / f"{kind}.{form}"
        answer = neurallnet("export", source, "--format", form, "--out", path)
        assert answer.code == 0
        assert (answer.json["format"], answer.json["path"], answer.json["kind"]) == (form, str(path), kind)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == answer.json["sha256"]
        assert answer.json["classes"] == list(synthetic.CLASSES)
        assert answer.json["freezing"] is None
        beside = [] if answer.json["sidecar"] is None else [Path(answer.json["sidecar"])]
        assert all(file.is_file() for file in beside)
        assert len(beside) == (form == "stablehlo")
    assert not [file for file in path.parent.iterdir() if file.name.startswith(".")]


def test_export_skips_files_that_are_no_image_and_says_so(
    neurallnet: Callable[..., Answer], trained: Path, marred: Path, tmp_path: Path
) -> None:
    words = ("export", trained, "--format", "nir", "--limit", 3, "--out", tmp_path / "net.nir")
    answer = neurallnet(*words, "--freeze-gates", marred)
    assert answer.code == 1
    assert marred_files(answer.json["skipped"]) == {"Benign/cut.png", "Pre-B/empty.png", "Pro-B/text.jpg"}
    assert (tmp_path / "net.nir").is_file()


def test_export_refuses_folders_without_images_and_places_it_cannot_write(
    neurallnet: Callable[..., Answer], trained: Path, smears: Path, tmp_path: Path
) -> None:
    words = ("export", trained, "--format", "nir")
    (tmp_path / "classes" / "Benign").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("keep me")
    for folder, message in (("classes", "is a class folder without images"), ("empty", "has no sub-folder")):
        answer = neurallnet(*words, "--out", tmp_path / "net.nir", "--freeze-gates", tmp_path / folder)
        refused(answer, message)
    for place, message in (("empty", "is a folder; name a file"), ("file/net.nir", "cannot be written")):
        refused(neurallnet(*words, "--out", tmp_path / place, "--freeze-gates", smears), place, message)
    assert sorted(os.listdir(tmp_path)) == ["classes", "empty", "file"]  # noqa: PTH208


def test_a_nir_file_becomes_a_port_and_what_it_does_not_say_can_be_given(
    neurallnet: Callable[..., Answer], smears: Path, nir_file: Path, tmp_path: Path
) -> None:
    answer = neurallnet("convert-to-lava", nir_file, "--out", tmp_path / "port")
    assert answer.code == 0
    assert answer.json["seen"] == 0
    assert "does not say which images trained it" in answer.out
    scores = neurallnet("simulate", tmp_path / "port", "--data", smears, "--limit", 4)
    assert scores.code == 0
    assert scores.json["classes"] == list(synthetic.CLASSES)
    assert "net.nir" in neurallnet("inspect", tmp_path / "port").out
    given = ("--classes", "a,b,c,d", "--steps", 2, "--offset", "1,2,3", "--scale", 9, "--dt", "1e-4")
    other = neurallnet("convert-to-lava", nir_file, "--out", tmp_path / "other", *given)
    assert other.code == 0
    assert other.json["steps"] == 2
    made = ports.load(tmp_path / "other")
    assert (made.classes, made.graph.nodes[0].offset) == (tuple("abcd"), (1, 2, 3))


def test_a_nir_file_converts_with_few_bits_and_calibration(
    neurallnet: Callable[..., Answer], smears: Path, nir_file: Path, tmp_path: Path
) -> None:
    words = ("convert-to-lava", nir_file, "--out", tmp_path / "port", "--bits", 4)
    answer = neurallnet(*words, "--calibrate", smears, "--limit", 4)
    assert answer.code == 0
    assert (answer.json["weight_bits"], answer.json["calibration"]["images"], answer.json["seen"]) == (4, 4, 0)
    refused(neurallnet(*words, "--limit", 4), "--limit goes with --calibrate DIR")


def test_a_damaged_nir_file_is_one_line(neurallnet: Callable[..., Answer], nir_file: Path, tmp_path: Path) -> None:
    whole = nir_file.read_bytes()
    for data in (b"", b"no HDF5", whole[: len(whole) // 2]):
        (tmp_path / "cut.nir").write_bytes(data)
        answer = neurallnet("convert-to-lava", tmp_path / "cut.nir", "--out", tmp_path / "port")
        refused(answer, "cut.nir: cannot be read as NIR")
    assert not (tmp_path / "port").exists()


# --- convert, simulate, parity, energy ----------------------------------------------------------------------------------


def test_convert_writes_a_port_and_what_it_cost(
    neurallnet: Callable[..., Answer], trained: Path, port: Path, tmp_path: Path
) -> None:
    answer = neurallnet("convert-to-lava", trained, "--out", tmp_path / "port")
    assert answer.code == 0
    assert {entry["name"] for entry in answer.json["layers"]} == set(answer.json["bits"])
    assert answer.json["bytes"] == (tmp_path / "port" / "fixed.safetensors").stat().st_size
    assert answer.json["steps"] < answer.json["total_steps"]
    assert "2 messages" in answer.out
    for name in ("fixed.safetensors", "float.safetensors", "port.json"):
        assert (tmp_path / "port" / name).read_bytes() == (port / name).read_bytes()
    refused(neurallnet("convert-to-lava", trained, "--out", trained), "is no PORT", "nothing was written")


def test_convert_calibrates_and_says_how_floats_and_integers_agree(
    neurallnet: Callable[..., Answer], trained: Path, smears: Path, tmp_path: Path
) -> None:
    out = tmp_path / "port"
    answer = neurallnet("convert-to-lava", trained, "--out", out, "--bits", 5, "--calibrate", smears, "--limit", 8)
    assert answer.code == 0
    assert {"layers", "bits", "bytes", "weight_bits", "calibration", "skipped"} <= set(answer.json)
    assert answer.json["weight_bits"] == 5
    assert answer.json["bits"]["conv_1"] == 5
    found = answer.json["calibration"]
    assert (found["images"], found["margin"]) == (8, 2.0)
    assert {"bias_corrected", "logit_error", "logit_error_otherwise", "classes_differing"} <= set(found)
    assert 0 < found["seen"] <= 8
    assert [layer["name"] for layer in found["layers"]] == ["lif_1", "lif_2", "lif_3"]
    assert ports.load(out).provenance["calibration"] == found
    assert "balanced accuracy" in answer.out
    simulated = neurallnet("simulate", out, "--data", smears, "--limit", 8)
    assert simulated.json["balanced_accuracy"] == found["integer_balanced_accuracy"]
    neurons = sum(layer["integer_rate"] for layer in found["layers"])
    assert (sum(simulated.json["spikes"].values()) > 0) == (neurons > 0)


def test_a_folder_that_cannot_calibrate_is_one_line_and_leaves_no_port(
    neurallnet: Callable[..., Answer], trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "port"
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow" / "Benign").mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(strange := tmp_path / "a.png")
    (tmp_path / "other" / "Cats").mkdir(parents=True)
    strange.rename(tmp_path / "other" / "Cats" / "a.png")
    for folder, message in (
        ("empty", "has no sub-folder"),
        ("hollow", "is a class folder without images"),
        ("other", "class Cats is none of the model's"),
        ("nowhere", "does not exist"),
    ):
        refused(neurallnet("convert-to-lava", trained, "--out", out, "--calibrate", tmp_path / folder), message)
    assert {entry.name for entry in tmp_path.iterdir()} == {"empty", "hollow", "other"}


def test_a_bad_file_among_those_that_calibrate_is_named_and_costs_exit_code_one(
    neurallnet: Callable[..., Answer], trained: Path, marred: Path, tmp_path: Path
) -> None:
    answer = neurallnet("convert-to-lava", trained, "--out", tmp_path / "port", "--calibrate", marred, "--limit", 4)
    assert answer.code == 1
    assert marred_files(answer.json["skipped"]) == {"Benign/cut.png", "Pre-B/empty.png", "Pro-B/text.jpg"}
    assert answer.json["calibration"]["images"] == 4


@pytest.mark.parametrize("command", ["convert-to-lava --out p --bits", "train --data d --out r --weight-bits"])
@pytest.mark.parametrize("bits", ["1", "9", "four"])
def test_bits_that_no_weight_has_are_refused(command: str, bits: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([*command.split(), bits])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "invalid" in error


def test_a_training_of_few_bits_converts_to_as_many(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    words = ("train", "--data", smears, "--from", trained, "--out", tmp_path / "run", *TRAINING, 1, "--weight-bits", 4)
    assert neurallnet(*words).code == 0
    answer = neurallnet("convert-to-lava", tmp_path / "run", "--out", tmp_path / "port")
    assert answer.json["weight_bits"] == 4
    errors = [entry["weight_error_max"] for entry in answer.json["layers"] if not entry["name"].startswith("gate")]
    assert max(errors) < 1e-6
    assert answer.json["calibration"] is None


def test_a_port_that_cannot_be_written_leaves_nothing(
    neurallnet: Callable[..., Answer], trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    refused(neurallnet("convert-to-lava", trained, "--out", tmp_path / "file" / "port"), "port: cannot be written")
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208


@pytest.mark.parametrize("backend", ["emulator", "reference", pytest.param("lava", marks=pytest.mark.slow)])
def test_simulate_counts_the_same_spikes_on_every_backend(
    neurallnet: Callable[..., Answer], smears: Path, port: Path, backend: str
) -> None:
    words = ("simulate", port, "--data", smears, "--limit", 2)
    answer = neurallnet(*words, "--backend", backend)
    assert answer.code == 0
    assert {"n", "accuracy", "balanced_accuracy", "spikes", "images_per_second"} <= set(answer.json)
    assert answer.json["n"] == 2
    judge = neurallnet(*words, "--backend", "reference").json
    assert answer.json["spikes"] == judge["spikes"]
    assert sum(judge["spikes"].values()) > 0
    assert answer.json["confusion"] == judge["confusion"]


def test_a_run_is_no_port(neurallnet: Callable[..., Answer], smears: Path, trained: Path) -> None:
    for command in ("simulate", "parity", "energy"):
        refused(neurallnet(command, trained, "--data", smears), "is a RUN, not a PORT", "convert-to-lava")


def test_pretrained_stands_for_a_port_too(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, port: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_SHIPPED", trained)
    words = ("--data", smears, "--limit", 2)
    assert neurallnet("simulate", *words).json["spikes"] == neurallnet("simulate", port, *words).json["spikes"]


def test_parity_says_yes_and_then_no_with_the_place(
    neurallnet: Callable[..., Answer], smears: Path, port: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("parity", port, "--data", smears, "--limit", 3, "--backends", "emulator")
    equal = neurallnet(*words)
    assert equal.code == 0
    assert equal.json["equal"]
    assert equal.json["first_mismatch"] is None
    assert all(layer["mismatches"] == 0 for layer in equal.json["layers"])
    assert sum(layer["spikes"] for layer in equal.json["layers"]) > 0

    run = emulator.Emulator.run

    def wrong(self: emulator.Emulator, images: np.ndarray, **options: Any) -> Any:
        changed = images.copy()
        changed[1] = 255 - changed[1]
        return run(self, changed, **options)

    monkeypatch.setattr(emulator.Emulator, "run", wrong)
    differs = neurallnet(*words)
    assert differs.code == 1
    assert not differs.json["equal"]
    first = differs.json["first_mismatch"]
    assert first["backend"] == "emulator"
    assert first["image"] == 1
    assert (smears / first["path"]).is_file()
    assert f"NOT identical: first emulator, {first['layer']}, {first['path']}" in differs.out


@pytest.mark.slow
def test_parity_holds_in_floats_as_well(neurallnet: Callable[..., Answer], smears: Path, port: Path) -> None:
    words = ("parity", port, "--data", smears, "--limit", 2, "--arithmetic", "float")
    answer = neurallnet(*words)
    assert (answer.code, answer.json["equal"], answer.json["arithmetic"]) == (0, True, "float")
    assert {layer["backend"] for layer in answer.json["layers"]} == {"lava"}
    assert sum(layer["spikes"] for layer in answer.json["layers"]) > 0
    refused(neurallnet(*words, "--backends", "emulator"), "backend 'emulator' runs integers only")


def test_simulate_warns_where_a_current_leaves_its_range(
    neurallnet: Callable[..., Answer], smears: Path, port: Path, tmp_path: Path
) -> None:
    """A threshold of 17 bits beside a bias at the end of 24: every neuron of the first layer is clipped in every step."""
    words = ("--data", smears, "--limit", 2)
    quiet = neurallnet("simulate", port, *words)
    assert set(quiet.json["overflows"].values()) == {0}
    assert "24 bits" not in quiet.err
    whole = ports.load(port)
    first = next(node for node in whole.fixed.nodes if isinstance(node, FixedLif))
    loud = dataclasses.replace(
        first, bias=np.full_like(first.bias, 2**23 - 1), threshold=np.full_like(first.threshold, 131_071), dv=0
    )
    nodes = tuple(loud if node.name == first.name else node for node in whole.fixed.nodes)
    ports.save(dataclasses.replace(whole, fixed=dataclasses.replace(whole.fixed, nodes=nodes)), tmp_path / "loud")
    answer = neurallnet("simulate", tmp_path / "loud", *words)
    assert answer.json["overflows"][first.name] > 0
    assert f"layer {first.name}: left its 24 bits" in answer.err


def test_energy_keeps_the_keys_of_neurobench(neurallnet: Callable[..., Answer], smears: Path, port: Path) -> None:
    answer = neurallnet("energy", port, "--data", smears, "--limit", 3, "--profile", "horowitz45")
    assert answer.code == 0
    keys = (
        "Footprint",
        "ConnectionSparsity",
        "ActivationSparsity",
        "MembraneUpdates",
        "ClassificationAccuracy",
        "x_energy",
    )
    assert set(keys) <= set(answer.json)
    assert set(answer.json["SynapticOperations"]) == {"Effective_MACs", "Effective_ACs", "Dense"}
    assert answer.json["n"] == 3
    simulated = neurallnet("simulate", port, "--data", smears, "--limit", 3).json
    assert answer.json["ClassificationAccuracy"] == pytest.approx(simulated["accuracy"])


def test_energy_shows_every_scope_of_every_profile(neurallnet: Callable[..., Answer], smears: Path, port: Path) -> None:
    answer = neurallnet("energy", port, "--data", smears, "--limit", 3)
    assert answer.code == 0
    ours = answer.json["x_energy"]
    assert set(ours["profiles"]) == set(profiles.PROFILES)
    # A trained network gates its currents, which only Loihi 2 can do; the first chip that holds it is taken.
    assert ours["placement"]["chip"] == "loihi2"
    reason = ours["reasons"]["profiles.loihi1_davies2018.variants.native.scopes.network.spiking"]
    assert "it does not fit" in reason
    assert "--chip loihi1" in reason
    memory = ours["profiles"]["horowitz45_memory"]["variants"]["int8_worst"]["scopes"]["memory"]
    assert memory["spiking"]["mean"] > 0
    assert memory["verdict"] in ("better", "worse", "undecided")
    assert sum(one["n"] for one in memory["by_class"].values() if one) == 3
    full = neurallnet("energy", port, "--data", smears, "--limit", 3, "--full")
    for words in ("+ static", "dense ANN int3", "break-even", "ResNet50", "truenorth_merolla2014", "3 images"):
        assert words in full.out
    assert full.json == answer.json


def test_energy_prints_a_short_table_and_ends_with_what_it_leaves_out(
    neurallnet: Callable[..., Answer], smears: Path, port: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    answer = neurallnet("energy", port, "--data", smears, "--limit", 3, "--html", page)
    lines = answer.out.splitlines()
    assert max(map(len, lines[:-2])) <= 120
    assert sum(line.startswith("│ ") for line in lines) == sum(len(one.variants) for one in profiles.PROFILES.values())
    shown = next(line for line in lines if line.startswith("│ horowitz45, f32"))
    found = answer.json["x_energy"]["profiles"]["horowitz45"]["variants"]["f32"]["scopes"]
    for cell, scope in zip(shown.split("│")[2:4], ("compute", "neuron"), strict=True):
        value, unit, mark = cell.split()
        mean = found[scope]["spiking"]["mean"]
        assert float(value) * {"nJ": 1e-9, "µJ": 1e-6}[unit] == pytest.approx(mean, rel=0.05)
        # No ANN of 3-bit activations in f32.
        assert mark == MARKS[found[scope]["verdict"]] + "·"
    assert "nothing was measured on hardware" in lines[-5]
    assert "Left out where a scope does not name it: memory traffic" in lines[-4]
    assert lines[-2] == f"page: {page}"
    assert lines[-1].startswith("JSON: ")


def test_energy_writes_a_page_with_the_numbers_of_its_json(
    neurallnet: Callable[..., Answer], smears: Path, port: Path, tmp_path: Path
) -> None:
    page = tmp_path / "sub" / "page.html"
    words = ("energy", port, "--data", smears, "--limit", 4, "--profile", "horowitz45", "--chip", "loihi2")
    answer = neurallnet(*words, "--html", page)
    assert answer.code == 0
    text = page.read_text(encoding="utf-8")
    assert "neurallnet energy" in text
    # The folders of whoever made the page are their own affair.
    assert str(smears.parent) not in text
    assert f"{answer.json['n']} images" in text
    for node in answer.json["x_energy"]["layers"]:
        assert f"{node['synops']:,.0f}" in text
    again = neurallnet(*words, "--html", page)
    assert again.code == 0
    assert page.read_text(encoding="utf-8") == text


def test_energy_refuses_bad_places_before_it_runs(
    neurallnet: Callable[..., Answer], smears: Path, port: Path, tmp_path: Path
) -> None:
    words = ("energy", port, "--data", smears, "--limit", 2, "--profile", "horowitz45", "--html")
    file = tmp_path / "file"
    file.write_text("x")
    refused(neurallnet(*words, tmp_path), "is a folder; name a file in it")
    refused(neurallnet(*words, file / "page.html"), "page.html: cannot be written", "is no folder")
    refused(neurallnet(*words, tmp_path / "result.json"), "is named for two files")
    assert file.read_text() == "x"


def test_energy_json_follows_the_published_schema(
    neurallnet: Callable[..., Answer], smears: Path, port: Path, marred: Path
) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the group dev")
    schema = json.loads((resources.files("lava_port.energy") / "energy.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for words in (
        ("--limit", 3),
        ("--limit", 1),
        ("--limit", 3, "--chip", "loihi1", "--profile", "loihi1_davies2018", "--profile", "cpu"),
    ):
        answer = neurallnet("energy", port, "--data", smears, *words)
        assert not [f"{one.json_path}: {one.message}" for one in validator.iter_errors(answer.json)], words
        assert {"n", "seen", "skipped"} <= set(answer.json)
    skipping = neurallnet("energy", port, "--data", marred, "--limit", 2)
    assert skipping.json["skipped"]
    assert not list(validator.iter_errors(skipping.json))


def test_energy_of_the_part_that_fits_a_chip(neurallnet: Callable[..., Answer], smears: Path, port: Path) -> None:
    answer = neurallnet(
        *(
            "energy",
            port,
            "--data",
            smears,
            "--limit",
            3,
            "--chip",
            "loihi1",
            "--profile",
            "loihi1_davies2018",
            "--full",
        )
    )
    ours = answer.json["x_energy"]
    assert ours["placement"]["chip"] == "loihi1"
    scopes = ours["profiles"]["loihi1_davies2018"]["variants"]["native"]["scopes"]
    means = [scopes[scope]["spiking"]["mean"] for scope in ("compute", "neuron", "memory", "network", "static")]
    assert means == sorted(means)
    assert means[-1] > means[-2] > means[0] > 0
    assert {"conv_1", "dense_1"} <= set(scopes["static"]["left_out"])
    assert "latency per image, loihi1_davies2018" in answer.out


def test_energy_against_a_trained_relu_twin(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, port: Path, tmp_path: Path
) -> None:
    twin = tmp_path / "twin"
    assert neurallnet("train", "--data", smears, "--out", twin, "--model", "neurallnet-relu", *TRAINING, 1).code == 0
    words = ("energy", port, "--data", smears, "--limit", 3, "--profile", "horowitz45")
    answer = neurallnet(*words, "--ann", twin, "--full")
    assert answer.code == 0
    ours = answer.json["x_energy"]
    assert ours["twin"]["source"] == str(twin)
    assert all(0 < share < 1 for share in ours["twin"]["nonzero"].values())
    found = ours["profiles"]["horowitz45"]["variants"]["f32"]["scopes"]["compute"]["baselines"]
    assert found["relu_sparse_f32"]["energy"]["mean"] < found["dense_f32"]["energy"]["mean"]
    assert "ReLU-sparse f32" in answer.out
    short = neurallnet(*words, "--ann", twin)
    row = next(line for line in short.out.splitlines() if line.startswith("│ horowitz45, int8"))
    found = ours["profiles"]["horowitz45"]["variants"]["int8"]["scopes"]["compute"]["baselines"]
    order = ("dense_int8", "dense_int3", "relu_sparse_int8", "relu_sparse_int3")
    assert row.split("│")[2].split()[-1] == "".join(MARKS[found[name]["verdict"]] for name in order)
    assert "dense, dense with 3-bit activations, ReLU-sparse" in " ".join(short.out.split())
    without = neurallnet(*words)
    assert without.json["x_energy"]["twin"] is None
    assert "--ann RUN" in without.json["x_energy"]["reasons"]["twin"]
    refused(neurallnet(*words, "--ann", trained), "is a spiking network, no ReLU twin", "--preset neurallnet-relu")
    refused(neurallnet(*words, "--ann", tmp_path / "none"), "none")


def test_energy_under_a_profile_of_ones_own(
    neurallnet: Callable[..., Answer], smears: Path, port: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    text = profile_file.dump(dataclasses.replace(profiles.PROFILES["horowitz45"], name="mine"))
    mine.write_text(text, encoding="utf-8")
    words = ("energy", port, "--data", smears, "--limit", 2, "--profile")
    answer = neurallnet(*words, mine, "--profile", "horowitz45")
    assert answer.code == 0
    found = answer.json["x_energy"]["profiles"]
    assert list(found) == ["mine", "horowitz45"]
    assert found["mine"]["variants"] == found["horowitz45"]["variants"]
    mine.write_text(text.replace("unit: pJ", "unit: calorie", 1), encoding="utf-8")
    refused(neurallnet(*words, mine), "mine.yaml:", "found 'calorie'; expected one of pJ")
    refused(neurallnet(*words, tmp_path / "none.yaml"), "none.yaml: cannot be read")
    refused(neurallnet(*words, "free"), "no energy profile 'free'", "FILE.yaml")
    refused(neurallnet(*words, "gpu", "--profile", "gpu"), "two energy profiles are called 'gpu'")


# --- inspect, doctor ----------------------------------------------------------------------------------------------------


def test_inspect_shows_a_run_and_a_port_even_in_a_folder_that_looks_like_markup(
    neurallnet: Callable[..., Answer], trained: Path, port: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "q["
    run = neurallnet("inspect", shutil.copytree(trained, odd / "run]"))
    assert run.code == 0
    assert run.json["kind"] == "run"
    assert run.json["parameters"] == sum(layer["parameters"] for layer in run.json["layers"])
    assert run.json["digest"] == checkpoint.digest(checkpoint.load(trained))
    made = neurallnet("inspect", shutil.copytree(port, odd / "port]"))
    assert made.code == 0
    assert made.json["kind"] == "port"
    assert made.json["layers"][0]["kind"] == "FixedInput"
    assert made.json["provenance"]["checkpoint"] == run.json["digest"]
    assert "q[/port]" in made.out.replace("\n", "")


def test_inspect_says_whether_a_port_fits_and_the_exit_code_answers_for_the_chip_asked_for(
    neurallnet: Callable[..., Answer], port: Path
) -> None:
    both = neurallnet("inspect", port)
    assert both.code == 0
    assert set(both.json["fit"]) == {"loihi1", "loihi2"}
    for name, code in (("loihi1", 1), ("loihi2", 0)):
        answer = neurallnet("inspect", port, "--fit", name)
        assert answer.code == code
        assert answer.json["kind"] == "port"
        assert set(answer.json["fit"]) == {name}
        found = answer.json["fit"][name]
        assert found == both.json["fit"][name]
        assert found["fits"] == (code == 0)
        assert found["verdict"] in answer.out
        for stored in ("shared", "unrolled"):
            assert found[stored]["cores"] == sum(layer["cores"] for layer in found[stored]["layers"]) > 0
    assert "layer 'conv_1': the analogue image needs graded spikes" in both.out
    assert "input axons: no number was published for Loihi 2" in both.out


def test_a_fit_is_asked_of_a_port_and_pretrained_stands_for_its_own(
    neurallnet: Callable[..., Answer], trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(neurallnet("inspect", trained, "--fit", "loihi2"), "is a RUN, not a PORT", "convert-to-lava")
    monkeypatch.setattr(checkpoint, "_SHIPPED", trained)
    assert neurallnet("inspect").json["kind"] == "run"
    answer = neurallnet("inspect", "--fit", "loihi2")
    assert (answer.code, answer.json["kind"], answer.json["fit"]["loihi2"]["fits"]) == (0, "port", True)


def test_conversion_ends_with_one_line_per_chip(
    neurallnet: Callable[..., Answer], trained: Path, tmp_path: Path
) -> None:
    answer = neurallnet("convert-to-lava", trained, "--out", tmp_path / "port")
    assert answer.code == 0
    assert {name: found["fits"] for name, found in answer.json["fit"].items()} == {"loihi1": False, "loihi2": True}
    assert answer.out.splitlines()[-2:] == [found["verdict"] for found in answer.json["fit"].values()]


@pytest.mark.parametrize("file", ["port.json", "fixed.safetensors", "float.safetensors"])
def test_a_damaged_port_is_refused_with_the_file_named(
    neurallnet: Callable[..., Answer], smears: Path, port: Path, tmp_path: Path, file: str
) -> None:
    broken = shutil.copytree(port, tmp_path / "port")
    data = (broken / file).read_bytes()
    (broken / file).write_bytes(data[: len(data) // 2])
    refused(neurallnet("simulate", broken, "--data", smears), file, "convert the run again")
    refused(neurallnet("inspect", broken), file, "convert the run again")


@pytest.mark.parametrize(("key", "value"), [("provenance", 5), ("sha256", []), ("graph", []), ("fixed", None)])
def test_a_port_whose_structure_is_no_structure_is_refused(
    neurallnet: Callable[..., Answer], port: Path, tmp_path: Path, key: str, value: object
) -> None:
    broken = shutil.copytree(port, tmp_path / "port")
    structure = json.loads((broken / "port.json").read_text())
    (broken / "port.json").write_text(json.dumps({**structure, key: value}))
    refused(neurallnet("inspect", broken), str(broken))


def test_doctor_answers_with_its_checks(neurallnet: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    from neurallnet_jax.workflows import doctor

    found = [doctor.Check("memory", "ok", "[red] 2 cores"), doctor.Check("lava-nc", "absent", "not here")]
    monkeypatch.setattr(doctor, "checks", lambda: iter(found))
    answer = neurallnet("doctor")
    assert answer.code == 0
    assert "[red] 2 cores" in answer.out
    assert [check["status"] for check in answer.json["checks"]] == ["ok", "absent"]
    found.append(doctor.Check("jitted step", "failed", "no"))
    assert neurallnet("doctor").code == 1


@pytest.mark.slow
def test_doctor_finds_this_machine_fit(neurallnet: Callable[..., Answer]) -> None:
    answer = neurallnet("doctor")
    failed = {check["name"] for check in answer.json["checks"] if check["status"] == "failed"}
    assert failed <= ({"pretrained"} if not (checkpoint._SHIPPED / checkpoint.FILE_NAME).exists() else set())
    assert answer.code == (1 if failed else 0)


# --- What every command does --------------------------------------------------------------------------------------------


def test_the_result_is_written_although_nobody_reads_the_output(trained: Path, smears: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    words = ["evaluate", str(trained), "--data", str(smears), "--limit", "4", "--json", str(result)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "neurallnet_jax.cli.main", *words], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(result.read_text())["n"] == 4


def test_the_result_goes_where_no_folder_is_yet_and_is_refused_where_none_can_be(
    neurallnet: Callable[..., Answer], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["inspect", str(trained), "--json", str(tmp_path / "a" / "b.json")]) == 0
    assert json.loads((tmp_path / "a" / "b.json").read_text())["kind"] == "run"
    capsys.readouterr()
    assert cli.main(["inspect", str(trained), "--json", str(tmp_path / "a" / "b.json" / "c.json")]) == 2
    assert "c.json: cannot be written (" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_one_line_of_warning(
    neurallnet: Callable[..., Answer], trained: Path, smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEURALLNET_CACHE", str(tmp_path / "file"))
    assert cache.default_folder() == tmp_path / "file"
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        answer = neurallnet("evaluate", trained, "--data", smears, "--limit", 4)
    assert answer.code == 0
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("neurallnet: warning: cache")
    assert "NEURALLNET_CACHE" in answer.err


def test_tables_hide_no_part_of_a_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    name = "a/[bold]very[/bold]/long/name/" + "x" * 300 + "/end\x1b[2J.png"
    output.show_table("[/r] title", ["[i]image[/i]"], [[name]])
    text = capsys.readouterr().out
    assert "[/r] title" in text
    assert "[i]image[/i]" in text
    assert "\x1b" not in text
    joined = "".join(line.strip("│ \n") for line in text.splitlines()[4:-1])
    assert joined == name.replace("\x1b", "\\x1b")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "place: No space left on device"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"), "not enough memory"),
    ],
)
def test_what_the_machine_lacks_is_said_in_one_line(
    trained: Path,
    error: Exception,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(source: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(convert, "to_port", fails)
    assert cli.main(["convert-to-lava", str(trained), "--out", "place"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert message in said


@pytest.mark.parametrize(
    "header", [[], None, {"provenance": 3}, {"temperature": 0}, {"temperature": "hot"}, {"spec": 5}, {"classes": 4}]
)
def test_a_checkpoint_whose_header_is_no_header_is_refused_with_the_file_named(
    neurallnet: Callable[..., Answer], trained: Path, tmp_path: Path, header: Any
) -> None:
    with safe_open(str(trained / checkpoint.FILE_NAME), framework="numpy") as file:
        whole = json.loads(file.metadata()["checkpoint"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    text = json.dumps({**whole, **header} if isinstance(header, dict) else header)
    forged = {"checkpoint": text, "sha256": checkpoint._digest(arrays, text)}
    save_file(arrays, str(tmp_path / checkpoint.FILE_NAME), metadata=forged)
    refused(neurallnet("inspect", tmp_path), str(tmp_path / checkpoint.FILE_NAME))


# --- audit shortcuts ----------------------------------------------------------------------------------------------------


def test_audit_shortcuts_scores_every_shortcut_and_a_run_without_them(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    answer = neurallnet(
        "audit", "shortcuts", smears, "--run", trained, "--split", "random", "--fold", 0, 2, "--html", page
    )
    assert answer.code == 0
    assert answer.json["n"] == 4 * COUNT
    assert answer.json["chance"] == 0.25
    rows = {(one["name"], one["rule"]): one["balanced_accuracy"] for one in answer.json["shortcuts"]}
    assert rows["18 colour statistics", "nearest neighbour"]["mean"] == pytest.approx(answer.json["colour_line"])
    assert all(len(one["folds"]) in (0, 2) for one in rows.values())
    assert {edit["run"] for edit in answer.json["edits"]} == {trained.name}
    names = [edit["name"] for edit in answer.json["edits"]]
    assert {"background", "scale bar", "colour", "background, scale bar, colour"} <= set(names)
    assert answer.json["runs"][0]["only"] == "test"
    assert answer.json["runs"][0]["n"] == len(checkpoint.load(trained).test)
    assert "JPEG settings of the file: smear-0001.png is PNG, no JPEG" in " ".join(answer.out.split())
    assert str(tmp_path) not in page.read_text(encoding="utf-8")
    assert f"--run {trained.name} --split random --fold 0 2" in page.read_text(encoding="utf-8")


def test_audit_shortcuts_refuses_a_folder_that_the_folds_or_the_run_do_not_fit(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    for place in sorted(smears.glob("*/smear-000[12].png")):
        (few / place.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(place, few / place.parent.name)
    refused(neurallnet("audit", "shortcuts", few), "class folder Benign (2 images) would have none for")
    other = tmp_path / "other"
    for name in ("cats", "dogs"):
        shutil.copytree(smears / "Benign", other / name)
    refused(neurallnet("audit", "shortcuts", other, "--split", "random", "--run", trained), f"RUN {trained}: ", "cats")
    (few / "Pro-B" / "smear-0001.png").unlink()
    (few / "Pro-B" / "smear-0002.png").unlink()
    refused(neurallnet("audit", "shortcuts", few), "is a class folder without images")
    alone = tmp_path / "alone"
    shutil.copytree(smears / "Benign", alone / "Benign")
    refused(neurallnet("audit", "shortcuts", alone, "--split", "random"), "holds one class, Benign")


def test_audit_shortcuts_skips_what_is_no_image_and_says_so(neurallnet: Callable[..., Answer], marred: Path) -> None:
    answer = neurallnet("audit", "shortcuts", marred, "--split", "random", "--fold", 0)
    assert answer.code == 1
    assert marred_files(answer.json["skipped"]) == {"Benign/cut.png", "Pre-B/empty.png", "Pro-B/text.jpg"}


def test_audit_leaks_finds_a_copy_in_another_folder_and_says_so_everywhere(
    neurallnet: Callable[..., Answer], smears: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    source = sorted((smears / "Pro-B").iterdir())[0]
    Image.open(source).resize((48, 48), Image.Resampling.BICUBIC).save(other / "copy.png")
    page = tmp_path / "leaks.html"
    answer = neurallnet("audit", "leaks", smears, other, "--html", page)
    assert answer.code == 1
    assert answer.json["clean"] is False
    assert {answer.json["pairs"][0]["first"], answer.json["pairs"][0]["second"]} == {f"Pro-B/{source.name}", "copy.png"}
    assert "NOT CLEAN: 1 pairs cross" in answer.out
    assert page.read_text().count("data:image/png") == 2
    (other / "copy.png").unlink()
    Image.effect_noise((48, 48), 80).convert("RGB").save(other / "noise.png")
    answer = neurallnet("audit", "leaks", smears, other)
    assert (answer.code, answer.json["pairs"]) == (0, [])
    (other / "broken.png").write_bytes(b"no image")
    answer = neurallnet("audit", "leaks", smears, other)
    assert answer.code == 1
    assert marred_files(answer.json["skipped"]) == {"broken.png"}


def test_audit_leaks_takes_the_split_of_a_run(
    neurallnet: Callable[..., Answer], smears: Path, trained: Path, tmp_path: Path
) -> None:
    answer = neurallnet("audit", "leaks", smears, "--split", trained)
    assert answer.json["split"] == str(trained)
    assert sum(sum(block["sides"].values()) for block in answer.json["blocks"]) > 0
    other = Path(shutil.copytree(smears, tmp_path / "other"))
    first = next((other / "Benign").iterdir())
    Image.new("RGB", (32, 32)).save(first)
    refused(neurallnet("audit", "leaks", other, "--split", trained), "has other bytes in")
