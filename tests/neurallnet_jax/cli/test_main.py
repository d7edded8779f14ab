"""Every command: its help, its JSON, its refusals; and the one line that bad input gets."""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from neurallnet_jax.cli import arguments as arguments_of
from neurallnet_jax.cli import main as cli

COMMANDS = sorted(cli.COMMANDS)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `neurallnet` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "neurallnet_jax.cli.main", *arguments], capture_output=True, text=True, check=False
    )


def test_the_overview_lists_every_command_and_imports_neither_jax_nor_lava() -> None:
    code = (
        "import sys; from neurallnet_jax.cli.main import main; main(['--help']);"
        "print([name for name in ('jax', 'flax', 'lava', 'numpy', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    for name in COMMANDS:
        assert f"  {name} " in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="processor time of children is a POSIX figure")
def test_the_overview_answers_in_half_a_second() -> None:
    import resource

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Processor time, the best of a few: other work on the machine makes a clock on the wall meaningless.
    assert min(seconds() for _ in range(3)) < 0.5


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_takes_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"])
    text = capsys.readouterr().out
    assert left.value.code == 0
    assert f"neurallnet {name}" in text
    assert "--json" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_file_of_its_own(name: str) -> None:
    module = importlib.import_module(f"neurallnet_jax.cli.{name.replace('-', '_')}")
    assert {"add_arguments", "run"} <= set(module.__all__)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_option_is_refused_in_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--no-such-option"])
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert error.count("\n") == 1


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evalute"]) == 2
    assert capsys.readouterr().err == "neurallnet: no command 'evalute'; did you mean 'evaluate'?\n"


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("neurallnet-jax ")


