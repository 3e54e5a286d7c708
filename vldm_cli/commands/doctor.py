"""`vldm doctor`: what works here, why it was chosen, and what to do about the rest."""

from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """Device, memory, versions, ffmpeg, packs: what works here and what to do about the rest."""
    from vldm_cli.commands.console import Console

    console = Console(verbose=verbose, as_json=as_json)
    rows = [*_versions(), *_devices(), *_memory(), *_ffmpeg(), *_packs()]
    ok = all(row["ok"] for row in rows)
    width = max(len(row["what"]) for row in rows)
    lines = []
    for row in rows:
        lines.append(f"{'ok ' if row['ok'] else 'NO '} {row['what']:<{width}}  {row['state']}")
        if row["remedy"]:
            lines.append(f"    {'':<{width}}  → {row['remedy']}")
    lines.append("all is well" if ok else "some things do not work here; the arrows say what to do")
    console.result({"ok": ok, "rows": rows}, "\n".join(lines))


def _row(what: str, state: str, ok: bool = True, remedy: str = "") -> dict:
    return {"what": what, "state": state, "ok": ok, "remedy": remedy}


def _versions() -> list[dict]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from vldm_cli import __version__

    rows = [_row("vldm", __version__), _row("python", f"{platform.python_version()} on {platform.system()}")]
    for name in ("torch", "diffusers", "transformers"):
        try:
            rows.append(_row(name, version(name)))
        except PackageNotFoundError:
            rows.append(_row(name, "not installed", False, "install vldm again, with its dependencies"))
    return rows


def _devices() -> list[dict]:
    import torch

    from vldm_cli.api.device import choose_device, cpu_words, explain_dtype

    rows = [_row("cpu", cpu_words())]
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found = torch.cuda.get_device_properties(index)
        rows.append(_row(f"cuda:{index}", f"{found.name}, {found.total_memory / 2**30:.0f} GiB"))
    if torch.backends.mps.is_available():
        rows.append(_row("mps", "Apple GPU"))
    device = choose_device()
    why = {
        "cuda": "a CUDA GPU is the fastest",
        "mps": "an Apple GPU is faster than the CPU",
        "cpu": "torch finds no GPU here",
    }[device]
    rows.append(_row("--device auto", f"{device}: {why}"))
    dtype, why = explain_dtype(device)
    rows.append(_row("--dtype auto", f"{dtype}: {why}"))
    return rows


def _memory() -> list[dict]:
    import shutil

    from vldm_cli.api.device import memory
    from vldm_cli.commands.console import size

    total, needed = memory(), 4 * 2**30
    enough = total is None or total >= needed
    remedy = "" if enough else "make videos with --no-upscale, or with a smaller --size"
    free = shutil.disk_usage(".").free
    room = free >= 2**30
    return [
        _row("memory", size(total), enough, remedy),
        _row(
            "disk here",
            f"{size(free)} free",
            room,
            "" if room else "make room, or write elsewhere with --out",
        ),
    ]


def _ffmpeg() -> list[dict]:
    from vldm_cli.video import ffmpeg

    remedy = "install imageio-ffmpeg again, or set IMAGEIO_FFMPEG_EXE to an ffmpeg with these encoders"
    try:
        version = ffmpeg.probe(["-version"])[0].decode().splitlines()[0]
        encoders = ffmpeg.probe(["-encoders"])[0].decode().split()
    except (OSError, RuntimeError, IndexError) as error:
        return [_row("ffmpeg", f"cannot be run ({error})", False, remedy)]
    needed = {"libx264": "mp4, mov, mkv", "libvpx-vp9": "webm", "gif": "gif", "libwebp": "webp", "png": "png"}
    missing = [f"{encoder} (for {kind})" for encoder, kind in needed.items() if encoder not in encoders]
    state = " ".join(version.split()[:3])
    if missing:
        return [_row("ffmpeg", f"{state}, without {', '.join(missing)}", False, remedy)]
    return [_row("ffmpeg", f"{state}, writes {', '.join(needed.values())}")]


def _packs() -> list[dict]:
    from vldm_cli.packs.pack import Pack, embedded

    rows = []
    for name, folder in embedded().items():
        problems = Pack.open(folder, check=False).problems()
        if problems:
            state, _, remedy = problems[0].partition("; ")
            rows.append(_row(f"pack {name}", state.partition(": ")[2], False, remedy))
        else:
            rows.append(_row(f"pack {name}", f"whole, in {folder}"))
    return rows or [_row("packs", "none is installed", False, "install vldm again")]
