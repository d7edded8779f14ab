def test_our_model_equals_lavas_and_a_correlation_written_out(lava):
    """Strides, padding, dilation, groups, oblong kernels, spikes and signed pixels; each result arrives a step later."""
    trials = lava("""
import itertools
from lava.proc.conv.models import PyConvModelFixed
from lava.proc.conv.process import Conv
from lava_port.runtime.processes.convolution import PyConvModelExact, PyConvModelStock
rng = np.random.default_rng(0)
trials = 0
for trial in range(60):
    groups, ins, outs = int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    kernel, stride = rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    padding, size, dilation = rng.integers(0, 3, 2), rng.integers(5, 9, 2), rng.integers(1, 3, 2)
    bits = int(rng.choice([0, 9]))
    weight = 2 * rng.integers(-128, 128, (groups * outs, ins, *kernel))
    low, high = (-255, 256) if bits else (0, 2)
    messages = rng.integers(low, high, (3, *size, groups * ins)).astype(np.int32)
    process = Conv(weight=weight[:, :, ::-1, ::-1].transpose(0, 2, 3, 1), input_shape=messages[0].shape,
                   stride=tuple(stride), padding=tuple(padding), dilation=tuple(dilation),
                   groups=groups, num_message_bits=bits)
    heard = []
    for kind in (PyConvModelExact, PyConvModelStock, PyConvModelFixed):
        model = kind({})
        for name in ("kernel_size", "stride", "padding", "dilation", "groups", "num_message_bits", "weight"):
            var, form = getattr(process, name), getattr(kind, name)
            setattr(model, name, np.zeros(var.shape, form.d_type))
            getattr(model, name)[:] = var.init
        model.a_buf = np.zeros(process.a_out.shape, np.int32)
        model.s_in, model.a_out = In(messages), Out(process.a_out.shape)
        heard.append(np.array(play(model, 3).a_out.messages))
    assert not heard[0][0].any()
    assert (heard[0] == heard[1]).all() and (heard[0] == heard[2]).all(), trial
    padded = np.pad(messages[0], [(p, p) for p in padding] + [(0, 0)])
    y, x, o = (int(rng.integers(n)) for n in process.a_out.shape)
    group = o // outs
    total = sum(
        int(padded[y * stride[0] + i * dilation[0], x * stride[1] + j * dilation[1], group * ins + c])
        * int(weight[o, c, i, j])
        for i, j, c in itertools.product(range(kernel[0]), range(kernel[1]), range(ins))
    )
    assert heard[0][1][y, x, o] == total, trial
    trials += int(np.abs(heard[0]).max() > 0)
print(trials)
""")
    assert int(trials) > 50


def test_both_models_take_inputs_of_128_pixels(lava):
    lava("""
from lava.proc.conv.process import Conv
from lava_port.runtime.processes.convolution import PyConvModelExact, PyConvModelStock
process = Conv(weight=np.full((1, 1, 1, 1), 2), input_shape=(130, 1, 1))
heard = []
for kind in (PyConvModelExact, PyConvModelStock):
    model = kind({})
    for name in ("kernel_size", "stride", "padding", "dilation", "groups", "num_message_bits", "weight"):
        var = getattr(process, name)
        setattr(model, name, np.full(var.shape, var.init, getattr(kind, name).d_type))
    model.a_buf = np.zeros(process.a_out.shape, np.int32)
    model.s_in, model.a_out = In(np.ones((2, 130, 1, 1), np.int32)), Out(process.a_out.shape)
    heard.append(play(model, 2).a_out.messages[1])
assert (heard[0] == 2).all() and (heard[1] == 2).all()
""")


def test_our_model_equals_lavas_in_floats(lava):
    lava("""
from lava.proc.conv.models import PyConvModelFloat
from lava.proc.conv.process import Conv
from lava_port.runtime.processes.convolution import PyConvModelExactFloat
rng = np.random.default_rng(0)
geometries = ((1, (1, 1), (1, 1), (1, 1)), (2, (2, 1), (0, 1), (1, 1)), (1, (1, 2), (1, 1), (3, 2)))
for groups, stride, padding, dilation in geometries:
    weight = rng.normal(0, 1, (4, 3, 3, 4 // groups))
    process = Conv(weight=weight, input_shape=(7, 6, 4), stride=stride, padding=padding, dilation=dilation, groups=groups,
                   num_message_bits=9)
    messages, heard = rng.normal(0, 1, (2, 7, 6, 4)), []
    for kind in (PyConvModelExactFloat, PyConvModelFloat):
        model = kind({})
        for name in ("kernel_size", "stride", "padding", "dilation", "groups", "num_message_bits", "weight"):
            var = getattr(process, name)
            setattr(model, name, np.zeros(var.shape, getattr(kind, name).d_type))
            getattr(model, name)[:] = var.init
        model.a_buf = np.zeros(process.a_out.shape)
        model.s_in, model.a_out = In(messages), Out(process.a_out.shape)
        heard.append(np.array(play(model, 2).a_out.messages))
    np.testing.assert_allclose(heard[0], heard[1], atol=1e-12)
    assert np.abs(heard[0][1]).max() > 1
""")
