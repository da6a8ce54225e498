"""Processes under measurement, looked at from outside through /proc (Linux)."""

import contextlib
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from nano_banana_lab.testing.child_process import free_port, mortal

ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0


class Measured:
    """A running process; what it writes can be read in `log`. Times are in seconds, sizes in bytes."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._proc = Path("/proc", str(pid))

    def cpu_seconds(self) -> float:
        """The processor time of all its threads since it began, also of those that have ended."""
        fields = (self._proc / "stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """How much of its memory is in RAM now."""
        return self._status("VmRSS")

    def peak_resident_bytes(self) -> int:
        """The most that was in RAM at a time since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Let the peak begin anew (proc(5), clear_refs)."""
        (self._proc / "clear_refs").write_text("5")

    def pin(self, cores: set[int]) -> None:
        """Keep all its threads, and those they start, on these cores."""
        for thread in (self._proc / "task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), cores)

    def _status(self, name: str) -> int:
        lines = (self._proc / "status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024


class Serving(Measured):
    """A process that serves HTTP at `url`, which has no slash at its end."""

    def __init__(self, pid: int, url: str) -> None:
        super().__init__(pid)
        self.url = url


class Beginning(Serving):
    """A process that may not serve yet."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: IO[bytes]) -> None:
        super().__init__(process.pid, url)
        self._process = process
        self._log = log

    def log(self) -> str:
        """Everything it has written so far."""
        return os.pread(self._log.fileno(), 2**26, 0).decode(errors="replace")

    def wait_ready(self, path: str) -> None:
        """Return within 2 ms of the first 200 to `path`. Raises RuntimeError with its log when it ends instead."""
        deadline = time.perf_counter() + _PATIENCE
        while not _answers(self.url, path):
            if self._process.poll() is not None or time.perf_counter() > deadline:
                raise RuntimeError(f"{self.url} did not start:\n{self.log()}")
            time.sleep(0.002)


@contextlib.contextmanager
def beginning(command: Sequence[str], port: int, environment: Mapping[str, str] = {}) -> Iterator[Beginning]:
    """A process that has just been started and will serve on `port`; killed at the end.

    Nothing but `environment` and `PATH` is in its environment.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            mortal(command),
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", os.defpath), **environment},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield Beginning(process, f"http://127.0.0.1:{port}", log)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


@contextlib.contextmanager
def on_other_core(*servers: Measured) -> Iterator[None]:
    """The servers share one core and this process has another; nothing where there is but one or it cannot be done."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        yield
        return
    for server in servers:
        server.pin({cores[0]})
    os.sched_setaffinity(0, {cores[1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def running_yardstick(name: str, *arguments: str, ready: str = "/ready") -> Iterator[Serving]:
    """The module of that name in `yardsticks`, once it answers; its first argument is the port."""
    port = free_port()
    command = [sys.executable, "-m", f"tests.benchmarks.yardsticks.{name}", str(port), *arguments]
    with beginning(command, port) as yardstick:
        yardstick.wait_ready(ready)
        yield yardstick


def _answers(url: str, path: str) -> bool:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_PATIENCE)
    try:
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status == 200
    except OSError:
        return False
