"""What every style network is: an image in, the stylized image out, in one pass."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import ClassVar, Self

from torch import Tensor, nn


class StyleNetwork(nn.Module, ABC):
    """Base of all style networks: (N, 3, H, W) RGB in [0, 1] to the same; each is in STYLE_NETWORKS.

    Attributes:
        SIZES: the constructor's arguments, whole numbers, which weights files store; all are attributes.
        TILED: `forward` takes `rows`, so many lines at a time, which saves memory.
        multiple: sides have to be multiples of this, in pixels.
        minimum: the shortest side that it takes, in pixels.
    """

    SIZES: ClassVar[tuple[str, ...]] = ()
    TILED: ClassVar[bool] = False
    multiple: int = 1
    minimum: int = 1

    @classmethod
    def from_checkpoint(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, dict[str, Tensor]] | None:
        """A network for the checkpoint of another program, and the tensors to fill it with.

        Returns:
            None where the checkpoint is not of this architecture.
        """
        return None