BAD_INPUT = [
    (["report", "nowhere", "--data", ".", "--out", "page.html"], "nowhere: no RUN"),
    (["report", "--data", "nowhere", "--out", "page.html"], "nowhere"),
    (["report", "--data", ".", "--out", "."], "is a folder; name a file in it"),
    (["report", "--data", ".", "--out", "page.html", "--limit", "0"], "0 is not at least 1"),
    (["train", "--data", "nowhere", "--out", "run"], "nowhere"),
    (["train", "--data", "nowhere", "--out", "run", "--preset", "huge"], "no preset 'huge'"),
    (["train", "--data", "nowhere", "--out", "run", "--resume"], "no RUN to resume"),
    (["ablate", "--out", "folder"], "--data is missing"),
    (["ablate", "--data", "nowhere", "--out", "folder"], "nowhere"),
    (["ablate", "--data", ".", "--out", "folder", "--study", "gates"], "no study or arm 'gates'"),
    (["ablate", "--data", ".", "--out", "folder", "--seeds", "0"], "0 is not at least 1"),
    (["ablate", "--data", ".", "--out", "folder", "--steps", "2"], "T is 2 and the delay of the attention 2"),
    (["ablate", "--data", ".", "--out", "folder", "--delay", "-1"], "delay -1 does not lie in 0..3"),
    (["ablate", "--data", ".", "--out", "folder", "--preset", "neurallnet-relu"], "does not spike"),
    (["ablate", "--data", ".", "--out", "folder", "--split", "all"], "keeps no images for a test"),
    (["ablate", "--out", "folder", "--resume"], "no ablation to resume"),
    (["ablate", "--out", "folder", "--show"], "no ablation"),
    (
        ["ablate", "--data", ".", "--out", "folder", "--preset", "alexnet"],
        "alexnet has no layers that an arm could change",
    ),
    (["train", "--data", ".", "--out", "run", "--model", "resnet51"], "invalid choice: 'resnet51'"),
    (
        ["train", "--data", ".", "--out", "run", "--model", "vgg19", "--image-size", "31"],
        "vgg19 takes images of at least 32",
    ),
    (
        ["train", "--data", ".", "--out", "run", "--model", "vgg19", "--weights", "nowhere.h5"],
        "nowhere.h5: there is no such",
    ),
    (["train", "--data", ".", "--out", "run", "--weights-sha256", "00"], "no file of them; name it with --weights"),
    (
        ["train", "--data", ".", "--out", "run", "--model", "alexnet", "--weight-bits", "4"],
        "alexnet has no kernels to round",
    ),
    (
        ["train", "--data", ".", "--out", "run", "--model", "alexnet", "--preset", "tiny"],
        "has another network than --model",
    ),
    (
        ["train", "--data", ".", "--out", "run", "--model", "alexnet", "--from", "pretrained"],
        "those of the spiking network",
    ),
    (["evaluate", "nowhere", "--data", "."], "no RUN"),
    (["robustness", "nowhere", "--data", "."], "no RUN"),
    (["robustness", "--data", ".", "--run", "nowhere"], "no RUN"),
    (["robustness", "--data", "nowhere", "--corruption", "jpeg"], "nowhere: does not exist"),
    (["robustness", "--data", ".", "--corruption", "fog"], "no corruption 'fog'; there are gaussian-noise, "),
    (["robustness", "--data", ".", "--severity", "6"], "no severity 6; expected 1 (mild) to 5 (severe)"),
    (["robustness", "--data", ".", "--severity", "0"], "0 is not at least 1"),
    (["robustness", "--data", ".", "--plot", "curves.pdf"], "curves.pdf: its ending is .pdf"),
    (["robustness", "--data", ".", "--html", "page", "--json", "page"], "page: is named for two files"),
    (["robustness", "--data", ".", "--backend", "lava"], "invalid choice: 'lava'"),
    (["explain"], "no image named; say `neurallnet explain pretrained IMAGE --out PNG`, or --data DIR"),
    (["explain", "a.png", "b.png", "--out", "m.png"], "2 images named (a.png, b.png)"),
    (["explain", "a.png"], "--out is missing"),
    (["explain", "a.png", "--out", "map.jpg"], "map.jpg: its ending is .jpg; name a file that ends in .png"),
    (["explain", "a.png", "--out", "m.png", "--json", "m.png"], "m.png: is named for two files"),
    (["explain", "a.png", "--out", "m.png", "--masks", "."], "--masks goes with --data DIR, not with an image"),
    (["explain", "a.png", "--data", "."], "a.png: is no RUN, and an image does not go with --data ."),
    (["explain", "--data", ".", "--out", "m.png"], "--out m.png goes with an image"),
    (["explain", "--data", "nowhere"], "nowhere: does not exist"),
    (["explain", "--data", ".", "--method", "grad-kam"], "no method 'grad-kam'; there are grad-cam"),
    (["explain", "--data", ".", "--method", "all,cam"], "all stands for every method; name it alone"),
    (["explain", "--data", ".", "--method", "cam,"], "names no method between two commas"),
    (["explain", "--data", ".", "--random-run", "nowhere"], "nowhere: no RUN"),
    (["explain", "--data", ".", "--replacement", "black"], "invalid choice: 'black'"),
    (["explain", "nowhere.png", "--out", "m.png"], "nowhere.png"),
    (["evaluate", "nowhere.csv", "--data", "."], "nowhere.csv: cannot be read as predictions"),
    (["evaluate", "--data", ".", "--plot", "diagram.png"], "name it *.svg"),
    (["evaluate", "--data", ".", "--html", "x", "--json", "x"], "is named for two files"),
    (["compare", "nowhere"], "no RUN"),
    (["compare", "pretrained", "pretrained"], "pretrained is named twice"),
    (["compare", "pretrained", "--data", "nowhere"], "nowhere: does not exist"),
    (["compare", "pretrained", "--html", "."], "is a folder; name a file"),
    (["predict", "nowhere.jpg", "--on-bad-image", "fail"], "nowhere.jpg"),
    (["calibrate", "nowhere", "--data", "."], "no RUN"),
    (["calibrate", "pretrained", "--data", "."], "the shipped checkpoint stays as it is; name a folder"),
    (["calibrate", "pretrained", "--data", ".", "--out", "run", "--coverage", "1.5"], "coverage: 1.5 is not between"),
    (["calibrate", "pretrained", "--data", ".", "--out", "run", "--risk", "0.1", "--answered", "0.9"], "not allowed"),
    (["calibrate", "pretrained", "--data", "nowhere", "--out", "run"], "nowhere: does not exist"),
    (["inspect", "nowhere"], "no RUN"),
    (["inspect", "nowhere", "--fit", "loihi2"], "nowhere is no folder; a PORT is what convert-to-lava writes"),
    (["inspect", "--fit", "loihi9"], "no chip 'loihi9'; there are loihi1, loihi2"),
    (["convert-to-lava", "nowhere", "--out", "port"], "no RUN"),
    (["convert-to-lava", "nowhere.nir", "--out", "port"], "nowhere.nir: no such file"),
    (["convert-to-lava", "--out", "port", "--steps", "3"], "--steps goes with a NIR file"),
    (["convert-to-lava", "x.nir", "--out", "port", "--classes", "a,,b"], "no list of distinct class names"),
    (["convert-to-lava", "x.nir", "--out", "port", "--offset", "a"], "no whole number"),
    (["convert-to-lava", "x.nir", "--out", "port", "--offset", "300"], "not in 0..255"),
    (["export", "nowhere", "--format", "nir", "--out", "net.nir"], "no RUN"),
    (["export", "--format", "nir", "--out", "net.nir"], "node 'gate_1': NIR has no gate"),
    (["export", "--format", "onnx", "--out", "net"], "invalid choice: 'onnx'"),
    (["export", "--format", "nir", "--out", "."], "is a folder; name a file"),
    (["export", "--format", "nir", "--out", "net.nir", "--freeze-gates", "nowhere"], "nowhere: does not exist"),
    (["export", "--format", "nir", "--out", "net.nir", "--freeze-gates", "."], "has no sub-folder"),
    (["export", "--format", "nir", "--out", "net.nir", "--limit", "3"], "--limit is the number of images"),
    (["export", "--format", "stablehlo", "--out", "net", "--freeze-gates", "."], "goes with --format nir"),
    (["export", "--format", "safetensors", "--out", "net", "--freeze-gates", "."], "goes with --format nir"),
    (["export", "--format", "safetensors", "--out", "net", "--json", "net"], "is written by --out already"),
    (["export", "--format", "stablehlo", "--out", "net", "--json", "net.json"], "is written by --out already"),
    (["simulate", "nowhere", "--data", "."], "nowhere"),
    (["parity", "nowhere", "--data", "."], "nowhere"),
    (["parity", "--data", ".", "--backends", "loihi"], "loihi"),
    (["energy", "nowhere", "--data", "."], "nowhere"),
    (["energy", "--data", ".", "--profile", "free"], "no energy profile 'free'"),
    (["audit"], "the following arguments are required: AUDIT"),
    (["audit", "everything"], "invalid choice: 'everything'"),
    (["audit", "leaks", "nowhere"], "nowhere: does not exist"),
    (["audit", "leaks", "."], "holds no image"),
    (["audit", "leaks", ".", "."], "is DIR itself"),
    (["audit", "leaks", ".", "--json", "."], "is a folder; name a file"),
    (["synthesise", "--out", "smears", "--count", "0"], "0 is not at least 1"),
    (["audit", "shortcuts", "nowhere"], "nowhere: does not exist"),
    (["audit", "shortcuts", "."], "has no sub-folder"),
    (["audit", "shortcuts", ".", "--run", "nowhere"], "no RUN"),
    (["audit", "shortcuts", ".", "--run", "pretrained", "--run", "pretrained"], "a RUN is named twice"),
    (["audit", "shortcuts", ".", "--fold", "5"], "'5' is no fold; expected 0 to 4"),
    (["audit", "shortcuts", ".", "--margin", "-3"], "'-3' is no whole number of captures"),
    (["audit", "shortcuts", ".", "--split", "random", "--margin", "3"], "--margin goes with --split contiguous"),
    (["audit", "shortcuts", ".", "--html", "."], "is a folder; name a file in it"),
]


