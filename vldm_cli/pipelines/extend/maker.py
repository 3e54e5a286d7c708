"""The model that made a clip, where it is here. No torch."""

from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import is_name, open_choice
from vldm_cli.packs.pack import embedded
from vldm_cli.pipelines.extend.settings import Memory


def maker(memory: Memory) -> Choice | None:
    """What made the clip: a pack that comes with vldm, or that was fetched or made, or what was put together of one;
    None where nobody knows. Raises RequestError for a combination that the clip names and that is not here as it was:
    no other model takes its place unasked."""
    choice, name = memory.choice, memory.pack
    if choice is None:
        return Choice(name) if name and (name in embedded() or is_name(name)) else None
    try:
        same = open_choice(choice, check=False).manifest.hash == memory.pack_hash
    except RequestError:
        same = False
    if not same:
        made = " ".join(choice.words())
        raise RequestError(
            f"the clip was made with {made}, which is not here as it was; name a model with --pack"
        )
    return choice
