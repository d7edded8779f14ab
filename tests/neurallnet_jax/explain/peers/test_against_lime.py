"""The `lime` package finds the same coefficients from the same superpixels and rows; `.ci/peers` makes its environment."""

import os
import subprocess
from pathlib import Path

import jax
import numpy as np
import pytest

from neurallnet_jax.explain.lime import fit, superpixel_means
from neurallnet_jax.explain.scoring import masked_scores
from neurallnet_jax.explain.superpixels import slic
from neurallnet_jax.images import synthetic

ROOT = Path(__file__).resolve().parents[4]
ENVIRONMENTS = Path(os.environ.get("NEURALLNET_PEERS", ROOT / ".peers"))
SCRIPT = Path(__file__).with_name("run_lime.py")

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("seed", [0, 1])
def test_coefficients_and_scores_are_those_of_the_package(linear, tmp_path, seed):
    """Its own draws, its own hiding by mean colours; the score is a logistic function, which no line fits exactly."""
    python = ENVIRONMENTS / "lime" / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"no environment at {python}; .ci/peers makes it")
    image = synthetic.draw(2, seed, (48, 48))
    segments = slic(image, 25)
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=image.shape) * 1e-3
    # The score of the whole image is 1/2, so that it can go both ways.
    weights -= (weights * image).sum() / image.sum()
    given, out = tmp_path / "given.npz", tmp_path / "found.npz"
    # Floats, because the package keeps the type of the image and would cut off the means.
    np.savez(given, image=image.astype(float), segments=segments, weights=weights, seed=seed, samples=200)
    done = subprocess.run([python, SCRIPT, given, out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    theirs = np.load(out)

    ours = fit(theirs["rows"], theirs["scores"])
    assert np.abs(theirs["coefficients"]).max() > 0.01
    np.testing.assert_allclose(ours.coefficients, theirs["coefficients"], atol=1e-9)
    assert ours.intercept == pytest.approx(float(theirs["intercept"]), abs=1e-9)
    assert ours.r2 == pytest.approx(float(theirs["r2"]), abs=1e-9)

    # Our masks, means and scores of its rows, to the rounding of float32.
    scores = masked_scores(linear(weights), "probability")
    masks = theirs["rows"].astype(bool)[:, segments]
    found = scores({}, image, superpixel_means(image, segments), masks, 1, jax.random.key(0))
    np.testing.assert_allclose(found, theirs["scores"], atol=1e-4)
