"""The base class of style networks, which stylize an image in one pass."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import ClassVar, Self

from torch import Tensor, nn


class StyleNetwork(nn.Module, ABC):
    """Base of all style networks: (N, 3, H, W) RGB in [0, 1] to the same shape; each is in STYLE_NETWORKS.

    Attributes:
        SIZES: names of the constructor's integer arguments, stored in weights files; all are attributes.
        TILED: `forward` takes `rows`, the height of the strips that are processed one by one to save memory.
        multiple: both sides must be multiples of this, in pixels.
        minimum: the shortest allowed side, in pixels.
    """

    SIZES: ClassVar[tuple[str, ...]] = ()
    TILED: ClassVar[bool] = False
    multiple: int = 1
    minimum: int = 1

    @classmethod
    def from_checkpoint(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, dict[str, Tensor]] | None:
        """A network for the checkpoint of another program, and the tensors to load into it.

        Returns:
            None if the checkpoint is not of this architecture.
        """
        return None
