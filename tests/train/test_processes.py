import pytest
import torch

from vldm_cli.train import processes


def test_one_process_trains_where_it_is_told_and_ends_its_group_whatever_happens(monkeypatch):
    ended = []
    monkeypatch.setattr(processes.PartialState, "destroy_process_group", lambda self: ended.append(self))
    with pytest.raises(ZeroDivisionError), processes.together("cpu") as own:
        assert (own.device, own.many, own.rank) == (torch.device("cpu"), 1, 0) and not ended
        raise ZeroDivisionError
    assert len(ended) == 1
