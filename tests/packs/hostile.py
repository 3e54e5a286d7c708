"""Packs as strangers may make them: copies of the tiny pack, spoilt, their checksums made right again."""

import json
import os
import pickle
import random
import re
import shutil
from pathlib import Path

from vldm_cli.packs.pack import PARTS, Pack, file_sha256
from vldm_cli.packs.parts import SCHEDULERS, TEMPORAL_PARTS, TOKENIZER, TOKENIZER_CONFIG, config_of

UNET, KEYFRAMES = PARTS["unet"], PARTS["keyframes"]
CONFIGS = [
    *(config_of(part) for part in ("unet", "vae", "text", "upscaler_pixel", "upscaler_latent")),
    config_of("upscaler_latent_vae"),
    *SCHEDULERS.values(),
    TOKENIZER_CONFIG,
]
# What stands in the place of a value: other types, and numbers that nothing is made of.
VALUES = [
    *(None, True, -1, 0, 1, 3, 7, 10**5, 10**9, 10**30, -0.5, 1e-9, 1e30, float("nan"), float("inf")),
    *("", "evil", "8", "\x1b[2J", [], [0], [1, 2, 3, 4], ["evil"], [[[[]]]], {}, {"a": {"b": 1}}),
]


class Spoilt:
    """A copy of a pack whose files are links to the pack's own until they are replaced."""

    def __init__(self, pack: Pack, place: Path) -> None:
        self.place, self.folder = place, place / "p"
        shutil.copytree(pack.folder, self.folder, copy_function=os.link)

    def put(self, name: str, data: bytes | str) -> None:
        """A file of that content, in a new place on the disk."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    def get(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def manifest(self, old: str, new: str) -> None:
        """Another line of pack.toml."""
        lines = self.get("pack.toml").decode().splitlines()
        assert any(line.startswith(old) for line in lines), old
        self.put("pack.toml", "\n".join(new if line.startswith(old) else line for line in lines) + "\n")

    def config(self, name: str, **values) -> None:
        """Other values in a configuration."""
        self.put(name, json.dumps({**json.loads(self.get(name)), **values}))

    def header(self, name: str, change) -> None:
        """Another header of a safetensors file: `change` is given the table and returns text, or nothing."""
        data = self.get(name)
        length = int.from_bytes(data[:8], "little")
        table = json.loads(data[8 : 8 + length])
        changed = change(table)
        text = changed if isinstance(changed, bytes) else json.dumps(table).encode()
        self.put(name, len(text).to_bytes(8, "little") + text + data[8 + length :])

    def seal(self) -> None:
        """The checksums of what is there now."""
        lines = []
        for line in self.get("pack.toml").decode().splitlines():
            found = re.fullmatch('"([^"]{1,200})" = "[0-9a-f]{64}"', line)
            path = self.folder / found.group(1) if found else None
            there = found and path and path.is_file()
            lines.append(f'"{found.group(1)}" = "{file_sha256(path)}"' if there else line)
        self.put("pack.toml", "\n".join(lines) + "\n")


class Payload:
    """What leaves a file beside the pack when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def pickled(spoilt: Spoilt) -> bytes:
    """A pickle that makes a folder `code-was-run` when it is read."""
    return pickle.dumps(Payload(spoilt.place / "code-was-run"))


def outside(spoilt: Spoilt, name: str) -> Path:
    """That file of the pack, moved out of its folder."""
    return Path(shutil.move(spoilt.folder / name, spoilt.place / "outside"))


def linked(name: str):
    """A file of the pack that is a link to one outside."""
    return lambda s: (s.folder / name).symlink_to(outside(s, name))


def sizes(**values):
    """Other sizes of temporal layers in the file's metadata."""

    def change(table: dict) -> None:
        own = json.loads(table["__metadata__"]["align"])
        table["__metadata__"]["align"] = json.dumps({**own, **values})

    return lambda s: s.header(KEYFRAMES, change)


def entry(**values):
    """Another description of the first tensor of the UNet."""
    return lambda s: s.header(UNET, lambda table: table["conv_in.weight"].update(values))


def _index(s: Spoilt) -> None:
    names = [name for name in json.loads(s.get(UNET)[8 : 8 + int.from_bytes(s.get(UNET)[:8], "little")])]
    s.put("unet/other.bin", pickled(s))
    s.put(f"{UNET}.index.json", json.dumps({"metadata": {}, "weight_map": dict.fromkeys(names, "other.bin")}))


