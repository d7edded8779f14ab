"""A trained network on neuromorphic ground: integers, Lava processes, spikes and energy. Knows nothing of training."""
