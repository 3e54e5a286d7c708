"""`vldm train`: a part of a pack, trained on Toyland or on a folder of clips; `new` makes the pack to start with,
`grow` a larger one of it, `all` trains every part of it, `speed` tells how fast they train here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vldm_cli.commands import train_all, train_grow, train_network, train_refiner, train_speed
from vldm_cli.commands import train_options as options
from vldm_cli.train.emphasis import FINE, OUTLINES, PLAIN, ROLLING, SPINNING

PARTS = {
    "autoencoder": "The autoencoder of single frames.",
    "image": "The image LDM with its text encoder; needs the autoencoder.",
    "keyframes": "Temporal layers that make and continue keyframes; needs the image LDM.",
    "interpolation": "Temporal layers that fill in frames; needs the image LDM.",
    "decoder": "Temporal layers of the decoder; needs the autoencoder, and learns more after interpolation.",
    "upscaler-image": "The pixel upscaler, on single patches.",
    "upscaler": "Temporal layers of the pixel upscaler; needs upscaler-image.",
    "upscaler-own": "The same again for the frames that the pack itself makes, steadier; for `vldm generate`.",
    "upscaler-latent-autoencoder": "The latent upscaler's own autoencoder; adds that upscaler to a pack without one.",
    "upscaler-latent-image": "The latent upscaler, on single patches; needs upscaler-latent-autoencoder.",
    "upscaler-latent": "Temporal layers of the latent upscaler; needs upscaler-latent-image.",
    "upscaler-frame": "Temporal layers of an upscaler of whole frames that the pack names, such as Stable Diffusion's.",
    "probe": "The network that `vldm measure` reads videos with.",
}

app = typer.Typer(help="Train a pack, part by part or as a whole.")
Folder = Annotated[str, typer.Option(help="The pack's folder; it is trained in place.")]


class SizesName(StrEnum):
    toyland = "toyland"
    tiny = "tiny"


@app.command()
def new(
    pack: Folder,
    seed: Annotated[int, typer.Option(help="Seed of the weights.")] = 0,
    sizes: Annotated[SizesName, typer.Option(help="How large the models are.")] = SizesName.toyland,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """Make a pack with fresh random weights."""
    from vldm_cli.api.many.places import check_own
    from vldm_cli.packs.new import new_pack
    from vldm_cli.packs.sizes import TINY, TOYLAND
    from vldm_cli.video.numbers import LAST_SEED, whole

    whole("--seed", seed, 0, LAST_SEED)
    check_own(Path(pack), "--pack")
    made = new_pack(pack, {"toyland": TOYLAND, "tiny": TINY}[sizes], seed=seed)
    print(f"made the pack {made.name} in {made.folder}; train its autoencoder first")


app.command("grow", short_help="Make a pack's image LDM larger, to train on from.")(train_grow.grow)
app.command("all", short_help="Train every part of a pack within a time.")(train_all.train_all)
app.command("speed", short_help="Which layout, and whether compiling, is faster here.")(train_speed.speed)


def train(
    context: typer.Context,
    pack: Folder,
    data: Annotated[
        str,
        typer.Option(
            help="`toyland`, a folder of videos and images, or several of them with shares: "
            "`toyland=0.3,photos=0.5,clips=0.2`."
        ),
    ] = "toyland",
    minutes: options.Minutes = None,
    steps: options.Steps = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Examples a step and GPU; by default, several GPUs share what one would take."),
    ] = None,
    lr: options.Lr = None,
    seed: Annotated[int, typer.Option(help="Seed of data and noise.")] = 0,
    run: options.Run = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the blocks: a wait first, then faster.")
    ] = False,
    channels_last: Annotated[
        bool | None,
        typer.Option(
            help="Memory layout of image models; `vldm train speed` tells which is the faster here."
        ),
    ] = None,
    record: Annotated[
        bool | None,
        typer.Option(help="Steps recorded as CUDA graphs, for parts that allow it (by default on CUDA)."),
    ] = None,
    compile_render: Annotated[
        bool | None,
        typer.Option(
            help="Compile Toyland's renderer, a wait of minutes (default: in long runs of image and keyframes on CUDA)."
        ),
    ] = None,
    vae_roundtrip: Annotated[
        bool,
        typer.Option(help="Upscalers: more than half of its input has been through the pack's autoencoder."),
    ] = False,
    keep_latents: Annotated[
        bool,
        typer.Option(
            "--keep-latents",
            help="Autoencoder: its encoder stays as it is, so the parts that were trained on its latents stay right.",
        ),
    ] = False,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="PACK",
            help="Keyframes: learn to make in one pass what that pack makes with its default guidance. Then "
            "lower guidance and context_guidance in this pack's pack.toml: 1 is what was learnt.",
        ),
    ] = None,
    looks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Upscalers, on folders: a teacher for looks, a super-resolution network as `vldm upscale --model` "
            "takes it. Where the truth has less detail than what it makes of the low resolution, that counts too.",
        ),
    ] = None,
    perceptual: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Autoencoders, decoder, upscalers, but none of whole frames: LPIPS joins the loss; its weights, "
            "lpips.LPIPS(net='alex').state_dict() as safetensors.",
        ),
    ] = None,
    real_codec: Annotated[
        bool,
        typer.Option(
            help="Upscalers, on folders: half of its input has been through ffmpeg's H.264 (or else an imitation)."
        ),
    ] = True,
    outlines: Annotated[
        float | None,
        typer.Option(
            help="Image: how much more the latent cells count that an outline of a Toyland solid runs through "
            f"({OUTLINES:g} by default)."
        ),
    ] = None,
    fine: Annotated[
        float | None,
        typer.Option(
            help=f"Image: this share of the examples is drawn at low noise, where outlines are decided ({FINE:g})."
        ),
    ] = None,
    rolling: Annotated[
        float | None,
        typer.Option(help=f"Image: so many times as often as elsewhere Toyland's solids roll ({ROLLING:g})."),
    ] = None,
    spinning: Annotated[
        float | None,
        typer.Option(
            help="Probe, image, keyframes: so many times as often as elsewhere Toyland's solids spin "
            f"({', '.join(f'{times:g}' for times in SPINNING.values())})."
        ),
    ] = None,
    plain: Annotated[
        float | None,
        typer.Option(
            help=f"Image, keyframes, interpolation: share of Toyland's captions in plain English ({PLAIN:g})."
        ),
    ] = None,
    bank_frames: options.BankFrames = None,
    sample_every: options.SampleEvery = 2.0,
    save_every: options.SaveEvery = 2.0,
    verbose: options.Verbose = False,
) -> None:
    """Train this part of a pack. The same command again goes on where it stopped; any number of GPUs through
    `accelerate launch -m vldm_cli train PART …`."""
    from vldm_cli.api.device import choose_device
    from vldm_cli.api.many.places import check_own

    device = choose_device(device)
    check_own(run, "--run")
    from vldm_cli.commands.failures import Interrupted
    from vldm_cli.train.start import start

    try:
        start(
            context.info_name or "",
            pack,
            data,
            minutes=minutes,
            steps=steps,
            batch=batch,
            lr=lr,
            seed=seed,
            run=run,
            device=device,
            dtype=dtype,
            compile=compile,
            channels_last=channels_last,
            record=record,
            compile_render=compile_render,
            vae_roundtrip=vae_roundtrip,
            keep_latents=keep_latents,
            teacher=teacher,
            looks=looks,
            perceptual=perceptual,
            real_codec=real_codec,
            bank_frames=bank_frames,
            outlines=outlines,
            fine=fine,
            rolling=rolling,
            spinning=spinning,
            plain=plain,
            sample_minutes=sample_every,
            save_minutes=save_every,
        )
    except KeyboardInterrupt as stop:
        raise Interrupted(options.STOPPED) from stop


for name, words in PARTS.items():
    app.command(name, short_help=words)(train)
app.command(
    "upscaler-network", short_help="Temporal layers for somebody's super-resolution network for pictures."
)(train_network.network)
app.command("refiner", short_help="The network over frames that `vldm interpolate` makes by motion.")(
    train_refiner.refiner
)
