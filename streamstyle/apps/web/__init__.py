"""The page: a small server on this machine that stylizes what a browser, a clip or a camera shows.

Needs the extra `web`; without it only `Studio` says so, and everything else works.
"""
