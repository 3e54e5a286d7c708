import pytest

from vldm_cli.api.device import choose_device, choose_dtype, cpu_bf16
from vldm_cli.errors import RequestError


@pytest.fixture
def gpus(monkeypatch):
    """gpus(n, apple): as if torch saw so many CUDA GPUs, and an Apple one."""

    def there(count, apple=False, native=True):
        monkeypatch.setattr("torch.cuda.is_available", lambda: count > 0)
        monkeypatch.setattr("torch.cuda.device_count", lambda: count)
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (9, 0) if native else (6, 1))
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: apple)

    return there


@pytest.mark.parametrize(
    ("count", "apple", "want"), [(2, False, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_auto_takes_the_fastest(gpus, count, apple, want):
    gpus(count, apple)
    assert choose_device("auto") == want


def test_a_gpu_that_is_not_there_is_refused(gpus):
    gpus(2)
    assert choose_device("cuda:1") == "cuda:1"
    with pytest.raises(RequestError, match="cuda:0 to cuda:1"):
        choose_device("cuda:2")
    with pytest.raises(RequestError, match="no Apple GPU"):
        choose_device("mps")
    gpus(0)
    with pytest.raises(RequestError, match="no CUDA GPU"):
        choose_device("cuda")


def test_dtype_auto_on_gpus(gpus):
    gpus(1)
    assert choose_dtype("auto", "cuda") == "float16"
    gpus(1, native=False)
    assert choose_dtype("auto", "cuda") == "float32"
    assert choose_dtype("float16", "cuda") == "float16"


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 sse", ["avx512_bf16"]),
        ("flags\t\t: amx_bf16 avx512_bf16", ["amx_bf16", "avx512_bf16"]),
        ("flags\t\t: fpu avx2 avx512f", []),
        ("Features\t: fp asimd bf16 i8mm", ["bf16"]),
        ("model name\t: has bf16 in its name", []),
    ],
)
def test_bf16_instructions_of_a_cpu(tmp_path, line, want):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\npower management:\n")
    assert cpu_bf16(tmp_path / "cpuinfo") == want
    assert cpu_bf16(tmp_path / "gone") == []


def test_dtype_auto_on_cpus_follows_the_instructions(monkeypatch):
    from vldm_cli.api import device

    for found, want in ((["avx512_bf16"], "bfloat16"), ([], "float32")):
        monkeypatch.setattr(device, "cpu_bf16", lambda found=found: found)
        assert choose_dtype("auto", "cpu") == want
