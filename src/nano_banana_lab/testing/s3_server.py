"""A real S3 service for tests, started and broken at will."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Protocol

_START_SECONDS = 60.0
_IMAGE = "minio/minio:RELEASE.2025-04-22T22-12-26Z"

_DIES_WITH_US = 'exec 3<&0; (read _ <&3; kill -9 $$) & exec "$@" </dev/null 3<&-'
"""Runs a program that is killed when our end of its standard input closes, also when we are killed ourselves."""


class S3Unavailable(RuntimeError):
    """No S3 service can be started on this machine; the message says what to install."""


class _Host(Protocol):
    """Where the service runs."""

    health: str

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def remove(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def check_credentials(self, *, checked: bool) -> None: ...


class S3Server:
    """One S3 service on 127.0.0.1. What it holds may be lost by `stop`: MinIO keeps it, moto does not."""

    region = "us-east-1"
    access_key_id = "test-access-key"
    secret_access_key = "test-secret-of-the-bucket"  # noqa: S105 - opens nothing but this server

    def __init__(self, port: int, host: _Host) -> None:
        self.port = port
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self._host = host

    def start(self) -> None:
        """Start again on the same port, and return when the service answers."""
        self._host.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                raise S3Unavailable(f"the S3 service did not answer within {_START_SECONDS} seconds")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill the service as a power cut would."""
        self._host.kill()

    def pause(self) -> None:
        """Let the service hang: connections are accepted and nothing is answered."""
        self._host.pause()

    def resume(self) -> None:
        """Let a hanging service go on."""
        self._host.resume()

    def create_bucket(self, name: str) -> str:
        """Make an empty bucket, and return its name."""
        import boto3  # noqa: PLC0415 - slow, and only needed here

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
        )
        with contextlib.closing(client):
            client.create_bucket(Bucket=name)
        return name

    @contextlib.contextmanager
    def checking_credentials(self) -> Iterator[None]:
        """Only known credentials are let in meanwhile; moto does not look at them otherwise."""
        self._host.check_credentials(checked=True)
        try:
            yield
        finally:
            self._host.check_credentials(checked=False)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint_url + self._host.health, timeout=5):  # noqa: S310 - our own URL
                return True
        except OSError:
            return False


@contextlib.contextmanager
def running_s3() -> Iterator[S3Server]:
    """A service of one's own: MinIO where Docker answers, else moto's server as a process; gone at the end.

    Raises `S3Unavailable` when there is neither.
    """
    port = _free_port()
    host = _host(port)
    try:
        server = S3Server(port, host)
        server.start()
        yield server
    finally:
        host.remove()


def _host(port: int) -> _Host:
    if _docker_answers():
        return _MinioContainer(port)
    if find_spec("moto") and find_spec("flask"):
        return _MotoProcess(port)
    raise S3Unavailable("These tests need a real S3 service: start Docker, or `pip install 'moto[server]'`.")


def _docker_answers() -> bool:
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:  # Docker's own client leaks a socket when nobody listens
            if probe.connect_ex(address.removeprefix("unix://")):
                return False
    try:
        import docker  # type: ignore[import-untyped]  # noqa: PLC0415 - a package only tests have

        with contextlib.closing(docker.from_env(timeout=5)) as client:
            return bool(client.ping())
    except Exception:  # noqa: BLE001 - whatever is wrong with Docker, it does not answer
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _MotoProcess:
    """Moto's server as a child process that dies with this one."""

    health = "/moto-api/"

    def __init__(self, port: int) -> None:
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            ["/bin/sh", "-c", _DIES_WITH_US, "sh", *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
        )

    def kill(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.kill()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def check_credentials(self, *, checked: bool) -> None:
        url = f"http://127.0.0.1:{self._port}/moto-api/reset-auth"
        count = b"0" if checked else b"inf"
        request = urllib.request.Request(url, count, {"Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - likewise
            pass

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the service is not running")
        self._process.send_signal(number)


class _MinioContainer:
    """MinIO in Docker, on the same port of this machine."""

    health = "/minio/health/ready"

    def __init__(self, port: int) -> None:
        self._port = port
        self._container: Any = None

    def start(self) -> None:
        if self._container is not None:
            self._container.get_wrapped_container().start()
            return
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - a package only tests have

        container = DockerContainer(_IMAGE).with_command("server /data").with_bind_ports(9000, self._port)
        container = container.with_envs(
            MINIO_ROOT_USER=S3Server.access_key_id, MINIO_ROOT_PASSWORD=S3Server.secret_access_key
        )
        self._container = container.start()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()
        self._container.get_wrapped_container().wait()

    def remove(self) -> None:
        if self._container is not None:
            self._container.stop()

    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def check_credentials(self, *, checked: bool) -> None:
        """MinIO always does."""
