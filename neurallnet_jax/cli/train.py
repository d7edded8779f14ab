"""Train a network on a folder of images with one sub-folder per class.

The four classes of the leukaemia smears are recognised by their usual names; any other folder brings its own classes.
Ctrl-C saves the state; --resume goes on to the same weights, bit for bit, on the same device.
"""

import argparse
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from neurallnet_jax.cli.arguments import add_data, add_json, add_seed, grey_level, positive, typed, whole
from neurallnet_jax.spec import KERAS_NETWORKS

if TYPE_CHECKING:
    from neurallnet_jax.config import Training
    from neurallnet_jax.spec import AnyNetwork
    from neurallnet_jax.training.run import Request

__all__ = ["add_arguments", "add_recipe", "request_of", "run"]

_OTHERS = (*KERAS_NETWORKS, "alexnet")
_MODELS = ("neurallnet", "neurallnet-relu", *_OTHERS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`; those left out take the preset's value."""
    add_data(parser, skip=False)
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder to write")
    add_recipe(parser)
    parser.add_argument(
        "--split",
        default="contiguous",
        metavar="S",
        help="contiguous, blocks, random, all, or a split file (default: %(default)s)",
    )
    parser.add_argument("--fold", type=int, default=0, metavar="K", help="fold of the split, 0 to 4 (default: 0)")
    parser.add_argument(
        "--margin",
        type=int,
        metavar="N",
        help="capture numbers left out on either side of what split contiguous tests on (default: 24)",
    )
    add_seed(parser, "everything random")
    parser.add_argument(
        "--resume", action="store_true", help="go on with a training that was stopped; repeat its other arguments"
    )
    add_json(parser)


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add what is trained and how, the same for every fold and seed; `request_of` reads it."""
    parser.add_argument(
        "--preset",
        metavar="P",
        help="network and settings by name: neurallnet, tiny, or a model (default: the model's)",
    )
    parser.add_argument(
        "--model",
        choices=_MODELS,
        metavar="M",
        help="the spiking network (neurallnet), its ReLU twin (neurallnet-relu), or a network of the comparison paper "
        f"from random weights: {', '.join(_OTHERS)} (default: neurallnet)",
    )
    parser.add_argument(
        "--image-size", type=whole, metavar="PX", help="side of the square input, pixels (default: the preset's)"
    )
    parser.add_argument(
        "--epochs", type=whole, metavar="N", help="passes over the training images (default: the preset's)"
    )
    parser.add_argument(
        "--twin-epochs", type=int, metavar="N",
        help="train the ReLU twin for N epochs first and begin with its weights; 0 begins with random ones (default: the "
        "preset's)",
    )  # fmt: skip
    parser.add_argument("--batch-size", type=whole, metavar="N", help="images per step (default: the preset's)")
    parser.add_argument(
        "--learning-rate", type=positive, metavar="X", help="peak learning rate (default: the preset's)"
    )
    parser.add_argument(
        "--weight-bits", type=int, choices=range(2, 9), metavar="N",
        help="round kernels to N bits (2 to 8) whenever the network runs; best with --from and a small learning rate",
    )  # fmt: skip
    parser.add_argument(
        "--white-level", type=grey_level, metavar="L",
        help="bring the background of every image to grey level L, 1 to 255; 0 leaves light and tint as photographed",
    )  # fmt: skip
    parser.add_argument(
        "--keep",
        choices=("best", "last"),
        help="which epoch becomes the network: the best on validation images, or the last",
    )
    parser.add_argument("--from", dest="source", metavar="RUN", help="begin with the weights of this RUN")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="begin a Keras network with this file of ImageNet weights, its last layers fresh; nothing is downloaded",
    )
    parser.add_argument("--weights-sha256", metavar="HEX", help="hash that this file has to have")


def run(args: argparse.Namespace) -> int:
    """Train and print how it went."""
    from neurallnet_jax.cli.output import console, write_json
    from neurallnet_jax.cli.watching import BarWatcher
    from neurallnet_jax.images import splits
    from neurallnet_jax.training import run as runs

    margin = splits.TEST_MARGIN if args.margin is None else args.margin
    if args.margin is not None and args.split != "contiguous":
        raise ValueError(f"--margin {args.margin}: split {args.split} leaves out no such numbers; leave it out")
    request = request_of(args, split=args.split, fold=args.fold, seed=args.seed, margin=margin)
    started = time.perf_counter()
    command = f"neurallnet train {shlex.join(typed(args, add_arguments))}"
    with BarWatcher() as watcher:
        result = runs.train(request, args.out, resume=args.resume, command=command, watcher=watcher)
    seconds = time.perf_counter() - started
    out = console()
    finished = result.checkpoint is not None
    if finished:
        score = "" if result.validation is None else f", validation balanced accuracy {result.validation:.4f}"
        out.print(f"kept epoch {result.best_epoch}{score}; {seconds:.0f} s; wrote {args.out}", markup=False)
        if result.test:
            out.print(f"{result.test} test images are kept apart; score them with", markup=False)
            words = ["neurallnet", "evaluate", str(args.out), "--data", args.data, "--only", "test"]
            out.print(f"  {shlex.join(words)}", markup=False)
    else:
        out.print(f"stopped after step {result.step}; go on with\n  {command} --resume", markup=False)
    write_json(
        args.json,
        {
            "finished": finished,
            "best_epoch": result.best_epoch,
            "validation": result.validation,
            "test_images": result.test,
            "seconds": seconds,
            "images_per_second": watcher.images_per_second,
            "run": str(args.out),
        },
    )
    return 0 if finished else 130


def request_of(args: argparse.Namespace, *, split: str, fold: int, seed: int, margin: int) -> "Request":
    """Return what the arguments of `add_data` and `add_recipe` ask for, on one fold of a split.

    Raises:
        ValueError: They contradict each other, or name a preset or RUN that does not exist.
    """
    import dataclasses

    from neurallnet_jax import config, spec
    from neurallnet_jax.training.run import Request

    network, training = _network(args)
    if args.image_size:
        network = dataclasses.replace(network, image_size=(args.image_size, args.image_size))
    if args.source or not (isinstance(network, spec.Network) and network.spiking):
        if args.twin_epochs:
            raise ValueError(
                f"--twin-epochs {args.twin_epochs}: only a spiking network without weights of its own can begin with those "
                "of a twin; leave it out"
            )
        # A twin on its own is trained as where another begins with it.
        alone = training.twin_epochs and not args.source
        training = config.training_of_twin(training) if alone else dataclasses.replace(training, twin_epochs=0)
    names = ("epochs", "twin_epochs", "batch_size", "learning_rate", "weight_bits", "keep")
    changes = {name: getattr(args, name) for name in names}
    training = dataclasses.replace(training, **{key: value for key, value in changes.items() if value is not None})
    if args.white_level is not None:
        training = dataclasses.replace(training, white_level=args.white_level or None)
    spec.validate(network)
    if args.weight_bits:
        spec.layered(network, f"has no kernels to round to {args.weight_bits} bits; leave --weight-bits out")
    weights_sha256 = args.weights_sha256
    if args.weights:
        from neurallnet_jax.baselines import pretrained

        weights_sha256 = pretrained.check_file(network, Path(args.weights), args.weights_sha256)
    return Request(
        data=args.data,
        network=network,
        training=training,
        split=split,
        fold=fold,
        seed=seed,
        source=args.source,
        on_bad_image=args.on_bad_image,
        margin=margin,
        weights=args.weights,
        weights_sha256=weights_sha256,
    )


def _network(args: argparse.Namespace) -> "tuple[AnyNetwork, Training]":
    """Return the network that `--preset`, `--model` and `--from` name together, and the settings of its preset."""
    from neurallnet_jax import checkpoint, config, spec

    other = args.model in _OTHERS
    if other and args.preset not in (None, args.model):
        raise ValueError(
            f"--preset {args.preset}: has another network than --model {args.model}; leave one of them out"
        )
    chosen = config.preset(args.model if other else args.preset or "neurallnet")
    network = chosen.network
    if args.source:
        network = checkpoint.load(args.source).spec
        if args.image_size and args.image_size != network.image_size[0]:
            raise ValueError(
                f"--image-size {args.image_size}: the weights of {args.source} are for "
                f"{network.image_size[0]} px; leave it out or train without --from"
            )
        if other and spec.called(network) != args.model:
            raise ValueError(
                f"--model {args.model}: the weights of {args.source} are those of {spec.called(network)}; "
                "leave it out or train without --from"
            )
    if args.model in ("neurallnet", "neurallnet-relu"):
        own = spec.layered(network, f"is no network of --model {args.model}; leave it out")
        if args.model == "neurallnet-relu":
            network = spec.relu_twin(own)
            if args.source and network != own:
                raise ValueError(
                    f"--model {args.model}: the weights of {args.source} are those of a spiking network; "
                    "leave it out or train without --from"
                )
    return network, chosen.training
