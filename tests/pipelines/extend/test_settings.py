"""What `extend` goes on with."""

from vldm_cli.api.recipe import recipe
from vldm_cli.pipelines.extend.settings import Memory, Options, encoder_of


def test_the_encoder_that_made_the_clip_goes_on_where_the_file_can_hold_it():
    by_gpu, by_us = Memory(encoder="nvenc"), Memory()
    assert encoder_of(Options(), by_gpu, "mp4") == "nvenc"
    assert encoder_of(Options(), by_gpu, "webm") == encoder_of(Options(), by_us, "mkv") == "x264"
    assert encoder_of(Options(encoder="x264"), by_gpu, "mov") == "x264"
    assert encoder_of(Options(encoder="nvenc"), by_us, "mov") == "nvenc"


def test_its_command_names_the_encoder_for_the_clip_may_have_another():
    settings = {"frames": 3, "prompt": "a", "negative": "", "guidance": 2.0, "context_guidance": 1.0}
    made = {"command": "extend", "clip": "a.mp4", "seed": 1, "pack": None}
    made["settings"] = {**settings, "only_new": False, "memory": "lowest"}
    words = recipe(made, "b.mp4")
    assert "--encoder x264" in words and "--memory lowest" in words
    assert "--encoder nvenc" in recipe(
        {**made, "settings": {**made["settings"], "encoder": "nvenc"}}, "b.mp4"
    )
