"""``runstone demo``."""

from __future__ import annotations

import click


@click.command()
def demo() -> None:
    """Train on handwritten digits and look at the runs."""
