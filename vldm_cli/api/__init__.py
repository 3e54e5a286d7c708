"""The Python door: what `import vldm_cli` offers, and what the commands are made of.

It stands between the pipelines, which make what they are told to the last detail, and whoever asks: the command line
or a program. Here a request is checked and completed (names, seeds, device, number format), and loaded models are kept.
"""
