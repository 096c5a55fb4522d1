"""Passwords: kept as argon2id, compared in the same time whoever asks."""

import threading

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from tests.builders import PASSWORD, password_hash
from uptimehunt.domain import passwords
from uptimehunt.domain.accounts import Registration, check_password
from uptimehunt.errors import UnauthorizedError


def test_a_password_matches_its_own_hash_only() -> None:
    kept = password_hash()

    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.matches(PASSWORD, kept)
    assert not passwords.matches(PASSWORD + " ", kept)
    assert not passwords.matches(PASSWORD[:-1], kept)
    assert not passwords.matches("", kept)


def test_two_people_with_one_password_have_two_hashes() -> None:
    assert passwords.hash_password(PASSWORD) != password_hash()


def test_nothing_matches_the_account_that_is_not_there() -> None:
    for password in (PASSWORD, "", "x"):
        assert not passwords.matches(password, None)


def test_what_is_no_text_matches_nothing() -> None:
    assert not passwords.matches("\ud800", password_hash())


def test_an_account_that_is_not_there_is_refused_in_the_same_words() -> None:
    with pytest.raises(UnauthorizedError) as refused:
        check_password(None, PASSWORD)

    assert refused.value.code == "INVALID_CREDENTIALS"


@pytest.mark.parametrize(
    "password", ["p\u00e4ssw\u00f6rter", "correct horse", "\U0001f600" * 3 + "abc"]
)
def test_a_good_password_is_taken_as_it_is(password: str) -> None:
    assert passwords.acceptable(password) == password


@pytest.mark.parametrize(
    "password", ["password", "PASSWORD1", "uptimehunt", "abababab", "11111111"]
)
def test_what_everybody_tries_first_is_refused(password: str) -> None:
    with pytest.raises(PydanticCustomError, match="too common"):
        passwords.acceptable(password)


def test_many_at_once_all_get_their_answer() -> None:
    kept = password_hash()
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(passwords.matches(PASSWORD, kept)))
        for _ in range(6)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [True] * 6


@pytest.mark.parametrize(
    "password", ["1234qwer", "pokemon1", "iloveyou2", "google123", "uptimehunt2026", "Uptimehunt!"]
)
def test_the_list_of_what_is_tried_first_is_a_long_one(password: str) -> None:
    with pytest.raises(PydanticCustomError, match="too common"):
        passwords.acceptable(password)


def test_a_password_is_not_the_address_it_belongs_to() -> None:
    with pytest.raises(ValidationError, match="must not be the email address"):
        Registration(email="alice@example.com", password="Alice@example.com")
