"""Pools by name. A new kind is one class and one line in POOLS."""

from __future__ import annotations

from collections.abc import Callable

from streamstyle.batch.local_pool import LocalPool
from streamstyle.batch.pool import Pool, PoolOptions


def _ray_pool(options: PoolOptions) -> Pool:
    from streamstyle.batch.ray_pool import RayPool  # of an optional package

    return RayPool(options)


POOLS: dict[str, Callable[[PoolOptions], Pool]] = {"local": LocalPool, "ray": _ray_pool}
