"""Where the work of all visits is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Call = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Workers:
    """What all visits share.

    Attributes:
        stylizing: runs a function in the one thread that stylizes the frames of all visitors.
        pool: runs a function in a thread of a pool.
        rendering: held by the one visit that renders.
        folder: for the results of renders.
    """

    stylizing: Call
    pool: Call
    rendering: asyncio.Lock
    folder: Path
