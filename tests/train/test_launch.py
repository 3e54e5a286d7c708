"""Processes of a part: two of them train as one, and end together."""

import signal
import sys

from safetensors.torch import load_file

from vldm_cli.train import launch
from vldm_cli.train.checkpoint import NAME
from vldm_cli.train.launch import Processes, visible_gpu


def ended(processes) -> int:
    for process in processes.processes:
        process.wait(120)
        processes.poll()
    return processes.poll()


def test_two_processes_train_one_part(pack, tmp_path):
    """They share the batch and the bank, and the run folder is that of one run."""
    run, log = tmp_path / "run", tmp_path / "logs" / "log.txt"
    words = [
        "train",
        "autoencoder",
        "--pack",
        str(pack.folder),
        "--steps",
        "21",
        "--device",
        "cpu",
        "--run",
        str(run),
    ]
    processes = Processes([*words, "--bank-frames", "8"], (), log, count=2)
    assert ended(processes) == 0, log.read_text()
    assert log.read_text().count("finished: 21 steps") == 1
    tensors = load_file(run / NAME)
    assert float(tensors["optimizer.step.0"]) == 21


def test_when_one_breaks_the_others_are_ended(tmp_path, monkeypatch):
    """Their exit code is that of the one that broke. What they run is a stand-in for vldm."""
    script = "import os, signal, sys, time\nif os.environ['RANK'] == '1': sys.exit(7)\nsignal.pause()\n"
    popen = launch.subprocess.Popen
    monkeypatch.setattr(
        launch.subprocess, "Popen", lambda command, **how: popen([sys.executable, "-c", script], **how)
    )
    processes = Processes([], (), tmp_path / "log.txt", count=2)
    processes.processes[1].wait(60)
    assert processes.poll() in (None, 7)
    processes.processes[0].wait(60)
    assert processes.poll() == 7
    assert processes.processes[0].returncode == -signal.SIGTERM


def test_a_killed_one_is_gone(tmp_path, monkeypatch):
    popen = launch.subprocess.Popen
    monkeypatch.setattr(
        launch.subprocess,
        "Popen",
        lambda command, **how: popen([sys.executable, "-c", "import signal; signal.pause()"], **how),
    )
    processes = Processes([], (), tmp_path / "log.txt")
    assert processes.poll() is None
    processes.kill()
    assert processes.poll() == -signal.SIGKILL


def test_gpus_are_those_we_may_see(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-abc")
    assert [visible_gpu(0), visible_gpu(1)] == ["5", "GPU-abc"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpu(1) == "1"
