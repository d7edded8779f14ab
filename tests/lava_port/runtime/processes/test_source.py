def test_the_image_is_sent_once_and_signed(lava):
    lava("""
from lava_port.runtime.processes.source import PyImageSourceModel
image = np.array([[[0, 255]]], np.uint8)
model = PyImageSourceModel({"image": image})
model.offset, model.period, model.s_out = np.array([100, 55], np.int32), np.array([3]), Out(image.shape)
play(model, 3)
image[:] = 100
for step in range(4, 7):
    model.time_step = step
    model.run_spk()
sent = np.array(model.s_out.messages).reshape(6, 2).tolist()
assert sent == [[-100, 200], [0, 0], [0, 0], [0, 45], [0, 0], [0, 0]], sent
""")


def test_a_hold_keeps_the_current_for_its_window_and_rounds_towards_zero(lava):
    """7 and -7 without their two lowest bits are 1 and -1, in steps 1 to 3 of 5; then the next image."""
    lava("""
from lava_port.runtime.processes.source import PyHoldModel
model = PyHoldModel({})
model.held, model.shift = np.zeros(2, np.int32), np.array([2])
model.window, model.period = np.array([1, 4]), np.array([5])
messages = np.zeros((10, 2), np.int32)
messages[1], messages[6], messages[3] = (7, -7), (8, -9), (99, 99)
model.a_in, model.a_out = In(messages), Out((2,))
sent = np.array(play(model, 10).a_out.messages).tolist()
assert sent == [[0, 0]] + [[1, -1]] * 3 + [[0, 0]] * 2 + [[2, -2]] * 3 + [[0, 0]], sent
""")


def test_floats_are_normalised_and_held_as_they_are(lava):
    """(0 - 100) / 50 and (255 - 55) / 50 are -2 and 4."""
    lava("""
from lava_port.runtime.processes.source import PyHoldModelFloat, PyImageSourceModelFloat
model = PyImageSourceModelFloat({"image": np.array([[[0, 255]]], np.uint8), "scale": 50.0})
model.offset, model.period, model.s_out = np.array([100, 55], np.int32), np.array([2]), Out((1, 1, 2))
assert np.array(play(model, 2).s_out.messages).reshape(2, 2).tolist() == [[-2, 4], [0, 0]]
hold = PyHoldModelFloat({})
hold.held, hold.window, hold.period = np.zeros(1), np.array([1, 3]), np.array([4])
hold.a_in, hold.a_out = In([np.zeros(1), np.array([-0.75]), np.zeros(1), np.zeros(1)]), Out((1,))
assert np.ravel(play(hold, 4).a_out.messages).tolist() == [0, -0.75, -0.75, 0]
""")
