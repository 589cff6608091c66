"""Plants the bug that the environment names, in every Python that starts with this directory on its path."""

import os

if name := os.environ.get("PLANTED_BUG"):
    from seeded_bugs import BUGS  # type: ignore[import-not-found]  # beside this one, which is where the path begins

    BUGS[name].plant()
