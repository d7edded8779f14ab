import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from neurallnet_jax.baselines import backend


def test_keras_runs_on_jax_and_brings_no_other_library():
    assert backend.load().backend.backend() == "jax"
    assert "tensorflow" not in sys.modules
    assert "torch" not in sys.modules


def ran(code: str, **environment: str) -> str:
    """Return what a script prints in a process of its own, where Keras has not been imported."""
    given = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True, timeout=300
    ).stdout.strip()


ASK = """
{before}
from neurallnet_jax.baselines import backend
try:
    print(backend.load().backend.backend())
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
def test_whatever_the_environment_says_keras_gets_jax():
    assert ran(ASK.format(before=""), KERAS_BACKEND="numpy") == "jax"


@pytest.mark.slow
def test_keras_on_another_backend_is_refused_in_one_line():
    said = ran(ASK.format(before="import keras"), KERAS_BACKEND="numpy")
    assert said.startswith("Keras was imported with the backend numpy before; start anew with KERAS_BACKEND=jax")
    assert "\n" not in said


def test_an_installation_without_keras_is_told_what_to_install():
    # None in sys.modules is how Python says that a module cannot be found.
    said = ran(ASK.format(before="import sys\nsys.modules['keras'] = None"))
    assert "neurallnet-jax[baselines]" in said


def test_another_order_of_axes_is_refused(monkeypatch):
    keras = backend.load()
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    with pytest.raises(ValueError, match="set to channels_first and float32; set image_data_format to channels_last"):
        backend.load()


def test_ranks_may_differ_inside_only():
    with jax.numpy_rank_promotion("raise"):
        with backend.broadcasting():
            assert (jnp.ones((2, 3)) + jnp.ones(3)).shape == (2, 3)
        with pytest.raises(ValueError, match="rank"):
            jnp.ones((2, 3)) + jnp.ones(3)
