"""The house keeps its walls: imports point one way, and no room grows too large to be read."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

GROUND = {
    "archive",
    "decoding",
    "disk",
    "labelfile",
    "labels",
    "look",
    "scaling",
    "smoothing",
    "stamps",
    "tiles",
}
ROOMS = ["artifactspy", "window", "session", "cluster"]
FILES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.py", "session/*.py", "window/*.py", "cluster/*.py", "data/*.py")
    for path in ROOT.glob(pattern)
)
LATE = {  # what may be imported in a function: it is heavy, or not everywhere
    *("numpy", "astropy", "PIL", "sqlite3", "scaling", "cluster.consensus"),
    "hashlib",  # brings a library of 4 MB, which a labeller rarely needs
    # what needs numpy, which --help does without
    *(f"cluster.{name}" for name in ("dawid_skene", "lookalike", "trust", "votes", "findings")),
    *("cluster.text", "cluster.training"),
    "cluster.readme",
    "cluster.review",  # it makes chunks, which `next` needs for the expert alone
    "cluster.page",  # pictures, for who wants the page
    "ctypes",
    *("importlib", "platform"),  # for who wants the versions
    "cluster.hub",  # whose syntax an old Python cannot read, which __main__ tells before
}

TESTED_WITH = {  # rooms that are seen through another's door
    **dict.fromkeys(("chunks", "sources", "tables"), "add"),
    **dict.fromkeys(("dawid_skene", "votes"), "consensus"),
    "earlier_table": "earlier",
    **dict.fromkeys(("findings", "page", "terminal", "text"), "report"),
    **dict.fromkeys(("readme", "training"), "export"),
    **dict.fromkeys(("room", "options"), "handout"),
    "review": "expert",
    "fonts": "parts",
}


def tree_of(path):
    return ast.parse((ROOT / path).read_text())


def name_of(path):
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(node):
    """Return the modules that an import names, those of the project by their full names."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        names = {f"{node.module}.{alias.name}" for alias in node.names}
        return {name if name in MODULES else node.module for name in names}
    return set()


def imports(path, everywhere=True):
    """Return what a file imports while it runs, in functions too unless told otherwise."""
    found, waiting = set(), [tree_of(path)]
    while waiting:
        node = waiting.pop()
        found |= imported(node)
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        function = isinstance(node, (ast.FunctionDef, ast.Lambda))
        if not typing and (everywhere or not function):
            waiting += ast.iter_child_nodes(node)
    return found


def test_there_is_no_import_cycle():
    needs = {name: imports(path) & MODULES.keys() for name, path in MODULES.items()}
    done = []

    def visit(name, above=()):
        assert name not in above, f"a cycle: {' -> '.join((*above, name))}"
        if name not in done:
            for other in sorted(needs[name] - {name}):
                visit(other, (*above, name))
            done.append(name)

    for name in needs:
        visit(name)
    assert len(done) == len(MODULES) > 40


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_one_way(path):
    """artifactspy -> window -> session -> ground <- cluster."""
    room = path.parts[0] if len(path.parts) > 1 else path.stem
    others = {name.partition(".")[0] for name in imports(path)} & {*ROOMS, *GROUND}
    if room in GROUND:
        assert others <= GROUND
    elif room == "cluster":
        assert others <= GROUND | {"cluster"}
    elif room in ROOMS:
        assert others <= GROUND | {*ROOMS[ROOMS.index(room) : 3]}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_the_window_knows_tk(path):
    assert path.parts[0] == "window" or not any(
        name.partition(".")[0] == "tkinter" for name in imports(path)
    )


@pytest.mark.parametrize("path", FILES, ids=str)
def test_an_import_in_a_function_is_for_what_is_heavy(path):
    late = imports(path) - imports(path, everywhere=False)
    assert {name if name in MODULES else name.partition(".")[0] for name in late} <= LATE


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_file_and_no_class_is_too_large_to_be_read(path):
    assert len((ROOT / path).read_text().splitlines()) <= 600
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            assert len(methods) <= 30, f"{node.name} has {len(methods)} methods"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_module_begins_with_what_its_user_gets(path):
    assert len(ast.get_docstring(tree_of(path)) or "") > 30


def test_the_map_names_every_file():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = [path for path in FILES if path.name != "__init__.py"]
    missing = [str(path) for path in rooms if f"{path.name}`" not in text]
    assert not missing


def test_every_room_has_its_test():
    tests = {path.name for path in Path(ROOT, "tests").rglob("test_*.py")}
    for path in FILES:
        name = TESTED_WITH.get(path.stem, path.stem)
        if not path.stem.startswith("_") and path.parts[0] != "data":
            assert f"test_{name}.py" in tests, f"{path} has no test of its name"
