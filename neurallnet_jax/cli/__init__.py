"""The commands: arguments in, one call, text out. One file per command; nothing is computed here."""
