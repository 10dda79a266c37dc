"""A sink that keeps everything in memory: for tests, and for programs that process the frames further."""

from __future__ import annotations

from dataclasses import replace

from streamstyle.frames import Checkpoint, Frame, Packet, Sink, SinkItem


class MemorySink(Sink):
    """Keeps frames, packets and checkpoints. A context manager.

    Args:
        checkpoint_seconds: seconds of video between the checkpoints that it needs, or None for none.

    Attributes:
        frames: the frames written so far, with copies of their pixels, as a caller may reuse its buffer.
        packets: the packets written so far.
        checkpoints: the checkpoints written so far.
        items: frames, packets and checkpoints in the order of writing.
        closed: whether `close` was called.
        aborted: whether `abort` was called.

    Raises:
        ValueError: from `write`, after `close` or `abort`.
    """

    def __init__(self, *, checkpoint_seconds: float | None = None) -> None:
        self.checkpoint_seconds = checkpoint_seconds
        self.items: list[SinkItem] = []
        self.closed = False
        self.aborted = False

    @property
    def frames(self) -> list[Frame]:
        return [item for item in self.items if isinstance(item, Frame)]

    @property
    def packets(self) -> list[Packet]:
        return [item for item in self.items if isinstance(item, Packet)]

    @property
    def checkpoints(self) -> list[Checkpoint]:
        return [item for item in self.items if isinstance(item, Checkpoint)]

    def write(self, item: SinkItem) -> None:
        """Keep the item."""
        if self.closed or self.aborted:
            raise ValueError("the sink is closed, expected all writes before that")
        if isinstance(item, Frame):
            alpha = None if item.alpha is None else item.alpha.copy()
            item = replace(item, picture=item.pixels.copy(), alpha=alpha)
        self.items.append(item)

    def close(self) -> None:
        """Accept no more items; those written are kept."""
        self.closed = True

    def abort(self) -> None:
        """Accept no more items; those written are kept, so that a test can inspect them."""
        self.aborted = True
