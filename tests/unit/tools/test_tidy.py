"""Each rule of tidy finds what it is for, leaves its neighbours alone, and says what to do instead."""

from pathlib import Path
from textwrap import dedent

import pytest
from tools.tidy import Finding, Source, captions, check_file, dead_modules

PRODUCT = "src/neve/domain/example.py"
TEST = "tests/unit/test_example.py"


def findings(code: str, path: str = PRODUCT) -> list[str]:
    """Return what tidy says of a module with this code, without the place."""
    source = Source(Path(path), f'"""A module."""\n{dedent(code)}')
    return [finding.text for finding in check_file(source)]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import time\ntime.time()", "time.time"),
        ("import time as t\nt.time_ns()", "time.time_ns"),
        ("from time import time\ntime()", "time.time"),
        ("from time import time as now\nmake(default=now)", "time.time"),
        ("from datetime import datetime\ndatetime.now(UTC)", "datetime.datetime.now"),
        ("import datetime\ndatetime.datetime.now(UTC)", "datetime.datetime.now"),
        ("import uuid\nuuid.uuid4()", "uuid.uuid4"),
        ("import os\nos.urandom(16)", "os.urandom"),
        ("import random\nrandom.choice(x)", "random.choice"),
        ("def f():\n    from secrets import token_hex\n    return token_hex()", "secrets.token_hex"),
    ],
)
def test_hidden_time_and_chance_are_found_however_imported(code: str, name: str) -> None:
    [text] = findings(code)
    assert text.startswith(f"{name}: take ")


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.monotonic()",
        "from datetime import datetime\ndatetime.fromtimestamp(0)",
        "import os\nos.fsync(3)",
        "def take(random):\n    return random.choice",
        "ctx.clock.time.time()",
    ],
)
def test_other_names_are_left_alone(code: str) -> None:
    assert findings(code) == []


def test_the_clock_may_read_the_clock() -> None:
    assert findings("import time\ntime.time_ns()", "src/neve/clock.py") == []


def test_tests_may_draw_lots_and_not_sleep() -> None:
    assert findings("import random\nrandom.random()", TEST) == []
    assert findings("import random\nrandom.Random(7)", "src/neve/testing/example.py") == []
    [text] = findings("from time import sleep\nsleep(1)", TEST)
    assert text.startswith("time.sleep: wait for the condition")


def test_print_belongs_to_one_module() -> None:
    [text] = findings("print('hello')")
    assert text.startswith("print(): ")
    assert findings("print('hello')", "src/neve/cli/output.py") == []
    assert findings("print('hello')", "tools/example.py") == []


@pytest.mark.parametrize("size", ["524288", "512 * 1024 * 1024 and 8192", "1 << 20", "2**19", "[0, 65_536]"])
def test_a_bare_size_is_found(size: str) -> None:
    assert [text.split(": ")[1].split(" ")[0] for text in findings(f"x = {size}")] == ["give"]


@pytest.mark.parametrize("number", ["1024", "2048", "4320", "10_000", "1 << 3", "True", "3.0", "0xFFFF"])
def test_other_numbers_are_no_sizes(number: str) -> None:
    assert findings(f"x = {number}") == []


def test_a_size_with_a_name_is_not_bare() -> None:
    assert findings("x = 524288", "src/neve/limits.py") == []
    assert findings("_FRAME_BYTES_MAX: Final = 8192") == []
    assert len(findings("def f(size=8192):\n    FRAME = 8192")) == 2


def test_a_module_says_what_it_is() -> None:
    assert [finding.text.split(":")[0] for finding in check_file(Source(Path(PRODUCT), "x = 1\n"))] == [
        "no module docstring"
    ]
    assert list(check_file(Source(Path(PRODUCT), ""))) == []


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_promises_for_later_are_refused_in_any_text(word: str) -> None:
    [finding] = check_file(Source(Path("docs/example.md"), f"# Title\n\n{word} later\n"))
    assert finding.line == 3
    assert finding.text.startswith(word)


