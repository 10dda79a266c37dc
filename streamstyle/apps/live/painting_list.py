"""The list of a folder's paintings in a live session, any of which can become the style at once."""

from __future__ import annotations

import threading
from pathlib import Path

from streamstyle.apps.live.session import Live
from streamstyle.errors import StreamstyleError
from streamstyle.image_recognition import images_in

LIST_KEYS = ("up", "down", "enter", "right", "l", "esc")


class PaintingList:
    """A list that keys open, move through and choose from.

    The network of a painting is predicted in the background, so the stream does not stop.

    Args:
        live: the session that gets the styles.
        folder: of the paintings; it is read whenever the list is opened.

    Attributes:
        is_open: the list is shown, and its keys work.
        names: of the images.
        selected: index of the one to choose.

    Raises:
        InputError: the folder does not exist, or has no image.
    """

    def __init__(self, live: Live, folder: Path) -> None:
        self.live, self.folder = live, folder
        self.is_open, self.selected = False, 0
        self._files = images_in(folder)
        self._loading: threading.Thread | None = None
        self._news = ""

    @property
    def names(self) -> list[str]:
        return [file.stem for file in self._files]

    def open(self) -> None:
        """Show the list, with images that have come since.

        Raises:
            InputError: the folder is gone, or has no image any more.
        """
        chosen = self._files[self.selected]
        self._files = images_in(self.folder)
        self.selected = self._files.index(chosen) if chosen in self._files else 0
        self.is_open = True

    def press(self, key: str) -> bool:
        """Perform the action of a key while the list is open; returns whether it has one."""
        if not self.is_open or key not in LIST_KEYS:
            return False
        if key in ("up", "down"):
            self.selected = (self.selected + (1 if key == "down" else -1)) % len(self._files)
        elif key in ("enter", "right"):
            self.use(str(self._files[self.selected]))
        else:
            self.is_open = False
        return True

    def use(self, name: str) -> None:
        """Make an image the style, as soon as its network is there."""
        if self._loading is None or not self._loading.is_alive():
            self._news = f"preparing {Path(name).stem}"
            self._loading = threading.Thread(target=self._load, args=(name,), daemon=True)
            self._loading.start()

    def _load(self, name: str) -> None:
        try:
            self.live.add_style(name)
            self.live.change(style=name, bypass=False)
            self._news = Path(name).stem
        except StreamstyleError as error:
            self._news = str(error)

    def news(self) -> str:
        """What has happened to the image chosen last, once; "" if nothing has."""
        news, self._news = self._news, ""
        return news

    def wait(self) -> None:
        """Wait until the image chosen last is the style, or has failed."""
        if self._loading is not None:
            self._loading.join()