def _vocabulary(change):
    def spoil(s: Spoilt) -> None:
        table = json.loads(s.get(TOKENIZER))
        change(table)
        s.put(TOKENIZER, json.dumps(table))

    return spoil


def _raw(text: bytes):
    return lambda s: s.put(UNET, len(text).to_bytes(8, "little") + text)


SLOW = {"type": "Replace", "pattern": {"Regex": r"(\w+\s*)+\d+$"}, "content": " "}
# Name → (what spoils the pack, a word of the file that the sentence must name).
CASES = {
    "pickle": (lambda s: s.put(UNET, pickled(s)), UNET),
    "pickle behind an index": (_index, UNET),
    "weights not listed": (lambda s: s.manifest(f'"{UNET}"', ""), UNET),
    "configuration not listed": (lambda s: s.manifest('"unet/config.json"', ""), "unet/config.json"),
    "listed outside": (lambda s: s.manifest(f'"{UNET}"', f'"../x" = "{"0" * 64}"'), "pack.toml"),
    "listed absolutely": (lambda s: s.manifest(f'"{UNET}"', f'"/dev/zero" = "{"0" * 64}"'), "pack.toml"),
    "name without end": (lambda s: s.manifest(f'"{UNET}"', f'"{"x" * 5000}" = "{"0" * 64}"'), "pack.toml"),
    "digest a number": (lambda s: s.manifest(f'"{UNET}"', f'"{UNET}" = 5'), "pack.toml"),
    "link out": (linked(UNET), UNET),
    "folder a link out": (linked("unet"), "unet"),
    "manifest a link out": (linked("pack.toml"), "pack.toml"),
    "manifest a pipe": (
        lambda s: ((s.folder / "pack.toml").unlink(), os.mkfifo(s.folder / "pack.toml")),
        "pack.toml",
    ),
    "manifest a device": (
        lambda s: ((s.folder / "pack.toml").unlink(), (s.folder / "pack.toml").symlink_to("/dev/null")),
        "pack.toml",
    ),
    "pipe": (lambda s: ((s.folder / UNET).unlink(), os.mkfifo(s.folder / UNET)), UNET),
    "header a list": (_raw(b"[]"), UNET),
    "header a number": (_raw(b"1"), UNET),
    "header deep": (_raw(b"[" * 100_000), UNET),
    "header no text": (_raw(b'{"\xff": 1}'), UNET),
    "header huge": (_raw(b'{"a": "' + b"x" * 2**23 + b'"}'), UNET),
    "header without offsets": (_raw(b'{"a": {"dtype": "F16", "shape": [0]}}'), UNET),
    "header with a list": (_raw(b'{"a": []}'), UNET),
    "header empty": (_raw(b"{}"), UNET),
    "offsets text": (entry(data_offsets=["0", "2"]), UNET),
    "offsets one": (entry(data_offsets=[0]), UNET),
    "offsets negative": (entry(data_offsets=[-10, -2]), UNET),
    "offsets huge": (entry(data_offsets=[0, 2**60]), UNET),
    "shape huge": (entry(shape=[2**40, 2**40]), UNET),
    "type unknown": (entry(dtype="F99"), UNET),
    "metadata a number": (lambda s: s.header(UNET, lambda t: t.update(__metadata__={"a": 1})), UNET),
    "tensor renamed": (lambda s: s.header(UNET, lambda t: t.update(x=t.pop("conv_in.weight"))), UNET),
    "more behind": (lambda s: s.put(UNET, s.get(UNET) + b"x"), UNET),
    "config no JSON": (lambda s: s.put("unet/config.json", "{"), "unet/config.json"),
    "config a list": (lambda s: s.put("unet/config.json", "[]"), "unet/config.json"),
    "config deep": (lambda s: s.put("unet/config.json", "[" * 10**5), "unet/config.json"),
    "config no text": (lambda s: s.put("unet/config.json", b"\xff{}"), "unet/config.json"),
    "quantised": (lambda s: s.config("unet/config.json", quantization_config={"a": 1}), "unet/config.json"),
    "other class": (lambda s: s.config("unet/config.json", _class_name="os.system"), "unet/config.json"),
    "groups that do not divide": (
        lambda s: s.config("unet/config.json", norm_num_groups=7),
        "unet/config.json",
    ),
    "more levels": (lambda s: s.config("vae/config.json", block_out_channels=[8] * 4), "vae/config.json"),
    "wider than the weights": (lambda s: s.config("unet/config.json", block_out_channels=[16, 64]), UNET),
    "a thousand layers": (
        lambda s: s.config("text_encoder/config.json", num_hidden_layers=10**5),
        "text_encoder",
    ),
    "sizes not there": (lambda s: s.header(KEYFRAMES, lambda t: t.pop("__metadata__") and None), KEYFRAMES),
    "sizes huge": (sizes(waves=10**9), KEYFRAMES),
    "sizes other": (sizes(context_dim=64), KEYFRAMES),
    "sizes unknown": (sizes(evil=1), KEYFRAMES),
    "betas that are too few": (
        lambda s: s.config(SCHEDULERS["unet"], trained_betas=[0.1]),
        SCHEDULERS["unet"],
    ),
    "schedule without end": (
        lambda s: s.config(SCHEDULERS["upscaler_pixel"], num_train_timesteps=10**10),
        SCHEDULERS["upscaler_pixel"],
    ),
    "tokens beyond the encoder": (_vocabulary(lambda t: t["model"]["vocab"].update(red=10**5)), TOKENIZER),
    "tokens negative": (_vocabulary(lambda t: t["model"]["vocab"].update(red=-1)), TOKENIZER),
    "no tokens": (_vocabulary(lambda t: t["model"].pop("vocab")), TOKENIZER),
    "pattern without end": (_vocabulary(lambda t: t.update(normalizer=SLOW)), TOKENIZER),
    "tokenizer of another kind": (_vocabulary(lambda t: t.update(pre_tokenizer={"type": "Evil"})), TOKENIZER),
    "no such padding": (lambda s: s.config(TOKENIZER_CONFIG, pad_token="none such"), TOKENIZER_CONFIG),
    "manifest deep": (lambda s: s.put("pack.toml", "x = " + "[" * 10**5), "pack.toml"),
    "manifest no text": (lambda s: s.put("pack.toml", b'name = "\xff"\n'), "pack.toml"),
    "rate without end": (lambda s: s.manifest("fps", 'fps = "1e1000000000"'), "pack.toml"),
    "rate by zero": (lambda s: s.manifest("fps", 'fps = "24/0"'), "pack.toml"),
    "no weight": (lambda s: s.manifest("guidance", "guidance = nan"), "pack.toml"),
    "window of text": (lambda s: s.manifest("window", 'window = "8"'), "pack.toml"),
    "overlap beyond the window": (lambda s: s.manifest("decode_overlap", "decode_overlap = 5"), "pack.toml"),
    "context the whole window": (lambda s: s.manifest("context", "context = 8"), "pack.toml"),
    "width between cells": (lambda s: s.manifest("width", "width = 49"), "pack.toml"),
    "escapes": (lambda s: s.manifest("name", 'name = "\\u001b]0;owned\\u0007"'), "pack.toml"),
}


