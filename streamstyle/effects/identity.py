"""The effect that changes nothing: for tests, measurements and `--style none`."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from streamstyle.frames import Moment


class Identity:
    """Returns every image unchanged."""

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The same tensor."""
        return image

    def reset(self) -> None:
        """There is nothing to forget."""

    def state(self) -> dict[str, Tensor | float | int]:
        """Empty: no frame depends on an earlier one."""
        return {}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """There is nothing to restore."""
