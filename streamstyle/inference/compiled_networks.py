"""Keeps compiled networks, so that each is compiled only once."""

from __future__ import annotations

import copy
import logging
from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from streamstyle.inference.network_runner import Compiled, NetworkRunner
from streamstyle.networks import StyleNetwork

MOST_KEPT = 4  # compiled networks; each occupied 13 MB at 640x480
PATIENCE = 3  # frames in succession after which a network is compiled in the background

_log = logging.getLogger("streamstyle")


class CompiledNetworks:
    """The networks that a runner has compiled, by weights and size; those used last are kept.

    Args:
        runner: compiles them.
        in_background: compile in another thread, so that no frame has to wait. Which frames come from the
            compiled network then depends on timing, so this is for live sessions only.
    """

    def __init__(self, runner: NetworkRunner, *, in_background: bool = False) -> None:
        self.runner = runner
        self._kept: OrderedDict[Hashable, Compiled] = OrderedDict()
        self._background = ThreadPoolExecutor(1, "compilation") if in_background else None
        self._pending: tuple[Hashable, Future[Compiled]] | None = None
        self._last: Hashable = None
        self._repeated = 0  # how many times the last one was asked for in succession
        self._is_broken = False

    def find(self, network: StyleNetwork, weights: Hashable, height: int, width: int) -> Compiled | None:
        """The compiled network; None if there is none (yet).

        Args:
            network: with its present weights, on the CPU.
            weights: what they follow from.
            height, width: of the images.

        Raises:
            MemoryError: memory does not suffice to compile it.
        """
        key = weights, height, width
        self._repeated = self._repeated + 1 if key == self._last else 1
        self._last = key
        self._collect()
        if key not in self._kept and not self._is_broken:
            self._compile(key, network, height, width)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _compile(self, key: Hashable, network: StyleNetwork, height: int, width: int) -> None:
        threads = torch.get_num_threads()
        if self._background is None:
            try:
                self._keep(key, self.runner.compile(network, height, width, threads))
            except (RuntimeError, ImportError) as error:
                self._give_up(error)
        elif self._pending is None and self._repeated >= PATIENCE:
            snapshot = copy.deepcopy(network)  # the network's weights may change meanwhile
            job = self._background.submit(self.runner.compile, snapshot, height, width, threads)
            self._pending = key, job

    def _collect(self) -> None:
        """Keep what was compiled in the background."""
        if self._pending is None or not self._pending[1].done():
            return
        (key, job), self._pending = self._pending, None
        try:
            self._keep(key, job.result())
        except (RuntimeError, ImportError, MemoryError) as error:
            self._give_up(error)

    def _keep(self, key: Hashable, compiled: Compiled) -> None:
        self._kept[key] = compiled
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _give_up(self, error: Exception) -> None:
        self._is_broken = True
        reason = str(error).strip().partition("\n")[0] or "not enough memory"
        _log.warning("%s failed, PyTorch runs the style network: %s", self.runner.packages[0], reason)
