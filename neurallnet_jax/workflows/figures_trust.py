"""The pictures of calibration and abstention as SVG bytes: reliability before and after, risk over images answered.

Knows arrays of a `TrustReport`, but no page and no file.
"""

from matplotlib.ticker import PercentFormatter

from neurallnet_jax.metrics.calibration import ReliabilityBins
from neurallnet_jax.metrics.selective import RiskCoverage
from neurallnet_jax.workflows.figures import LIGHT, WIDTH, Theme, headed, styled, to_svg

__all__ = ["reliability", "risk_coverage"]


def reliability(before: ReliabilityBins, after: ReliabilityBins, *, theme: Theme = LIGHT) -> bytes:
    """Return accuracy over confidence before and after as SVG; the area of a dot is its share of the images."""
    with styled((WIDTH, 3.4), theme) as figure:
        axes = figure.subplots(1, 2, sharex=True, sharey=True)
        for axis, title, bins, colour in zip(
            axes, ("Before", "After, on held-out groups"), (before, after), (theme.second, theme.first), strict=True
        ):
            headed(axis, title, theme)
            axis.plot([0, 1], [0, 1], color=theme.muted, linestyle=":", linewidth=0.9)
            axis.plot(bins.confidence, bins.accuracy, color=colour, marker="o")
            axis.scatter(bins.confidence, bins.accuracy, s=600 * bins.n / bins.n.sum(), color=colour, alpha=0.25)
            axis.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="probability of the predicted class")
            axis.grid()
            for one in (axis.xaxis, axis.yaxis):
                one.set_major_formatter(PercentFormatter(1, decimals=0))
        axes[0].set_ylabel("told right")
        return to_svg(figure)


def risk_coverage(curve: RiskCoverage, *, answered: float | None, risk: float | None, theme: Theme = LIGHT) -> bytes:
    """Return the share of wrong answers over the share of images answered as SVG; a diamond marks the chosen threshold."""
    with styled((WIDTH, 3.0), theme) as figure:
        axis = figure.subplots()
        headed(axis, "Wrong among the images answered, most confident first", theme)
        axis.step(curve.answered, curve.risk, where="post", color=theme.first)
        if answered is not None and risk is not None:
            axis.plot(answered, risk, marker="D", markersize=6.5, color=theme.second, linestyle="")
        axis.set(xlim=(0, 1.01), xlabel="share of images answered")
        axis.set_ylim(0, max(0.01, 1.15 * float(curve.risk.max())))
        axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        axis.grid()
        return to_svg(figure)
