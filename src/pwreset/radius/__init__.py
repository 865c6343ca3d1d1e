"""RADIUS: an existing server of one-time passwords, asked and never told to change anything."""
