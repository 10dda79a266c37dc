"""What a runtime for style networks has to offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from torch import Tensor

from streamstyle.errors import StreamstyleError
from streamstyle.networks import StyleNetwork

Compiled = Callable[[Tensor], Tensor]
"""A compiled network: (1, 3, H, W) float32 in [0, 1] to the same shape; fastest with channels-last memory."""


class NetworkRunner(Protocol):
    """Compiles style networks, with the weights that they have at the moment.

    Attributes:
        packages: that must be installed; the first one names the runtime.
    """

    @property
    def packages(self) -> tuple[str, ...]: ...

    def accepts(self, network: StyleNetwork) -> bool:
        """Whether it can compile networks of this architecture."""
        ...

    def compile(self, network: StyleNetwork, height: int, width: int, threads: int) -> Compiled:
        """The network for images of one size.

        Args:
            network: with its present weights, on the CPU.
            height, width: of the images in pixels, multiples of the network's `multiple`.
            threads: with which it computes.

        Returns:
            A function for one thread at a time. It raises MemoryError if memory does not suffice.

        Raises:
            MemoryError: memory does not suffice.
            RuntimeError: the runtime fails otherwise.
        """
        ...


@contextmanager
def runtime_errors() -> Iterator[None]:
    """Turns a runtime's errors into Python's, by their texts, as none has classes of its own for them.

    Raises:
        MemoryError: memory does not suffice.
        RuntimeError: anything else.
    """
    try:
        yield
    except StreamstyleError:  # a signal that arrived meanwhile
        raise
    except Exception as error:
        texts = "bad_alloc", "bad allocation", "allocate", "failed to map segment"
        if isinstance(error, MemoryError) or any(text in str(error) for text in texts):
            raise MemoryError from error
        raise RuntimeError(str(error)) from error
