import numpy as np
import pytest
import torch

from tests.tiny import tiny_pack
from vldm_cli.errors import RequestError
from vldm_cli.measure.faithfulness import counts, readings
from vldm_cli.measure.probe.attributes import COLOUR_NAMES, OBJECT, SCENE
from vldm_cli.measure.probe.layers import Change, middles
from vldm_cli.measure.probe.probe import CHANGE, COUNTING, Probe, grown, load_probe
from vldm_cli.measure.probe.prompts import everything
from vldm_cli.measure.probe.truth import truth
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.save import save_part
from vldm_cli.toyland.render import render
from vldm_cli.train.objectives.probe_losses import _middles, losses


def new_probe(seed=0):
    torch.manual_seed(seed)
    return Probe(change=CHANGE, counting=COUNTING)


def test_sizes():
    probe = new_probe()
    assert sum(p.numel() for p in probe.parameters()) <= 1_150_000
    answers = probe(torch.zeros(2, 3, 3, 32, 48), torch.tensor([16, 4]))
    assert answers.presence_BK.shape == (2, 10)
    assert {k: v.shape for k, v in answers.object.items()} == {k: (2, 10, len(v)) for k, v in OBJECT.items()}
    assert {k: v.shape for k, v in answers.scene.items()} == {k: (2, len(v)) for k, v in SCENE.items()}
    assert answers.frame_presence_BTK.shape == (2, 3, 10)
    assert answers.frame_shape_BTKV.shape == (2, 3, 10, 6)
    assert answers.frame_place_BTK3.shape == (2, 3, 10, 3) and answers.camera_BT5.shape == (2, 3, 5)
    assert answers.relation_BKKV.shape == (2, 10, 10, 4)
    assert answers.clip_BF.ndim == 2 and answers.frame_BTF.shape[:2] == (2, 3)
    assert answers.middles_BTKHW is not None
    assert answers.middles_BTKHW.shape == answers.spots_BTKHW.shape == (2, 3, 10, 4, 6)


@torch.no_grad()
def test_a_probe_that_neither_compares_nor_counts_yet_grows_and_answers_as_before():
    torch.manual_seed(0)
    before = Probe().eval()
    after = grown(before).eval()
    assert before.compare is before.middles is None and grown(after) is after
    assert after.compare is not None and after.middles is not None
    comparing = Probe(change=16)
    assert comparing.compare is not None
    kept = grown(comparing).state_dict()
    assert all(torch.equal(kept[name], value) for name, value in comparing.state_dict().items())
    for frames in (1, 3):
        x = torch.rand(2, frames, 3, 32, 48) * 2 - 1
        a, b = before(x, 16), after(x, 16)
        assert torch.equal(a.object["motion"], b.object["motion"]) and torch.equal(a.clip_BF, b.clip_BF)


def test_what_turns_is_told_from_what_rests_by_comparing():
    """A bright half of a disc that turns, or rests at any turn; nothing else is trained than what compares."""
    torch.manual_seed(0)
    change, told = Change(8, 16), torch.nn.Linear(8, 1)
    line = (torch.arange(32) * 2 + 1 - 32) / 32
    y, x = torch.meshgrid(line, line, indexing="ij")

    def clips(n):
        turns_N = torch.rand(n) < 0.5
        angle_NT = 6.3 * torch.rand(n, 1) + turns_N[:, None] * torch.arange(4) * 0.6
        half = x * angle_NT.cos()[..., None, None] + y * angle_NT.sin()[..., None, None]
        return ((5 * half).clamp(-1, 1) * (x * x + y * y < 1))[:, :, None].expand(-1, -1, 3, -1, -1), turns_N

    place = torch.tensor([0.0, 0.0, 1.0]).expand(64, 4, 1, 3)
    optimizer = torch.optim.AdamW([*change.parameters(), *told.parameters()], lr=3e-3)
    for _ in range(80):
        video, turns_N = clips(64)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            told(change(video, place))[:, 0, 0], turns_N.float()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    video, turns_N = clips(64)
    assert float(((told(change(video, place))[:, 0, 0] > 0) == turns_N).float().mean()) > 0.95


