"""Keras on the JAX backend, imported here and nowhere else. Knows no network."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

__all__ = ["broadcasting", "load"]

_INSTALL = "Keras is not installed; install it with `pip install 'neurallnet-jax[baselines]'`"


def load() -> Any:
    """Return the module `keras`, which runs on JAX.

    Raises:
        ValueError: It is not installed, was imported before with another backend, or is set to other numbers than float32
            or to another order of axes; one line.
    """
    # Whatever the environment says: nothing else of this package can use another backend, and once imported it stays.
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "jax"
    try:
        import keras
    except ImportError as error:
        raise ValueError(_INSTALL if error.name == "keras" else f"Keras cannot be imported ({error})") from None
    found = keras.backend.backend()
    if found != "jax":
        raise ValueError(
            f"Keras was imported with the backend {found} before; start anew with KERAS_BACKEND=jax, or import "
            "neurallnet_jax.baselines first"
        )
    order, width = keras.config.image_data_format(), keras.config.floatx()
    if (order, width) != ("channels_last", "float32"):
        raise ValueError(
            f"Keras is set to {order} and {width}; set image_data_format to channels_last and floatx to float32 in its "
            "keras.json"
        )
    return keras


@contextmanager
def broadcasting() -> Iterator[None]:
    """Let arrays of different rank broadcast, which layers of Keras and Flax rely on, whatever the caller forbids."""
    with jax.numpy_rank_promotion("allow"):
        yield
