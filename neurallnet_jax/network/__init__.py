"""The parts of a spiking network as pure functions, and the Flax model made of them. Knows no training and no files."""
