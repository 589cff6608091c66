"""A server to try things on: a store that is gone afterwards, and the lines that point any AWS client at it.

python -m tools.serve [HOST:PORT]       until interrupted
"""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

NEVE = Path(sys.executable).parent / "neve"
LISTEN = "127.0.0.1:9753"


def main(arguments: list[str]) -> int:
    """Serve a throw-away store until interrupted; return the server's exit status."""
    listen = arguments[0] if arguments else LISTEN
    with tempfile.TemporaryDirectory(prefix="neve-serve-") as folder:
        store = Path(folder) / "store"
        init: list[str | Path] = [NEVE, "init", store, "--output", "json"]
        made = json.loads(subprocess.run(init, check=True, stdout=subprocess.PIPE).stdout)
        print("# Everything below is gone when this server stops. Paste these and the next lines elsewhere:")
        print(f"export AWS_ACCESS_KEY_ID={made['access_key_id']}")
        print(f"export AWS_SECRET_ACCESS_KEY={made['secret_access_key']}", flush=True)
        server = subprocess.Popen([NEVE, "serve", store, "--listen", listen])
        # A terminal's Ctrl-C reaches the server too, a plain kill does not: pass it on. Then it ends in good
        # order, and the store is removed.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
