"""What a user types, or a script says, line by line."""

import asyncio
import contextlib
import io
import signal
import sys
import threading
from collections.abc import Iterator

import click


class TypedLines:
    """Standard input. While a line is awaited the event loop stands still: use it where nothing else is under way."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty()
        if self.is_terminal:
            with contextlib.suppress(ImportError):  # not everywhere
                import readline  # noqa: F401, PLC0415 - lines can be edited then, and called back
        elif isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")

    def next(self, prompt: str) -> str | None:
        """The next line without its end, None when there are no more. Raises `click.Abort` at Ctrl-C."""
        with _ctrl_c_at_once():
            if _was_pressed():
                raise click.Abort
            try:
                line = input(prompt) if self.is_terminal else sys.stdin.readline()
            except EOFError:
                return None
            except KeyboardInterrupt:
                raise click.Abort from None
        if not line and not self.is_terminal:
            return None
        return line.rstrip("\r\n")


def confirm(question: str) -> None:
    """Ask on standard error. Raises `click.Abort` unless the answer is yes, and at Ctrl-C."""
    with _ctrl_c_at_once():
        if _was_pressed():
            raise click.Abort
        click.confirm(question, abort=True, err=True)


def _was_pressed() -> bool:
    """Whether the event loop has been told of a Ctrl-C already, which it passes on only when it is its turn."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextlib.contextmanager
def _ctrl_c_at_once() -> Iterator[None]:
    """Without this the event loop would be told, and nothing would happen until the line has come."""
    if threading.current_thread() is not threading.main_thread():  # which alone has signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
