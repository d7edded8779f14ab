"""The figures of TrueNorth, SpiNNaker and general-purpose machines as printed."""

import pytest

from lava_port.energy import machines


@pytest.mark.parametrize(("profile", "synop", "update"), [
    (machines.SPINNAKER1, 13.3e-9, 26e-9),
    (machines.SPINNAKER2_PROTOTYPE, 450e-12, 2.19e-9),
])  # fmt: skip
def test_spinnaker_has_the_figures_of_its_source(profile, synop, update):
    constants = profile.variants["native"].constants
    assert constants["synop"].si() == pytest.approx(synop)
    assert constants["update"].si() == constants["idle_update"].si() == pytest.approx(update)
    assert profile.chargeable == {"compute", "neuron"}


def test_truenorth_has_one_figure_that_charges_all():
    profile = machines.TRUENORTH_MEROLLA2014
    assert {name: one.si() for name, one in profile.variants["native"].constants.items()} == {"synop": 26e-12}
    assert profile.chargeable == {"static"}
    assert "operating point" in profile.scopes["compute"]


@pytest.mark.parametrize(("profile", "mac"), [(machines.CPU, 8.6), (machines.GPU, 0.3), (machines.ARM, 0.9)])
def test_general_machines_price_macs_and_no_spikes(profile, mac):
    variant = profile.variants["native"]
    assert variant.constants["mac"].si() == pytest.approx(mac * 1e-9)
    assert "dated" in variant.constants["mac"].scope
    assert "synop" in variant.unpriced
    assert profile.all_in
