def test_a_squeeze_sums_over_space_rounds_towards_zero_and_speaks_a_step_later(lava):
    """Sums of 7 and -7 without their lowest bit: 3 and -3."""
    lava("""
from lava_port.runtime.processes.attention import PySqueezeModel
model = PySqueezeModel({"weights": {"squeeze_shift": 1}})
model.squeezed = np.zeros(2, np.int64)
first, second = np.array([[[3, -3], [4, -4]]]), np.array([[[1, 0], [1, 0]]])
model.a_in, model.s_out = In([first, second, second]), Out((2,))
assert np.array(play(model, 3).s_out.messages).tolist() == [[0, 0], [3, -3], [1, 0]]
""")


def test_a_squeeze_beyond_32_bits_is_an_error_not_a_wrap(lava):
    lava("""
from lava_port.runtime.processes.attention import PySqueezeModel
model = PySqueezeModel({"weights": {"squeeze_shift": 0}})
model.squeezed = np.zeros(1, np.int64)
model.a_in, model.s_out = In([np.full((2, 1), 2**30, np.int32)]), Out((1,))
try:
    play(model, 1)
except ValueError as error:
    assert "squeeze reaches 2147483648, beyond 32 bits" in str(error)
else:
    raise SystemExit("it passed")
""")


def test_an_excitation_is_a_small_network_worked_out_by_hand(lava):
    """Squeeze (10, -4) through weights (2, 4) plus 5 is 9, halved 4; times (6, -60, 200) plus 128 gives
    152, -112 and 928; shifted by 1, 0, 1 and clipped: 76, 0 and 256."""
    lava("""
from lava_port.runtime.processes.attention import PyExciteModel
weights = {"reduce": np.array([[2, 4], [0, -2]], np.int16), "reduce_bias": np.array([5, -100]), "hidden_shift": 1,
           "excite": np.array([[6, 2], [-60, 2], [200, 2]], np.int16), "excite_bias": np.array([128, 128, 128]),
           "gate_shift": np.array([1, 0, 1])}
model = PyExciteModel({"weights": weights})
model.gate, model.s_in, model.g_out = np.zeros(3, np.int32), In([np.array([10, -4])] * 2), Out((3,))
assert np.array(play(model, 2).g_out.messages).tolist() == [[0, 0, 0], [76, 0, 256]]
""")


def test_one_process_with_delay_two_gates_as_the_chain_of_three_does(lava):
    print(
        lava("""
from lava_port.runtime.processes.attention import PyAttentiveLifModel, PyExciteModel, PySqueezeModel
from lava_port.runtime.processes.neuron import PyGatedLifModel
rng = np.random.default_rng(0)
steps, shape, moved = 7, (3, 2, 4), 0
for trial in range(30):
    currents = rng.integers(-3000, 3000, (2 * steps, *shape)).astype(np.int32)
    weights = {"reduce": 2 * rng.integers(-128, 128, (3, 4)), "reduce_bias": rng.integers(-99, 99, 3), "hidden_shift": 8,
               "excite": 2 * rng.integers(-128, 128, (4, 3)), "excite_bias": rng.integers(0, 9999, 4),
               "gate_shift": rng.integers(4, 9, 4), "squeeze_shift": 5}
    initial = rng.integers(0, 257, 4)
    squeeze = PySqueezeModel({"weights": weights})
    squeeze.squeezed = np.zeros(4, np.int64)
    squeeze.a_in, squeeze.s_out = In(currents), Out((4,))
    excite = PyExciteModel({"weights": weights})
    excite.gate, excite.g_out = np.zeros(4, np.int32), Out((4,))
    excite.s_in = In(play(squeeze, 2 * steps).s_out.messages)
    play(excite, 2 * steps)
    lifs = []
    for kind in (PyAttentiveLifModel, PyGatedLifModel):
        record = {name: np.zeros((steps, *shape)) for name in ("spikes", "potential")}
        record |= {"gate": np.zeros((steps, 4))}
        record |= {name: np.zeros(steps) for name in ("overflows", "active", "charged")}
        lif = kind({"record": record, "weights": weights, "initial": initial, "delay": 2})
        lif.u, lif.v = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        lif.du, lif.dv, lif.threshold, lif.bias = np.array([4095]), np.array([99]), np.full(4, 999), np.full(4, 99)
        lif.window, lif.period = np.array([0, steps]), np.array([steps])
        lif.a_in, lif.g_in, lif.s_out = In(currents), In(excite.g_out.messages), Out(shape)
        lifs.append(play(lif, 2 * steps))
    left, right = (lif.proc_params["record"] for lif in lifs)
    assert all((left[name] == right[name]).all() for name in left), trial
    assert (np.array(lifs[0].s_out.messages) == np.array(lifs[1].s_out.messages)).all()
    moved += len(np.unique(left["gate"], axis=0)) > 2
assert moved > 10, moved
""")
    )


def test_a_float_gate_worked_out_by_hand_arrives_two_messages_later(lava):
    """Means (2, 1) plus biases (0.5, 0) through weights (1, -2) plus 1 are 1.5; times (2, -4) plus (0, 3) are 3 and -3,
    whose hard sigmoids are 1 and 0; a silent image leaves (0.5, 0): 1.5 again for the first, so the bias is seen."""
    lava("""
from lava_port.runtime.processes.attention import PyAttentiveLifModelFloat, PyExciteModelFloat, PySqueezeModelFloat
weights = {"bias": np.array([0.5, 0.0]), "reduce": np.array([[1.0, -2.0]]), "reduce_bias": np.array([1.0]),
           "excite": np.array([[2.0], [-4.0]]), "excite_bias": np.array([0.0, 3.0])}
currents = [np.array([[[1.0, 1.0], [3.0, 1.0]]]), np.zeros((1, 2, 2)), np.zeros((1, 2, 2))]
squeeze = PySqueezeModelFloat({"weights": weights})
squeeze.squeezed, squeeze.a_in, squeeze.s_out = np.zeros(2), In(currents), Out((2,))
assert np.array(play(squeeze, 3).s_out.messages).tolist() == [[0, 0], [2.5, 1], [0.5, 0]]
excite = PyExciteModelFloat({"weights": weights})
excite.gate, excite.s_in, excite.g_out = np.zeros(2), In(squeeze.s_out.messages), Out((2,))
sent = np.array(play(excite, 3).g_out.messages)
np.testing.assert_allclose(sent[2], [1.0, 0.0], atol=1e-15)
at_once = PyAttentiveLifModelFloat({"weights": weights}).gate(currents[0])
np.testing.assert_allclose(at_once, [1.0, 0.0], atol=1e-15)
""")
