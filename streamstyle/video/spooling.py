"""MP4 from pipes and servers that cannot seek.

An MP4 with its index (`moov`) behind its data (`mdat`) cannot be read in one pass. Such input is stored in a
temporary file first.
"""

from __future__ import annotations

import http.client
import logging
import struct
import tempfile
import urllib.error
import urllib.request
from typing import Protocol

from streamstyle.errors import InputError

_log = logging.getLogger("streamstyle")

_HEAD_BYTES = 16_000_000  # that are searched for the index
_TIMEOUT_SECONDS = 20.0
_BLOCK = 1 << 20


class Readable(Protocol):
    """A stream of bytes that can be read once."""

    def read(self, size: int, /) -> bytes: ...


class ReplayedStream:
    """A stream whose beginning has already been read.

    Args:
        head: what has been read.
        rest: the stream.
    """

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        if self._head:
            part, self._head = self._head[:size], self._head[size:]
            return part
        return self._rest.read(size) or b""


class StoredStream:
    """A temporary file with the content of a stream, which is deleted as soon as nothing refers to it.

    Args:
        stream: to read to its end.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, stream: Readable) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - see __del__
        while block := stream.read(_BLOCK):
            self._file.write(block)
        self.seek, self.tell, self.read = self._file.seek, self._file.tell, self._file.read
        self.size = self.tell()
        self.seek(0)

    def __del__(self) -> None:
        self._file.close()


def readable_in_one_pass(stream: Readable, name: str) -> ReplayedStream | StoredStream:
    """The stream itself, or its content if it is an MP4 with its index at the end.

    Args:
        stream: at its beginning.
        name: of the input, for messages.

    Raises:
        InputError: the content cannot be stored.
    """
    head, at_end = _search_index(stream)
    whole = ReplayedStream(head, stream)
    return _stored(whole, name) if at_end else whole


def download(url: str) -> StoredStream | None:
    """The content of an MP4 from a web server, or None if it is not an MP4 with its index at the end.

    Raises:
        InputError: it cannot be read to its end, or cannot be stored.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "streamstyle"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            head, at_end = _search_index(response)
            if not at_end:
                return None
            expected = response.headers.get("Content-Length")
            stored = _stored(ReplayedStream(head, response), url)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise InputError(f"{url}: cannot be opened ({getattr(error, 'reason', None) or error})") from error
    if expected and stored.size < int(expected):
        raise InputError(f"{url}: the server stopped before the index at its end, so it cannot be read")
    return stored


def _search_index(stream: Readable) -> tuple[bytes, bool]:
    """The bytes read, and whether this is an MP4 whose data comes before its index."""
    head, start, box = b"", 0, b""
    while start < _HEAD_BYTES:
        head += _read(stream, start + 16 - len(head))
        if len(head) < start + 8:
            break
        length, kind = struct.unpack(">I4s", head[start : start + 8])
        if start == 0 and kind not in (b"ftyp", b"wide", b"free", b"skip", b"mdat"):
            break
        box = kind
        if box in (b"mdat", b"moov"):
            break
        if length == 1 and len(head) >= start + 16:
            length = struct.unpack(">Q", head[start + 8 : start + 16])[0]
        if length < 8:
            break
        start += length
    return head, box == b"mdat"


def _read(stream: Readable, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the stream."""
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def _stored(stream: ReplayedStream, name: str) -> StoredStream:
    _log.info("%s: its index is at its end; storing it in a temporary file first", name)
    try:
        return StoredStream(stream)
    except (TimeoutError, ConnectionError):  # of the stream
        raise
    except OSError as error:
        raise InputError(
            f"{name}: its index is at its end, and it cannot be stored in {tempfile.gettempdir()} "
            f"({error.strerror or error}); TMPDIR names another folder"
        ) from error
