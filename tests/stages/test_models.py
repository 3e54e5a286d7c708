"""A pack's models on a GPU that has not the room for them."""

import pytest
import torch

from vldm_cli.errors import RequestError
from vldm_cli.runs import memory
from vldm_cli.stages import models as module
from vldm_cli.stages.models import Models


def test_the_weights_of_a_clips_upscaler_wait_where_there_is_no_room_for_them(tiny_pack, monkeypatch):
    for place in (module, memory):
        monkeypatch.setattr(place, "free_bytes", lambda device: 10 << 30)
    monkeypatch.setattr(module, "has_triton", lambda: False)
    models = Models(tiny_pack)
    models.device = torch.device("cuda")  # nothing goes there
    models.prepare_upscaler("pixel", 9 << 30)
    assert not models.low
    models.prepare_upscaler("pixel", 11 << 30)
    assert models.low
    with pytest.raises(
        RequestError, match=r"about 20\.0 GiB of memory and cuda has 10\.0 free; a smaller --tile"
    ):
        models.prepare_upscaler("pixel", 20 << 30)
