"""Only motion in the band is magnified, by a known gain."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.signal import butter, freqz
from streams.conftest import moved

from skdeepfake.streams import MotionMagnifier

RATE = 25.0
skimage_data = pytest.importorskip("skimage.data")


def swing(hertz: float, amplitude: float, n_frames: int = 50) -> np.ndarray:
    """Make frames of a portrait that moves from side to side."""
    seconds = np.arange(n_frames) / RATE
    x = amplitude * np.sin(2 * np.pi * hertz * seconds)
    picture = skimage_data.astronaut()[20:220, 120:320].astype(float)
    picture = cv2.resize(picture, (260, 260), interpolation=cv2.INTER_CUBIC)
    return moved(picture, np.stack([x, 0 * x], axis=-1), 224)


def amplitude_of(frames: np.ndarray, hertz: float) -> float:
    """Estimate the amplitude at a frequency from the gradient, after the transient."""
    smooth = [cv2.GaussianBlur(f, (0, 0), 1) for f in frames[25:].mean(axis=-1)]
    smooth = np.array(smooth)[:, 20:-20, 20:-20]
    change = smooth - smooth.mean(axis=0)
    gradient = np.gradient(smooth.mean(axis=0), axis=1)
    x = -(change * gradient).sum(axis=(1, 2)) / (gradient**2).sum()
    turns = np.arange(len(x)) / RATE * hertz
    return float(2 * abs((x * np.exp(-2j * np.pi * turns)).mean()))


@pytest.mark.parametrize(
    ("hertz", "amplitude", "alpha", "spatial"),
    [
        pytest.param(2, 0.05, 5, 2.63, marks=pytest.mark.nightly),
        (2, 0.2, 5, 2.63),
        pytest.param(1, 0.2, 10, 5.23, marks=pytest.mark.nightly),
        (2, 0.1, 10, 5.23),
        pytest.param(4, 0.2, 10, 5.23, marks=pytest.mark.nightly),
        (8, 0.2, 10, 5.23),
        (12, 0.2, 10, 5.23),
        (2, 0.2, 0, 0),
    ],
)
def test_motion_has_the_gain_of_the_filter_at_its_frequency(
    hertz: float, amplitude: float, alpha: float, spatial: float
) -> None:
    # The spatial gain is the same at all frequencies and amplitudes.
    faces = swing(hertz, amplitude)
    magnified = MotionMagnifier(alpha=alpha).transform(faces[np.newaxis])[0]
    assert magnified.dtype == np.uint8
    gain = amplitude_of(magnified, hertz) / amplitude_of(faces, hertz)
    numerator, denominator = butter(1, (0.5, 3.0), "bandpass", fs=RATE)
    response = freqz(numerator, denominator, [hertz], fs=RATE)[1][0]
    assert gain == pytest.approx(abs(1 + spatial * response), rel=0.02)


def test_band_is_in_hertz_at_the_frame_rate() -> None:
    # At half the frame rate, 2 Hz become 1 Hz.
    faces = swing(2, 0.2)[:, 50:110, 80:140][np.newaxis]
    slow = MotionMagnifier(frame_rate=RATE / 2, band=(0.5, 1.5)).transform(faces)
    fast = MotionMagnifier(frame_rate=RATE, band=(1.0, 3.0)).transform(faces)
    np.testing.assert_array_equal(slow, fast)
    assert np.ptp(fast[0].astype(int), axis=0).max() > 20


def test_bursts_and_people_are_magnified_each_by_itself() -> None:
    faces = swing(2, 0.5, 24)[:, 60:100, 60:100]
    other = swing(3, 0.5, 24)[:, 100:140, 100:140]
    magnifier = MotionMagnifier(burst=12, max_faces=2)
    slots = np.stack([faces, other], axis=1).reshape(1, 48, 40, 40, 3)
    found = magnifier.transform(slots).reshape(2, 12, 2, 40, 40, 3)
    for burst in range(2):
        for k, person in enumerate((faces, other)):
            alone = person[12 * burst : 12 * burst + 12][np.newaxis]
            expected = MotionMagnifier().transform(alone)[0]
            np.testing.assert_array_equal(found[burst, :, k], expected)


def test_empty_slots_stay_empty_and_do_not_count_as_motion() -> None:
    still = np.repeat(swing(2, 0, 1), 12, axis=0)[np.newaxis, :, 60:100, 60:100]
    still[0, [0, 5]] = 0
    np.testing.assert_array_equal(MotionMagnifier().transform(still), still)
    empty = np.zeros_like(still)
    np.testing.assert_array_equal(MotionMagnifier().transform(empty), empty)


@pytest.mark.parametrize("band", [(3.0, 0.5), (0.0, 3.0), (0.5, 12.5), (1.0,)])
def test_band_outside_of_the_frame_rate_is_refused(band: tuple) -> None:
    with pytest.raises(ValueError, match=r"two increasing frequencies .* 12\.5 Hz"):
        MotionMagnifier(band=band).fit(None)


def test_band_may_reach_up_to_half_of_the_frame_rate() -> None:
    MotionMagnifier(band=(0.5, 12.4)).fit(None)
