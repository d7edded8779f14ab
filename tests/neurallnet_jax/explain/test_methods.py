import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from neurallnet_jax.explain import methods
from neurallnet_jax.explain.occlusion import corners

KEY = jax.random.key(0)
PAGE = Path(__file__).parents[3] / "docs" / "explain" / "methods.md"


def test_an_unknown_method_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="no method 'tea-leaves'; there are grad-cam"):
        methods.make("tea-leaves")


def test_an_unknown_option_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="grad-cam: no option 'depth'; there are layer"):
        methods.make("grad-cam", depth=3)


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_method_has_a_heat_map_of_its_kind_or_refuses_as_the_list_says(name, spiking, relu, image):
    for classifier in (spiking, relu):
        names, refused = methods.for_classifier(classifier)
        assert (name in names) != (name in refused)
        if name in refused:
            with pytest.raises(ValueError, match=f"^{name}: {refused[name]}$"):
                methods.make(name)(classifier)
            continue
        explain = methods.make(name)(classifier)
        first, again = (explain(classifier.variables, image, 1, KEY) for _ in range(2))
        assert first.heat.shape == image.shape[:2]
        assert first.heat.dtype == np.float32
        assert first.signed == methods.METHODS[name].signed
        np.testing.assert_array_equal(first.heat, again.heat)
        with pytest.raises(ValueError, match=r"no class 2; there are 0 \(a\), 1 \(b\)"):
            explain(classifier.variables, image, 2, KEY)


@pytest.mark.parametrize("name", methods.METHODS)
def test_what_is_compiled_serves_every_image_class_key_and_weight(name, spiking, relu, image):
    classifier = spiking if name in methods.for_classifier(spiking).names else relu
    traced = []
    counting = lambda *arguments: traced.append(1) or classifier.features(*arguments)
    explain = methods.make(name)(dataclasses.replace(classifier, features=counting))
    explain(classifier.variables, image, 0, KEY)
    before = len(traced)
    halved = jax.tree.map(lambda array: array / 2, classifier.variables)
    explain(halved, image[::-1].copy(), 1, jax.random.key(9))
    assert len(traced) == before > 0


@pytest.mark.parametrize("name", methods.METHODS)
def test_the_page_asks_the_question_of_every_method_and_tells_its_cost_and_source(name):
    method, page = methods.METHODS[name], PAGE.read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    cost = row.split("|")[5].strip()
    assert cost == f"{method.evaluations:,}"
    assert row.split("|")[4].strip() == ("yes" if method.signed else "no")
    for number in re.findall(r"\d{4}\.\d{4,5}", method.source):
        assert number in page


@pytest.mark.parametrize(
    ("name", "option"),
    [("integrated-gradients", "steps"), ("smoothgrad", "samples"), ("lime", "samples"), ("rise", "samples")],
)
def test_the_table_tells_the_cost_that_the_defaults_have(name, option):
    assert methods.METHODS[name].evaluations == methods.options(name)[option]


def test_occlusion_runs_once_per_window_and_once_for_the_whole_image():
    assert methods.METHODS["occlusion"].evaluations == len(corners((128, 128), 16, 8)) + 1
