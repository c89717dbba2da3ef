"""Motion in bursts of faces: optical flow, magnified motion and blinks."""

from ._blinks import BlinkFeaturizer
from ._magnification import MotionMagnifier
from ._optical_flow import OpticalFlow

__all__ = ["BlinkFeaturizer", "MotionMagnifier", "OpticalFlow"]
