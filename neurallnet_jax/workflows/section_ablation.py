"""The part of a page that shows an ablation: figure, table, firing rates and how to read them; or a page of its own.

Knows what the results mean and how to say it; computes none of them.
"""

from pathlib import Path

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.evaluation.ablation_results import Ablation, ArmResult, state
from neurallnet_jax.evaluation.arms import BASELINE, STUDIES
from neurallnet_jax.workflows import figures, figures_ablation, page, wording
from neurallnet_jax.workflows.page import Block, Card, Points, Section, Table, Text

__all__ = ["render", "section", "write"]

_READING = (
    "An interval that holds 0 does not show that two arms are alike, only that this many seeds and images do not tell them "
    "apart. Many arms are compared at once: about one interval in twenty misses its difference.",
    "An arm with a silent layer is dead: too few spikes pass it to carry a class. Its accuracy tells of its settings, not "
    "of the idea.",
    "All arms train with the settings that were chosen for the baseline. An arm may do better with settings of its own.",
    "T = 1 and T = 2 end before delayed statistics arrive. They have one learned gate per channel and are compared with "
    "the arm that has these at the T of the baseline.",
)


def section(ablation: Ablation) -> Section:
    """Return an ablation as a section."""
    return Section(
        "ablation",
        "What each part of the network is worth",
        "The network trained again with one part changed at a time, from several seeds, on the same images: how well each "
        "variant tells the classes apart, and how much it spikes to do so.",
        (
            *_pictures(ablation),
            _table(ablation),
            _rates(ablation),
            Points("How to read this", _READING),
            *_control(ablation),
        ),
    )


def render(ablation: Ablation, *, command: str) -> str:
    """Return an ablation as one HTML page that needs nothing else; equal results give equal text."""
    protocol = ablation.protocol
    height, width = protocol["image_size"]
    return page.render(
        page.Page(
            title="Ablations",
            subtitle=f"{protocol['data']}, {height} x {width} px, split {protocol['split']}, fold {protocol['fold']}, "
            f"{protocol['epochs']} epochs, {protocol['seeds']} seeds",
            command=command,
            notice=(
                "A reduced protocol: it ranks parts of the network and gives no accuracy to quote.",
                "For research and teaching only; the network is no medical device.",
            ),
            cards=_cards(ablation),
            sections=(section(ablation),),
            footer="Written by neurallnet-jax.",
        )
    )


def write(ablation: Ablation, path: Path, *, command: str) -> Path:
    """Write the page to `path` and return it; a killed run leaves the old file or the new one."""
    write_atomically(path, render(ablation, command=command).encode())
    return path


def _cards(ablation: Ablation) -> tuple[Card, ...]:
    base = next((arm for arm in ablation.arms if arm.name == BASELINE), None)
    dead = [arm.name for arm in ablation.arms if arm.dead]
    cards = [Card("Dead arms", str(len(dead)), ", ".join(dead) or "every layer of every arm spikes", not dead)]
    if base is not None:
        cards.insert(0, Card("Baseline", _score(base), f"balanced accuracy, {len(base.seeds)} seeds"))
    return tuple(cards)


def _pictures(ablation: Ablation) -> tuple[Block, ...]:
    light, dark = (figures_ablation.dots(ablation.arms, theme=theme) for theme in (figures.LIGHT, figures.DARK))
    told = "; ".join(f"{arm.name} {_score(arm)}" for arm in ablation.arms)
    return (
        page.picture(
            light,
            dark,
            alt=f"Balanced accuracy by arm: {told}.",
            caption="Left: every seed, with a bar at the mean and a dotted line at that of the baseline. Middle: paired "
            "differences to the arm of comparison. Right: spikes per neuron and step, one dot per layer. Hollow: dead.",
        ),
    )


def _table(ablation: Ablation) -> Table:
    header = (
        "Arm",
        "What differs",
        "Parameters",
        "Balanced accuracy",
        "Difference [95 %]",
        "Rate",
        "Spikes per image",
        "State",
    )
    rows = tuple(
        (
            arm.name,
            f"{STUDIES[arm.study]}: {arm.meaning}" if arm.study else arm.meaning,
            wording.NOTHING if arm.parameters is None else f"{arm.parameters:,}",
            _score(arm),
            _difference(arm),
            wording.number(arm.rate),
            wording.number(arm.spikes),
            state(arm),
        )
        for arm in ablation.arms
    )
    return Table(
        "Mean and standard deviation over the seeds; differences are paired by seed and image, to the baseline where no "
        "other arm is named, with 95 % intervals over seeds and images. Rate: spikes per neuron and step.",
        header,
        "lwrrrrrw",
        rows,
    )


def _rates(ablation: Ablation) -> Table:
    layers = tuple(dict.fromkeys(name for arm in ablation.arms for name in arm.rates))
    return Table(
        "Spikes per neuron and step by layer, and seconds of a training.",
        ("Arm", *layers, "Seconds"),
        "l" + "r" * (len(layers) + 1),
        tuple(
            (arm.name, *(wording.number(arm.rates.get(layer)) for layer in layers), wording.number(arm.seconds))
            for arm in ablation.arms
        ),
        folded=True,
    )


def _control(ablation: Ablation) -> tuple[Block, ...]:
    if ablation.identity_equals_none is None:
        return ()
    told = (
        "the same in every weight and answer, bit for bit, as they must be"
        if ablation.identity_equals_none
        else "not the same, so this machine does not repeat its trainings bit for bit: part of every difference is chance"
    )
    return (Text(f"Control: gates that are 1 (arm identity) and no gates (arm none) are {told}."),)


def _score(arm: ArmResult) -> str:
    if arm.balanced_accuracy is None:
        return wording.NOTHING
    spread = "" if arm.spread is None else f" ± {arm.spread:.3f}"
    return f"{arm.balanced_accuracy:.3f}{spread}"


def _difference(arm: ArmResult) -> str:
    if arm.difference is None:
        return wording.NOTHING
    interval = arm.difference.interval
    text = f"{arm.difference.mean:+.3f}"
    text += "" if interval is None else f" [{interval.low:+.3f}, {interval.high:+.3f}]"
    return text if arm.reference == BASELINE else f"{text} to {arm.reference}"