# Written apart, so that this file does not break the rule it is about.
@pytest.mark.parametrize("folder", ["root", "home", "Users", "work"])
@pytest.mark.parametrize("text", ["cp {} .", "see {}/neve", "({})", '"{}"'])
def test_paths_of_one_machine_are_refused(folder: str, text: str) -> None:
    [finding] = check_file(Source(Path("README.md"), text.format(f"/{folder}/x")))
    assert "a path of one machine" in finding.text


@pytest.mark.parametrize("before", ["a", "~", "{prefix}"])
@pytest.mark.parametrize("folder", ["root", "home", "Users", "work"])
def test_other_paths_are_left_alone(before: str, folder: str) -> None:
    for text in (f"{before}/{folder}/x", f"/{folder}s", "/var/lib/neve"):
        assert list(check_file(Source(Path("README.md"), text))) == []


def test_a_host_is_known_or_refused() -> None:
    known = "http://127.0.0.1:9753 https://user@backup.example.com/x https://ebs.us-east-1.amazonaws.com."
    assert list(check_file(Source(Path("README.md"), known))) == []
    [finding] = check_file(
        Source(
            Path("README.md"), "http://packages.python.net/simple http://localhost http://ebs.example.test"
        )
    )
    assert finding.text.startswith("packages.python.net: ")


def test_a_line_with_a_reason_is_excused() -> None:
    assert findings("x = 524288  # tidy: the format's own constant") == []
    assert len(findings("x = 524288  # tidy:")) == 1


def test_length_is_noted_and_fails_nobody() -> None:
    source = Source(Path(PRODUCT), '"""Long."""\n' + "def long():\n" + "    x = 1\n" * 400)
    notes = list(check_file(source))
    assert [note.is_note for note in notes] == [True, True]
    assert [note.text for note in notes] == ["402 lines", "long() has 401 lines"]


# --- the house ------------------------------------------------------------------------------------

HOUSE = """\
# The house

```
src/neve/               the package
├── cli/                the commands
│   └── main.py         the way in
│
└── limits.py           every bound
```

├── elsewhere.py        not in the tree
"""


def house(tree: str, *modules: str) -> list[Finding]:
    """Return what tidy says of this tree and these modules."""
    sources = [Source(Path("ARCHITECTURE.md"), tree)]
    sources += [Source(Path("src/neve") / name, '"""A module."""') for name in modules]
    return list(captions({source.path: source for source in sources}))


def test_a_true_tree_is_fine() -> None:
    assert house(HOUSE, "__init__.py", "cli/__init__.py", "cli/main.py", "limits.py") == []


def test_a_module_without_a_line_is_found() -> None:
    [finding] = house(HOUSE, "__init__.py", "cli/__init__.py", "cli/main.py", "cli/list.py", "limits.py")
    assert finding.text.startswith("src/neve/cli/list.py: not in the tree")


def test_a_line_without_a_module_is_found() -> None:
    [finding] = house(HOUSE, "__init__.py", "cli/__init__.py", "cli/main.py")
    assert finding.text.startswith("src/neve/limits.py: there is no such module")


def test_a_line_without_a_caption_is_found() -> None:
    bare = HOUSE.replace("limits.py           every bound", "limits.py")
    [finding] = house(bare, "__init__.py", "cli/__init__.py", "cli/main.py", "limits.py")
    assert finding.text.startswith("src/neve/limits.py: no caption")


def test_a_repository_without_the_file_is_told() -> None:
    [finding] = captions({})
    assert finding.path == Path("ARCHITECTURE.md")


def test_a_module_that_nothing_imports_is_found() -> None:
    texts = {
        "src/neve/__init__.py": "",
        "src/neve/used.py": "",
        "src/neve/also_used.py": "",
        "src/neve/dead.py": "",
        "src/neve/named.py": "",
        "src/neve/main.py": 'from neve import used\ndef f():\n    import neve.also_used\nx = "neve.named:f"',
        "src/neve/testing/shipped.py": "",
        "pyproject.toml": '[project.scripts]\nneve = "neve.main:main"',
    }
    sources = {Path(name): Source(Path(name), text) for name, text in texts.items()}
    assert [finding.path for finding in dead_modules(sources)] == [Path("src/neve/dead.py")]
