"""Train, evaluate and explain spiking networks in JAX; the road to neuromorphic hardware is in `lava_port`."""

__version__ = "0.1.0"
