"""Run a command on the wired lab, and end as a command should."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

import click
import msgspec

from nano_banana_lab.core.generation.ports import NoApiKey
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.main.commands.stop_signals import like_ctrl_c
from nano_banana_lab.main.secret_key import NoSecretKey
from nano_banana_lab.main.settings import LogLevel, Settings

if TYPE_CHECKING:
    from dishka import AsyncContainer

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2

NO_API_KEY = "There is no Google API key to pay with; set GOOGLE_API_KEY."
FINISHING = "Finishing and keeping what is being paid for; press Ctrl-C again to give it up."
PATIENCE_SECONDS = 3600
"""Longer than any picture takes: only a second Ctrl-C gives up one that is being paid for."""

Act = Callable[["AsyncContainer"], Coroutine[Any, Any, int]]


def run_in_lab(settings: Settings, act: Act, *, chatty: bool = False) -> NoReturn:
    """Leave with what `act` returns, or with 1 or 2, or after SIGTERM and SIGHUP with 128 and their number.

    Raises KeyboardInterrupt after Ctrl-C, and `click.Abort` when the user does not agree to something.
    Errors that a user can act on end in one line, not in a trace. Unless `chatty`, only warnings are logged.
    """
    from nano_banana_lab.main.logs import configure_logs  # noqa: PLC0415 - so that --help need not load it

    configure_logs(settings if chatty else _calm(settings))
    sys.exit(_exit_code(settings, act))


def tell_of_finishing() -> None:
    """If there is still anybody who reads it."""
    with contextlib.suppress(OSError):
        click.echo(FINISHING, err=True)


def told(error: LabError) -> str:
    """The error in one line, with the input that it is about, and with what can be done about it here."""
    if isinstance(error, NoApiKey):
        return f"{error.code}: {NO_API_KEY}"
    about = error.details.get("field")
    return f"{error.code}: {error}" + (f" ({about})" if about else "")


def _exit_code(settings: Settings, act: Act) -> int:
    received = list[int]()
    try:
        return asyncio.run(_run(settings, act, received))
    except (KeyboardInterrupt, asyncio.CancelledError, click.Abort):
        if not received:
            raise
        return _stopped_by(received[0])
    except LabError as error:
        click.echo(told(error), err=True)
    except NoSecretKey as error:
        click.echo(str(error), err=True)
        return EXIT_MISCONFIGURED
    except BrokenPipeError:
        raise  # click ends quietly when nobody reads on
    except OSError as error:
        if received:  # a terminal that has gone away takes no more progress
            return _stopped_by(received[0])
        click.echo(str(error), err=True)
    return EXIT_FAILED


def _stopped_by(number: int) -> int:
    with contextlib.suppress(OSError):
        click.echo("Interrupted.", err=True)
    return 128 + number


async def _run(settings: Settings, act: Act, received: list[int]) -> int:
    """At the first Ctrl-C `act` is cancelled, and the calls that somebody pays for are still waited for.

    So it is at the first of the signals that are `received`.
    """
    from nano_banana_lab.core.generation.paid_calls import PaidCalls  # noqa: PLC0415 - likewise
    from nano_banana_lab.main.container import make_container  # noqa: PLC0415 - takes half a second

    with like_ctrl_c(received):
        async with make_container(settings) as container:
            paid_calls = await container.get(PaidCalls)
            try:
                return await act(container)
            finally:
                paid_calls.close()
                if paid_calls.running:
                    tell_of_finishing()
                    await paid_calls.finish(PATIENCE_SECONDS)


def _calm(settings: Settings) -> Settings:
    if settings.least_level is not LogLevel.INFO:
        return settings
    return msgspec.structs.replace(settings, log_level=LogLevel.WARNING)