def test_middles_of_two_that_touch_are_taught_apart():
    """Two red balls side by side: the loss falls as each has a middle, and rises with cells between them."""
    H, W = 20, 32
    things = torch.zeros(1, 1, 3, 4)
    things[..., :2, :] = torch.tensor(
        [[-0.25, 0.0, 0.4, 1.0], [0.25, 0.0, 0.4, 1.0]]
    )  # .5 of 1.6 half heights apart
    colours, red = torch.tensor([[0, 0, -1]]), torch.full((1, 1, 10, H, W), -6.0)
    red[0, 0, 0, 9:11, 11:13] = red[0, 0, 0, 9:11, 19:21] = 6.0
    joined = red.clone()
    joined[0, 0, 0, 9:11, 11:21] = 6.0
    right, wrong, none = (float(_middles(m, things, colours)) for m in (red, joined, red * 0 - 6))
    assert right < 0.1 < 0.2 < min(wrong, none)
    assert counts(red) == [[2] + [0] * 9] and counts(joined) == [[1] + [0] * 9]


@torch.no_grad()
def test_single_frames_are_read_alone_and_clips_in_order():
    probe = new_probe().eval()
    x = torch.rand(1, 4, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    plain, turned = probe(x, 16), probe(x.flip(1), 16)
    for name in ("frame_presence_BTK", "frame_shape_BTKV", "frame_place_BTK3", "frame_BTF"):
        assert torch.allclose(getattr(plain, name), getattr(turned, name).flip(1), atol=1e-4)
    assert not torch.allclose(plain.object["motion"], turned.object["motion"], atol=1e-3)
    assert not torch.allclose(plain.scene["camera"], turned.scene["camera"], atol=1e-3)
    assert not torch.allclose(plain.object["motion"], probe(x, 1).object["motion"], atol=1e-3)


def test_it_learns_to_read_a_few_clips():
    scenes = everything(4).scenes[4:8]  # of two objects, never of one colour
    attributes = [scenes.describe(i) for i in range(4)]
    times = np.tile(np.arange(3) * 5 / 3, (4, 1))
    x = 2 * render(scenes, times, (48, 80), supersample=1) - 1
    batch = truth(scenes, times, 80 / 48)
    probe = new_probe()
    optimizer = torch.optim.AdamW(probe.parameters(), lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        losses(probe(x, 16), batch)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(probe.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        read = list(readings(probe.eval()(x, 16)))
    for given, got in zip(attributes, read, strict=True):
        assert {n: got.scene[n] for n in ("ground", "sky", "camera")} == {
            n: given[n] for n in ("ground", "sky", "camera")
        }
        for thing in given["objects"]:
            assert got.certainty[thing["colour"]] > 0
            read_off = got.objects[thing["colour"]]
            assert {n: read_off[n] for n in OBJECT} == {n: thing[n] for n in OBJECT}
        assert sum(got.certainty[c] > 0 for c in COLOUR_NAMES) == len({t["colour"] for t in given["objects"]})


def test_the_middle_of_a_disc_is_found():
    """Also where matrices are multiplied in 16 bits, as while training on a GPU."""
    H, W, x, y, radius = 20, 32, 0.3, -0.2, 0.4
    rows, columns = (torch.arange(n) * 2 + 1 - n for n in (H, W))
    away = ((columns / W - x) * W / H).square() + (rows[:, None] / H - y).square()
    spots = torch.where(away < radius**2, 5.0, -9.0)[None, None]
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            found = middles(spots)[0, 0]
        assert torch.allclose(found, torch.tensor([x, y, radius]), atol=0.03)


@pytest.mark.parametrize("size", [(32, 48), (36, 52)])
def test_gradients_are_finite_in_16_bits_and_on_empty_frames(size):
    scenes = everything(1).scenes
    times = np.tile(np.arange(3) * 5 / 3, (3, 1))
    probe = new_probe().bfloat16()
    x = torch.zeros(3, 3, 3, *size, dtype=torch.bfloat16)
    losses(probe(x, 16), truth(scenes, times, 1.6))["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in probe.parameters() if p.grad is not None)


def test_saved_into_a_pack_and_loaded(tmp_path):
    pack = tiny_pack(tmp_path)
    with pytest.raises(RequestError, match=r"no probe .*vldm train probe"):
        load_probe(pack)
    probe = new_probe()
    save_part(pack.folder, "probe", probe)
    pack = Pack.open(pack.folder)
    assert "probe/diffusion_pytorch_model.safetensors" in pack.manifest.files
    again = load_probe(pack)
    x = torch.rand(1, 2, 3, 32, 48) * 2 - 1
    with torch.no_grad():
        a, b = probe.eval()(x, 16), again(x, 16)
    assert torch.allclose(a.presence_BK, b.presence_BK, atol=1e-2)
    assert not any(p.requires_grad for p in again.parameters())
