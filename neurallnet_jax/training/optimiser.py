"""The optax chain of a training run. Knows neither models nor data."""

from typing import Any

import jax
import optax

from neurallnet_jax.config import Training

__all__ = ["make", "schedule"]

_FINAL = 0.01
"""The schedule ends at this share of its peak."""


def schedule(settings: Training, steps_per_epoch: int) -> optax.Schedule:
    """Return the learning rate per step: linear warm-up from zero, then a cosine to 1 % of the peak."""
    total = settings.epochs * steps_per_epoch
    warmup = min(int(settings.warmup_epochs * steps_per_epoch), total - 1)
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0 if warmup else settings.learning_rate,
        peak_value=settings.learning_rate,
        warmup_steps=warmup,
        decay_steps=total,
        end_value=_FINAL * settings.learning_rate,
    )


def make(settings: Training, steps_per_epoch: int) -> optax.GradientTransformation:
    """Return gradient clipping, then AdamW with the schedule; only kernels decay.

    References:
        Loshchilov and Hutter (2019), arXiv:1711.05101.
    """
    return optax.chain(
        optax.clip_by_global_norm(settings.clip_norm),
        optax.adamw(schedule(settings, steps_per_epoch), weight_decay=settings.weight_decay, mask=_kernels),
    )


def _kernels(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
