import dataclasses
import json
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lava_port import port as ports
from lava_port.runtime import compat
from neurallnet_jax import checkpoint, config, spec
from neurallnet_jax.cli import main as cli
from neurallnet_jax.workflows import demo

REFUSAL = "Lava needs Linux; use --backend emulator"
SIZE = (32, 32)


@contextmanager
def reduced() -> Iterator[pytest.MonkeyPatch]:
    """Make the demo small: 20 smears of 32 pixels of each class, two epochs."""
    tiny = config.PRESETS["tiny"]
    network = spec.neurallnet(widths=(8, 16), image_size=SIZE, attention=spec.SqueezeExcite(delay=2))
    small = config.Preset(network, dataclasses.replace(tiny.training, epochs=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "COUNT", 20)
        patch.setattr(demo, "LAVA_IMAGES", 2)
        patch.setitem(config.PRESETS, "tiny", small)
        yield patch


def refuse() -> None:
    raise ValueError(REFUSAL)


@pytest.fixture(scope="module")
def without_lava(tmp_path_factory: pytest.TempPathFactory) -> tuple[demo.Demo, list[str], Path]:
    out = tmp_path_factory.mktemp("demo") / "out"
    heard: list[str] = []

    @contextmanager
    def steps(name: str) -> Iterator[Callable[[int, int], None]]:
        heard.append(name)
        yield lambda done, total: None

    with reduced() as patch:
        patch.setattr(compat, "require_lava", refuse)
        return demo.run(out, steps=steps), heard, out


@pytest.mark.slow
def test_the_chain_leaves_smears_run_port_and_report(without_lava: tuple[demo.Demo, list[str], Path]) -> None:
    found, _, out = without_lava
    assert len(list((out / "smears").rglob("*.png"))) == 80
    saved = checkpoint.load(out / "run")
    assert checkpoint.digest(saved) == ports.load(out / "port").provenance["checkpoint"]
    page = found.report.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert "<img" in page or "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.slow
def test_the_smears_that_score_are_those_kept_apart(without_lava: tuple[demo.Demo, list[str], Path]) -> None:
    found, _, out = without_lava
    assert found.evaluation.seen == 0
    assert found.evaluation.scores.n == len(checkpoint.load(out / "run").test) == 8


@pytest.mark.slow
def test_lava_is_left_out_with_the_reason_where_it_cannot_run(
    without_lava: tuple[demo.Demo, list[str], Path],
) -> None:
    found, heard, _ = without_lava
    assert found.lava == REFUSAL
    assert [entry.right for entry in found.parity] == ["emulator"]
    assert "comparing spikes" in heard
    told = demo.to_json(found, seconds=1.0)["parity"]
    assert told == {"emulator": True, "lava": None, "lava_reason": REFUSAL}


@pytest.mark.slow
def test_the_result_is_plain_data_with_the_keys_of_the_contract(
    without_lava: tuple[demo.Demo, list[str], Path],
) -> None:
    found, _, _ = without_lava
    result = json.loads(json.dumps(demo.to_json(found, seconds=2.5), allow_nan=False))
    assert {"accuracy", "parity", "energy", "report", "seconds"} <= set(result)
    assert result["accuracy"] == found.evaluation.scores.accuracy
    assert result["report"] == str(found.report)
    assert result["seconds"] == 2.5
    assert "SynapticOperations" in result["energy"]


@pytest.mark.slow
@pytest.mark.skipif(platform.system() != "Linux", reason="Lava runs on Linux only")
def test_the_command_runs_lava_and_finds_its_spikes_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neurallnet-demo").mkdir()
    with reduced():
        assert cli.main(["demo", "--json", "demo.json"]) == 0
    result = json.loads(Path("demo.json").read_text())
    assert result["parity"] == {"emulator": True, "lava": True}
    assert Path(result["report"]) == Path("neurallnet-demo-2") / "report.html"
    assert Path(result["report"]).is_file()
    said = capsys.readouterr().out
    assert "lava spikes like the reference" in said
    assert not list((tmp_path / "neurallnet-demo").iterdir())


def test_a_folder_that_holds_something_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years")
    for place in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(ValueError, match="is not an empty folder; name another one with --out"):
            demo.run(place)
    assert (tmp_path / "thesis.txt").read_text() == "three years"
