"""Reading configuration files: TOML, sections that refuse unknown names, and complaints that say where."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mcsec.errors import LocalError

M = TypeVar("M", bound=BaseModel)

MAKE_ONE = "make one with `mcsec init DIR --domain NAME`"


class ConfigError(LocalError):
    """The configuration cannot be used; the text says where."""

    code = "config"


class Section(BaseModel):
    """A section of a file. Unknown names are refused, so that a misspelt switch is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read(path: Path, hint: str = MAKE_ONE) -> dict[str, Any]:
    """What a file holds. ``hint``: what to do where there is none.

    :raises ConfigError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint=hint) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def section(kind: type[M], content: object, place: str) -> M:
    """A section, checked; ``place`` is for people: the file, and which section.

    :raises ConfigError: it says something that is not understood.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{place}{complaint(error)}") from None


def complaint(error: ValidationError) -> str:
    """The first thing that is wrong, and where. Never what was written there: it could be a secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"


def domain_of(content: Mapping[str, Any], path: Path) -> str:
    """The domain that a file is of.

    :raises ConfigError: it does not say.
    """
    domain = content.get("domain", {})
    name = domain.get("name") if isinstance(domain, dict) else None
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{path}: a section [domain] with a name is needed")
    return name
