"""Training of networks: a painting and pictures to paint make a style, in minutes.

`Training` is the loop, `job` keeps it safe on disk, `judge` says what is asked of a network, `contents` and
`scenes` are what it looks at. `base` and `distillation` make the bundled networks that all styles stand on.
"""

from streamstyle.train.contents import Contents, FilmFrames, Photographs, read_painting
from streamstyle.train.job import Order, resume_training, state_of, train_style
from streamstyle.train.recipe import Recipe, read_recipe
from streamstyle.train.training import Diverged, Training, TrainingProgress

__all__ = [
    "Contents",
    "Diverged",
    "FilmFrames",
    "Order",
    "Photographs",
    "Recipe",
    "Training",
    "TrainingProgress",
    "read_painting",
    "read_recipe",
    "resume_training",
    "state_of",
    "train_style",
]
