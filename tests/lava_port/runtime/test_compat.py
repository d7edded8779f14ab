import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lava_port.runtime import compat


def test_lava_imports_and_no_byte_code_of_a_rewritten_module_is_kept(tmp_path):
    # Byte code of a rewritten module would break every other user of that installation.
    script = (
        "from lava_port.runtime import compat; compat.install(); compat.install()\n"
        "import sys, lava.magma.compiler.var_model as var_model, lava.magma.core.process.ports.ports as ports\n"
        "import numpy as np\n"
        "assert var_model.CoreEncoder().x == var_model.ByteEncoder()\n"
        "port = ports.ReshapePort((2, 3), (6,))\n"
        "assert port.get_transform_func_fwd()(np.arange(6)).shape == (2, 3)\n"
        "assert port.get_transform_func_bwd()(np.zeros((2, 3))).shape == (6,)\n"
        "assert 'jax' not in sys.modules\n"
    )
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    result = subprocess.run([sys.executable, "-W", "error::DeprecationWarning:lava", "-c", script], env=env)
    assert result.returncode == 0
    kept = {path.name.split(".")[0] for path in tmp_path.rglob("*.pyc") if "lava" in path.parts}
    assert "variable" in kept
    needed = {rewrite.module.rpartition(".")[2] for rewrite in compat.REWRITES if rewrite.needed}
    assert not needed & kept


def test_every_rewrite_fits_the_installed_lava_and_still_parses():
    folder = Path(importlib.util.find_spec("lava").submodule_search_locations[0])
    for rewrite in compat.REWRITES:
        source = (folder / (rewrite.module.removeprefix("lava.").replace(".", "/") + ".py")).read_text()
        changed = compat._rewritten(source, rewrite)
        ast.parse(changed)
        assert len(changed.splitlines()) == len(source.splitlines())
        for old, new, count in rewrite.replacements:
            assert changed.count(new) == count
            assert old not in changed


def test_other_lines_than_expected_are_refused():
    rewrite = compat.Rewrite("lava.some.module", (("x = 1", "x = 2", 2),), needed=True)
    assert compat._rewritten("x = 1\nx = 1\n", rewrite) == "x = 2\nx = 2\n"
    with pytest.raises(ImportError, match=r"lava\.some\.module of lava-nc .* holds 'x = 1' 1 times, expected 2"):
        compat._rewritten("x = 1\n", rewrite)


def test_a_missing_lava_names_the_way_to_install_it(monkeypatch):
    monkeypatch.setattr(compat, "lava_version", lambda: None)
    with pytest.raises(ValueError, match=r"needs lava-nc 0\.10\.0.*uv sync --group lava.*pip install.*emulator"):
        compat.require_lava()


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_sent_to_the_emulator(monkeypatch, system):
    monkeypatch.setattr(sys, "platform", system)
    message = "^backend 'lava' runs on Linux only; use --backend emulator, which spikes identically$"
    with pytest.raises(ValueError, match=message):
        compat.install()


def test_coming_too_late_is_refused(monkeypatch):
    rewrite = compat.Rewrite("lava.late", (), needed=True)
    monkeypatch.setattr(compat, "REWRITES", (rewrite,))
    monkeypatch.setitem(sys.modules, "lava.late", sys)
    with pytest.raises(RuntimeError, match=r"lava\.late is imported already; call compat\.install\(\) before"):
        compat.install()
