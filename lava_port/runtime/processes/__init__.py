"""Lava processes and their models, nothing else: Lava executes every file of this folder. No JAX here."""
