"""Methods put to the test on many images: one row of figures per method and image.

Knows explainers, images and regions as arrays; neither which images these are, nor how figures are averaged or shown.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import jax
import numpy as np
from jaxtyping import Array

from neurallnet_jax.explain import faithfulness, localisation, sanity, stability
from neurallnet_jax.explain.attribution import Attribution, Explain, Explainer
from neurallnet_jax.explain.controls import CONTROLS
from neurallnet_jax.explain.faithfulness import Follow, Replacement
from neurallnet_jax.models import Classifier, Variables

__all__ = ["CHECKED", "METRICS", "REGIONS", "Case", "Settings", "Trial", "figures", "measure"]

REGIONS = ("cells", "background", "scale_bar")
"""Regions whose share of the evidence is measured."""

CHECKED = ("mean_change", "max_change", "noise_correlation", "repeated", "randomised", "shuffled")
"""Figures that are taken on some of the images only, because each costs several explanations."""

METRICS = (
    "deletion", "insertion", "deletion_over_random", "insertion_over_random", "deletion_over_centre",
    "insertion_over_centre", *(f"{name}_{kind}" for name in REGIONS for kind in ("share", "area")), "pointing", "inside",
    "iou", "mask_area", *CHECKED, "flat", "seconds",
)  # fmt: skip
"""Figures of one image: see docs/explain.md; what is not defined for an image, or was not asked for, is NaN."""


@dataclass(frozen=True, eq=False)
class Case:
    """One image to explain.

    Attributes:
        image: Pixels that `models.prepare` returned, uint8 (height, width, channels).
        target: Place of the class that is explained.
        regions: Share of every pixel that each of `REGIONS` covers, (height, width), 0 to 1.
        mask: Weak mask of blasts, bool (height, width), or None.
    """

    image: np.ndarray
    target: int
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class Settings:
    """How methods are tested.

    Attributes:
        steps: Steps of a curve.
        replacement: What stands where a pixel was taken out.
        temperature: Divisor of the class scores.
        noise: Standard deviation of the noise, grey levels.
        draws: Noisy copies of an image.
        checks: Images, spread evenly, on which `CHECKED` are taken.
        seed: Of everything that is drawn.
    """

    steps: int = faithfulness.STEPS
    replacement: Replacement = "background"
    temperature: float = 1.0
    noise: float = stability.NOISE
    draws: int = stability.DRAWS
    checks: int = 8
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Trial:
    """What one method made of all images.

    Attributes:
        values: One number per image by metric, float64 (images,); NaN where there is none.
        cascade: Rank correlation after every stage of randomised weights, float64 (stages, images).
        emptied: Whether the map was flat then, 0 or 1, likewise.
    """

    values: Mapping[str, np.ndarray]
    cascade: np.ndarray
    emptied: np.ndarray


def measure(
    classifier: Classifier,
    cases: Sequence[Case],
    methods: Mapping[str, Explain],
    *,
    settings: Settings | None = None,
    randomised: Sequence[Variables] = (),
    shuffled: Variables | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Trial]:
    """Return every figure of every method, the controls last; `random` and `centre` are what the others are set against.

    Args:
        classifier: The model.
        cases: The images.
        methods: Methods by name.
        settings: How they are tested.
        randomised: Variables of the model with more and more weights drawn anew, see `sanity.randomised`.
        shuffled: Variables of the same network, trained on shuffled labels, or None.
        progress: Called with steps done and steps in all.

    Raises:
        ValueError: No image, or the model cannot be explained by one of the methods; the message names it.
    """
    if not cases:
        raise ValueError("no image to explain")
    settings = settings or Settings()
    every = {**methods, **{name: one for name, one in CONTROLS.items() if name not in methods}}
    ready = {name: method(classifier) for name, method in every.items()}
    checked = set(np.linspace(0, len(cases) - 1, min(settings.checks, len(cases))).round().astype(int).tolist())
    follow = faithfulness.make_follow(
        classifier, steps=settings.steps, replacement=settings.replacement, temperature=settings.temperature
    )
    test = _Test(classifier.variables, follow, settings, randomised, shuffled)
    rows = {name: {metric: np.full(len(cases), np.nan) for metric in METRICS} for name in every}
    cascades = {name: np.full((2, len(randomised), len(cases)), np.nan) for name in every}
    done, total = 0, len(every) * (len(cases) + len(checked))
    for name, explain in ready.items():
        for place, case in enumerate(cases):
            key = jax.random.fold_in(jax.random.key(settings.seed), place)
            for weight, part in test.parts(explain, case, key, whole=place in checked):
                if "cascade" in part:
                    cascades[name][:, :, place] = np.transpose(part.pop("cascade"))
                for metric, value in part.items():
                    rows[name][metric][place] = np.nan if value is None else value
                done += weight
                if progress:
                    progress(done, total)
    _set_against(rows)
    for row in rows.values():
        if len(cases) > 1:
            # The first image has paid for compiling.
            row["seconds"][0] = np.nan
    return {name: Trial(rows[name], *cascades[name]) for name in every}


def figures(found: Attribution, case: Case, curves: faithfulness.Curves, *, seed: int = 0) -> dict[str, float | None]:
    """Return what one map says of itself: areas under its curves, where its heat lies, whether it is flat."""
    result: dict[str, float | None] = {
        "deletion": curves.deletion_auc,
        "insertion": curves.insertion_auc,
        "flat": float(found.heat.min() == found.heat.max()),
    }
    for name, covered in case.regions.items():
        share = localisation.share(found, covered)
        # A region that is not there has no share, which is not a share of zero.
        there = share.area > 0 and share.heat is not None
        result[f"{name}_share"], result[f"{name}_area"] = (share.heat, share.area) if there else (None, None)
    if case.mask is not None and case.mask.any():
        located = localisation.locate(found, case.mask, seed=seed)
        result |= {"pointing": located.hit, "inside": located.inside, "iou": located.iou, "mask_area": located.area}
    return result


@dataclass(frozen=True, eq=False)
class _Test:
    variables: Variables
    follow: Follow
    settings: Settings
    randomised: Sequence[Variables]
    shuffled: Variables | None

    def parts(self, explain: Explainer, case: Case, key: Array, *, whole: bool) -> Iterator[tuple[int, dict]]:
        """Yield how many steps are done and the figures that they gave."""
        began = time.perf_counter()
        found = explain(self.variables, case.image, case.target, key)
        seconds = time.perf_counter() - began
        curves = self.follow(case.image, found.heat, case.target, seed=self.settings.seed)
        yield 1, {**figures(found, case, curves, seed=self.settings.seed), "seconds": seconds}
        if whole:
            yield 1, self._checks(explain, case, key, found)

    def _checks(self, explain: Explainer, case: Case, key: Array, found: Attribution) -> dict:
        settings = self.settings
        stable = stability.stability(
            explain, self.variables, case.image, case.target, key,
            found=found, noise=settings.noise, draws=settings.draws,
        )  # fmt: skip
        result: dict = {
            "mean_change": stable.mean_change,
            "max_change": stable.max_change,
            "noise_correlation": stable.correlation,
            "repeated": stable.repeated,
        }
        if self.randomised:
            cascade = list(
                sanity.parameter_randomisation(
                    explain, self.variables, self.randomised, image=case.image, target=case.target, key=key, found=found
                )
            )
            result |= {"cascade": cascade, "randomised": cascade[-1][0]}
        if self.shuffled is not None:
            other = explain(self.shuffled, case.image, case.target, key)
            result["shuffled"] = sanity.agreement(found.heat, other.heat)
        return result


def _set_against(rows: Mapping[str, dict[str, np.ndarray]]) -> None:
    """Fill in by how much a map beats the controls on the same image; above zero is better, of both curves."""
    for name, row in rows.items():
        for control in ("random", "centre"):
            if name != control:
                row[f"deletion_over_{control}"] = rows[control]["deletion"] - row["deletion"]
                row[f"insertion_over_{control}"] = row["insertion"] - rows[control]["insertion"]
