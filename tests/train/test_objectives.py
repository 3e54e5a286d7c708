"""Each part learns one clip: its loss, at fixed noise and timesteps, falls by a stated factor."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from tests.train.common import setup
from vldm_cli.align.space import LABELS
from vldm_cli.align.temporal import CLOSING
from vldm_cli.errors import RequestError
from vldm_cli.packs.load import load_interpolation, load_space, load_upscaler, load_upscaler_vae
from vldm_cli.packs.pack import PARTS, UPSCALERS, Pack
from vldm_cli.packs.save import save_part, seal
from vldm_cli.packs.sizes import TINY
from vldm_cli.train import export
from vldm_cli.train.frames import edge_weights, encode
from vldm_cli.train.loop import Trainer
from vldm_cli.train.objectives import OBJECTIVES
from vldm_cli.train.objectives import upscaler as upscaler_objective
from vldm_cli.train.onestep import DETAIL, one_step_losses
from vldm_cli.train.pace import Schedule

# part → (steps, learning rate, loss after as a share of the loss before, batch)
FALLS = {
    "autoencoder": (40, 8e-3, 0.3, 1),
    "image": (60, 1e-2, 0.5, 8),
    "keyframes": (20, 1e-2, 0.8, 2),
    "interpolation": (15, 1e-2, 0.8, 1),
    "decoder": (15, 1e-2, 0.8, 1),
    "upscaler-image": (40, 1e-2, 0.6, 2),
    "upscaler": (5, 2e-2, 0.9, 1),
    "upscaler-own": (30, 2e-2, 0.9, 1),
    "upscaler-latent-autoencoder": (100, 5e-3, 0.8, 1),
    "upscaler-latent-image": (60, 1e-2, 0.7, 2),
    "upscaler-latent": (5, 2e-2, 0.9, 1),
}
EXPORTS = {
    "autoencoder": {"vae"},
    "image": {"unet", "text"},
    "keyframes": {"keyframes"},
    "interpolation": {"interpolation"},
    "decoder": {"decoder"},
    "upscaler-image": {"upscaler_pixel"},
    "upscaler": {"upscaler_pixel_temporal"},
    "upscaler-own": {"upscaler_pixel_own"},
    "upscaler-latent-autoencoder": {"upscaler_latent_vae"},
    "upscaler-latent-image": {"upscaler_latent"},
    "upscaler-latent": {"upscaler_latent_temporal"},
}


@torch.no_grad()
def fixed_loss(objective) -> float:
    """The loss on the same draws of noise, timesteps and context every time, without the discriminator."""
    total = 0.0
    for seed in range(4):
        torch.manual_seed(seed)
        objective.choose(0.0)
        total += float(objective.losses()["loss"])
    return total / 4


def not_bicubic(pack, part) -> None:
    """A new image UNet is a bicubic filter, which temporal layers cannot change, and so is a new autoencoder, whatever
    its latents."""
    if part in ("upscaler-latent-image", "upscaler-latent"):
        vae = load_upscaler_vae(pack)
        torch.nn.init.normal_(vae.decoder.conv_out.weight, std=0.1)
        save_part(pack.folder, "upscaler_latent_vae", vae)
    if part in ("upscaler", "upscaler-own", "upscaler-latent"):
        space = OBJECTIVES[part].space_name
        unet = load_upscaler(pack, space).unet
        torch.nn.init.normal_(unet.conv_out.weight, std=0.1)
        save_part(pack.folder, f"upscaler_{space}", unet)


LONG = {"upscaler-own", "upscaler-latent", "upscaler-latent-autoencoder", "upscaler-latent-image"}


@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=[pytest.mark.long] if part in LONG else []) for part in FALLS]
)
def test_overfits_one_clip(pack, tmp_path, part):
    steps, lr, factor, batch = FALLS[part]
    not_bicubic(pack, part)
    objective = OBJECTIVES[part](setup(pack, batch=batch, bank_frames=4 * OBJECTIVES[part].frames))
    before = {name: load_file(pack.path(path)) for name, path in PARTS.items() if pack.has(name)}
    trainer = Trainer(objective, Schedule(lr=lr, steps=steps), tmp_path / "run", {"part": part})
    objective.bank.fill(None)
    first = fixed_loss(objective)
    trainer.run()
    last = fixed_loss(objective)
    assert last < factor * first, f"{part}: {first:.4f} → {last:.4f}"
    # what was trained is exported, averaged, and nothing else of the pack has changed
    for name, tensors in before.items():
        now = load_file(pack.path(PARTS[name]))
        changed = any(not torch.equal(now[key], tensors[key]) for key in tensors)
        assert changed == (name in EXPORTS[part]), name
    assert all(pack.has(name) for name in EXPORTS[part])
    assert type(pack).open(pack.folder).manifest.files  # sealed again: every checksum holds


@pytest.mark.parametrize("part", ["keyframes", "interpolation", "decoder", "upscaler", "upscaler-latent"])
def test_only_temporal_layers_are_trained(pack, part):
    objective = OBJECTIVES[part](setup(pack, bank_frames=4 * OBJECTIVES[part].frames))
    (model,) = objective.trained.values()
    temporal = {id(p) for p in model.temporal_parameters()}
    assert {id(p) for p in model.parameters() if p.requires_grad} == temporal
    assert len(temporal) < len(list(model.parameters()))


def test_own_layers_are_the_second_half_of_the_temporal_ones_and_go_on_from_those_there_are(pack):
    objective = OBJECTIVES["upscaler-own"](setup(pack, batch=2, bank_frames=32))
    model = objective.trained["upscaler"]
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {name for name in model.temporal_state_dict() if name.endswith(CLOSING)}
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.5)
    objective.export()
    assert load_file(pack.path(PARTS["upscaler_pixel_own"])).keys() == trained
    again = OBJECTIVES["upscaler-own"](setup(pack, batch=2, bank_frames=32)).trained["upscaler"]
    others = OBJECTIVES["upscaler"](setup(pack, batch=2, bank_frames=32)).trained["upscaler"]
    for name, tensor in again.temporal_state_dict().items():
        assert torch.allclose(tensor, model.temporal_state_dict()[name], atol=2e-3)
        assert torch.equal(tensor, others.temporal_state_dict()[name]) == (name not in trained)


def test_own_layers_are_compensated_and_trained_for_steadiness_without_a_discriminator(pack, monkeypatch):
    upscaler = load_upscaler(pack)
    upscaler.sizes["compensated"] = False  # as those that the second set is trained beside
    save_part(pack.folder, "upscaler_pixel_temporal", upscaler)
    heard = []

    def listening(*arguments):
        heard.append(arguments)
        return one_step_losses(*arguments)

    monkeypatch.setattr(upscaler_objective, "one_step_losses", listening)
    for part in ("upscaler", "upscaler-own"):
        objective = OBJECTIVES[part](setup(pack, batch=2, bank_frames=32))
        objective.bank.fill(None)
        objective.choose(0.99)
        objective.losses()
        objective.export()
    (*_, critic, _, _, steady, squared), (*_, own_critic, _, _, own_steady, own_squared) = heard
    assert critic is not None and own_critic is None
    assert own_steady > steady and own_squared > squared
    assert not load_upscaler(pack).sizes["compensated"] and load_upscaler(pack, own=True).sizes["compensated"]


@pytest.mark.parametrize("part", ["upscaler-image", "upscaler-latent-image"])
def test_the_image_upscaler_leaves_its_temporal_layers_alone(pack, part):
    model = OBJECTIVES[part](setup(pack)).trained["upscaler"]
    temporal = {id(p) for p in model.temporal_parameters()}
    assert {id(p) for p in model.parameters() if p.requires_grad}.isdisjoint(temporal)
    assert not model.state.on


def test_keyframes_learn_a_teacher_s_guidance(pack, tmp_path):
    """One pass of the student comes close to three of the teacher's, which stays as it is."""
    copy = shutil.copytree(pack.folder, tmp_path / "teacher")
    objective = OBJECTIVES["keyframes"](setup(pack, teacher=type(pack).open(copy)))
    assert objective.guidance.text != 1 and objective.guidance.context != 1
    with torch.no_grad():  # fresh layers say the same with and without text and context
        for one, two in zip(
            objective.teacher.temporal_parameters(), objective.model.temporal_parameters(), strict=True
        ):
            one.add_(0.3 * torch.randn(one.shape, generator=torch.Generator().manual_seed(one.numel())))
            two.copy_(one)
        before = {name: t.clone() for name, t in objective.teacher.state_dict().items()}
    objective.bank.add()
    first = fixed_loss(objective)
    assert first > 0
    optimizer = torch.optim.Adam([p for p in objective.model.parameters() if p.requires_grad], 2.5e-4)
    for seed in range(12):
        torch.manual_seed(seed)
        objective.choose(0.0)
        optimizer.zero_grad()
        objective.losses()["loss"].backward()
        optimizer.step()
    assert fixed_loss(objective) < 0.9 * first
    assert all(torch.equal(t, before[name]) for name, t in objective.teacher.state_dict().items())