SHOWN = {
    "compare": ("/a/b/r1 pretrained --data /x/smears --html p.html", "r1 pretrained --data smears"),
    "calibrate": ("/q/r --data /x/d --folds /a/cv --by-class --json j", "r --data d --folds cv --by-class"),
    "evaluate": (
        "--data /x/d --only test --limit 5 --predictions /y/p.csv",
        "pretrained --data d --only test --limit 5",
    ),
    "audit_leaks": ("/x/d /y/e --split /r/RUN", "d e --split RUN"),
    "audit_shortcuts": ("--fold 0 2 --run /a/b --run c -- /x/d", "d --run b --run c --fold 0 2"),
    "ablate": ("--out /a/f --data /d/e --study twin steps --resume", "--data e --out f --study twin steps --resume"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_shows_what_was_asked_and_no_place_outside_it(name: str) -> None:
    given, expected = SHOWN[name]
    command = importlib.import_module(f"neurallnet_jax.cli.{name}")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    said = arguments_of.shown(name.replace("_", " "), parser.parse_args(given.split()), command.add_arguments)
    assert said == f"neurallnet {name.replace('_', ' ')} {expected}"


@pytest.mark.parametrize(("arguments", "message"), BAD_INPUT, ids=[" ".join(words) for words, _ in BAD_INPUT])
def test_bad_input_gets_one_line_and_exit_code_two(
    arguments: list[str],
    message: str,
    tmp_path: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(str(tmp_path))
    try:
        code = cli.main(arguments)
    except SystemExit as left:
        code = left.code
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1
    assert message in error
    assert not os.listdir(".")  # noqa: PTH208 - nothing half-written is left


def test_a_fault_of_ours_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from neurallnet_jax.cli import inspect as command

    def break_down(args: object) -> int:
        raise RuntimeError("the wheels\ncame off")

    monkeypatch.setattr(command, "run", break_down)
    assert cli.main(["inspect"]) == cli.INTERNAL_ERROR
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "the wheels came off" in error


def test_ctrl_c_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from neurallnet_jax.cli import inspect as command

    def interrupted(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", interrupted)
    assert cli.main(["inspect"]) == cli.INTERRUPTED
    assert capsys.readouterr().err == "neurallnet: interrupted\n"


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from neurallnet_jax.cli import inspect as command

    def full(args: object) -> int:
        raise OSError(28, "No space left on device", "run/states")

    monkeypatch.setattr(command, "run", full)
    assert cli.main(["inspect"]) == 2
    assert "run/states: No space left on device" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="pipes and /dev/full are POSIX")
@pytest.mark.parametrize("arguments", [[], ["--version"], ["train", "--help"]])
def test_a_reader_that_stops_reading_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "neurallnet_jax.cli.main", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_nobody_can_keep_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "neurallnet_jax.cli.main", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "standard output: No space left on device" in done.stderr


def test_without_standard_output_a_command_does_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["--version"]) == 0
    sys.stdout.close()


def test_ctrl_c_while_a_command_is_still_being_loaded_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert cli.main(["inspect"]) == cli.INTERRUPTED
    assert capsys.readouterr().err == "neurallnet: interrupted\n"
