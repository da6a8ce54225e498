"""`nano-banana-lab serve` on a host whose clock is set while it runs: the file CLOCK_FILE says by how many seconds."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from dishka import Provider, Scope

from nano_banana_lab.core.shared.clock import Clock, SystemClock
from nano_banana_lab.main import serve
from nano_banana_lab.main.app import create_app
from nano_banana_lab.main.read_settings import read_settings


class JumpingClock(SystemClock):
    """The host's clock, set forward or back."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=float(self._file.read_text()))


def main() -> None:
    clock = Provider(scope=Scope.APP)
    clock.provide(lambda: JumpingClock(Path(os.environ["CLOCK_FILE"])), provides=Clock)
    serve.create_app = lambda settings: create_app(settings, clock)
    serve.serve(read_settings())


if __name__ == "__main__":
    main()
