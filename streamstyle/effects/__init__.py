"""What can be done to a picture. A new effect is one file and one line in EFFECTS."""

from __future__ import annotations

from collections.abc import Callable

from streamstyle.effects.composite import Composite
from streamstyle.effects.dream import Dream
from streamstyle.effects.identity import Identity
from streamstyle.effects.stabilize import Stabilize
from streamstyle.effects.style import Style
from streamstyle.effects.transfer import Transfer
from streamstyle.effects.zoom import Zoom
from streamstyle.frames import Effect

EFFECTS: dict[str, Callable[..., Effect]] = {
    "identity": Identity,
    "style": Style,
    "dream": Dream,
    "stabilize": Stabilize,
    "zoom": Zoom,
    "transfer": Transfer,
    "composite": Composite,
}
