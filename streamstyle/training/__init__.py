"""Training of networks: a painting and images to paint make a style, in minutes.

`Training` is the loop, `job` keeps it safe on disk, `judge` says what is asked of a network, `contents` and
`scenes` are what it looks at. `base` and `distillation` make the bundled networks that all styles stand on.
"""

from streamstyle.training.data import Photographs, TrainingImages, VideoFrames, painting_for
from streamstyle.training.job import TrainingJob, resume_training, state_of, train
from streamstyle.training.loop import Diverged, Training, TrainingProgress
from streamstyle.training.recipe import Recipe, read_recipe

__all__ = [
    "Diverged",
    "Photographs",
    "Recipe",
    "Training",
    "TrainingImages",
    "TrainingJob",
    "TrainingProgress",
    "VideoFrames",
    "painting_for",
    "read_recipe",
    "resume_training",
    "state_of",
    "train",
]
