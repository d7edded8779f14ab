import numpy as np
import pytest

from neurallnet_jax.explain.attribution import Attribution


@pytest.mark.parametrize(
    ("heat", "signed", "message"),
    [
        (np.zeros((2, 2, 1)), True, r"shape \(2, 2, 1\)"),
        (np.array([[np.nan]]), True, "NaN"),
        (np.array([[-0.5]]), False, "holds -0.5"),
    ],
)
def test_what_is_no_heat_map_is_refused(heat, signed, message):
    with pytest.raises(ValueError, match=message):
        Attribution(heat, signed)


def test_a_signed_heat_map_may_speak_against_the_target():
    assert Attribution(np.array([[-0.5, 1.0]]), signed=True).heat.min() == -0.5
