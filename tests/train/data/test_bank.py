"""The bank of examples: a ring of chunks, each a function of its number."""

import torch

from vldm_cli.train.data.bank import RENEW_STEPS, Bank, chunk_seed


def numbered(chunks=3, length=4):
    made = []

    def make(index):
        made.append(index)
        return {
            "number": torch.full((length,), index),
            "frames": torch.full((length, 2, 2), index, dtype=torch.uint8),
        }

    return Bank(make, chunks, torch.device("cpu")), made


def test_the_oldest_chunk_gives_way():
    bank, made = numbered()
    bank.fill(None)
    assert made == [0, 1, 2] and bank.size == 12
    bank.add()
    assert set(bank.tensors["number"].tolist()) == {1, 2, 3}
    drawn = bank.draw(200)
    assert set(drawn["number"].tolist()) == {1, 2, 3}
    assert (drawn["frames"][:, 0, 0] == drawn["number"]).all() and drawn["frames"].shape == (200, 2, 2)


def test_restored_from_one_number():
    bank, _ = numbered()
    bank.fill(None)
    bank.add()
    bank.add()
    again, made = numbered()
    again.restore(bank.made, 2.5)
    assert made == [2, 3, 4] and again.made == bank.made and again.spent == 2.5
    assert torch.equal(again.tensors["number"], bank.tensors["number"])


def test_a_timed_bank_is_filled_as_far_as_there_is_time_and_renewed_within_its_share():
    bank, made = numbered(chunks=100)
    bank.fill(0.0)
    assert made == [0] and bank.size == 4
    assert set(bank.draw(50)["number"].tolist()) == {0}
    bank.spent = 10.0
    bank.renew(5, elapsed=20.0)  # half of the time already went into examples
    assert made == [0]
    bank.renew(6, elapsed=200.0)
    assert made == [0, 1] and bank.size == 8


def test_a_run_counted_in_steps_renews_by_steps():
    bank, made = numbered()
    bank.fill(None)
    for step in range(2 * RENEW_STEPS + 1):
        bank.renew(step, None)
    assert made == [0, 1, 2, 3, 4]


def test_processes_decide_as_one():
    """What the others say goes, also where this process's own clock says otherwise."""
    bank, made = numbered(chunks=100)
    answers = iter([False, False, True])
    bank.agree = lambda wish: next(answers)
    bank.fill(0.0)
    assert made == [0, 1, 2]
    bank.agree = lambda wish: False
    bank.renew(5, elapsed=1e9)
    assert made == [0, 1, 2]


def test_seeds_differ():
    keys = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 2), (0, 0, 1, 1)]
    assert len({chunk_seed(*key) for key in keys}) == len(keys)
    assert chunk_seed(0, 0, 1) == chunk_seed(0, 0, 1) < 2**63
