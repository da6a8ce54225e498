"""The standard streams as whoever starts a command may have left them: closed, or unable to show every character."""

import io
import os
import sys

_NAMES_AND_MODES = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def reopen_closed_streams() -> None:
    """Let a closed one be empty, or swallow what is written to it, as /dev/null does.

    Otherwise the next file that is opened, the database maybe, would be taken for the stream.
    """
    for number, (name, mode) in enumerate(_NAMES_AND_MODES):
        if getattr(sys, name) is None and _is_closed(number):
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - open as long as the process


def replace_what_cannot_be_shown() -> None:
    """Let what is told to people have question marks for characters that the encoding of their terminal lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def drop_what_cannot_be_written() -> None:
    """Or Python would try once more at its end, complain, and end with a code of its own."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False
