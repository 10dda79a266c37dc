"""Effects by name: each is one file or folder of this package, and one line in EFFECTS.

Importing this package imports only the settings; torch and the effects' code are imported when one is built.
"""

from __future__ import annotations

from streamstyle.effects.dream.settings import DreamSettings
from streamstyle.effects.render_settings import EffectContext, RenderSettings
from streamstyle.effects.stylize.settings import StylizeSettings
from streamstyle.effects.transfer.settings import TransferSettings
from streamstyle.effects.zoom.settings import ZoomSettings

__all__ = [
    "EFFECTS",
    "DreamSettings",
    "EffectContext",
    "RenderSettings",
    "StylizeSettings",
    "TransferSettings",
    "ZoomSettings",
]

EFFECTS: dict[str, type[RenderSettings]] = {
    "stylize": StylizeSettings,
    "dream": DreamSettings,
    "zoom": ZoomSettings,
    "transfer": TransferSettings,
}