def test_keyframes_context(pack):
    """S is 0, 1 or 2 leading frames; late clips always continue; windows are sometimes shorter."""
    objective = OBJECTIVES["keyframes"](setup(pack))
    z = torch.randn(64, 8, 4, 8, 12)
    lengths = set()
    for seed in range(40):
        torch.manual_seed(seed)
        objective.choose(0.0)
        window, context = objective.window(z, torch.arange(64) < 8)
        T = window.shape[1]
        lengths.add(T)
        S_B = context.mask_BT.sum(1)
        assert torch.equal(context.mask_BT, (torch.arange(T) < S_B[:, None]).float())
        assert set(S_B.tolist()) <= {0, 1, 2}
        assert (S_B[:8] == min(2, T - 1)).all()
        assert (context.noise_level_B[S_B == 0] == 0).all() and context.noise_level_B.max() <= 0.2
    assert 8 in lengths and len(lengths) > 2


def test_interpolation_context(pack):
    """Every fourth frame is known, in windows of 5, 9, 13 or 17 frames, mostly with noise."""
    objective = OBJECTIVES["interpolation"](setup(pack, bank_frames=68))
    z = torch.randn(16, 17, 4, 8, 12)
    lengths = set()
    for seed in range(40):
        torch.manual_seed(seed)
        objective.choose(0.0)
        window, context = objective.window(z, torch.zeros(16, dtype=torch.bool))
        lengths.add(window.shape[1])
        assert context.mask_BT[0].tolist() == [float(i % 4 == 0) for i in range(window.shape[1])]
        clean = context.noise_level_B == 0
        assert torch.equal(context.z_BTCHW[clean], window[clean])
    assert lengths == {5, 9, 13, 17}


