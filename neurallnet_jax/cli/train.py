"""Train a network on a folder of images with one sub-folder per class.

The four classes of the leukaemia smears are recognised by their usual names; any other folder brings its own classes.
Ctrl-C saves the state; --resume goes on to the same weights, bit for bit, on the same device.
"""

import argparse
import shlex
import time
from pathlib import Path

from neurallnet_jax.cli.arguments import add_data, add_json, add_seed, positive, whole

__all__ = ["add_arguments", "run"]

_MODELS = ("neurallnet", "neurallnet-relu")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`; those left out take the preset's value."""
    add_data(parser, skip=False)
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder to write")
    parser.add_argument("--preset", default="neurallnet", help="neurallnet or tiny (default: %(default)s)")
    parser.add_argument(
        "--model",
        choices=_MODELS,
        default=_MODELS[0],
        help="the spiking network or its ReLU twin of the same topology (default: %(default)s)",
    )
    parser.add_argument("--image-size", type=whole, metavar="PX", help="side of the square input, pixels")
    parser.add_argument("--epochs", type=whole, metavar="N", help="passes over the training images")
    parser.add_argument("--batch-size", type=whole, metavar="N", help="images per step")
    parser.add_argument("--learning-rate", type=positive, metavar="X", help="peak learning rate")
    parser.add_argument(
        "--weight-bits", type=int, choices=range(2, 9), metavar="N",
        help="round kernels to N bits (2 to 8) whenever the network runs; best with --from and a small learning rate",
    )  # fmt: skip
    parser.add_argument(
        "--split",
        default="contiguous",
        metavar="S",
        help="contiguous, blocks, random, all, or a split file (default: %(default)s)",
    )
    parser.add_argument("--fold", type=int, default=0, metavar="K", help="fold of the split, 0 to 4 (default: 0)")
    add_seed(parser, "everything random")
    parser.add_argument("--from", dest="source", metavar="RUN", help="begin with the weights of this RUN")
    parser.add_argument(
        "--resume", action="store_true", help="go on with a training that was stopped; repeat its other arguments"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Train and print how it went."""
    from neurallnet_jax.cli.output import console, write_json
    from neurallnet_jax.cli.watching import BarWatcher
    from neurallnet_jax.training import run as runs

    request = _request(args)
    started = time.perf_counter()
    command = f"neurallnet train {shlex.join(_words(args))}"
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


def _request(args: argparse.Namespace):
    import dataclasses

    from neurallnet_jax import checkpoint, config, spec
    from neurallnet_jax.training.run import Request

    chosen = config.preset(args.preset)
    network, training = chosen.network, chosen.training
    if args.source:
        network = checkpoint.load(args.source).spec
        if args.image_size and args.image_size != network.image_size[0]:
            raise ValueError(
                f"--image-size {args.image_size}: the weights of {args.source} are for "
                f"{network.image_size[0]} px; leave it out or train without --from"
            )
    if args.image_size:
        network = dataclasses.replace(network, image_size=(args.image_size, args.image_size))
    if args.model == "neurallnet-relu":
        twin = spec.relu_twin(network)
        if args.source and twin != network:
            raise ValueError(
                f"--model {args.model}: the weights of {args.source} are those of a spiking network; "
                "leave it out or train without --from"
            )
        network = twin
    names = ("epochs", "batch_size", "learning_rate", "weight_bits")
    changes = {name: getattr(args, name) for name in names}
    training = dataclasses.replace(training, **{key: value for key, value in changes.items() if value is not None})
    spec.validate(network)
    return Request(
        data=args.data,
        network=network,
        training=training,
        split=args.split,
        fold=args.fold,
        seed=args.seed,
        source=args.source,
        on_bad_image=args.on_bad_image,
    )


def _words(args: argparse.Namespace) -> list[str]:
    """Return the arguments that were given, `--resume` and `--json` left out, as they would be typed."""
    defaults = argparse.ArgumentParser()
    add_arguments(defaults)
    words = []
    for action in defaults._actions:
        value = getattr(args, action.dest, None)
        if action.dest not in ("help", "resume", "json") and value is not None and value != action.default:
            words += [action.option_strings[0], str(value)]
    return words
