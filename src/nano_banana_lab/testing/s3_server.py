"""A real S3 service for tests, started and broken at will."""

import contextlib
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Protocol

from nano_banana_lab.testing.child_process import ChildProcess, docker_answers, free_port

_START_SECONDS = 60.0
_IMAGE = "minio/minio:RELEASE.2025-04-22T22-12-26Z"


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
    port = free_port()
    host = _host(port)
    try:
        server = S3Server(port, host)
        server.start()
        yield server
    finally:
        host.remove()


def _host(port: int) -> _Host:
    if docker_answers():
        return _MinioContainer(port)
    if find_spec("moto") and find_spec("flask"):
        return _MotoProcess(port)
    raise S3Unavailable("These tests need a real S3 service: start Docker, or `pip install 'moto[server]'`.")


class _MotoProcess(ChildProcess):
    """Moto's server as a process."""

    health = "/moto-api/"

    def __init__(self, port: int) -> None:
        super().__init__([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])
        self._port = port

    def check_credentials(self, *, checked: bool) -> None:
        url = f"http://127.0.0.1:{self._port}/moto-api/reset-auth"
        count = b"0" if checked else b"inf"
        request = urllib.request.Request(url, count, {"Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - likewise
            pass


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
