"""What names, addresses and other short texts of people may be."""

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated

import idna
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def clean(text: str) -> str:
    """A name in its one spelling: NFC, without space around it.

    Raises:
        PydanticCustomError: it holds control characters, or marks that reorder or hide text.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in text):
        raise PydanticCustomError("text", "Must not contain control or invisible characters")
    return text


def clean_lines(text: str) -> str:
    """Like `clean`, for longer texts, in which line breaks and tabs are fine."""
    return "\n".join(clean(line.replace("\t", " ")) for line in text.splitlines()).strip()


def fold(text: str) -> str:
    """The form in which two names are the same name."""
    return unicodedata.normalize("NFC", text.casefold())


def email(address: str) -> str:
    """A mail address as typed, without space around it.

    Raises:
        PydanticCustomError: it is no address that we can keep apart from others.
    """
    address = address.strip()
    if email_key(address) is None:
        raise PydanticCustomError("email", "Email must be valid")
    return address


def email_key(address: str) -> str | None:
    """The form in which two addresses are one account; None when it is no address.

    The local part is ASCII in lower case, the domain in its IDNA form: no look-alike of another
    alphabet can pass for somebody's address.
    """
    local, at, domain = address.strip().rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or ".." in f".{local}.":
        return None
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    labels = ascii_domain.split(".")
    if len(ascii_domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return f"{local.lower()}@{ascii_domain}"


def _if_text(function: Callable[[str], str]) -> BeforeValidator:
    """Cleans before lengths are looked at; what is no text is left to the field to refuse."""
    return BeforeValidator(lambda value: function(value) if isinstance(value, str) else value)


Name = Annotated[str, _if_text(clean)]
Lines = Annotated[str, _if_text(clean_lines)]
Email = Annotated[str, AfterValidator(email), Field(json_schema_extra={"format": "email"})]
