"""The key that the lab signs with."""

import os
import secrets
from pathlib import Path

from nano_banana_lab.core.shared.secrets import Secret


def secret_key(configured: Secret | None, data_dir: Path) -> Secret:
    """The configured key, or one generated once and kept in `data_dir/secret_key`, readable by its owner only.

    Several processes that start at once agree on one key.
    """
    if configured is not None:
        return configured
    path = data_dir / "secret_key"
    data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(48))
    return Secret(path.read_text(encoding="ascii"))


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
