"""What no linter knows: the house rules of this repository, each refusal with what to do instead.

    python -m tools.tidy        prints `path:line: what is wrong; what to do instead`, exits 1 if anything is

A rule is a function from one parsed file (or all of them) to findings; it reads nothing itself. A line that
has to break a rule says so and why: `# tidy: the reason`. Long modules and functions are noted and fail
nobody: a module is split where its reader gains, not where a counter says so.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MODULE_LINES = 350
FUNCTION_LINES = 60
SIZE_FLOOR = 4096
"""Multiples of 1024 from here on are sizes; below, they are as often counts and lengths of the API."""

USE_THE_CLOCK = "take the time from the neve.clock.Clock that is passed in"
USE_ENTROPY = "take bytes from the neve.clock.Entropy that is passed in"
BANNED_IN_PACKAGE: Mapping[str, str] = {
    "time.time": USE_THE_CLOCK,
    "time.time_ns": USE_THE_CLOCK,
    "datetime.datetime.now": USE_THE_CLOCK,
    "datetime.datetime.utcnow": USE_THE_CLOCK,
    "datetime.datetime.today": USE_THE_CLOCK,
    "datetime.date.today": USE_THE_CLOCK,
    "os.urandom": USE_ENTROPY,
    "uuid.uuid1": USE_ENTROPY,
    "uuid.uuid4": USE_ENTROPY,
    "random": USE_ENTROPY,
    "secrets": USE_ENTROPY,
}
BANNED_FOR_TESTS = {name: text for name, text in BANNED_IN_PACKAGE.items() if name != "random"}
"""What is shipped for tests may be handed a seeded generator."""
BANNED_IN_TESTS: Mapping[str, str] = {
    "time.sleep": "wait for the condition itself, or give the code a clock that the test moves",
}
CLOCK = Path("src/neve/clock.py")
LIMITS = Path("src/neve/limits.py")
PRINTER = Path("src/neve/cli/output.py")
PACKAGE = Path("src/neve")
FOR_TESTS = PACKAGE / "testing"
HOUSE = Path("ARCHITECTURE.md")
ITSELF = frozenset({Path("tools/tidy.py"), Path("tests/unit/tools/test_tidy.py")})
"""These two spell out what is refused."""

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")
MACHINE_PATH = re.compile(r"(?<![\w.}~*-])/(?:root|home|Users|work)/\w*")
URL_HOST = re.compile(r"\w+://(?:[^\s/@\"'`]*@)?([\w.-]+)")
KNOWN_HOSTS = re.compile(
    r"127\.0\.0\.1|[\w-]+"  # this machine, and names that lead nowhere
    r"|([\w-]+\.)+(test|example|invalid)|([\w-]+\.)*example\.(com|org|net)"
    r"|docs\.aws\.amazon\.com|([\w-]+\.)*amazonaws\.com|internal\.amazon\.com"  # the service and its names
    r"|www\.w3\.org|keepachangelog\.com|semver\.org|www\.apache\.org|github\.com"
)
"""Hosts a reader may be sent to. No package index is one: whoever installs has settings of their own."""

ENTRY_POINT = re.compile(r'"(neve(?:\.\w+)+):\w+"')
TREE_LINE = re.compile(r"^(?P<indent>(?:[│ ] {3})*)(?:[├└]── )(?P<name>\S+)(?: {2,}(?P<caption>\S.*))?$")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend, or only to think about."""

    path: Path
    line: int
    text: str
    is_note: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {'note: ' if self.is_note else ''}{self.text}"