def test_captions_are_sometimes_dropped(pack):
    """The text encoder is given the empty caption for about a tenth of the examples."""
    objective = OBJECTIVES["image"](setup(pack, batch=400))
    objective.bank.fill(None)
    seen = []
    objective.text.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    objective.unet.forward = lambda z, t, text, return_dict: (z,)
    objective.losses()
    empty = (seen[0] == objective.no_text).all(1).float().mean()
    assert 0.05 < float(empty) < 0.16


@pytest.mark.parametrize(
    ("part", "least", "most"), [("upscaler-image", 0.3, 0.9), ("upscaler-own", 0.1, 0.5)]
)
def test_upscaler_input_goes_through_the_autoencoder(pack, part, least, most):
    plain = OBJECTIVES[part](setup(pack)).examples(0, 32)
    tripped = OBJECTIVES[part](setup(pack, vae_roundtrip=True)).examples(0, 32)
    changed = (plain["low"] != tripped["low"]).flatten(1).any(1).float().mean()
    assert least < float(changed) < most
    assert torch.equal(plain["high"], tripped["high"])


def test_the_upscaler_practises_what_it_is_asked_for(pack):
    """Low-resolution frames without noise, with hardly any, and with more; times of all kinds beside the first."""
    objective = OBJECTIVES["upscaler-image"](setup(pack))
    t, labels = objective._times(4000), objective._labels(4000)
    assert 0.27 < float((t == 499).float().mean()) < 0.33
    rest = t[t != 499]
    assert rest.min() < 50 and rest.max() > 940 and 430 < float(rest.float().mean()) < 570
    assert 0.26 < float((labels == 0).float().mean()) < 0.34
    little = (labels > 0) & (labels <= 2 * LABELS * DETAIL)
    assert 0.5 < float(little.float().mean()) < 0.66
    assert labels.max() > 700 and labels.min() == 0 and labels.dtype == torch.int64


