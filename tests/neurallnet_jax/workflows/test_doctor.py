import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from lava_port.runtime import compat, host
from neurallnet_jax import checkpoint
from neurallnet_jax.workflows import doctor


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what compiles and what starts Lava."""
    monkeypatch.setattr(doctor, "_step", lambda: "stepped")
    monkeypatch.setattr(host, "check", lambda: host.LavaCheck({}, 1.0))
    monkeypatch.setattr(compat, "require_lava", lambda: None)


def found() -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.checks()}


@pytest.mark.usefixtures("quick")
def test_every_check_is_named_once_and_says_something_in_one_line() -> None:
    checks = list(doctor.checks())
    assert len({check.name for check in checks}) == len(checks)
    for check in checks:
        assert check.status in ("ok", "absent", "failed")
        assert check.finding
        assert "\n" not in check.finding


@pytest.mark.usefixtures("quick")
def test_versions_and_devices_are_those_of_this_process() -> None:
    import jax

    checks = found()
    assert platform.python_version() in checks["python"].finding
    assert f"jax {jax.__version__}" in checks["packages"].finding
    assert checks["jax devices"].finding.startswith(jax.devices()[0].platform)
    assert f"{os.cpu_count()} cores" in checks["memory"].finding


@pytest.mark.usefixtures("quick")
def test_a_missing_extra_is_absent_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_EXTRAS", ("no-such-distribution",))
    assert found()["no-such-distribution"].status == "absent"


@pytest.mark.usefixtures("quick")
def test_a_missing_package_is_a_failure_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("numpy", "no-such-distribution"))
    check = found()["packages"]
    assert check.status == "failed"
    assert "no-such-distribution" in check.finding


@pytest.mark.usefixtures("quick")
def test_where_lava_cannot_run_it_is_absent_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ValueError("Lava needs Linux; use --backend emulator")

    monkeypatch.setattr(compat, "require_lava", refuse)
    check = found()["lava network"]
    assert (check.status, check.finding) == ("absent", "Lava needs Linux; use --backend emulator")


@pytest.mark.usefixtures("quick")
def test_lava_that_runs_wrongly_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> host.LavaCheck:
        raise RuntimeError("Lava ran two neurons\nbut counted otherwise")

    monkeypatch.setattr(host, "check", wrong)
    check = found()["lava network"]
    assert (check.status, check.finding) == ("failed", "RuntimeError: Lava ran two neurons but counted otherwise")


@pytest.mark.usefixtures("quick")
def test_a_cache_that_cannot_be_written_is_a_failure_and_a_probe_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURALLNET_CACHE", str(tmp_path / "cache"))
    assert str(tmp_path / "cache") in found()["image cache"].finding
    assert not list((tmp_path / "cache").iterdir())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEURALLNET_CACHE", str(tmp_path / "file"))
    assert found()["image cache"].status == "failed"


@pytest.mark.usefixtures("quick")
def test_an_installation_without_the_shipped_checkpoint_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_SHIPPED", tmp_path)
    check = found()["pretrained"]
    assert check.status == "failed"
    assert "reinstall" in check.finding


@pytest.fixture(scope="module")
def truly() -> Iterator[dict[str, doctor.Check]]:
    return found()


@pytest.mark.slow
def test_the_step_is_compiled_and_lava_runs(truly: dict[str, doctor.Check]) -> None:
    assert "compiled and run" in truly["jitted step"].finding
    assert truly["jitted step"].status == "ok"
    if platform.system() == "Linux":
        assert truly["lava network"].status == "ok", truly["lava network"].finding
        assert "two neurons ran" in truly["lava network"].finding