def drawn(spoilt: Spoilt, draw: random.Random) -> str:
    """Spoils one value of one file, drawn; what was done, in words."""
    where = draw.choice(["config", "config", "manifest", "sizes", "header"])
    value = draw.choice(VALUES)
    if where == "config":
        name = draw.choice(CONFIGS)
        table = json.loads(spoilt.get(name))
        key = draw.choice(sorted(table))
        old = table[key]
        if isinstance(old, list) and old and draw.random() < 0.5:
            old[draw.randrange(len(old))] = value
        elif draw.random() < 0.2:
            del table[key]
        else:
            table[key] = value
        spoilt.put(name, json.dumps(table))
        return f"{name}: {key} = {table.get(key)!r}"
    if where == "manifest":
        lines = spoilt.get("pack.toml").decode().split("\n[files]")[0].splitlines()
        key = draw.choice([line.split(" = ")[0] for line in lines if " = " in line])
        plain = isinstance(value, str | int | float | list) and "{" not in json.dumps(value)
        spoilt.manifest(f"{key} = ", f"{key} = {json.dumps(value).lower() if plain else '{}'}")
        return f"pack.toml: {key} = {value!r}"
    name = PARTS[draw.choice([part for part in TEMPORAL_PARTS if (spoilt.folder / PARTS[part]).is_file()])]

    def change(table: dict) -> None:
        if where == "sizes":
            own = json.loads(table["__metadata__"]["align"])
            own[draw.choice([*sorted(own), "evil"])] = value
            table["__metadata__"]["align"] = json.dumps(own)
        else:
            tensor = table[draw.choice(sorted(table.keys() - {"__metadata__"}))]
            tensor[draw.choice(sorted(tensor))] = value

    spoilt.header(name, change)
    return f"{name}: {where} {value!r}"
