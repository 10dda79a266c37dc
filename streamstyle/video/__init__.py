"""Everything that uses PyAV: opening inputs safely, tracks, timestamps, color, codecs, segments.

No module outside this folder imports av. Importing any module of the folder runs this file first, which
fixes the only order of imports that works.
"""

# cv2 before av: in the other order the first cv2.imshow hangs, as av bundles its own X11 library.
import cv2  # noqa: F401, I001
import av  # noqa: F401
