"""A neve server of our own: started, asked, killed without warning, started again."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

NEVE = Path(sys.executable).parent / "neve"
START_PATIENCE_S = 30
_POLL_S = 0.05


class Server:
    """`neve serve` on a store directory and a loopback port that stay the same over restarts."""

    def __init__(self, store: Path, log: Path) -> None:
        self._store, self._log = store, log
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def init(self) -> dict[str, str]:
        """Make the store; return the environment that points any AWS client at it."""
        command: list[str | Path] = [NEVE, "init", self._store, "--output", "json"]
        made = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": made["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": made["secret_access_key"],
            "AWS_REGION": made["region"],
            "AWS_DEFAULT_REGION": made["region"],
        }

    def start(self) -> float:
        """Start serving; return after how many seconds it took requests.

        Raises:
            RuntimeError: it ended, or did not get ready in time; the text has its log.
        """
        started = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [NEVE, "serve", self._store, "--listen", f"127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while time.monotonic() - started < START_PATIENCE_S and self._process.poll() is None:
            if self._is_ready():
                return time.monotonic() - started
            time.sleep(_POLL_S)
        raise RuntimeError(f"the server did not start:\n{self._log.read_text(encoding='utf-8')}")

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_PATIENCE_S)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """Take the server away as a crash would: no warning, no last word."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask the server to end; return its exit status. Nothing happens if it does not run."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)
        status = self._process.wait(timeout=START_PATIENCE_S)
        self._process = None
        return status


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stored_bytes(store: Path) -> int:
    """Return what a store directory occupies on its disk."""
    return sum(path.stat().st_blocks * 512 for path in store.rglob("*") if path.is_file())


def point_aws_clients_at(environment: dict[str, str]) -> None:
    """Make this process, and those it starts, see these settings and nothing of the user's own."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ.update(environment, AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
