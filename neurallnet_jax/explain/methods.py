"""The table of methods: what each answers, whence it comes, what it needs, and how to make one by name.

Knows every method by its function; knows neither how one works nor how good it is (`faithfulness.py`).
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from neurallnet_jax.explain import needs
from neurallnet_jax.explain.attribution import Explain, Explainer
from neurallnet_jax.explain.cam import cam
from neurallnet_jax.explain.grad_cam import grad_cam
from neurallnet_jax.explain.integrated_gradients import integrated_gradients
from neurallnet_jax.explain.lime import lime
from neurallnet_jax.explain.occlusion import occlusion
from neurallnet_jax.explain.rise import rise
from neurallnet_jax.explain.saliency import saliency, surrogate_gradient
from neurallnet_jax.explain.smoothgrad import smoothgrad
from neurallnet_jax.explain.spike_activation_map import spike_activation_map
from neurallnet_jax.models import Classifier

__all__ = ["METHODS", "Available", "Method", "for_classifier", "make", "options"]


@dataclass(frozen=True)
class Method:
    """A way to explain.

    Attributes:
        function: `function(classifier, *, ...options) -> Explainer`.
        answers: The question that its heat map answers, one line.
        source: Where it comes from.
        needs: What it needs of a classifier, see `needs.NEEDS`.
        signed: Whether it tells evidence against the target from none.
        evaluations: How often it runs the network with its default options at 128 pixels: the order of its cost.
    """

    function: Callable[..., Explainer]
    answers: str
    source: str
    needs: tuple[needs.Need, ...]
    signed: bool
    evaluations: int


class Available(NamedTuple):
    """Which methods a classifier can have.

    Attributes:
        names: Those that work, in the order of the table.
        refused: Why each other one does not.
    """

    names: tuple[str, ...]
    refused: dict[str, str]


METHODS: dict[str, Method] = {
    "grad-cam": Method(
        grad_cam,
        answers="Which parts of what a layer sees raise the score of the class?",
        source="Selvaraju et al. (2017), arXiv:1610.02391; over time Kim and Panda (2021)",
        needs=("gradient",),
        signed=False,
        evaluations=1,
    ),
    "cam": Method(
        cam,
        answers="How much does each place add to the score of the class, or take from it?",
        source="Zhou et al. (2016), arXiv:1512.04150",
        needs=("pooling",),
        signed=True,
        evaluations=1,
    ),
    "integrated-gradients": Method(
        integrated_gradients,
        answers="How is the difference in score between this image and an empty slide shared out among the pixels?",
        source="Sundararajan et al. (2017), arXiv:1703.01365",
        needs=("pixel gradient",),
        signed=True,
        evaluations=48,
    ),
    "smoothgrad": Method(
        smoothgrad,
        answers="To which pixels does the score react, on average over small noise?",
        source="Smilkov et al. (2017), arXiv:1706.03825",
        needs=("pixel gradient",),
        signed=False,
        evaluations=48,
    ),
    "saliency": Method(
        saliency,
        answers="To which pixels does the score react most?",
        source="Simonyan et al. (2014), arXiv:1312.6034",
        needs=("pixel gradient", "no spikes"),
        signed=False,
        evaluations=1,
    ),
    "surrogate-gradient": Method(
        surrogate_gradient,
        answers="To which pixels would the score react most if spikes were as smooth as their surrogates?",
        source="Simonyan et al. (2014), arXiv:1312.6034; Neftci et al. (2019), arXiv:1901.09948",
        needs=("pixel gradient", "spikes"),
        signed=False,
        evaluations=1,
    ),
    "lime": Method(
        lime,
        answers="Which superpixels raise or lower the score, if their effects add up?",
        source="Ribeiro et al. (2016), arXiv:1602.04938",
        needs=(),
        signed=True,
        evaluations=300,
    ),
    "occlusion": Method(
        occlusion,
        answers="What does the score lose where a window hides the image?",
        source="Zeiler and Fergus (2014), arXiv:1311.2901",
        needs=(),
        signed=True,
        evaluations=226,
    ),
    "rise": Method(
        rise,
        answers="How much higher is the score, on average over random masks, where a pixel is shown?",
        source="Petsiuk et al. (2018), arXiv:1806.07421",
        needs=(),
        signed=True,
        evaluations=1000,
    ),
    "spike-activation-map": Method(
        spike_activation_map,
        answers="Where do neurons fire in quick succession? It is the same for every class.",
        source="Kim and Panda (2021), Scientific Reports 11:19037",
        needs=("spikes",),
        signed=False,
        evaluations=1,
    ),
}
"""Every method by the name that commands and tables use."""


def make(name: str, **chosen: Any) -> Explain:
    """Return a method with its options filled in.

    Args:
        name: One of `METHODS`.
        **chosen: Options of that method by name; the others keep their defaults.

    Raises:
        ValueError: No such method, or no such option; the message lists those that exist.
    """
    if name not in METHODS:
        raise ValueError(f"no method {name!r}; there are {', '.join(METHODS)}")
    known = options(name)
    for option in chosen:
        if option not in known:
            raise ValueError(f"{name}: no option {option!r}; there are {', '.join(known) or 'none'}")
    return partial(METHODS[name].function, **chosen)


def options(name: str) -> dict[str, Any]:
    """Return the options of a method with their defaults."""
    parameters = inspect.signature(METHODS[name].function).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def for_classifier(classifier: Classifier) -> Available:
    """Return which methods a classifier can have, and why not the others."""
    found = {name: needs.lacks(classifier, method.needs) for name, method in METHODS.items()}
    names = tuple(name for name, reason in found.items() if reason is None)
    return Available(names, {name: reason for name, reason in found.items() if reason is not None})
