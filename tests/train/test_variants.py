"""Variants for the ablations: what makes each another one, and that all get the same time."""

from fractions import Fraction

import pytest
import torch

from tests.train.common import setup
from vldm_cli.align import Context
from vldm_cli.errors import RequestError
from vldm_cli.train.all import new_state
from vldm_cli.train.data.source import ToylandSource
from vldm_cli.train.objectives.temporal import Interpolation, Keyframes
from vldm_cli.train.variants import VARIANTS, make_jobs, make_packs, steps_of, train_variants


def objective(kind, pack, **options):
    source = ToylandSource((32, 48), Fraction(24), torch.device("cpu"))
    return kind(setup(pack, source=source, batch=2, bank_frames=64, **options))


def test_every_variant_has_a_pack_and_keeps_it(pack, tmp_path):
    packs = make_packs(pack, tmp_path / "run", list(VARIANTS), seed=0)
    assert list(packs) == list(VARIANTS)
    again = make_packs(pack, tmp_path / "run", list(VARIANTS), seed=0)
    assert all(packs[name].manifest.hash == again[name].manifest.hash for name in packs)
    # those of one kind begin alike
    same = [packs["keyframes"].path("temporal", "keyframes.safetensors").read_bytes() for _ in range(2)]
    assert same[0] == same[1]


def test_the_objectives_read_what_a_variant_is(pack, tmp_path):
    packs = make_packs(pack, tmp_path / "run", ["attention", "no-context", "interpolation-16"], seed=0)
    z, late = torch.randn(6, 8, 4, 4, 6), torch.tensor([True] * 3 + [False] * 3)
    torch.manual_seed(0)
    known = [objective(Keyframes, packs["attention"]).window(z, late)[1].mask_BT.sum() for _ in range(3)]
    assert sum(known) > 0
    blind = objective(Keyframes, packs["no-context"])
    assert all(blind.window(z, late)[1].mask_BT.sum() == 0 for _ in range(3))
    blind.bank.fill(None)
    assert torch.isfinite(blind.losses()["loss"])
    once = objective(Interpolation, packs["interpolation-16"])
    assert (once.factor, once.intervals, once.frames, list(once.frame_steps)) == (16, 1, 17, [1])
    context = once.window(torch.randn(2, 17, 4, 4, 6), late[:2])[1]
    assert context.mask_BT[0].nonzero()[:, 0].tolist() == [0, 16]
    once.bank.fill(None)
    assert torch.isfinite(once.losses()["loss"])


def test_attention_alone_is_told_what_is_known(pack, tmp_path):
    from vldm_cli.packs.load import load_keyframes

    model = load_keyframes(make_packs(pack, tmp_path / "run", ["attention"], seed=0)["attention"])
    for parameter in model.temporal_parameters():
        if parameter.ndim > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    z, text = torch.randn(1, 4, 4, 8, 12), torch.randn(1, 5, 16)
    plain = model(z, 500, text)
    given = model(z, 500, text, context=Context.leading(torch.randn_like(z), 2))
    assert (given - plain).abs().max() > 1e-4


class Process:
    def __init__(self, words):
        self.words = words

    def poll(self):
        return 0


def test_all_are_trained_for_the_same_time_and_once(tmp_path):
    names, calls = list(VARIANTS), []

    def launch(words, gpus, log):
        calls.append((words, gpus))
        return Process(words)

    state = new_state({}, {})
    jobs = make_jobs(names, 2.0, 2)
    further = {"attention": ["--batch", "4"]}
    clock = iter(range(0, 100_000, 60)).__next__  # late, all of them
    options = {"launch": launch, "clock": clock, "wait": lambda s: None, "say": lambda line: None}
    train_variants(jobs, 2.0, tmp_path, state, 3, further, **options)
    assert len(calls) == len(names)
    assert {words[words.index("--minutes") + 1] for words, _ in calls} == {"2.0"}
    assert {gpus for _, gpus in calls} == {(0,), (1,)}
    packs = {words[words.index("--pack") + 1] for words, _ in calls}
    assert len(packs) == len(names)
    assert [words[-2:] for words, _ in calls if "--batch" in words] == [["--batch", "4"]]
    train_variants(jobs, 2.0, tmp_path, state, 3, further, **options)
    assert len(calls) == len(names)


def test_what_was_not_trained_is_not_measured(tmp_path):
    with pytest.raises(RequestError, match="no finished training of keyframes"):
        steps_of(tmp_path, ["keyframes"])