def test_three_quarters_of_a_batch_are_made_in_one_step(pack):
    objective = OBJECTIVES["upscaler-image"](setup(pack, batch=8))
    objective.bank.fill(None)
    seen = []
    objective.model.register_forward_pre_hook(lambda _, args: seen.append(args))
    out = objective.losses()
    z, t = seen[0]
    assert (t[:6] == 999).all() and z.shape[0] == 8
    # zero terminal signal: what goes in is the noise alone, and the model says what is under it
    assert abs(float(z[:6].std()) - 1) < 0.05
    assert {"l1", "denoising"} <= out.keys() and "hinge" not in out and "flicker" not in out
    objective.choose(objective.discriminates)
    assert "hinge" in objective.losses()


def test_clips_of_the_upscaler_have_their_motion(pack):
    objective = OBJECTIVES["upscaler"](setup(pack, batch=2, bank_frames=32))
    objective.bank.fill(None)
    assert objective.bank.tensors["motion"].shape[1:] == (7, 3, 64, 64)
    for seed in range(4):  # shorter windows among them
        torch.manual_seed(seed)
        assert float(objective.losses()["flicker"]) > 0


@pytest.mark.parametrize("part", ["upscaler-image", "upscaler", "upscaler-latent-image", "upscaler-latent"])
def test_sheets_of_the_upscaler_compare_it_with_bicubic(pack, part):
    objective = OBJECTIVES[part](setup(pack, bank_frames=32))
    objective.bank.fill(None)
    _, measured = objective.sheet()
    ways = {"bicubic", "1", "2", "detail"}
    kinds = {"psnr"} | ({"flicker"} if OBJECTIVES[part].frames > 1 else set())
    assert measured.keys() == {f"{kind}_{way}" for kind in kinds for way in ways}


def test_the_decoder_sees_little_noise_and_the_discriminator_late(pack):
    objective = OBJECTIVES["decoder"](setup(pack, bank_frames=32))
    levels = objective._levels(4000)
    assert 0.22 < float((levels > 0).float().mean()) < 0.28 and 0.045 < levels.max() <= 0.05
    objective.bank.fill(None)

    def parts(progress):
        torch.manual_seed(3)
        objective.choose(progress)
        return objective.losses()

    early, learning, full = parts(0.39), parts(0.45), parts(0.7)
    assert "hinge" not in early and "hinge" in learning
    torch.testing.assert_close(learning["loss"], early["loss"] + learning["hinge"])
    assert not torch.isclose(full["loss"], learning["loss"], rtol=1e-5)


