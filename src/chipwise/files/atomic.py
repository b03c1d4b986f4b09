"""Whole files or none: write beside the target, then rename over it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from chipwise.core.errors import InputError


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    path : str or pathlib.Path
        Target; its folder must exist.
    content : bytes

    Returns
    -------
    pathlib.Path
        The target.

    Raises
    ------
    InputError
        When the folder does not exist or cannot be written to.
    """
    target = Path(path)
    if os.path.lexists(target) and not target.is_file():
        raise InputError("not a regular file", place=str(path), allowed="a new file, or one to replace")
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".part", dir=target.parent)
    except (OSError, ValueError) as error:
        raise _refused(error, path) from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, _mode(target))
        os.replace(temporary, target)
    except OSError as error:
        raise _refused(error, path) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    return target


def write_text(path: str | Path, content: str) -> Path:
    """Write `content` as UTF-8 with its newlines as they are; see `write_bytes`."""
    return write_bytes(path, content.encode("utf-8"))


def _refused(error: Exception, path: str | Path) -> InputError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return InputError(f"cannot write: {reason}", place=str(path), allowed="a path you may write to")


def _mode(target: Path) -> int:
    """Keep the mode of a file that is replaced; a new one gets what the umask leaves of 0o666."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
