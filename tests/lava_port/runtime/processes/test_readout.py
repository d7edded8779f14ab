def test_the_read_out_adds_within_its_window_and_begins_each_image_at_zero(lava):
    """Currents 1, 2, 4, 8 in a window of steps 1 and 2: 2 + 4 and twice the bias of 10; the next image likewise."""
    lava("""
from lava_port.runtime.processes.readout import PyReadoutModel
scores = np.zeros(2, np.int64)
model = PyReadoutModel({"scores": scores})
model.bias, model.score = np.array([10, -10]), np.zeros(2, np.int64)
model.window, model.period = np.array([1, 3]), np.array([4])
model.a_in = In([np.array([n, -n], np.int32) for n in (1, 2, 4, 8, 100, 200, 400, 800)])
play(model, 4)
assert scores.tolist() == [26, -26]
for step in range(5, 9):
    model.time_step = step
    model.run_spk()
assert scores.tolist() == [620, -620]
""")


def test_the_float_read_out_is_the_mean_over_its_window(lava):
    """(2 + 4) / 2 plus a bias of 0.5."""
    lava("""
from lava_port.runtime.processes.readout import PyReadoutModelFloat
scores = np.zeros(1)
model = PyReadoutModelFloat({"scores": scores})
model.bias, model.score = np.array([0.5]), np.zeros(1)
model.window, model.period = np.array([1, 3]), np.array([4])
model.a_in = In([np.array([float(n)]) for n in (1, 2, 4, 8)])
play(model, 4)
assert scores.tolist() == [3.5]
""")
