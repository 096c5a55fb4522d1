"""Names and addresses of people."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from uptimehunt.domain import text


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Shop ", "Shop"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("\u3000wide\u00a0", "wide"),
        ("a  b", "a  b"),
        ("\U0001f600 ok", "\U0001f600 ok"),
        ("", ""),
    ],
)
def test_a_name_has_one_spelling(typed: str, kept: str) -> None:
    assert text.clean(typed) == kept


@pytest.mark.parametrize(
    "char",
    ["\x00", "\x07", "\n", "\r", "\x1b", "\x7f", "\x85", "\u200b", "\u200e", "\u202e", "\u2066",
     "\u2028", "\ufeff", "\ud800", "\u00ad"],
)  # fmt: skip
def test_what_hides_or_reorders_text_is_refused(char: str) -> None:
    with pytest.raises(PydanticCustomError, match="control or invisible"):
        text.clean(f"a{char}b")


def test_longer_texts_may_have_lines() -> None:
    assert text.clean_lines(" a \r\n\tb\n\n") == "a\nb"
    with pytest.raises(PydanticCustomError):
        text.clean_lines("a\n\u202eb")


@given(st.text(max_size=40))
def test_what_is_clean_stays_as_it_is(typed: str) -> None:
    try:
        kept = text.clean(typed)
    except PydanticCustomError:
        return
    assert text.clean(kept) == kept == kept.strip()
    assert unicodedata.is_normalized("NFC", kept)


@given(st.text(max_size=40))
def test_names_that_look_alike_in_another_case_are_the_same(name: str) -> None:
    assert text.fold(text.fold(name)) == text.fold(name)
    if name.isascii():
        assert text.fold(name.upper()) == text.fold(name.lower())


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Alice@Example.COM", "alice@example.com"),
        (" a+b@example.com ", "a+b@example.com"),
        ("a@b\u00fccher.example", "a@xn--bcher-kva.example"),
        ("a@B\u00dcCHER.example", "a@xn--bcher-kva.example"),
        ("a@localhost", "a@localhost"),
        ("a@\uff45xample.com", "a@example.com"),
    ],
)
def test_two_spellings_of_an_address_are_one_account(typed: str, key: str) -> None:
    assert text.email_key(typed) == key


@pytest.mark.parametrize(
    "typed",
    ["", "@", "a@", "@b", "a", "a b@c", ".a@b", "a.@b", "a..b@c", "a@b..c", "a@-b", "a@b-",
     "\u212a@b", "\u0430@b", "a@\nb", "a@b c", '"a"@b', "a" * 65 + "@b", "a@" + "b." * 127 + "bb",
     "a@[127.0.0.1]", "a@b@c d"],
)  # fmt: skip
def test_what_is_no_address_has_no_key(typed: str) -> None:
    assert text.email_key(typed) is None


@given(st.text(max_size=80))
def test_no_text_breaks_the_reading_of_addresses(typed: str) -> None:
    key = text.email_key(typed)

    assert key is None or (key.isascii() and text.email_key(key) == key)
