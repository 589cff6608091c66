"""What a user of the server has: the settings that AWS clients read, and a look at the store's disk."""

import os
import sys
from pathlib import Path

from neve.testing.server import ServerProcess

NEVE = Path(sys.executable).parent / "neve"


def aws_settings(server: ServerProcess) -> dict[str, str]:
    """Return the environment that points any AWS client at a server that runs."""
    return {
        "AWS_ENDPOINT_URL_EBS": server.endpoint,
        "AWS_ENDPOINT_URL_EC2": server.endpoint,
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        "AWS_REGION": server.region,
        "AWS_DEFAULT_REGION": server.region,
    }


def with_nothing_of_the_users(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment with these AWS settings, and no others from variables or files."""
    ours = ("AWS_", "NEVE_", "XDG_CACHE_HOME")
    others = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    no_files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return others | settings | no_files | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def stored_bytes(store: Path) -> int:
    """Return what a store directory occupies on its disk."""
    return sum(path.stat().st_blocks * 512 for path in store.rglob("*") if path.is_file())
