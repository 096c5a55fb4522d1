from pathlib import Path

import pytest

from uptimehunt.errors import UsageError
from uptimehunt.settings import Settings, load, options

LONG_KEY = "k" * 32


def refusal(given: dict[str, str], environ: dict[str, str]) -> str:
    with pytest.raises(UsageError) as caught:
        load(given, environ)
    return str(caught.value)


def test_without_options_and_variables_every_setting_has_its_default() -> None:
    assert load({}, {}) == Settings()


def test_flag_and_variable_follow_from_the_name() -> None:
    names = {option.name: (option.flag, option.variable) for option in options()}

    assert names["data_dir"] == ("--data-dir", "UPTIMEHUNT_DATA_DIR")
    assert names["port"] == ("--port", "UPTIMEHUNT_PORT")


def test_every_default_is_one_that_its_own_parser_gives() -> None:
    for option in options():
        if option.default is not None:
            assert option.parse(str(option.default)) == option.default


def test_every_help_is_one_sentence() -> None:
    for option in options():
        assert option.help.endswith("."), option.name
        assert "\n" not in option.help and "|" not in option.help, option.name


def test_the_environment_sets_what_no_option_does() -> None:
    settings = load({}, {"UPTIMEHUNT_PORT": "9000", "UPTIMEHUNT_DATA_DIR": "/srv/data"})

    assert settings == Settings(port=9000, data_dir=Path("/srv/data"))


def test_an_option_wins_over_the_environment() -> None:
    assert load({"port": "1"}, {"UPTIMEHUNT_PORT": "2"}).port == 1


def test_an_option_wins_over_a_variable_that_could_not_be_used() -> None:
    assert load({"port": "1"}, {"UPTIMEHUNT_PORT": "no"}).port == 1


def test_variables_of_other_programs_are_left_alone() -> None:
    assert load({}, {"PORT": "9000", "UPTIME": "1", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", ""),
        ("port", " 80"),
        ("port", "80.0"),
        ("port", "-1"),
        ("port", "65536"),
        ("port", "eighty"),
        ("port", "\u0668\u0660"),  # Digits, but not ASCII ones.
        ("host", ""),
        ("host", "  "),
        ("data_dir", ""),
        ("registration", "First"),
        ("registration", "invite"),
        ("block_private", ""),
        ("block_private", "yes"),
        ("block_private", "1"),
        ("allow_cidrs", ""),
        ("allow_cidrs", "10.0.0.0/8,"),
        ("allow_cidrs", "10.0.0.0/33"),
        ("allow_cidrs", "10.1.2.3/8"),
        ("allow_cidrs", "internal.example.com"),
        ("results_days", "0"),
        ("results_days", "3651"),
        ("max_disk", ""),
        ("max_disk", "0"),
        ("max_disk", "47M"),
        ("max_disk", "49999999"),
        ("max_disk", "-2G"),
        ("max_disk", "1.5G"),
        ("max_disk", "2GB"),
        ("max_disk", "2 G"),
        ("max_disk", "G"),
        ("max_disk", "9999999T"),
        ("max_disk", "\u0662G"),  # A digit, but not an ASCII one.
        ("log_level", "loud"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_source(name: str, text: str) -> None:
    variable = "UPTIMEHUNT_" + name.upper()
    flag = "--" + name.replace("_", "-")

    assert refusal({name: text}, {}).startswith(f"{flag} must ")
    assert refusal({}, {variable: text}).startswith(f"{variable} must ")
    assert repr(text) in refusal({name: text}, {})


@pytest.mark.parametrize(("text", "value"), [("true", True), (" True", True), ("FALSE", False)])
def test_a_switch_is_true_or_false_in_any_case(text: str, value: bool) -> None:
    assert load({"block_private": text}, {}).block_private is value


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50M", 50 * 2**20),
        ("500m", 500 * 2**20),
        ("2G", 2 * 2**30),
        (" 1T ", 2**40),
        ("60000K", 60_000 * 2**10),
        ("50000000", 50_000_000),
    ],
)
def test_a_size_is_plain_bytes_or_has_a_unit(text: str, size: int) -> None:
    assert load({}, {"UPTIMEHUNT_MAX_DISK": text}).max_disk == size


def test_networks_are_separated_by_commas() -> None:
    settings = load({}, {"UPTIMEHUNT_ALLOW_CIDRS": "10.0.0.0/8, fd00::/8,192.168.1.7"})

    assert [str(network) for network in settings.allow_cidrs or ()] == [
        "10.0.0.0/8",
        "fd00::/8",
        "192.168.1.7/32",
    ]


@pytest.mark.parametrize("text", ["0", "1", "8080", "65535"])
def test_every_port_there_is_can_be_given(text: str) -> None:
    assert load({"port": text}, {}).port == int(text)


def test_the_data_folder_may_start_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")

    assert load({"data_dir": "~/uptime"}, {}).data_dir == Path("/home/alice/uptime")


def test_a_misspelt_variable_is_refused_with_the_right_spelling() -> None:
    assert refusal({}, {"UPTIMEHUNT_DATADIR": "/srv"}) == (
        "UPTIMEHUNT_DATADIR is not a setting; did you mean UPTIMEHUNT_DATA_DIR?"
    )


def test_a_variable_like_no_setting_is_refused_without_a_guess() -> None:
    assert refusal({}, {"UPTIMEHUNT_XYZZY": "1"}) == "UPTIMEHUNT_XYZZY is not a setting"


def test_only_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(LONG_KEY + "\n")

    settings = load({}, {"UPTIMEHUNT_SECRET_KEY_FILE": str(file)})

    assert settings.secret_key == LONG_KEY.encode()
    assert "UPTIMEHUNT_PORT_FILE is not a setting" in refusal(
        {}, {"UPTIMEHUNT_PORT_FILE": str(file)}
    )


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    both = {"UPTIMEHUNT_SECRET_KEY": LONG_KEY, "UPTIMEHUNT_SECRET_KEY_FILE": str(tmp_path)}

    assert "not both" in refusal({}, both)


@pytest.mark.parametrize("content", [None, b"\xff\xfe" * 32])
def test_a_secret_file_that_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)

    assert refusal({}, {"UPTIMEHUNT_SECRET_KEY_FILE": str(file)}).startswith(
        "UPTIMEHUNT_SECRET_KEY_FILE names a file that cannot be read"
    )


def test_a_refused_secret_is_never_repeated(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hunter2")

    for given, environ in (
        ({"secret_key": "hunter2"}, {}),
        ({}, {"UPTIMEHUNT_SECRET_KEY": "hunter2"}),
        ({}, {"UPTIMEHUNT_SECRET_KEY_FILE": str(file)}),
    ):
        message = refusal(given, environ)
        assert "32 bytes" in message
        assert "hunter2" not in message
