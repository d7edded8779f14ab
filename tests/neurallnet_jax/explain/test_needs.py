import dataclasses
import typing

import numpy as np
import pytest

from neurallnet_jax import spec
from neurallnet_jax.explain import needs


def test_every_need_has_a_rule():
    assert set(needs.NEEDS) == set(typing.get_args(needs.Need))


def test_a_network_lacks_what_its_twin_has(spiking, relu):
    assert needs.lacks(spiking, ("gradient", "pixel gradient", "pooling", "spikes")) is None
    assert needs.lacks(relu, ("gradient", "pixel gradient", "pooling", "no spikes")) is None
    with pytest.raises(ValueError, match=r"^a method: no layer of this network spikes; it is for spiking networks$"):
        needs.check(relu, "a method", "pooling", "spikes")
    with pytest.raises(ValueError, match="goes through surrogates; take surrogate-gradient"):
        needs.check(spiking, "a method", "no spikes")


def test_a_network_without_pooling_and_one_fed_with_spikes_are_refused(spiking):
    with pytest.raises(ValueError, match="no layer's mean over space goes straight into the class scores"):
        needs.check(dataclasses.replace(spiking, pooled=None), "cam", "pooling")
    for encoding in ("rate", "latency"):
        fed = dataclasses.replace(spiking, spec=dataclasses.replace(spiking.spec, encoding=encoding))
        assert needs.lacks(fed, ("gradient", "spikes")) is None
        with pytest.raises(ValueError, match=f"smooth: {encoding} encoding has no gradient with respect to pixels"):
            needs.check(fed, "smooth", "pixel gradient")


def test_gates_from_other_images_leave_nothing_to_explain(classifier_of):
    mixing = spec.neurallnet(
        2, widths=(4,), image_size=(8, 8), steps=3, attention=spec.SqueezeExcite(delay=2, shuffle="images")
    )
    with pytest.raises(ValueError, match="grad-cam: this network takes its gates from other images"):
        needs.check(classifier_of(mixing, ("a", "b")), "grad-cam")


def test_an_image_that_does_not_fit_is_refused(spiking, image):
    needs.check_image(spiking, image, 1)
    with pytest.raises(ValueError, match=r"the image is \(8, 4, 3\), the network takes \(8, 8, 3\); decode it"):
        needs.check_image(spiking, image[:, :4], 1)
    with pytest.raises(ValueError, match="the image holds float32; expected uint8"):
        needs.check_image(spiking, image.astype(np.float32), 1)
    for target in (-1, 2):
        with pytest.raises(ValueError, match=rf"no class {target}; there are 0 \(a\), 1 \(b\)"):
            needs.check_image(spiking, image, target)


def test_the_last_layer_is_looked_at_unless_another_is_named(spiking):
    assert needs.known_layer(spiking, "cam", None) == "lif_2"
    assert needs.known_layer(spiking, "cam", "lif_1") == "lif_1"
