"""`uptimehunt user …`: accounts from the shell, for whoever is locked out.

Works on the data folder itself, so the server must be stopped: the folder's lock sees to that.
"""

import getpass
import sys
from contextlib import ExitStack

from uptimehunt.domain import accounts, passwords, users
from uptimehunt.domain.users import UserInput
from uptimehunt.domain.validation import parse
from uptimehunt.errors import NotFoundError, StartError, UsageError
from uptimehunt.settings import Settings
from uptimehunt.store import database
from uptimehunt.store.database import Store
from uptimehunt.store.datadir import DataDir
from uptimehunt.store.models import User


def run(act: str, email: str | None, role: str | None, chosen: Settings) -> int:
    """Do one thing with accounts; answers the exit code.

    Raises:
        StartError: the folder is in use, or has no database.
        RefusedError: it cannot be done.
    """
    with ExitStack() as stack:
        folder = DataDir(chosen.data_dir)
        stack.callback(folder.close)
        found = database.examine(folder.database, folder.backups)
        folder.refuse_lost_database(found)
        if found is None:
            raise StartError(f"there is no database in {chosen.data_dir} yet")
        folder.take_over()
        store = Store(folder.database, folder.backups)
        stack.callback(store.close)
        if act == "list":
            return _list(store)
        assert email is not None
        return _create(store, email, role) if act == "create" else _reset(store, email)


def _list(store: Store) -> int:
    with store.reading():
        for user in User.select().order_by(User.id):
            disabled = "" if user.disabled_at is None else "  disabled"
            print(f"{user.id:>4}  {user.role:<7} {user.email}{disabled}")
    return 0


def _create(store: Store, email: str, role: str | None) -> int:
    wanted = parse(UserInput, {"email": email, "password": _ask_password(), "role": role})
    kept = passwords.hash_password(wanted.password)
    print(f"created {store.write(users.create, wanted, kept)['email']}")
    return 0


def _reset(store: Store, email: str) -> int:
    with store.reading():
        user = accounts.find(email)
    if user is None:
        raise NotFoundError(f"An account for {email}")
    # The same rules as for any new password; the rest of the model is there already.
    wanted = parse(UserInput, {"email": user.email, "password": _ask_password()})
    store.write(users.set_password, user.id, passwords.hash_password(wanted.password), None)
    print(f"password of {user.email} changed; every session of theirs has ended")
    return 0


def _ask_password() -> str:
    """From the terminal, twice and unseen; else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("New password: ")
    if getpass.getpass("Again: ") != first:
        raise UsageError("the passwords are not the same")
    return first
