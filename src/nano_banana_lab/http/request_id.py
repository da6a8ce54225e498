"""The id under which a request is found in the log."""

import re
from collections.abc import Mapping
from typing import Any

from nano_banana_lab.core.shared.ids import new_id

_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def request_id_of(scope: Mapping[str, Any]) -> str:
    """The caller's `X-Request-ID` when it is sane, else one of our own; the same however often it is asked for."""
    state: dict[str, Any] = scope["state"]
    if "request_id" not in state:
        sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        state["request_id"] = sent.decode() if _SANE.fullmatch(sent) else new_id()
    return str(state["request_id"])
