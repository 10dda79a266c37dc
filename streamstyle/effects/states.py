"""States of effects within effects: each has its keys to itself.

An effect's state is a flat mapping, so that it can be stored. An effect that wraps another one puts the
other's keys behind a prefix.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

State = Mapping[str, Tensor | float | int]

PREFIX = "effect."


def nested(state: State) -> dict[str, Tensor | float | int]:
    """The state of a wrapped effect, for the state of the one that wraps it."""
    return {PREFIX + key: value for key, value in state.items()}


def unnested(state: State) -> dict[str, Tensor | float | int]:
    """What `nested` was given, out of the state of the effect that wraps another."""
    return {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}
