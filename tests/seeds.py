"""The seed of the whole run."""

import os


def seed() -> int:
    """RUSHLIGHT_TEST_SEED, or the one that every run has."""
    return int(os.environ.get("RUSHLIGHT_TEST_SEED", "20261121"))
