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
from neurallnet_jax.explain.grad_cam import grad_cam
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
        source="Selvaraju et al. (2017), arXiv:1610.02391",
        needs=("gradient",),
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
