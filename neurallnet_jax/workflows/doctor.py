"""What works on this machine, one check after another. Changes nothing but a probe file in the image cache."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "checks"]

_PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "numpy", "pillow", "safetensors")
_EXTRAS = ("lava-nc", "keras", "tensorflow-datasets")


@dataclass(frozen=True)
class Check:
    """One thing that works, is absent by choice, or fails.

    Attributes:
        name: What was looked at.
        status: `ok`, `absent` (not installed or not for this system) or `failed`.
        finding: What was found, one line.
    """

    name: str
    status: Literal["ok", "absent", "failed"]
    finding: str


def checks() -> Iterator[Check]:
    """Yield the checks in the order in which the rest of the package depends on them."""
    yield Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield _checked("packages", lambda: ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES))
    for name in _EXTRAS:
        yield _extra(name)
    yield _checked("memory", _memory)
    yield _checked("jax devices", _devices)
    yield _checked("jitted step", _step)
    yield _lava()
    yield _checked("image cache", _cache)
    yield _checked("pretrained", _pretrained)


def _checked(name: str, find: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", find())
    except Exception as error:  # noqa: BLE001 - a doctor reports whatever is wrong
        return Check(name, "failed", f"{type(error).__name__}: {' '.join(str(error).split())}")


def _extra(name: str) -> Check:
    try:
        return Check(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "absent", "not installed; the README says how")


def _memory() -> str:
    names = os.sysconf_names if hasattr(os, "sysconf_names") else {}
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return f"{os.cpu_count()} cores; this system does not tell its memory"
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores, {total / 2**30:.1f} GiB"


def _devices() -> str:
    import jax

    return ", ".join(f"{device.platform} {device.device_kind}" for device in jax.devices())


def _step() -> str:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from neurallnet_jax import checkpoint, config, models

    network = config.preset("tiny").network
    made = models.create(network, tuple("abcd"), preprocessing=checkpoint.Preprocessing(), key=jax.random.key(0))
    began = time.perf_counter()

    def loss(variables: models.Variables) -> jax.Array:
        pixels = jnp.zeros((2, *network.image_size, network.channels))
        return made.train(variables, pixels, jax.random.key(0))[0].logits.sum()

    gradient = jax.jit(jax.grad(loss))(made.variables)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient)):
        raise ValueError("the gradient of the preset 'tiny' is not a number")
    return f"gradient of the preset 'tiny' compiled and run in {time.perf_counter() - began:.1f} s"


def _lava() -> Check:
    from lava_port.runtime import compat, host

    try:
        compat.require_lava()
    except ValueError as error:
        return Check("lava network", "absent", str(error))

    def find() -> str:
        found = host.check()
        return f"two neurons ran in the worker in {found.seconds:.1f} s"

    return _checked("lava network", find)


def _cache() -> str:
    import tempfile

    from neurallnet_jax.images import cache

    folder = cache.default_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder) as probe:
        probe.write(b"probe")
    return f"{folder} is writable"


def _pretrained() -> str:
    from neurallnet_jax import checkpoint

    saved = checkpoint.load(checkpoint.PRETRAINED)
    return f"{len(saved.weights)} arrays, {len(saved.seen)} images seen"
