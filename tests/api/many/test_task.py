"""Tasks are plain data, and say which command makes their video alone."""

import pickle
from pathlib import Path

from vldm_cli.api.kept import Kept
from vldm_cli.api.many.lists import Line
from vldm_cli.api.many.prompts import tasks
from vldm_cli.api.many.task import Outcome, Task
from vldm_cli.packs.choice import Choice
from vldm_cli.runs.recent import MOST
from vldm_cli.stages.running import AS_USUAL, Running

OPTIONS = {
    **dict.fromkeys(("frames", "image", "upscale", "interpolation", "between", "size", "steps", "guidance")),
    **dict.fromkeys(("context_guidance", "fps")),
    **{
        "pack": Choice("p", loras=("l:0.5",)),
        "negative": "",
        "replacement": False,
        "device": "cpu",
        "dtype": "auto",
        "running": AS_USUAL,
    },
    **{"crf": 16, "resume": True, "force": False},
}


def made(*told, **options):
    lines = [Line(f"line {number}", one) for number, one in enumerate(told, 1)]
    usual = {"preview": None, "seed": None, "seeds": None, "repeat": 1, "options": OPTIONS, "machines": {}}
    return tasks(lines, "out", **{**usual, **options})


def test_the_words_of_the_command():
    one, other = made(
        {"prompt": "a ball"},
        {"prompt": "-a", "upscale": False, "replacement": True, "negative": "b", "out": "c.gif"},
        seed=7,
    )
    words = "generate|a ball|--pack|p|--lora|l:0.5|--device|cpu|--crf|16|--seed|7|-o|out/0001-a-ball-7.mp4"
    assert one.words == tuple(words.split("|"))
    words = "generate|--pack|p|--lora|l:0.5|--device|cpu|--crf|16|--no-upscale|--replacement|--negative|b|--seed|7"
    assert sorted(other.words[:-4]) == sorted(words.split("|")) and other.words[-4:] == (
        "-o",
        "c.gif",
        "--",
        "-a",
    )


def test_what_can_be_said_again_is_said_for_each():
    one, none = made({"prompt": "a", "sketch": "a.png@0"}, {"prompt": "b"}, options={**OPTIONS, "sketch": ()})
    assert one.options["sketch"] == ["a.png@0"] and "--sketch|a.png@0" in "|".join(one.words)
    assert "--sketch" not in none.words


def test_the_words_of_options_that_can_be_given_again():
    running = Running(False, "high", ["deepcache", "cfg-skip"])
    (task,) = made(
        {"prompt": "a"}, seed=7, options={**OPTIONS, "running": running, "sketch": ("a.png@0", "b.png@8")}
    )
    words = "--no-plain|--memory|high|--fast|deepcache|--fast|cfg-skip|"
    assert words + "--crf|16|--sketch|a.png@0|--sketch|b.png@8|--seed" in "|".join(task.words).replace(
        "--crf|16|--seed", "--seed"
    )
    (task,) = made({"prompt": "a"}, options={**OPTIONS, "sketch": ()})
    assert "--sketch" not in task.words


def test_the_words_name_what_was_asked_for_and_not_what_the_process_that_directs_has():
    directing = {**OPTIONS, "dtype": "bfloat16"}
    for asked, words in (
        ({"device": "auto", "dtype": "auto", "gpus": "2", "workers": None, "ray": None}, "--gpus|2"),
        ({"device": "cuda", "dtype": "float16", "ray": "auto"}, "--device|cuda|--dtype|float16|--ray|auto"),
        (
            {"device": "auto", "dtype": "auto", "gpus": "all", "ray": "10.0.0.1:6379"},
            "--gpus|all|--ray|10.0.0.1:6379",
        ),
        ({"device": "auto", "dtype": "auto"}, ""),
    ):
        (task,) = made({"prompt": "a ball"}, seed=7, options=directing, machines=asked)
        told = "|".join(task.words).replace("--crf|16|", "").replace("--seed|7|", "")
        middle = f"{words}|" if words else ""
        assert told == f"generate|a ball|--pack|p|--lora|l:0.5|{middle}-o|out/0001-a-ball-7.mp4"
        assert (task.options["device"], task.options["dtype"]) == ("cpu", "bfloat16")


def test_they_can_be_sent_to_another_process():
    (task,) = made({"prompt": "a ball"})
    assert pickle.loads(pickle.dumps(task)) == task
    outcome = Outcome(task, error="no")
    assert pickle.loads(pickle.dumps(outcome)).as_table() == outcome.as_table()


def test_what_a_line_says_goes_before_what_the_command_says():
    one, two = made({"prompt": "a", "crf": 30, "frames": 2}, {"prompt": "b"})
    assert (one.options["crf"], two.options["crf"], one.options["frames"]) == (30, 16, 2)
    assert one.told == {
        "prompt": "a",
        "crf": 30,
        "frames": 2,
        "seed": one.options["seed"],
        "out": str(one.out),
    }


def test_a_pack_is_opened_once_and_the_oldest_goes(tiny_pack):
    kept = Kept()
    first = kept.pack(tiny_pack.folder, "cpu", "float32")
    assert kept.pack(Choice(str(tiny_pack.folder)), "cpu", "float32") is first and kept.pack(first) is first
    quick = kept.pack(tiny_pack.folder, "cpu", "float32", Running(fast=("cfg-skip",)))
    assert (
        quick is not first and quick.running.fast and kept.pack(tiny_pack.folder, "cpu", "float32") is first
    )
    for number in range(MOST):
        kept._things.once(number, object)
    assert kept.pack(tiny_pack.folder, "cpu", "float32") is not first


def test_an_outcome_names_its_subject():
    task = Task(3, "", "upscale", "clip.mp4", Path("o.mp4"), {}, {}, {})
    assert Outcome(task, error="no").as_table() == {
        "index": 3,
        "out": "o.mp4",
        "clip": "clip.mp4",
        "error": "no",
    }
    assert Outcome(task, seed=4).as_table() == {"index": 3, "out": "o.mp4", "seed": 4, "made_before": True}
