"""Training: a style painting and content images give a style network, in minutes.

`loop` is the training loop, `optimization` its steps on CPU and GPU, and `job` saves its state to disk.
`perceptual_loss` defines the losses; `data` and `scenes` provide the content images, and `crops` the crops of
them. `base` and `distillation` train the bundled networks on which all
styles are based.
"""

from streamstyle.training.data import Photographs, TrainingImages, VideoFrames, painting_for
from streamstyle.training.job import TrainingJob, resume_training, state_of, train
from streamstyle.training.loop import Training, TrainingProgress
from streamstyle.training.optimization import Diverged
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
