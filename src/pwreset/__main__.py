"""`python -m pwreset` and the `pwreset` command."""

from __future__ import annotations

from pwreset.cli import main

if __name__ == "__main__":
    main()
