def test_neurons_with_one_threshold_equal_stock_lava(lava):
    """Spikes, currents and potentials of 300 populations, some of which wrap, saturate or sit on the threshold."""
    counts = lava("""
from lava.proc.lif.models import PyLifModelBitAcc
from lava_port.runtime.processes.neuron import PyLifModel
rng = np.random.default_rng(0)
spikes = wraps = clips = 0
for trial in range(300):
    steps, shape = 12, (5, 3)
    du, dv, vth = int(rng.choice([4095, rng.integers(0, 4096)])), int(rng.integers(0, 4096)), int(rng.integers(0, 5000))
    scale = int(rng.choice([4, 3000, 200_000]))
    mantissa, exponent = rng.integers(-4096, 4096, 3), int(rng.integers(0, 8))
    currents = rng.integers(-scale, scale + scale // 3, (steps, *shape)).astype(np.int32)

    stock = PyLifModelBitAcc({})
    stock.u, stock.v, stock.du, stock.dv, stock.vth = np.zeros(shape, np.int32), np.zeros(shape, np.int32), du, dv, vth
    stock.bias_mant, stock.bias_exp = np.broadcast_to(mantissa, shape).astype(np.int16), np.array(exponent)
    stock.a_in, stock.s_out = In(currents), Out(shape)
    record = {name: np.zeros((steps, *shape)) for name in ("spikes", "potential")}
    facts = {name: np.zeros(steps, int) for name in ("overflows", "active", "charged")}
    ours = PyLifModel({"record": {**record, **facts}})
    ours.u, ours.v = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    ours.du, ours.dv = np.array([du]), np.array([dv])
    ours.threshold, ours.bias = np.full(3, vth), mantissa << exponent
    ours.window, ours.period = np.array([0, steps]), np.array([steps])
    ours.a_in, ours.s_out = In(currents), Out(shape)
    for step in range(1, steps + 1):
        ours.time_step = stock.time_step = step
        ours.run_spk(), stock.run_spk()
        assert (ours.u == stock.u).all() and (ours.v == stock.v).all(), (trial, step)
        assert facts["active"][step - 1] == (currents[step - 1] != 0).sum(), (trial, step)
        assert facts["charged"][step - 1] == (stock.v != 0).sum(), (trial, step)
        clips += int((np.abs(ours.v) == 2**23 - 1).sum())
    assert (np.array(ours.s_out.messages) == np.array(stock.s_out.messages)).all(), trial
    spikes += int(np.sum(ours.s_out.messages))
    wraps += int((np.abs(currents) > 1 << 17).sum())
print(spikes, wraps, clips)
""")
    spikes, wraps, clips = map(int, counts.split())
    assert min(spikes, wraps, clips) > 100


SETTING = """
from lava_port.runtime.processes.neuron import PyGatedLifModel, PyLifModel

def neurons(model, currents, *, window, period, threshold, bias, **parameters):
    steps, shape = window[1] - window[0], np.shape(currents[0])
    record = {name: np.zeros((steps, *shape), int) for name in ("spikes", "potential", "gate")}
    record |= {name: np.zeros(steps, int) for name in ("overflows", "active", "charged")}
    lif = model({"record": record, **parameters})
    lif.u, lif.v = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    lif.du, lif.dv, lif.threshold, lif.bias = np.array([4095]), np.array([0]), np.array(threshold), np.array(bias)
    lif.window, lif.period = np.array(window), np.array([period])
    lif.a_in, lif.s_out, lif.record = In(np.array(currents, np.int32)), Out(shape), record
    return lif
"""


def test_neurons_rest_outside_their_window_and_begin_each_image_from_rest(lava):
    """Bias 400 against threshold 10 (640): 400, then 800 and a spike. Charged outside, they would spike elsewhere."""
    lava(
        SETTING
        + """
lif = neurons(PyLifModel, [[0]] * 8, window=(1, 3), period=4, threshold=[10], bias=[400])
play(lif, 8)
assert np.ravel(lif.s_out.messages).tolist() == [0, 0, 1, 0, 0, 0, 1, 0]
assert lif.record["potential"].tolist() == [[400], [0]] and lif.record["spikes"].tolist() == [[0], [1]]
# Left with a potential of 400 at the end of the window, they still begin the next image with nothing.
lif = play(neurons(PyLifModel, [[0]] * 6, window=(1, 2), period=3, threshold=[10], bias=[400]), 6)
assert np.ravel(lif.s_out.messages).tolist() == [0] * 6 and lif.record["potential"].tolist() == [[400]]
# What arrives outside the window is not integrated.
lif = play(neurons(PyLifModel, [[1000], [1], [1000]], window=(1, 2), period=3, threshold=[10], bias=[0]), 3)
assert lif.record["potential"].tolist() == [[64]] and np.ravel(lif.s_out.messages).tolist() == [0, 0, 0]
"""
    )


