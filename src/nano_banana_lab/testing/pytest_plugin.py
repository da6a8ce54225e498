"""Fixtures for tests of the lab: real servers on this machine, and a guard that keeps every test on it.

Loaded with `-p nano_banana_lab.testing.pytest_plugin`.
"""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from nano_banana_lab.testing.redis_server import RedisServer, running_redis
from nano_banana_lab.testing.s3_server import S3Server, running_s3

_connect = socket.socket.connect


class OutsideNetworkUsed(AssertionError):
    """A test tried to leave this machine."""


def _loopback_only(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = str(address[0])
        if not (host.startswith("127.") or host in ("::1", "localhost")):
            raise OutsideNetworkUsed(f"a test tried to connect to {host}; tests stay on this machine")
    _connect(self, address)


@pytest.fixture(scope="session", autouse=True)
def no_outside_network() -> Iterator[None]:
    """No test can reach the internet or spend money."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _loopback_only)
        yield


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A real Redis server of this test process; flush it or use keys of your own."""
    with running_redis() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 service over HTTP of this test process; make a bucket of your own."""
    with running_s3() as server:
        yield server
