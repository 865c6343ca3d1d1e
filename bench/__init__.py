"""The benchmark and its floor: `python -m bench --help`."""
