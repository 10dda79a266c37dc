"""States of nested effects: a prefix keeps the keys of wrapped and wrapping effects apart.

An effect's state is a flat mapping, so that it can be stored in checkpoints. An effect that wraps another one
adds a prefix to the other's keys.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

State = Mapping[str, Tensor | float | int]

PREFIX = "effect."


def nested(state: State) -> dict[str, Tensor | float | int]:
    """The state of a wrapped effect with prefixed keys, as a part of the wrapping effect's state."""
    return {PREFIX + key: value for key, value in state.items()}


def unnested(state: State) -> dict[str, Tensor | float | int]:
    """The state of the wrapped effect from that of the wrapping one: the inverse of `nested`."""
    return {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}
