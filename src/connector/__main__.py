"""`connector`, and `python -m connector`: the command line."""

from __future__ import annotations

from connector.memory import loading


def main() -> None:
    """Run the command line."""
    with loading():
        from connector.cli import app
    app()


if __name__ == "__main__":
    main()
