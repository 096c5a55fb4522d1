"""Every error this program raises on purpose.

    UptimeHuntError
     ├─ UsageError            a bad option or setting: one sentence, exit code 2
     ├─ StartError            cannot start here and now: one sentence, exit code 1
     ├─ StorageError          the database cannot take or answer this at the moment
     └─ RefusedError          the caller's request cannot be done; carries a code for the API
         ├─ BadRequestError   malformed: not the syntax we speak
         ├─ ValidationError   well-formed, with field values that cannot be accepted
         ├─ UnauthorizedError we do not know who is calling
         ├─ ForbiddenError    we know, and this caller may not do it
         ├─ NotFoundError     no such thing, or none that this caller may see
         ├─ ConflictError     it collides with something that exists
         └─ LaterError        not now; the same call may succeed later
             ├─ TooManyError  one caller tries too often
             └─ BusyError     too much at once, or a part that is not well

Only `api/errors.py` knows which HTTP status each of them is.
"""

from collections.abc import Mapping


class UptimeHuntError(Exception):
    """Base of all errors raised on purpose; its text is fit for a person to read."""


class UsageError(UptimeHuntError):
    """An option or a setting cannot be used; raised before anything is touched."""


class StartError(UptimeHuntError):
    """The program cannot start: the port, the data directory or the database is not usable."""


class StorageError(UptimeHuntError):
    """The database cannot do this now (full, read-only, locked, failing); nothing was changed."""


class RefusedError(UptimeHuntError):
    """A request that cannot be done, for a reason its caller can act on."""

    code = "BAD_REQUEST"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class BadRequestError(RefusedError):
    """The request is malformed: JSON that does not parse, an unusable query parameter."""


class ValidationError(RefusedError):
    """One or more field values cannot be accepted.

    Attributes:
        details: flat field name → messages, e.g. `{"url": ["URL is required"]}`.
    """

    code = "VALIDATION_ERROR"

    def __init__(self, details: Mapping[str, list[str]]) -> None:
        super().__init__("Validation failed")
        self.details = dict(details)


class UnauthorizedError(RefusedError):
    """No usable credentials came with the request."""

    code = "UNAUTHORIZED"


class ForbiddenError(RefusedError):
    """The caller is known and may not do this."""

    code = "FORBIDDEN"


class NotFoundError(RefusedError):
    """Nothing there, or nothing that this caller may see: the two look the same on purpose."""

    code = "NOT_FOUND"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} not found")


class ConflictError(RefusedError):
    """The request collides with the present state."""

    code = "CONFLICT"


class LaterError(RefusedError):
    """Not now; nothing was done, and the same call may succeed later.

    Attributes:
        retry_after_s: seconds after which it is worth trying again.
    """

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyError(LaterError):
    """This caller tries too often."""

    code = "RATE_LIMITED"


class BusyError(LaterError):
    """Too much of this at once, or a part of the program is not well."""

    code = "SERVICE_UNAVAILABLE"
