"""Effects by name. A new effect is one file and one line here."""

from collections.abc import Callable

from streamstyle.effects.identity import Identity
from streamstyle.effects.style import Style
from streamstyle.stream import Effect

EFFECTS: dict[str, Callable[..., Effect]] = {"identity": Identity, "style": Style}
