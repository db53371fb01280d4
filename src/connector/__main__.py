"""`connector`, and `python -m connector`: the command line."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line. What is loaded stays, so nothing is looked through for garbage meanwhile."""
    gc.disable()
    from connector.cli import app

    gc.enable()
    app()


if __name__ == "__main__":
    main()
