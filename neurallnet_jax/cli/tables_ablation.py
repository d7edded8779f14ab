"""The table of ablations, and the line that each finished network gets. Computes nothing."""

from neurallnet_jax.cli.output import console, show_table
from neurallnet_jax.evaluation.ablation_results import Ablation, ArmResult, Outcome, state

__all__ = ["say_outcome", "show_ablation"]


def say_outcome(outcome: Outcome, place: int, total: int) -> None:
    """Print what one network does, on standard error."""
    if outcome.error is not None:
        text = f"no network: {outcome.error}"
    else:
        rates = " ".join(f"{rate:.3f}" for rate in outcome.rates.values())
        silent = f"  silent: {', '.join(outcome.silent)}" if outcome.silent else ""
        text = (
            f"balanced accuracy {outcome.balanced_accuracy:.4f}{f'  rates {rates}' if rates else ''}"
            f"  {outcome.seconds:.0f} s{silent}"
        )
    console(stderr=True).print(f"{place}/{total}  {outcome.arm}, seed {outcome.seed}  {text}", markup=False)


def show_ablation(result: Ablation) -> None:
    """Print one row per arm, and what the table does not say by itself."""
    protocol = result.protocol
    height, width = protocol["image_size"]
    show_table(
        f"{protocol['data']}: {height} x {width} px, split {protocol['split']}, fold {protocol['fold']}, "
        f"{protocol['epochs']} epochs, {protocol['seeds']} seeds",
        ["arm", "parameters", "balanced accuracy", "difference [95 %]", "rate", "by layer", "spikes", "state", "s"],
        [_row(arm) for arm in result.arms],
        caption="rate: spikes per neuron and step; spikes: per image. Intervals over seeds and images, paired; differences "
        "are to `se` where no other arm is named. All arms train with the same settings, none is tuned for itself.",
    )
    if result.identity_equals_none is not None:
        text = (
            "as it must" if result.identity_equals_none else "so this machine does not repeat its trainings bit for bit"
        )
        verb = "equals" if result.identity_equals_none else "DIFFERS FROM"
        console().print(f"control: `identity` {verb} `none` in every weight and answer, {text}", markup=False)


def _row(arm: ArmResult) -> list[str | float | int]:
    score = "-" if arm.balanced_accuracy is None else f"{arm.balanced_accuracy:.4f}"
    spread = "" if arm.spread is None else f" +- {arm.spread:.4f}"
    return [
        arm.name,
        arm.parameters if arm.parameters is not None else "-",
        score + spread,
        _difference(arm),
        "-" if arm.rate is None else f"{arm.rate:.3f}",
        " ".join(f"{rate:.3f}" for rate in arm.rates.values()) or "-",
        "-" if arm.spikes is None else round(arm.spikes),
        state(arm),
        "-" if arm.seconds is None else round(arm.seconds),
    ]


def _difference(arm: ArmResult) -> str:
    if arm.difference is None:
        return "-"
    interval = arm.difference.interval
    text = f"{arm.difference.mean:+.4f}"
    text += "" if interval is None else f" [{interval.low:+.4f}, {interval.high:+.4f}]"
    return text if arm.reference == "se" else f"{text} to {arm.reference}"
