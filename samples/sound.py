"""The clip's sound: a soft pad, a plucked melody and waves on the quay, in stereo."""

import numpy as np
from canvas import Array, smoothstep

RATE = 48_000  # samples per second
CHORDS = (
    ("A2", "E3", "C4", "B4"),
    ("F2", "C3", "A3", "E4"),
    ("C3", "G3", "E4", "B4"),
    ("G2", "D3", "B3", "A4"),
)
MELODY = (  # (start in seconds, note, loudness)
    (0.10, "E5", 0.8),
    (0.50, "B4", 0.6),
    (0.85, "C5", 0.7),
    (1.30, "A4", 0.8),
    (1.75, "C5", 0.5),
    (2.10, "E5", 0.8),
    (2.50, "G5", 0.9),
    (2.95, "E5", 0.6),
    (3.30, "D5", 0.7),
    (3.75, "B4", 0.8),
    (4.15, "A4", 0.7),
    (4.45, "E4", 0.6),
)
SEMITONES = {"C": -9, "D": -7, "E": -5, "F": -4, "G": -2, "A": 0, "B": 2}


def frequency(note: str) -> float:
    """Hertz of a note such as "A4", in equal temperament with A4 = 440 Hz."""
    return 440.0 * 2 ** (SEMITONES[note[0]] / 12 + int(note[1]) - 4)


def compose(seconds: float) -> Array:
    """The sound, (2, samples) float32 in [-1, 1]: left, right."""
    time = np.arange(round(seconds * RATE)) / RATE
    mixed = 0.5 * _pad(time, seconds) + 0.42 * _melody(time) + 0.5 * _waves(time)
    fade = smoothstep(0, 0.15, time) * smoothstep(seconds, seconds - 0.5, time)
    mixed = mixed * fade
    return (0.7 * mixed / np.abs(mixed).max()).astype(np.float32)


def _pad(time: Array, seconds: float) -> Array:
    """Chords that swell into each other; each note is two slightly detuned voices, one to each side."""
    out = np.zeros((2, time.size))
    length = seconds / len(CHORDS)
    for number, chord in enumerate(CHORDS):
        start = number * length
        swell = smoothstep(start - 0.35, start + 0.45, time) * smoothstep(
            start + length + 0.5, start + length - 0.2, time
        )
        for note in chord:
            for side, detune in enumerate((0.9985, 1.0015)):
                phase = 2 * np.pi * frequency(note) * detune * time
                tone = sum(np.sin(partial * phase) / partial**2.2 for partial in (1, 2, 3, 4))
                out[side] += 0.16 * swell * tone
    return out


def _melody(time: Array) -> Array:
    """A plucked string: high partials die first; notes wander between the sides and come back as an echo."""
    out = np.zeros((2, time.size))
    for number, (start, note, loudness) in enumerate(MELODY):
        for echo, (delay, level) in enumerate(((0.0, 1.0), (0.29, 0.3), (0.58, 0.12))):
            since = np.maximum(time - start - delay, 0)
            pluck = sum(
                np.sin(2 * np.pi * frequency(note) * partial * since)
                * np.exp(-since * (2.2 + 1.9 * partial))
                / partial
                for partial in range(1, 7)
            )
            right = 0.5 + 0.28 * (-1) ** (number + echo)
            out += (
                0.5
                * level
                * loudness
                * np.array([[1 - right], [right]])
                * pluck
                * smoothstep(0, 0.004, since)
            )
    return out


def _waves(time: Array) -> Array:
    """Water that laps slowly: a low murmur without any hiss, louder now left, now right."""
    rng = np.random.default_rng(9)
    out = np.zeros((2, time.size))
    for _ in range(90):
        hertz = float(rng.uniform(90, 420))
        drift = float(rng.uniform(0.3, 1.1))
        tone = np.sin(
            2 * np.pi * hertz * time
            + 3 * np.sin(2 * np.pi * drift * time + rng.uniform(0, 6))
            + rng.uniform(0, 6)
        )
        lap = np.clip(np.sin(2 * np.pi * 0.31 * time + rng.normal(0, 0.5)), 0, 1) ** 2
        right = float(rng.random())
        out += 0.012 * (200 / hertz) * lap * tone * np.array([[1 - right], [right]])
    return out
