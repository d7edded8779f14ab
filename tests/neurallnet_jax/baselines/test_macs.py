import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurallnet_jax import spec
from neurallnet_jax.baselines import applications, macs


@given(
    extent=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
)
def test_taps_are_those_of_ones_convolved_with_ones(extent, kernel, stride, dilation, before, after):
    image = np.pad(np.ones(extent), (before, after))
    reach = (kernel - 1) * dilation + 1
    if reach > len(image):
        return
    sums = [image[start : start + reach : dilation].sum() for start in range(0, len(image) - reach + 1, stride)]
    found = macs.taps(extent, len(sums), kernel=kernel, stride=stride, dilation=dilation, before=before)
    assert found == sum(sums)


def test_the_small_network_is_counted_by_hand(graph, monkeypatch):
    """9 x 7 pixels; the first convolution is padded with a row below and a column on either side: 4 x 4 positions.

    Rows 0-2, 2-4, 4-6, 6-8 all lie inside: 12 taps. Columns -1..1, 1..3, 3..5, 5..7: 2 + 3 + 3 + 2 = 10. So 120 taps of 3
    inputs and 6 outputs. The second has 4 x 4 positions padded by one on all sides: (2 + 3 + 3 + 2)^2 = 100 taps of 6 x 6;
    the depthwise one 100 taps of 6; the dense layer 6 x 4.
    """
    monkeypatch.setattr(applications, "build", lambda network: graph)
    network = spec.KerasNetwork("resnet50")
    found = {name: count for name, count in macs.keras_macs(network).items() if count}
    assert found == {"conv2d": 120 * 18, "conv2d_1": 100 * 36, "depthwise_conv2d": 100 * 6, "predictions": 24}
    padded = {name: count for name, count in macs.keras_macs(network, padding=True).items() if count}
    assert padded == {"conv2d": 144 * 18, "conv2d_1": 144 * 36, "depthwise_conv2d": 144 * 6, "predictions": 24}


PUBLISHED = {
    "resnet50": 3.86e9,
    "vgg19": 19.6e9,
    "densenet121": 2.8e9,
    "inception-resnet-v2": 6.5e9,
    "efficientnet-b7": 5.2e9,
}
"""At 224 px with 4 classes, a padding's zeros counted, to two or three digits."""
SLOW = ("inception-resnet-v2", "efficientnet-b7")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in PUBLISHED]
)
def test_networks_cost_what_is_published(name):
    network = spec.KerasNetwork(name)
    padded, exact = (sum(macs.keras_macs(network, padding=one).values()) for one in (True, False))
    assert padded == pytest.approx(PUBLISHED[name], rel=0.013)
    assert 0.94 * padded < exact < padded


def test_a_layer_that_no_rule_knows_is_refused_by_name(graph, monkeypatch):
    class Whirl:
        name = "whirl"
        output = types.SimpleNamespace(shape=(None, 1))

    strange = applications.Graph(graph.inputs, graph.outputs, (Whirl(),), {"whirl": "whirl"})
    monkeypatch.setattr(applications, "build", lambda network: strange)
    with pytest.raises(TypeError, match="layer 'whirl': no count for Whirl; add one in"):
        macs.keras_macs(spec.KerasNetwork("resnet50"))