@dataclass(frozen=True)
class Source:
    """One tracked text file."""

    path: Path
    text: str

    @property
    def is_python(self) -> bool:
        return self.path.suffix == ".py"

    @property
    def is_product(self) -> bool:
        return self.path.is_relative_to(PACKAGE)

    @cached_property
    def lines(self) -> Sequence[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    def excuses(self, line: int) -> bool:
        """Tell whether a line gives a reason to be left alone."""
        return bool(self.lines) and re.search(r"# tidy: \S", self.lines[line - 1]) is not None


def check_file(source: Source) -> Iterator[Finding]:
    """Apply every rule that looks at one file."""
    rules = [] if source.path in ITSELF else [unfinished, places]
    if source.is_python:
        rules += [docstring, banned_names, printing, bare_sizes, lengths]
    for rule in rules:
        yield from (finding for finding in rule(source) if not source.excuses(finding.line))


# --- rules for any text ---------------------------------------------------------------------------


def unfinished(source: Source) -> Iterator[Finding]:
    """Refuse promises for later."""
    for number, line in enumerate(source.lines, start=1):
        if found := UNFINISHED.search(line):
            yield Finding(
                source.path, number, f"{found[0]}: finish it, or open an issue and say nothing here"
            )


def places(source: Source) -> Iterator[Finding]:
    """Refuse paths of one machine, and hosts that nobody has decided to send a reader to."""
    for number, line in enumerate(source.lines, start=1):
        for found in MACHINE_PATH.finditer(line):
            yield Finding(source.path, number, f"{found[0]}: a path of one machine; make it relative")
        for found in URL_HOST.finditer(line):
            if not KNOWN_HOSTS.fullmatch(found[1].rstrip(".")):
                yield Finding(
                    source.path, number, f"{found[1]}: take the address out, or add it to tidy's KNOWN_HOSTS"
                )


# --- rules for one Python file --------------------------------------------------------------------


def docstring(source: Source) -> Iterator[Finding]:
    """Refuse modules that do not say what they are."""
    if source.text.strip() and ast.get_docstring(source.tree) is None:
        yield Finding(
            source.path, 1, "no module docstring: say what it is, what it may not know, why it is so"
        )


def banned_names(source: Source) -> Iterator[Finding]:
    """Refuse hidden time, chance and waiting, however they were imported."""
    banned: Mapping[str, str]
    if source.path.is_relative_to(FOR_TESTS):
        banned = BANNED_FOR_TESTS
    elif source.is_product and source.path != CLOCK:
        banned = BANNED_IN_PACKAGE
    elif source.path.is_relative_to("tests"):
        banned = BANNED_IN_TESTS
    else:
        return
    names = _imported_names(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            dotted = _dotted(node, names)
            replacement = banned.get(dotted) or banned.get(dotted.partition(".")[0])
            if replacement and "." in dotted:
                yield Finding(source.path, node.lineno, f"{dotted}: {replacement}")


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """Return what each name bound by an import stands for, in full."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, names: Mapping[str, str]) -> str:
    """Return the full name an expression refers to, or the empty string if it is not a plain name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, names)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def printing(source: Source) -> Iterator[Finding]:
    """Refuse print() in the package: what a person reads goes through one module."""
    if not source.is_product or source.path == PRINTER:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield Finding(source.path, node.lineno, f"print(): say it through {PRINTER} or the log")


def bare_sizes(source: Source) -> Iterator[Finding]:
    """Refuse sizes without a name. What bounds the service stands in limits.py, with its origin."""
    if not source.is_product or source.path == LIMITS or source.path.is_relative_to(FOR_TESTS):
        return
    constants = {id(part) for node in source.tree.body if _is_constant(node) for part in ast.walk(node)}
    for node in ast.walk(source.tree):
        size = _size(node)
        if (
            isinstance(node, ast.expr)
            and size >= SIZE_FLOOR
            and size % 1024 == 0
            and id(node) not in constants
        ):
            yield Finding(
                source.path, node.lineno, f"{size}: give it a name and a reason, in {LIMITS} at best"
            )


def _is_constant(node: ast.stmt) -> bool:
    """Tell whether a statement of a module names a constant."""
    targets: Sequence[ast.expr] = ()
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return any(isinstance(target, ast.Name) and target.id.isupper() for target in targets)


def _size(node: ast.AST) -> int:
    """Return the number that a literal, or a shift or power of literals, stands for; 0 for anything else."""
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.BinOp(ast.Constant(value=int(base)), ast.LShift(), ast.Constant(value=int(by))) if by < 64:
            return base << by
        case ast.BinOp(ast.Constant(value=2), ast.Pow(), ast.Constant(value=int(by))) if 0 <= by < 64:
            return 1 << by
    return 0


def lengths(source: Source) -> Iterator[Finding]:
    """Note what does not fit in one reading."""
    if len(source.lines) > MODULE_LINES:
        yield Finding(source.path, 1, f"{len(source.lines)} lines", is_note=True)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            count = node.end_lineno - node.lineno + 1
            if count > FUNCTION_LINES:
                yield Finding(source.path, node.lineno, f"{node.name}() has {count} lines", is_note=True)


# --- rules for the whole package ------------------------------------------------------------------


def captions(sources: Mapping[Path, Source]) -> Iterator[Finding]:
    """Refuse a module without a line in ARCHITECTURE.md's tree, and a line without a module."""
    house = sources.get(HOUSE)
    if house is None:
        yield Finding(HOUSE, 1, "there is no such file: it holds the tree of the package, a caption a module")
        return
    modules = {path for path, source in sources.items() if source.is_product and source.is_python}
    expected = {path for path in modules if path.name != "__init__.py"} | {path.parent for path in modules}
    drawn = {}
    for number, path, caption in _tree(house.lines):
        drawn[path] = number
        if not caption:
            yield Finding(HOUSE, number, f"{path}: no caption; say in a few words what it is")
        if path not in expected:
            yield Finding(HOUSE, number, f"{path}: there is no such module; take the line out")
    for path in sorted(expected - drawn.keys() - {PACKAGE}):
        yield Finding(HOUSE, 1, f"{path}: not in the tree; add a line with a caption")


def _tree(lines: Sequence[str]) -> Iterator[tuple[int, Path, str]]:
    """Yield line number, path and caption of each entry below the line that names the package."""
    above: list[str] = []
    inside = False
    for number, line in enumerate(lines, start=1):
        if line.startswith(f"{PACKAGE}/"):
            inside = True
        elif inside and (found := TREE_LINE.match(line)):
            depth = len(found["indent"]) // 4
            above = [*above[:depth], found["name"].rstrip("/")]
            yield number, PACKAGE.joinpath(*above), found["caption"] or ""
        elif not line.startswith("│"):
            inside = False


def dead_modules(sources: Mapping[Path, Source]) -> Iterator[Finding]:
    """Refuse modules of the package that no other module of it imports and no command starts."""
    product = {path: source for path, source in sources.items() if source.is_product and source.is_python}
    used = {name for source in product.values() for name in _imports(source)}
    project = sources.get(Path("pyproject.toml"))
    for source in [*product.values(), *([project] if project else [])]:
        used |= set(ENTRY_POINT.findall(source.text))
    for path in sorted(product):
        name = _module_name(path)
        is_exempt = path.name in {"__init__.py", "__main__.py"} or path.is_relative_to(FOR_TESTS)
        if name not in used and not is_exempt:
            yield Finding(path, 1, f"{name}: nothing in the package imports it; use it or delete it")


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def _imports(source: Source) -> Iterator[str]:
    """Yield every dotted name that a module's imports, wherever they stand, could be asking for."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# --- the program ----------------------------------------------------------------------------------


def read_tracked(root: Path) -> dict[Path, Source]:
    """Return every text file that is, or is about to be, part of the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    sources = {}
    for name in sorted(filter(None, listing.decode().split("\0"))):
        # Pictures and golden cases of raw bytes are not text: no rule applies to them.
        with suppress(UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            sources[Path(name)] = Source(Path(name), (root / name).read_text(encoding="utf-8"))
    return sources


def check(sources: Mapping[Path, Source]) -> list[Finding]:
    """Apply every rule to every file; findings in order of path and line."""
    findings = [finding for source in sources.values() for finding in check_file(source)]
    findings += [*captions(sources), *dead_modules(sources)]
    return sorted(findings, key=lambda finding: (finding.path, finding.line, finding.text))


def main() -> int:
    """Check the repository this file lies in; print findings; return an exit status."""
    findings = check(read_tracked(Path(__file__).resolve().parent.parent))
    for finding in findings:
        print(finding)
    return int(any(not finding.is_note for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
