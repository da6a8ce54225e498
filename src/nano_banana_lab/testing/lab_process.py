"""The lab as its users run it: the command `nano-banana-lab` in processes of their own, configured by their environment.

with running_lab(folder, GOOGLE_API_KEY="any", GOOGLE_GEMINI_BASE_URL=gemini.url) as lab:
    httpx.post(f"{lab.url}/api/generate", json={"prompt": "a corgi in a teacup"})

outcome = run_lab_command("generate", "a corgi in a teacup", "-o", "corgi.png", folder=folder)
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from nano_banana_lab.testing.child_process import free_port, mortal

_PATIENCE = 60.0


class LabDidNotStart(RuntimeError):
    """The process ended, or was not ready in time; the message is its log."""


class CommandProcess:
    """One `nano-banana-lab` that runs until it is told to end. Its methods may be called from any thread.

    `pid` is its own process, without a shell around it.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self._process = process
        self._log = _Log(process.stdout)

    def log(self) -> str:
        """Everything written so far; after `wait` this is all there is."""
        return self._log.text()

    def until_logged(self, text: str) -> None:
        """Return once `text` is in the log. Raises TimeoutError after a minute, or when the process ended before."""
        self._log.until(text)

    def terminate(self) -> None:
        """Ask it to finish what it has begun and to end, as `docker stop` does. Returns at once."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Let it die on the spot, as in a power cut."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """The exit code, negative for a signal. Raises `subprocess.TimeoutExpired` after a minute."""
        code = self._process.wait(_PATIENCE)
        self._log.until_closed()
        return code

    def stop(self) -> int:
        """`terminate`, then `wait`."""
        self.terminate()
        return self.wait()


class LabProcess(CommandProcess):
    """One `nano-banana-lab serve`. `url` has no slash at its end."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        super().__init__(process)
        self.url = url

    def wait_ready(self) -> None:
        """Return once `/api/health/ready` is 200. Raises `LabDidNotStart`."""
        deadline = time.monotonic() + _PATIENCE
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LabDidNotStart(self.log())
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/health/ready", timeout=10):  # noqa: S310 - our own URL
                return True
        except OSError:
            return False


@contextlib.contextmanager
def running_lab(folder: Path, **settings: str) -> Iterator[LabProcess]:
    """A lab that is ready, on a free port of this machine; killed at the end unless it has ended by itself.

    `folder` is its working directory, made if it is missing. Nothing but `settings` and `PATH` is in its environment.
    Raises `LabDidNotStart`.
    """
    port = free_port()
    process = _started(["serve"], folder, {"HOST": "127.0.0.1", "PORT": str(port), **settings})
    lab = LabProcess(process, f"http://127.0.0.1:{port}")
    try:
        lab.wait_ready()
        yield lab
    finally:
        _end(process, lab)


@contextlib.contextmanager
def running_worker(folder: Path, *, concurrency: int, **settings: str) -> Iterator[CommandProcess]:
    """A `nano-banana-lab worker`, as `running_lab`; it needs the `REDIS_URL` of those whose tasks it works on.

    Raises TimeoutError, with its log, when it does not begin to work.
    """
    process = _started(["worker", "--concurrency", str(concurrency)], folder, settings)
    worker = CommandProcess(process)
    try:
        worker.until_logged("working")
        yield worker
    finally:
        _end(process, worker)


def run_lab_command(
    *arguments: str, folder: Path, typed: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run `nano-banana-lab` with these arguments to its end; `stdout` and `stderr` are text, `typed` is standard input.

    `folder` is its working directory, made if it is missing. Nothing but `settings` and `PATH` is in its environment.
    Raises `subprocess.TimeoutExpired` after a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(  # noqa: S603 - our own command
        _command(*arguments),
        cwd=folder,
        env=_environment(settings),
        input=typed,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )


class _Log:
    """Reads a pipe to its end in a thread, so that the writer never waits."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._text = bytearray()
        self._closed = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(pipe,), name="lab-log", daemon=True)
        self._reader.start()

    def text(self) -> str:
        with self._news:
            return self._text.decode(errors="replace")

    def until(self, wanted: str) -> None:
        with self._news:
            self._news.wait_for(lambda: self._closed or wanted.encode() in self._text, _PATIENCE)
            if wanted.encode() not in self._text:
                raise TimeoutError(f"{wanted!r} is not in the log:\n{self._text.decode(errors='replace')}")

    def until_closed(self) -> None:
        self._reader.join(_PATIENCE)

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                with self._news:
                    self._text += line
                    self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()


def _started(arguments: Sequence[str], folder: Path, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(  # noqa: S603 - our own command
        mortal(_command(*arguments)),
        cwd=folder,
        env=_environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes], running: CommandProcess) -> None:
    """It dies with its standard input, unless it has ended by itself."""
    assert process.stdin is not None
    process.stdin.close()
    running.wait()


def _command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("nano-banana-lab")), *arguments]


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), **settings}
