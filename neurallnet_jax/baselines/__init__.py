"""The networks of the comparison paper: five through Keras on JAX, and AlexNet."""
