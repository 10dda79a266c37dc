"""The key in the page's link, kept in the user's state folder, so that open tabs survive a restart."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path

LEAST_CHARACTERS = 8


def kept_key() -> str:
    """The key of this user: made at the first call and kept; a new one each time where it cannot be kept."""
    path = state_folder() / "page-key"
    key = _read(path)
    if key is None:
        key = secrets.token_urlsafe(16)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Only this user may read it, from the beginning.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(key + "\n")
            path.chmod(0o600)
    return key


def state_folder() -> Path:
    """Where programs of this user keep what should survive a restart: $STREAMSTYLE_STATE, or the system's."""
    if given := os.environ.get("STREAMSTYLE_STATE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "streamstyle"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "streamstyle"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "streamstyle"


def _read(path: Path) -> str | None:
    """The key in a file; None if there is none that nobody else can read."""
    try:
        if os.name == "posix" and (path.stat().st_mode & 0o077 or path.stat().st_uid != os.getuid()):
            return None
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return key if len(key) >= LEAST_CHARACTERS and key.isprintable() else None
