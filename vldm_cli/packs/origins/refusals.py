"""What the hub will not give and where the network breaks, in one sentence with its remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.origins.home import data_folder
from vldm_cli.packs.values import shown


def cache() -> Path:
    """The folder of the hub's cache, whether it is there or not."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


@contextmanager
def blamed(hub: str, revision: str | None, file: str = "") -> Iterator[None]:
    """Whatever the hub or the network says within becomes one sentence about that repository or file of it."""
    from huggingface_hub import constants, errors, logging

    host = urlsplit(constants.ENDPOINT).netloc or constants.ENDPOINT
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # its remarks on every try
    try:
        yield
    except errors.GatedRepoError as error:
        raise RequestError(
            f"{hub} is given only to those who accept its terms: do so at {constants.ENDPOINT}/{hub}, then log in with "
            "`hf auth login` or set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise RequestError(
            f"there is no repository {hub} at {host}, or it is not for everybody; check the name, or log in with "
            "`hf auth login` or HF_TOKEN"
        ) from error
    except errors.DisabledRepoError as error:
        raise RequestError(f"{hub} has been closed by {host}; name another model") from error
    except errors.RevisionNotFoundError as error:
        raise RequestError(
            f"{hub} has no revision {shown(revision or 'main')} (any more); name another one, as in {hub}@main, or to "
            f"fetch a pack as it is now, delete its folder in {data_folder() / 'packs'} first"
        ) from error
    except errors.EntryNotFoundError as error:
        raise RequestError(
            f"{hub} has no {file or 'such file'} (any more); name another model or revision"
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise RequestError(
            f"{file or hub} is not here and HF_HUB_OFFLINE forbids to fetch it; unset it and give the command again"
        ) from error
    except errors.HfHubHTTPError as error:
        raise _refused(error.response.status_code, hub, host) from error
    except OSError as error:
        if _is_network(error) or "Consistency check" in str(error):
            raise _broken(host) from error
        raise RunError(
            f"cannot write into the hub's cache, {cache()} ({error.strerror or shown(str(error))}); make room or set "
            "HF_HOME to another folder"
        ) from error
    except (RequestError, RunError):
        raise
    except Exception as error:
        if _is_network(error):
            raise _broken(host) from error
        raise
    finally:
        logging.set_verbosity(level)


def _refused(status: int, hub: str, host: str) -> Exception:
    if status in (401, 403):
        return RequestError(
            f"{host} refuses {hub} ({status}): the token is wrong or not for it; log in anew with `hf auth login` or "
            "set HF_TOKEN"
        )
    if status == 404:
        return RequestError(f"{host} has nothing of that name in {hub} (404); check the name")
    what = "has had too many requests from here" if status == 429 else f"answers with error {status}"
    return RunError(f"{host} {what}; what has been fetched is kept, try again later")


def _broken(host: str) -> RunError:
    return RunError(f"the connection to {host} failed or broke off; what has been fetched is kept")


def _is_network(error: BaseException) -> bool:
    """Whether it is one of the HTTP library's (whose name has changed and may change) or of sockets."""
    kinds = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("httpx")}
    return bool(kinds & {"TransportError", "InvalidURL"}) or isinstance(error, ConnectionError | TimeoutError)
