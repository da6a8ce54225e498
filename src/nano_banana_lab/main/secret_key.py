"""The key that the lab signs with."""

import os
import secrets
from pathlib import Path
from typing import NewType

from nano_banana_lab.core.shared.secrets import Secret

SigningKey = NewType("SigningKey", Secret)

MIN_SECRET_KEY_CHARACTERS = 32

PLACEHOLDER = "change-me"
"""In every key that was only ever an example, such as `change-me-in-production-use-a-long-random-string`."""


class NoSecretKey(OSError):
    """No key is configured and none can be kept; the message says what to do."""


def secret_key(configured: Secret | None, data_dir: Path) -> Secret:
    """The configured key, or one generated once and kept in `data_dir/secret_key`, readable by its owner only.

    Several processes that start at once agree on one key.
    Raises `NoSecretKey` when the file can neither be read nor written, or holds no key.
    """
    if configured is not None:
        return configured
    path = data_dir / "secret_key"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(48))
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NoSecretKey(f"SECRET_KEY is not set, and {path} cannot be used: {error}") from error
    if len(text) < MIN_SECRET_KEY_CHARACTERS:
        raise NoSecretKey(f"SECRET_KEY is not set, and {path} holds no key; remove that file or set SECRET_KEY")
    return Secret(text)


def is_weak(key: Secret) -> bool:
    """Whether somebody may guess it."""
    return len(key.reveal()) < MIN_SECRET_KEY_CHARACTERS or PLACEHOLDER in key.reveal().lower()


def _write_once(path: Path, text: str) -> None:
    """Put a whole file in place unless somebody else was first."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
