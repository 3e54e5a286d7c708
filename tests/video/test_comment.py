import numpy as np
import pytest

from vldm_cli.video.kinds import KINDS
from vldm_cli.video.read import video_info
from vldm_cli.video.write import encode_segment, join_segments


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm"])
def test_more_than_a_command_line_or_mov_takes(tmp_path, suffix):
    """One argument of a command ends at 128 KB, and MOV's own places for text at 64 KB."""
    words = {"vldm": "0", "prompt": 'a=b; #c \\ "d"\n[é]', "data": "0123456789abcdef" * 20_000}
    kind = next(kind for kind in KINDS if kind == suffix)
    part, out = tmp_path / "part.mp4", tmp_path / f"out.{suffix}"
    encode_segment(part, [np.zeros((16, 16, 3), np.uint8)], 24, kind, 16)
    join_segments([part], out, kind, 24, words)
    assert video_info(out)["metadata"] == words
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, part.name]