def test_the_decoder_learns_on_what_the_chain_decodes(pack):
    model = load_interpolation(pack)
    assert model.untrained
    for parameter in model.temporal_parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    assert not model.untrained
    save_part(pack.folder, "interpolation", model)
    pack = Pack.open(pack.folder)
    objective = OBJECTIVES["decoder"](setup(pack, bank_frames=32))
    batch = objective.examples(5, 10)
    assert batch["made"].tolist() == [False] * 4 + [True] * 6
    encoded = encode(objective.model.vae, batch["frames"], torch.float32)
    apart = (encoded - batch["z"]).abs().amax((1, 2, 3, 4))
    assert (apart[:4] < 1e-2).all() and (apart[4:] > 1e-2).all()
    again = objective.examples(5, 10)
    assert all(torch.equal(batch[name], again[name]) for name in batch)


def test_the_decoder_learns_nothing_from_an_interpolation_that_is_new(pack):
    objective = OBJECTIVES["decoder"](setup(pack, bank_frames=32))
    assert objective.maker is None and not objective.examples(5, 10)["made"].any()


def test_edges_count_more():
    x = -torch.ones(1, 3, 8, 8)
    x[..., 4:] = 1
    weights = edge_weights(x, 4.0)
    assert weights.shape == (1, 1, 8, 8) and torch.isclose(weights.mean(), torch.tensor(1.0))
    torch.testing.assert_close(weights[..., 3:5] / weights[..., :1], torch.full((1, 1, 8, 2), 5.0))
    assert (edge_weights(torch.zeros(1, 3, 8, 8), 4.0) == 1).all()


@pytest.mark.parametrize("last", [True, False])
def test_memory_layout_of_image_models(pack, last):
    unet = OBJECTIVES["image"](setup(pack, channels_last=last)).unet
    assert unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last) == last


def test_blocks_are_compiled_for_their_own_sizes(pack, monkeypatch):
    """Not for any size, which torch would make of blocks of several sizes that run the same code."""
    seen = []

    def backend(graph, inputs):
        seen.append(any(isinstance(x, torch.SymInt) for x in inputs))
        return graph.forward

    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **how: compiler(f, **{**how, "backend": backend}))
    torch._dynamo.reset()
    objective = OBJECTIVES["image"](setup(pack, compile=True))
    objective.bank.fill(None)
    objective.losses()["loss"].backward()
    torch._dynamo.reset()
    assert len(seen) > 5 and not any(seen)


def test_the_latent_upscaler_is_judged_by_what_its_frozen_autoencoder_decodes(pack):
    not_bicubic(pack, "upscaler-latent")
    objective = OBJECTIVES["upscaler-latent-image"](setup(pack))
    objective.bank.fill(None)
    objective.losses()["loss"].backward()
    assert objective.model.unet.conv_in.weight.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in objective.space.vae.parameters())


def test_the_exported_autoencoder_of_the_upscaler_is_folded(pack):
    objective = OBJECTIVES["upscaler-latent-autoencoder"](setup(pack, bank_frames=16))
    objective.bank.fill(None)
    objective.export()
    z = load_space(pack, "latent").coded(*objective._frames(objective.bank.tensors))
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(4), atol=2e-2, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(4), atol=2e-2, rtol=0)
    _, measured = objective.sheet()
    assert measured["psnr"] == pytest.approx(measured["psnr_bicubic"], abs=1e-3)  # not trained yet


@pytest.mark.parametrize("space", UPSCALERS)
def test_a_pack_without_upscaler_is_given_one_by_its_first_part(pack, monkeypatch, space):
    monkeypatch.setattr(export, "TOYLAND", TINY)
    shutil.rmtree(pack.folder / f"upscaler_{space}")
    seal(pack.folder)
    first, *others = UPSCALERS[space].values()
    for part in others:
        with pytest.raises(RequestError, match=f"begin with `vldm train {first} --pack"):
            OBJECTIVES[part](setup(pack))
    OBJECTIVES[first](setup(pack))
    assert type(pack).open(pack.folder).upscalers == tuple(UPSCALERS)
    OBJECTIVES[others[-1]](setup(pack, bank_frames=32))
