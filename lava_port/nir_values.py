"""Parameters of NIR nodes as the numbers our nodes hold, each refused with the name of its node where it is none.

Knows neither the nodes of NIR nor ours.
"""

from typing import Any

import numpy as np

from lava_port.graph import GraphError

__all__ = ["array", "bias", "decay", "one", "padding", "pair"]


def decay(dt: float, tau: float) -> float:
    """Return dt / tau, or the short decimal that it misses only because a file holds tau in 32 bits."""
    exact = dt / tau
    short = float(f"{exact:.6g}")
    return short if abs(short - exact) <= 2**-23 * exact else exact


def one(value: Any, name: str, field: str) -> float:
    """Return the one value that a parameter has for every neuron of a layer."""
    values = array(value, name, field)
    low, high = (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)
    if not low == high:
        raise GraphError(
            f"node {name!r}: {field} ranges from {low:.4g} to {high:.4g}; expected one value for the layer"
        )
    return low


def array(value: Any, name: str, field: str, ndim: int | None = None) -> np.ndarray:
    """Return a parameter as float64, with as many axes as are asked for."""
    try:
        array = np.asarray(value, np.float64)
    except (ValueError, TypeError):
        raise GraphError(f"node {name!r}: {field} holds no numbers") from None
    if ndim is not None and array.ndim != ndim:
        raise GraphError(f"node {name!r}: {field} has shape {array.shape}; expected {ndim} axes")
    if not np.isfinite(array).all():
        raise GraphError(f"node {name!r}: {field} holds NaN or infinity")
    return array


def bias(value: Any, name: str, size: int) -> np.ndarray:
    """Return the bias of a layer of `size` outputs, zeros where there is none."""
    bias = np.zeros(size) if value is None else array(value, name, "bias")
    if bias.shape != (size,):
        raise GraphError(f"node {name!r}: bias has shape {bias.shape}; expected ({size},)")
    return bias


def pair(value: Any, name: str, field: str) -> tuple[int, int]:
    """Return a parameter that NIR gives as one whole number or two, along height and width."""
    values = np.ravel(array(value, name, field))
    if values.size not in (1, 2) or (values % 1).any() or values.min() < (0 if field == "padding" else 1):
        raise GraphError(f"node {name!r}: {field} is {values.tolist()}; expected one or two whole numbers")
    down, across = (int(value) for value in np.broadcast_to(values, 2))
    return down, across


def padding(value: Any, name: str, kernel: tuple[int, ...], stride: tuple[int, int]) -> tuple[int, int]:
    """Return the zeros on each side, along height and width, of a convolution."""
    if not isinstance(value, str):
        return pair(value, name, "padding")
    if value == "valid":
        return 0, 0
    if value == "same" and stride == (1, 1) and kernel[0] % 2 == kernel[1] % 2 == 1:
        return kernel[0] // 2, kernel[1] // 2
    raise GraphError(
        f"node {name!r}: padding is {value!r} with kernel {kernel} and stride {stride}; only padding that is the same on "
        "both sides converts"
    )
