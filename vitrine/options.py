"""Options of the command line that several commands take."""

from __future__ import annotations

from collections.abc import Iterable

from services.errors import InvalidInput

_EXAMPLES = {"--where": "split=test", "--map": "title=name"}


def assignments(option: str, texts: Iterable[str] | None) -> dict[str, str]:
    """What a repeatable option NAME=VALUE was given. Raises `InvalidInput`."""
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            example = _EXAMPLES.get(option, "name=value")
            raise InvalidInput(
                f"{option} {text} is not FIELD=VALUE.", mend=f"Write e.g. {example}.", field=option.strip("-")
            )
        found[name] = value
    return found
