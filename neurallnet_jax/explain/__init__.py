"""Why a classifier says what it says: one file per method, and how far each can be believed."""
