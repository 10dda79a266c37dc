"""Everything that touches PyAV: opening safely, tracks, timestamps, color, codecs, segments.

No module outside this folder imports av. Importing any module of the folder runs this file first, which
gives the one order of imports that works.
"""

# cv2 before av: in the other order the first cv2.imshow hangs, as av brings an X11 library of its own.
import cv2  # noqa: F401, I001
import av  # noqa: F401
