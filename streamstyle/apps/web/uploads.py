"""Receives uploads."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from streamstyle.apps.web.clips import Store

UPLOAD_SECONDS = 20.0  # without data, before an upload is aborted


async def receive(request: Request, folder: str | Path, most_bytes: int) -> Store:
    """The body of a request, in a file.

    Raises:
        HTTPException: it is empty or too large, stalled or was interrupted, or the disk is full.
    """
    too_large = HTTPException(413, f"The file is too large; the limit is {most_bytes / 1e6:g} MB.")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > most_bytes:
        raise too_large
    try:
        store = Store(folder)
    except OSError as error:
        raise HTTPException(507, "The server's disk is full.") from error
    try:
        async with contextlib.aclosing(request.stream()) as chunks:
            while (chunk := await asyncio.wait_for(anext(chunks, None), UPLOAD_SECONDS)) is not None:
                if store.bytes + len(chunk) > most_bytes:
                    raise too_large
                store.write(chunk)
        store.finish()
    except BaseException as error:
        store.close()
        if isinstance(error, TimeoutError):
            raise HTTPException(408, "The upload stalled and was aborted.") from error
        if isinstance(error, ClientDisconnect):
            raise HTTPException(400, "The upload was interrupted.") from error
        if isinstance(error, OSError):
            raise HTTPException(507, "The server's disk is full.") from error
        raise
    if store.bytes == 0:
        store.close()
        raise HTTPException(422, "The file is empty.")
    return store
