"""Lava, in a process of its own. The only room that touches it."""
