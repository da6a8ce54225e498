"""Servers that tests start on this machine, and that never outlive them."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence

_BELOW_EPHEMERAL = range(15_000, 32_000)
"""No outgoing connection is given a local port from here, so none can take a chosen port before the server does."""

_DIES_WITH_US = 'exec 3<&0; (read _ <&3; kill -9 0) >/dev/null 2>&1 & exec "$@" </dev/null 3<&-'


def mortal(command: Sequence[str]) -> list[str]:
    """The command as one whose process group is killed when our end of its standard input closes.

    So it dies when we are killed, too. Start it with `stdin=PIPE` and `start_new_session=True`.
    """
    return ["/bin/sh", "-c", _DIES_WITH_US, "sh", *command]


class ChildProcess:
    """A program that is started, broken and started again, and dies with this process."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, silently."""
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            mortal(self._command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
            start_new_session=True,
        )

    def kill(self) -> None:
        """End it as a power cut would; fine when it is not running."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """Nothing is left of a killed process."""
        self.kill()

    def pause(self) -> None:
        """Let it hang."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the process is not running")
        self._process.send_signal(number)


def free_port() -> int:
    """A port of this machine that nobody listens on and nobody will be given by chance."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.choice(_BELOW_EPHEMERAL)  # noqa: S311 - only spreads the attempts
            probe.bind(("127.0.0.1", port))
            return port


def docker_answers() -> bool:
    """Whether there is a Docker engine, and not only its client."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:  # Docker's own client leaks a socket when nobody listens
            if probe.connect_ex(address.removeprefix("unix://")):
                return False
    try:
        import docker  # noqa: PLC0415 - a package only tests have

        with contextlib.closing(docker.from_env(timeout=5)) as client:
            return bool(client.ping())
    except Exception:  # noqa: BLE001 - whatever is wrong with Docker, it does not answer
        return False