def test_each_channel_has_its_own_threshold_and_spikes_strictly_above_it(lava):
    lava(
        SETTING
        + """
lif = play(neurons(PyLifModel, [[[5, 5, 5]]], window=(0, 1), period=1, threshold=[4, 5, 6], bias=[0, 0, 0]), 1)
assert lif.s_out.messages[0].tolist() == [[1, 0, 0]]
lif = play(neurons(PyLifModel, [[[5, 5, 5]]], window=(0, 1), period=1, threshold=[5, 5, 5], bias=[-1, 0, 1]), 1)
assert lif.s_out.messages[0].tolist() == [[0, 0, 1]]
"""
    )


def test_a_gate_multiplies_current_and_bias_and_rounds_towards_zero(lava):
    """255 * 3 >> 8 is 2, and so -2 for -3; 255 * 1000 >> 8 is 996. Potential: 2 * 64 + 996 and -2 * 64 + 996."""
    lava(
        SETTING
        + """
lif = neurons(PyGatedLifModel, [[[3], [-3]]], window=(0, 1), period=1, threshold=[99], bias=[1000],
              initial=np.array([255]), delay=2)
lif.g_in = In([np.array([7])])
play(lif, 1)
assert lif.record["potential"][0].tolist() == [[1124], [868]]
lif = neurons(PyGatedLifModel, [[[3], [-3]]], window=(0, 1), period=1, threshold=[99], bias=[-1000],
              initial=np.array([255]), delay=2)
lif.g_in = In([np.array([7])])
play(lif, 1)
assert lif.record["potential"][0].tolist() == [[-868], [-1124]]
"""
    )


def test_a_gate_is_kept_back_until_its_delay_is_over(lava):
    """Message t of two images of 6 steps is the gate t; two steps of a delay are on the way already."""
    lava(
        SETTING
        + """
for delay in (2, 3, 4):
    lif = neurons(PyGatedLifModel, [[0]] * 12, window=(1, 6), period=6, threshold=[9], bias=[0],
                  initial=np.array([200]), delay=delay)
    lif.g_in = In([np.array([t]) for t in range(12)])
    play(lif, 6)
    assert lif.record["gate"].ravel().tolist() == ([200] * delay + [3, 4, 5])[:5], delay
    for step in range(7, 13):
        lif.time_step = step
        lif.run_spk()
    assert lif.record["gate"].ravel().tolist() == ([200] * delay + [9, 10, 11])[:5], delay
"""
    )


def test_currents_that_wrap_and_potentials_that_clip_are_counted(lava):
    """64 * 131072 is 2^23, the last current that does not wrap; one more wraps; 320 more than 2^23 - 1 is clipped."""
    lava(
        SETTING
        + """
currents = [[131_072, 131_073, 5], [0, 0, 0]]
lif = neurons(PyLifModel, currents, window=(0, 2), period=2, threshold=[131_071] * 3, bias=[-5, -5, 2**23 - 1])
play(lif, 2)
assert lif.record["overflows"].tolist() == [2, 0], lif.record
"""
    )


def test_float_neurons_with_one_threshold_equal_stock_lava(lava):
    """The stock model has one threshold per population and no window; the sums run in the same order, so bits agree."""
    spikes = lava("""
from lava.proc.lif.models import PyLifModelFloat as Stock
from lava_port.runtime.processes.neuron import PyLifModelFloat
rng = np.random.default_rng(0)
spikes = 0
for trial in range(100):
    steps, shape = 12, (5, 3)
    du, dv, vth = rng.choice([1.0, rng.random()]), rng.random(), rng.uniform(0.1, 2)
    bias, currents = rng.normal(0, 0.5, 3), rng.normal(0, 1, (steps, *shape))
    stock = Stock({})
    stock.u, stock.v, stock.du, stock.dv, stock.vth = np.zeros(shape), np.zeros(shape), du, dv, vth
    stock.bias_mant, stock.bias_exp = np.broadcast_to(bias, shape), np.zeros(shape)
    stock.a_in, stock.s_out = In(currents), Out(shape)
    ours = PyLifModelFloat({"record": {name: np.zeros((steps, *shape)) for name in ("spikes", "potential")}})
    ours.u, ours.v, ours.du, ours.dv = np.zeros(shape), np.zeros(shape), np.array([du]), np.array([dv])
    ours.threshold, ours.bias = np.full(3, vth), bias
    ours.window, ours.period = np.array([0, steps]), np.array([steps])
    ours.a_in, ours.s_out = In(currents), Out(shape)
    for step in range(1, steps + 1):
        ours.time_step = stock.time_step = step
        ours.run_spk(), stock.run_spk()
        np.testing.assert_allclose(ours.u, stock.u, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(ours.v, stock.v, rtol=1e-14, atol=1e-14)
    assert (np.array(ours.s_out.messages) == np.array(stock.s_out.messages)).all(), trial
    spikes += int(np.sum(ours.s_out.messages))
print(spikes)
""")
    assert int(spikes) > 1000
