"""Values of settings that are written as text: durations, sizes, rates, names of flows."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator

from streamstyle.errors import did_you_mean
from streamstyle.keyframes import read_seconds


def read_duration(value: Any) -> Any:
    """Parses seconds from 12.5 or 1:30."""
    return read_seconds(value) if isinstance(value, str) else value


def read_size(value: Any) -> Any:
    """Parses (width, height) from 640x360."""
    if isinstance(value, str):
        width, cross, height = value.lower().partition("x")
        if not (cross and width.isdecimal() and height.isdecimal()):
            raise ValueError("expected WIDTHxHEIGHT, such as 640x360")
        value = int(width), int(height)
    if not (is_pair(value) and all(1 <= side <= 16384 for side in value)):
        raise ValueError("expected sides from 1 to 16384")
    return value


def read_rate(value: Any) -> Any:
    """Parses frames per second from 25 or 30000/1001."""
    try:
        rate = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError("expected a number or a fraction, such as 25 or 30000/1001") from None
    if not 0 < rate <= 1000:
        raise ValueError("expected more than 0 and at most 1000")
    return rate


def read_bit_rate(value: Any) -> Any:
    """Parses bits per second from 4M or 800k."""
    if not isinstance(value, str):
        return value
    factor = {"k": 1000, "m": 1_000_000}.get(value[-1:].lower(), 1)
    digits = value[:-1] if factor > 1 else value
    try:
        return int(float(digits) * factor)
    except (ValueError, OverflowError):
        raise ValueError("expected bits per second, such as 4M or 800k") from None


def read_flow_name(value: Any) -> Any:
    """Checks for auto, a name of FLOWS, none, or a folder."""
    from streamstyle.optical_flow import FLOWS

    names = ["none", "auto", *FLOWS]
    if value not in names and not os.path.isdir(str(value)):
        hint = did_you_mean(str(value), names)
        raise ValueError(f"no such flow{hint}; known are {', '.join(names)}, or a folder of flow files")
    return value


def is_pair(value: Any) -> bool:
    """Whether the value is a list or tuple of two numbers."""
    return (
        isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(v, int | float) for v in value)
    )


Seconds = Annotated[float, BeforeValidator(read_duration)]
Size = Annotated[tuple[int, int], BeforeValidator(read_size)]
Rate = Annotated[Fraction, BeforeValidator(read_rate)]
BitRate = Annotated[int, BeforeValidator(read_bit_rate)]
FlowName = Annotated[str, BeforeValidator(read_flow_name)]
