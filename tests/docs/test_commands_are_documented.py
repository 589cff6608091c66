"""docs/commands.md has every command in its own words, and every exit status."""

import pytest
from tools.paste_help import MARKED, command_words, help_of, pasted

from documents import read, table_rows
from neve.cli.exit_codes import ExitCode

PAGE = read("docs/commands.md")


def test_the_help_on_the_page_is_what_the_commands_say() -> None:
    assert pasted(PAGE) == PAGE


def test_every_command_is_there() -> None:
    shown = {tuple(words.split()) for words in MARKED.findall(PAGE)}
    # A group says nothing that its commands do not.
    groups = {words[:-1] for words in command_words() if words} - {()}
    assert set(command_words()) - groups == shown - groups


def test_every_exit_status_is_there() -> None:
    documented = {row[0] for row in table_rows(PAGE) if row[0].isdigit()}
    assert documented == {str(code.value) for code in ExitCode}


@pytest.mark.parametrize("words", list(command_words()), ids=" ".join)
def test_help_says_more_than_the_command_line(words: tuple[str, ...]) -> None:
    usage, _, rest = help_of(words).partition("\n\n")
    assert usage.startswith("Usage: neve")
    assert rest.strip()
