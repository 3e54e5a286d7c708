"""Many videos in one call: a list of prompts or of clips becomes tasks, and each task one video.

`lists` reads files, `template` makes names, `prompts` and `clips` make tasks of both, all that can be refused being
refused there. `task` makes one video, in any process; `run` makes them in turn. Light until a video is made.
"""
