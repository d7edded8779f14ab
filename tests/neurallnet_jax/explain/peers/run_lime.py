"""Runs the `lime` package on one image, segments and score, and writes what it drew and found.

Arguments: given.npz (image, segments, weights, seed, samples) and the file to write. It knows nothing of this project; the
score, class 1 of two, is the logistic function of a weighted sum of the pixels.
"""

import sys
from typing import Any

import numpy as np
from lime import lime_image


class Recorded(lime_image.LimeImageExplainer):
    """An explainer that keeps its rows and their scores."""

    def data_labels(self, *args: Any, **kwargs: Any) -> tuple[np.ndarray, np.ndarray]:
        self.rows, self.scores = super().data_labels(*args, **kwargs)
        return self.rows, self.scores


def main(given: str, out: str) -> None:
    """Explain class 1 and write rows, scores, coefficients by superpixel, intercept and fit."""
    data = np.load(given)

    def score(images: np.ndarray) -> np.ndarray:
        share = 1 / (1 + np.exp(-(images * data["weights"]).sum(axis=(1, 2, 3))))
        return np.stack([1 - share, share], axis=1)

    explainer = Recorded(random_state=int(data["seed"]))
    found = explainer.explain_instance(
        data["image"],
        score,
        labels=(1,),
        top_labels=None,
        num_samples=int(data["samples"]),
        segmentation_fn=lambda image: data["segments"],
        random_seed=0,
    )
    coefficients = np.zeros(explainer.rows.shape[1])
    for superpixel, coefficient in found.local_exp[1]:
        coefficients[superpixel] = coefficient
    np.savez(
        out,
        rows=explainer.rows,
        scores=explainer.scores[:, 1],
        coefficients=coefficients,
        intercept=found.intercept[1],
        r2=found.score,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
