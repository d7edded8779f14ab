"""`crossvalidate` and `train --margin` as commands: a table, a page, JSON, and one line for bad input."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from neurallnet_jax.cli import crossvalidate
from neurallnet_jax.cli import main as cli
from neurallnet_jax.evaluation import crossvalidation_table, shortcuts

RECIPE = ("--preset", "tiny", "--image-size", "24", "--epochs", "1")


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str
    json: dict[str, Any]


@pytest.fixture
def neurallnet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Answer]:
    def run(*words: object) -> Answer:
        result = tmp_path / "result.json"
        result.unlink(missing_ok=True)
        code = cli.main([*map(str, words), "--json", str(result)])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err, json.loads(result.read_text()) if result.exists() else {})

    return run


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "smears"
    assert cli.main(["synthesise", "--out", str(folder), "--count", "12", "--image-size", "24"]) == 0
    return folder


def refused(answer: Answer, *parts: str) -> None:
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert answer.json == {}
    for part in parts:
        assert part in answer.err


@pytest.mark.slow
def test_it_trains_scores_and_prints_one_table_which_resume_prints_again(
    neurallnet: Callable[..., Answer], smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortcuts, "SIZE", (24, 24))
    out, html = tmp_path / "a folder", tmp_path / "cv.html"
    words = ("crossvalidate", "--data", smears, "--out", out, *RECIPE, "--split", "random", "--folds", "0,3")
    answer = neurallnet(*words, "--html", html)
    assert answer.code == 0
    found = crossvalidation_table.from_json(answer.json)
    (split,) = found.splits
    assert [(run.fold, run.n, run.best_epoch) for run in split.runs] == [(0, 4, 1), (3, 4, 1)]
    assert (split.tested, split.untested) == (8, 40)
    assert answer.json["finished"]
    assert "random: 8 images are tested on, 40 are in no test fold" in answer.out
    assert f"{split.means['balanced_accuracy'].mean:.4f}" in answer.out
    assert "run 2 of 2: random/fold-3/seed-0; about" in answer.err
    text = html.read_text(encoding="utf-8")
    assert "--data smears" in text
    assert str(tmp_path) not in text
    again = neurallnet("crossvalidate", "--out", out, "--resume")
    assert again.code == 0
    assert crossvalidation_table.from_json(again.json) == found
    assert again.out == answer.out.replace(f"the page: {html}\n", "")
    refused(neurallnet(*words), "holds a cross-validation already; add --resume")
    refused(neurallnet(*words, "--seeds", 2, "--resume"), "other settings (seeds were 0, are 0, 1)")


def test_a_finished_folder_needs_nothing_else(neurallnet: Callable[..., Answer], crossvalidated: Path) -> None:
    answer = neurallnet("crossvalidate", "--out", crossvalidated, "--resume")
    assert answer.code == 0
    assert crossvalidation_table.from_json(answer.json) == crossvalidation_table.tabulate(crossvalidated)
    assert "files that are no readable image, left out: 1" in answer.out
    gap = answer.json["gaps"][0]["value"]
    assert f"{gap:+.4f}" in answer.out
    refused(
        neurallnet("crossvalidate", "--out", crossvalidated, "--resume", "--epochs", 3),
        "--epochs without --data: with --resume repeat --data and all other options, or leave all of them out",
    )


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("--out cv", ["--data is missing"]),
        ("--out cv --resume", ["cv: no cross-validation ("]),
        ("--data DATA --out cv --folds 6", ["fold 5: the splits have 5 folds, 0 to 4"]),
        ("--data DATA --out cv --folds 0", ["--folds 0: expected 1 to 1000, or a list such as 0,2"]),
        ("--data DATA --out cv --folds 1,1", ["folds 1, 1: one is named twice"]),
        ("--data DATA --out cv --seeds 0", ["--seeds 0: expected 1 to 1000"]),
        ("--data DATA --out cv --seeds many", ["--seeds many: expected a number, or a list such as 0,2"]),
        ("--data DATA --out cv --seeds 5000000000,", ["seed is 5000000000; expected 0..4294967295"]),
        ("--data DATA --out cv --margin -1", ["margin is -1; expected a whole number of captures, at least 0"]),
        ("--data DATA --out cv --split random --margin 24", ["--margin 24: split random leaves out no such numbers"]),
        ("--data DATA --out cv --preset tiny", ["class folder Benign (12 images) would have none for validation"]),
        ("--data nowhere --out cv", ["nowhere"]),
        ("--data DATA --out cv --json x.json --html x.json", ["x.json: is named for two files"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    words: str, parts: list[str], smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["crossvalidate", *(str(smears) if word == "DATA" else word for word in words.split())]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for part in parts:
        assert part in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "numbers"), [("1", (0,)), ("5", (0, 1, 2, 3, 4)), ("0,3", (0, 3)), ("3,", (3,)), ("4, 2", (4, 2))]
)
def test_a_count_and_a_list_of_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert crossvalidate._numbers("--folds", text) == numbers


@pytest.mark.parametrize("split", ["random", "blocks", "all"])
def test_train_takes_a_margin_for_the_contiguous_split_alone(
    neurallnet: Callable[..., Answer], smears: Path, tmp_path: Path, split: str
) -> None:
    out = tmp_path / "run"
    words = ("train", "--data", smears, "--out", out, *RECIPE, "--margin", 24)
    refused(
        neurallnet(*words, "--split", split), f"--margin 24: split {split} leaves out no such numbers; leave it out"
    )
    refused(neurallnet(*words[:-1], 9000), "with 9000 numbers left out on either side", "take a smaller --margin")
    assert not out.exists()
