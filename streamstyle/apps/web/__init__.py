"""The web page: a small server on this machine that stylizes a browser's camera, clips and its own camera.

Needs the extra `web`; without it `Studio` raises a UsageError.
"""
