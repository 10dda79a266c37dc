"""Tensors that never change, such as matrices: made once for each device.

Copying them for every frame would stop the device. A CUDA graph reads them wherever they were when it was
captured, so it has to keep them, even if they are no longer among those used last.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

_KEPT = 64  # tensors, those used last
_thread = threading.local()


def constant(key: Hashable, values: Callable[[], np.ndarray], device: torch.device) -> Tensor:
    """A tensor in single precision on the device.

    Args:
        key: of the values; together with the device it identifies them.
        values: makes them.
        device: where they are needed.
    """
    tensor = _made(_Values(key, values), device)
    for holder in getattr(_thread, "holders", ()):
        holder.append(tensor)
    return tensor


@contextmanager
def constants_held() -> Iterator[list[Tensor]]:
    """A context that collects the constants which this thread uses in it, so that they can be kept."""
    holder: list[Tensor] = []
    _thread.holders = [*getattr(_thread, "holders", ()), holder]
    try:
        yield holder
    finally:
        _thread.holders = [other for other in _thread.holders if other is not holder]


class _Values:
    """Values that are equal if their keys are."""

    def __init__(self, key: Hashable, values: Callable[[], np.ndarray]) -> None:
        self.key, self.values = key, values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Values) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=_KEPT)
def _made(values: _Values, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # so that they can be used outside of it, too
        return torch.from_numpy(np.array(values.values(), np.float32)).to(device)
