"""The Taleqani folder as a tensorflow-datasets builder, without TensorFlow.

Knows tensorflow-datasets, which it imports when asked for a builder; not how a model is trained.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neurallnet_jax.images.classes import CLASSES
from neurallnet_jax.images.folder import Dataset, open_folder
from neurallnet_jax.images.splits import Scheme, indices, make_split

__all__ = ["builder", "prepare"]

_CITATION = """@article{ghaderzadeh2022fast,
  title = {A fast and efficient {CNN} model for {B-ALL} diagnosis and its subtypes classification using peripheral blood
           smear images},
  author = {Ghaderzadeh, Mustafa and Aria, Mehrad and Hosseini, Azamossadat and Asadi, Farkhondeh and Bashash, Davood
            and Abolghasemi, Hassan},
  journal = {International Journal of Intelligent Systems},
  volume = {37}, number = {8}, pages = {5113--5133}, year = {2022}
}"""

_DESCRIPTION = """Peripheral blood smears of 89 patients of Taleqani Hospital, Tehran: one benign class and three subtypes
of B-cell acute lymphoblastic leukaemia. There are no patient ids; capture numbers follow the order of capture, so a random
split puts near twins on both sides. Research use only; the author asks that the images not be redistributed."""

_INSTRUCTIONS = "manual_dir is the folder with the sub-folders Benign, Early, Pre and Pro (Kaggle mehradaria/leukemia)."


def builder(
    data_dir: Path,
    *,
    image_size: tuple[int, int] = (224, 224),
    scheme: Scheme = "contiguous",
    fold: int = 0,
    seed: int = 0,
) -> Any:
    """Return a builder whose splits `train`, `validation` and `test` are those of `splits.make_split`.

    It reads its `manual_dir` with the same checks as training does, keeps pixels without loss in array_record files, and
    serves them through `as_data_source`; `as_dataset` needs TensorFlow.

    Args:
        data_dir: Folder for the prepared data sets, one sub-folder per size and split.
        image_size: Height and width that images are resized to, pixels.
        scheme: How images are split.
        fold: Fold of the scheme.
        seed: Seed of the scheme.

    Raises:
        ImportError: tensorflow-datasets is not installed.
    """
    kind = _builder_class(tuple(image_size), scheme, fold, seed)
    return kind(data_dir=str(data_dir), file_format="array_record")


def prepare(root: Path, data_dir: Path, **options: Any) -> Any:
    """Return a builder whose data set has been written, from the images in a folder.

    Args:
        root: Folder with one sub-folder per class.
        data_dir: Folder for the prepared data sets.
        options: Those of `builder`.

    Raises:
        ImportError: tensorflow-datasets is not installed.
        ValueError: An image is bad or a class is too small for the split; one line.
    """
    prepared = builder(data_dir, **options)
    import tensorflow_datasets as tfds

    settings = tfds.download.DownloadConfig(manual_dir=str(root), try_download_gcs=False)
    prepared.download_and_prepare(download_config=settings)
    return prepared


@functools.cache
def _builder_class(image_size: tuple[int, int], scheme: Scheme, fold: int, seed: int) -> Any:
    try:
        import array_record.python  # noqa: F401
        import tensorflow_datasets as tfds
        from etils import epath
    except ImportError as error:
        raise ImportError(
            f"{error.name or 'tensorflow-datasets'} cannot be imported; install it with "
            "pip install 'neurallnet-jax[tfds]' (Linux and macOS)"
        ) from None

    name = f"{scheme}_fold{fold}_seed{seed}_{image_size[0]}x{image_size[1]}"

    class TaleqaniSmears(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        # tensorflow-datasets 4.9.10 finds this path by way of importlib_resources, which it does not require.
        code_path = epath.Path(__file__)
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name)]  # noqa: RUF012
        MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS

        def _info(self) -> tfds.core.DatasetInfo:
            features = {
                "image": tfds.features.Image(shape=(*image_size, 3), encoding_format="png"),
                "label": tfds.features.ClassLabel(names=CLASSES),
                "number": np.int64,
                "path": tfds.features.Text(),
                "sha256": tfds.features.Text(),
            }
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("image", "label"),
                description=_DESCRIPTION,
                homepage="https://www.kaggle.com/datasets/mehradaria/leukemia",
                citation=_CITATION,
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
            dataset = open_folder(Path(dl_manager.manual_dir), image_size, classes=CLASSES)
            split = make_split(dataset.records, scheme=scheme, fold=fold, seed=seed)
            parts = {part: indices(split, part) for part in ("train", "validation", "test")}
            return {part: self._generate_examples(dataset, places) for part, places in parts.items() if len(places)}

        def _generate_examples(self, dataset: Dataset, places: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
            for place in places:
                record = dataset.records[place]
                yield record.path, {"image": Image.fromarray(dataset.pixels[place]), **dataclasses.asdict(record)}

    return TaleqaniSmears
