"""The training loop: a jitted step, epochs, selection on validation images. Knows neither files nor the command line.

The loop is a function of its arguments alone: the order of epoch e is drawn from (seed, e) and the randomness of step n
from (seed, n), so that a run taken up at any step ends with the same bits on the same device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from neurallnet_jax import models
from neurallnet_jax.config import Training
from neurallnet_jax.images import augment
from neurallnet_jax.metrics import calibration, scores
from neurallnet_jax.models import Classifier, Variables
from neurallnet_jax.training import losses, optimiser

__all__ = [
    "SATURATED",
    "SILENT",
    "Best",
    "DivergedError",
    "EpochRecord",
    "Fitted",
    "Progress",
    "StepMetrics",
    "TrainState",
    "TrainingData",
    "begin",
    "fit",
    "make_step",
    "steps_per_epoch",
]

SILENT, SATURATED = 1e-3, 0.9
"""Spikes per neuron and step below or above which a layer carries no information; such a layer is named."""


class DivergedError(ValueError):
    """A loss or gradient is no number; the images and settings were read well, but do not train this network."""


class TrainState(NamedTuple):
    """Everything that changes from step to step; `averaged` is the moving average of parameters and statistics."""

    step: Array
    params: Any
    batch_stats: Any
    opt_state: Any
    averaged: Variables


class StepMetrics(NamedTuple):
    """What one step reports; `finite` tells by layer whether its gradient is a number."""

    loss: Array
    accuracy: Array
    rates: dict[str, Array]
    finite: dict[str, Array]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Images with the places of those that train and those that select.

    Attributes:
        pixels: uint8 (images, height, width, channels).
        labels: int32 (images,).
        train: Places of the training images.
        validation: Places of the validation images; may be empty, then the last epoch is kept.
    """

    pixels: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class EpochRecord:
    """One line of the training log.

    Attributes:
        epoch: Number, from 1.
        step: Steps done.
        loss: Mean over the steps of the epoch that this process ran.
        accuracy: Share of the augmented (and mixed) training images told right, with the weights of the moment.
        rates: Spikes per neuron and step by layer.
        validation: Balanced accuracy of the averaged weights on the validation images, or None without any.
        validation_loss: Their cross-entropy, or None.
        best: Whether this is the best epoch so far.
        images_per_second: Training images per second, compilation left out; None where the epoch had only one step.
        warnings: Layers that are silent or saturated, in words.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float
    rates: dict[str, float]
    validation: float | None
    validation_loss: float | None
    best: bool
    images_per_second: float | None
    warnings: tuple[str, ...]


class Best(NamedTuple):
    """The best epoch so far: `key` is (balanced accuracy, - loss), larger is better."""

    epoch: int
    score: float
    loss: float
    variables: Variables


@dataclass(frozen=True, eq=False)
class Fitted:
    """The end of a loop.

    Attributes:
        best: The epoch that was kept, with its weights.
        state: The state after the last step.
        finished: False where the loop was asked to stop.
    """

    best: Best
    state: TrainState
    finished: bool


class Progress(Protocol):
    """Who is told how the training goes, and may ask it to stop."""

    def step(self, epoch: int, step: int, steps_per_epoch: int, metrics: StepMetrics) -> None:
        """Hear of a finished step."""
        ...

    def epoch(self, record: EpochRecord, state: TrainState, best: Best) -> None:
        """Hear of a finished epoch."""
        ...

    def should_stop(self) -> bool:
        """Return whether the loop should end after this step."""
        ...

    def clock(self) -> float:
        """Return the time, seconds."""
        ...


def steps_per_epoch(data: TrainingData, settings: Training) -> int:
    """Return the number of steps in an epoch: whole batches of the training images, at least one.

    Raises:
        ValueError: There is no training image.
    """
    if not len(data.train):
        raise ValueError("the split leaves no image to train on; choose another split or add images")
    return len(data.train) // _batch_size(data, settings)


def begin(classifier: Classifier, settings: Training, steps_per_epoch: int) -> tuple[TrainState, Best]:
    """Return the state before the first step."""
    # Copies, because a step consumes the buffers of the state it is given.
    copy = lambda tree: jax.tree.map(jnp.array, tree)
    params = copy(classifier.variables["params"])
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=copy(classifier.variables["batch_stats"]),
        opt_state=optimiser.make(settings, steps_per_epoch).init(params),
        averaged=copy(classifier.variables),
    )
    return state, Best(epoch=0, score=-1.0, loss=float("inf"), variables=copy(classifier.variables))


def make_step(
    classifier: Classifier,
    settings: Training,
    *,
    steps_per_epoch: int,
    weights: np.ndarray,
    seed: int,
    adjustment: np.ndarray | float = 0.0,
) -> Callable[[TrainState, Array, Array], tuple[TrainState, StepMetrics]]:
    """Return the jitted step: `(state, pixels uint8, labels) -> (state, metrics)`; the given state is consumed."""
    transform = optimiser.make(settings, steps_per_epoch)
    class_weight = jnp.asarray(weights)

    def loss_of(logits: Array, labels: Array) -> Array:
        adjusted = logits + jnp.reshape(jnp.asarray(adjustment), (1, -1))
        return losses.cross_entropy(adjusted, labels, smoothing=settings.label_smoothing, weights=class_weight)

    def objective(params: Any, batch_stats: Any, pixels: Array, labels: Array, keys: list[Array]) -> Any:
        mix_key, encode_key = keys
        pixels, partner, share = augment.mix(mix_key, pixels, settings.mixing)
        output, stats = classifier.train({"params": params, "batch_stats": batch_stats}, pixels, encode_key)
        loss = share * loss_of(output.logits, labels) + (1 - share) * loss_of(output.logits, labels[partner])
        penalty = losses.rate_penalty(output.rates, low=settings.rate_low, high=settings.rate_high)
        return loss + settings.rate_strength * penalty, (output, stats)

    def step(state: TrainState, pixels: Array, labels: Array, key: Array) -> tuple[TrainState, StepMetrics]:
        augment_key, *keys = jax.random.split(jax.random.fold_in(key, state.step), 3)
        pixels = augment.augment(augment_key, pixels, settings.augmentation)
        gradient = jax.value_and_grad(objective, has_aux=True)
        (loss, (output, stats)), grads = gradient(state.params, state.batch_stats, pixels, labels, keys)
        updates, opt_state = transform.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        # A short memory at first, so that the random initial weights are soon forgotten.
        decay = jnp.minimum(settings.ema_decay, (1 + state.step) / (10 + state.step))
        averaged = jax.tree.map(
            lambda old, new: decay * old + (1 - decay) * new,
            state.averaged,
            {"params": params, "batch_stats": stats},
        )
        metrics = StepMetrics(
            loss=loss,
            accuracy=(output.logits.argmax(axis=-1) == labels).mean(),
            rates=output.rates,
            finite={name: _finite(tree) for name, tree in grads.items()},
        )
        return TrainState(state.step + 1, params, stats, opt_state, averaged), metrics

    # The seed is an argument, so that others find what was compiled in a cache on disk.
    compiled, key = jax.jit(step, donate_argnums=0), jax.random.key(seed)
    return lambda state, pixels, labels: compiled(state, pixels, labels, key)


def fit(
    classifier: Classifier,
    data: TrainingData,
    settings: Training,
    *,
    seed: int,
    progress: Progress,
    resumed: tuple[TrainState, Best] | None = None,
) -> Fitted:
    """Train a classifier and return the epoch to keep: the best by balanced accuracy on validation images, or the last.

    Args:
        classifier: Where to begin.
        data: Images, as `models.prepare` returns them, and their parts.
        settings: How to train.
        seed: Decides the order of the images, the augmentation and the rate encoding.
        progress: Who is told.
        resumed: State and best epoch to go on from; the state is consumed.

    Returns:
        The best epoch and the last state.

    Raises:
        ValueError: A class has no training image.
        DivergedError: A loss or gradient is not a number; the message names step and layer.
    """
    batch_size = _batch_size(data, settings)
    labels, classes = data.labels[data.train], classifier.spec.classes
    weights = losses.class_weights(labels, classes)
    per_epoch = steps_per_epoch(data, settings)
    step = make_step(
        classifier,
        settings,
        steps_per_epoch=per_epoch,
        weights=weights if settings.class_weighting else np.ones_like(weights),
        seed=seed,
        adjustment=settings.logit_adjustment * losses.log_shares(labels, classes),
    )
    evaluate = _make_evaluation(classifier, data)
    layers = list(models.trained_layers(classifier.spec))
    state, best = resumed or begin(classifier, settings, per_epoch)
    done = int(state.step)
    for epoch in range(done // per_epoch, settings.epochs):
        order = np.random.default_rng([seed, epoch]).permutation(data.train)
        heard: list[StepMetrics] = []
        since = None
        for place in range(done % per_epoch, per_epoch):
            chosen = np.sort(order[place * batch_size : (place + 1) * batch_size])
            state, metrics = step(state, jnp.asarray(data.pixels[chosen]), jnp.asarray(data.labels[chosen]))
            metrics = jax.device_get(metrics)
            done += 1
            _refuse_nan(metrics, done, settings, layers)
            heard.append(metrics)
            since = progress.clock() if since is None else since
            progress.step(epoch + 1, done, per_epoch, metrics)
            if progress.should_stop() and done % per_epoch:
                return Fitted(best, state, finished=False)
        seconds = progress.clock() - since if since is not None else 0.0
        score, loss = evaluate(state.averaged)
        better = settings.keep == "last" or score is None or loss is None or (score, -loss) > (best.score, -best.loss)
        if better:
            kept = jax.tree.map(jnp.array, state.averaged)
            best = Best(epoch + 1, -1.0 if score is None else score, float("inf") if loss is None else loss, kept)
        rates = {name: float(np.mean([m.rates[name] for m in heard])) for name in heard[0].rates}
        record = EpochRecord(
            epoch=epoch + 1,
            step=done,
            loss=float(np.mean([m.loss for m in heard])),
            accuracy=float(np.mean([m.accuracy for m in heard])),
            rates=rates,
            validation=score,
            validation_loss=loss,
            best=better,
            images_per_second=(len(heard) - 1) * batch_size / seconds if len(heard) > 1 and seconds else None,
            warnings=tuple(_unhealthy(rates)),
        )
        progress.epoch(record, state, best)
        if progress.should_stop() and epoch + 1 < settings.epochs:
            return Fitted(best, state, finished=False)
    return Fitted(best, state, finished=True)


def _batch_size(data: TrainingData, settings: Training) -> int:
    return min(settings.batch_size, len(data.train))


def _make_evaluation(
    classifier: Classifier, data: TrainingData
) -> Callable[[Variables], tuple[float | None, float | None]]:
    if not len(data.validation):
        return lambda variables: (None, None)
    labels = data.labels[data.validation]
    pixels = np.asarray(data.pixels[data.validation])
    run = models.make_predict(classifier)

    def evaluate(variables: Variables) -> tuple[float, float]:
        logits = run(variables, pixels)
        found = scores.score(labels, calibration.apply_temperature(logits, 1.0), classifier.classes)
        return found.balanced_accuracy, found.log_loss

    return evaluate


def _finite(tree: Any) -> Array:
    return jnp.all(jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))


def _refuse_nan(metrics: StepMetrics, step: int, settings: Training, layers: list[str]) -> None:
    broken = [name for name in layers if not metrics.finite.get(name, True)]
    if np.isfinite(metrics.loss) and not broken:
        return
    # A gradient that is no number spreads towards the input: the layer it began in is the last of those it has reached.
    where = f"the gradient of layer '{broken[-1]}'" if broken else "the loss"
    raise DivergedError(
        f"step {step}: {where} is not a number (loss {float(metrics.loss):g}); "
        f"lower the learning rate, now {settings.learning_rate:g}, or look at the images of this step"
    )


def _unhealthy(rates: dict[str, float]) -> list[str]:
    found = []
    for name, rate in rates.items():
        if rate < SILENT:
            found.append(f"layer '{name}' is silent: {rate:.5f} spikes per neuron and step")
        elif rate > SATURATED:
            found.append(f"layer '{name}' is saturated: {rate:.3f} spikes per neuron and step")
    return found
