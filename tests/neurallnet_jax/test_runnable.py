import pytest

from neurallnet_jax import runnable


def test_a_layer_that_exists_is_returned_and_another_is_refused_with_those_that_do():
    assert runnable.known("b", ("a", "b")) == "b"
    with pytest.raises(ValueError, match="no layer 'c' to look at; there are a, b"):
        runnable.known("c", ("a", "b"))
