"""What a visitor renders to download: one result at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from streamstyle.apps.web.renders import Render, RenderJob

if TYPE_CHECKING:
    from streamstyle.apps.web.workers import Workers

PROGRESS_SECONDS = 0.2  # between two messages


class Downloads:
    """Starts and cancels a visitor's renders.

    Args:
        workers: do the work.
        say: sends the browser a message about the render: `state` (waiting, running, done, failed or
            cancelled), and what belongs to it.

    Attributes:
        render: the last one, if there is one.
    """

    def __init__(self, workers: Workers, say: Callable[[dict[str, Any]], Any]) -> None:
        self._workers, self._say = workers, say
        self.render: Render | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, job: RenderJob) -> None:
        """Render in the background, when it is this visitor's turn; the render before is dropped."""
        self.drop()
        try:
            self.render = Render(job, self._workers.folder)
        except OSError as error:
            await self.fail(f"the server cannot write: {error.strerror}")
            return
        self._task = asyncio.create_task(self._run(self.render))

    async def fail(self, why: str) -> None:
        """Tell the browser that there will be no result."""
        await self._say({"state": "failed", "message": why})

    def drop(self) -> None:
        """Stop the render and delete its result."""
        render, self.render = self.render, None
        task, self._task = self._task, None
        if render is not None:
            render.close()
        if task is not None:
            task.cancel()

    async def _run(self, render: Render) -> None:
        loop, told = asyncio.get_running_loop(), 0.0
        messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def put(message: dict[str, Any] | None) -> None:
            loop.call_soon_threadsafe(messages.put_nowait, message)

        if self._workers.rendering.locked():
            await self._say({"state": "waiting"})
        async with self._workers.rendering:
            await self._say({"state": "running"})
            running = asyncio.ensure_future(self._workers.pool(render.run, put))
            running.add_done_callback(lambda _: messages.put_nowait(None))
            while (message := await messages.get()) is not None:
                if "progress" not in message or time.monotonic() - told >= PROGRESS_SECONDS:
                    told = time.monotonic()
                    await self._say(_for_browser(message, render))
            if isinstance(running.exception(), OSError):
                await self.fail("the server cannot start the renderer")


def _for_browser(message: Mapping[str, Any], render: Render) -> dict[str, Any]:
    """A message of `render_process`, for the browser."""
    if "progress" in message:
        return {"state": "running", **message["progress"]}
    if "warning" in message:
        return {"state": "running", "warning": message["warning"]}
    if "refused" in message:
        return {"state": "failed", "message": message["refused"]}
    return {"state": "done", "name": render.name, "bytes": render.bytes, **message["done"]}
