"""Files of models from a Hugging Face hub, or one clear sentence why they cannot be had.

All traffic with a hub goes through here, so that the libraries that build the models find every file
on disk. Left to themselves they retry each missing file for half a minute before giving up, and say
little about the reason.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from fnmatch import filter as matching
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from tqdm.auto import tqdm  # type: ignore[import-untyped]

from services.encoder.failures import one_line
from services.errors import EncoderUnavailable

#: Seconds for the one request that finds out whether the hub answers at all.
REACH_TIMEOUT = 5.0

#: Errors of the operating system that speak of the disk and not of the network.
_STORAGE = (errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST)

#: What a tokenizer may consist of, in any of the formats in use.
TOKENIZER_FILES = (
    "tokenizer*.json",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "config.json",
)


class DownloadBar(tqdm):  # type: ignore[misc]
    """One bar for all files of a model: bytes, rate, time left. Only drawn in a terminal, and only where
    there is something to wait for.

    huggingface_hub makes three bars, of which the one named "Reconstructing" counts the bytes that are on
    disk, whichever protocol brought them.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        shown = str(options.get("desc", "")).startswith("Reconstructing")
        own = {"desc": "downloading", "bar_format": _BAR, "disable": None if shown else True, "delay": 0.3}
        super().__init__(*arguments, **options | own)

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:
        """Keeps its own."""

    def set_description_str(self, desc: str | None = None, refresh: bool | None = True) -> None:
        """Keeps its own."""


_BAR = "{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} {rate_fmt} {elapsed}<{remaining}"


def is_downloaded(repository: str) -> bool:
    """Whether the local cache holds weights of this repository; asks no network.

    Only finished downloads count: a file gets its name in a snapshot once all of it has arrived.
    """
    snapshots = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots"
    return any(path.suffix in (".safetensors", ".bin") for path in snapshots.glob("*/*"))


def fetch(name: str, repository: str, files: Sequence[str], *, weights: Sequence[str] = ()) -> Path:
    """The folder of the hub's local cache that holds these files of a repository that encoder `name` needs.

    `files` are glob patterns, all of which are fetched; of `weights` only the first pattern that the
    repository has any file for. Without a network the cached copy serves. The caller checks that
    what it needs is there: a repository may lack a file that a pattern names.

    Raises `EncoderUnavailable` naming the encoder, the reason and the mend.
    """
    wanted = f"The encoder {name!r}" + ("" if repository in name else f" (it needs {repository!r})")
    try:
        info = HfApi().model_info(repository, timeout=REACH_TIMEOUT)
        present = [sibling.rfilename for sibling in info.siblings or []]
        chosen = next(([pattern] for pattern in weights if matching(present, pattern)), [])
        return Path(snapshot_download(repository, allow_patterns=[*files, *chosen], tqdm_class=DownloadBar))
    except HFValidationError:
        raise EncoderUnavailable(
            f"{repository!r} cannot be the name of a model on a hub.",
            mend="Such a name has the form ORGANISATION/NAME, of letters, digits, '-', '_' and '.'.",
            field="encoder",
        ) from None
    except GatedRepoError:
        raise EncoderUnavailable(
            f"{wanted} is only given out to users who accepted its terms.",
            mend=f"Accept them at {constants.ENDPOINT}/{repository} and set HF_TOKEN to your token.",
            field="encoder",
        ) from None
    except RepositoryNotFoundError:
        raise EncoderUnavailable(
            f"{wanted} is not on {constants.ENDPOINT}, or it is private.",
            mend="Check the spelling; for a private model set HF_TOKEN.",
            field="encoder",
        ) from None
    except OfflineModeIsEnabled:
        reason = "HF_HUB_OFFLINE is set"
    except HfHubHTTPError as error:
        reason = f"{constants.ENDPOINT} answered {error.response.status_code}"
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _STORAGE:
            raise EncoderUnavailable(
                f"{wanted} cannot be stored in {constants.HF_HUB_CACHE!r}: {one_line(error, 100)}.",
                mend="Make room there, or point HF_HUB_CACHE to another folder.",
                field="encoder",
            ) from None
        # Whatever the HTTP library or the operating system made of it: the files did not arrive.
        reason = f"{constants.ENDPOINT} cannot be reached ({one_line(error, 100)})"
    try:
        return Path(snapshot_download(repository, allow_patterns=list(files), local_files_only=True))
    except LocalEntryNotFoundError:
        raise EncoderUnavailable(
            f"{wanted} is not on this machine and cannot be downloaded: {reason}.",
            mend="Connect to the network, point HF_ENDPOINT to a mirror, or copy the model's files into a "
            "folder and set VITRINE_ENCODER=local-dir:FOLDER (open_clip) or transformers:FOLDER.",
            field="encoder",
        ) from None
