"""Arrays blurred by a bell. Knows neither images nor heat maps."""

import numpy as np

__all__ = ["blurred"]


def blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    """Return an array (height, width, ...) blurred along its first two axes, float64; the border is carried on.

    Args:
        values: The array.
        sigma: Standard deviation of the bell, pixels, which is cut off at three of them.
    """
    reach = max(1, int(np.ceil(3 * sigma)))
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    result = np.asarray(values, np.float64)
    for axis in (0, 1):
        widths = [(reach, reach) if one == axis else (0, 0) for one in range(result.ndim)]
        padded = np.pad(result, widths, mode="edge")
        shifted = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis)
        result = shifted @ weights
    return result
