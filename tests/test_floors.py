"""The house stands: imports point down only, and every room keeps to what it may know."""

import ast
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
PACKAGE = "nas_cifar10"

# A room is a folder, or a module outside the folders.
FLOORS = [
    {"config", "runs", "errors", "interrupts", "crash", "described", "epochs", "fronts", "text"},
    {"space"},
    {"data", "networks", "training", "study"},
    {"segment", "views", "model", "card", "export_check"},
    {"search", "retrain", "report", "predict", "export", "dashboard"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

FILES = sorted((SRC / PACKAGE).rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def name_of(path: Path) -> str:
    """Return the dotted name of a module, without the package's own."""
    parts = path.relative_to(SRC / PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in FILES}
WRITTEN = {name: path for name, path in MODULES.items() if path.name != "__init__.py"}


def room_of(module: str) -> str:
    return module.partition(".")[0]


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything imported below `tree`, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_module_level(tree: ast.Module) -> ast.Module:
    """Return only what is imported when the module is: not in functions, not for type checkers."""
    later = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]
    inside = {inner for node in later for inner in ast.walk(node)}
    found = (n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom))
    return ast.Module(body=[node for node in found if node not in inside], type_ignores=[])


def own_imports(tree: ast.AST) -> set[str]:
    """Return which of our modules are imported below `tree`."""
    found = set()
    for name in imports_of(tree):
        if name.startswith(f"{PACKAGE}."):
            inner = name.removeprefix(f"{PACKAGE}.")
            found.add(inner if inner in MODULES else inner.rpartition(".")[0])
    return found


def foreign_imports(tree: ast.AST) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(tree)} - {PACKAGE}


GRAPH = {name: own_imports(TREES[path]) for name, path in WRITTEN.items()}
EARLY = {name: own_imports(at_module_level(TREES[path])) for name, path in WRITTEN.items()}


def below(module: str, graph: dict[str, set[str]]) -> set[str]:
    """Return `module` and everything that importing it imports of ours."""
    seen, open_ = {module}, [module]
    while open_:
        for target in graph.get(open_.pop(), set()) - seen:
            seen.add(target)
            open_.append(target)
    return seen


def test_imports_are_found_wherever_they_stand() -> None:
    tree = ast.parse(
        "import torch.nn\n"
        "from nas_cifar10 import segment\n"
        "def later():\n    from nas_cifar10.space.candidate import Block\n    import optuna\n"
    )
    assert own_imports(tree) == {"segment", "space.candidate"}
    assert own_imports(at_module_level(tree)) == {"segment"}
    assert foreign_imports(tree) == {"torch", "optuna"}
    assert foreign_imports(at_module_level(tree)) == {"torch"}


def test_every_module_has_a_floor() -> None:
    assert [name for name in WRITTEN if room_of(name) not in FLOOR_OF] == []


def test_imports_point_down() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, targets in GRAPH.items()
        for target in targets
        if (room := room_of(name)) != (other := room_of(target))
        and not FLOOR_OF[other] < FLOOR_OF[room]
        and not FLOOR_OF[other] == FLOOR_OF[room] == 0
    ]
    assert wrong == []


def test_no_import_leads_back() -> None:
    assert [name for name in GRAPH if any(name in below(t, GRAPH) for t in GRAPH[name])] == []


def test_every_module_opens_with_a_sentence() -> None:
    assert [name for name, path in MODULES.items() if not ast.get_docstring(TREES[path])] == []


def test_a_package_file_holds_a_docstring_and_nothing_else() -> None:
    assert [n for n in MODULES.keys() - WRITTEN.keys() if len(TREES[MODULES[n]].body) != 1] == []


def test_no_file_is_longer_than_350_lines() -> None:
    lengths = {name: path.read_text("utf-8").count("\n") for name, path in MODULES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > 350} == {}


def test_only_the_front_door_prints() -> None:
    prints = [
        f"{name}:{node.lineno}"
        for name, path in WRITTEN.items()
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    ]
    assert [place for place in prints if room_of(place.partition(":")[0]) != "cli"] == []


def test_only_the_study_imports_optuna() -> None:
    users = [name for name, path in WRITTEN.items() if "optuna" in foreign_imports(TREES[path])]
    assert {room_of(name) for name in users} == {"study"}


def test_help_configs_and_results_need_no_torch() -> None:
    light = [
        name
        for name in WRITTEN
        if name == "cli.app" or room_of(name) in {"space", "report"} or FLOOR_OF[room_of(name)] == 0
    ]
    wrong = [
        f"{name} imports {reached}"
        for name in light
        for reached in below(name, EARLY) & WRITTEN.keys()
        if foreign_imports(at_module_level(TREES[WRITTEN[reached]])) & {"torch", "torchvision"}
    ]
    assert wrong == []


OPENERS = {"open", "io.open", "io.FileIO", "os.fdopen"}
BY_NAME = {"write_text", "write_bytes", "tofile", "to_csv", "savetxt", "mkstemp"}
COPIES = {"json.dump", "pickle.dump", "shutil.copy", "shutil.copyfile", "shutil.move", "np.save"}
TO_MEMORY_TOO = {"torch.save": 1, "np.savez_compressed": 0, "figure.savefig": 0}


def writes(tree: ast.AST) -> Iterator[str]:
    """Yield every call below `tree` that could write a file by its name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        modes = [str(a.value) for a in given if isinstance(a, ast.Constant)]
        opens = name in OPENERS or (last == "open" and "." in name)
        if (
            (
                opens
                and any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes)
            )
            or ("." in name and last in BY_NAME)
            or name in COPIES
            or (name in TO_MEMORY_TOO and ast.unparse(node.args[TO_MEMORY_TOO[name]]) != "content")
        ):
            yield ast.unparse(node)


def test_files_are_written_in_one_way_only() -> None:
    seen = "open('a', 'w')\nPath('b').write_text('')\ntorch.save(x, path)\nPath('c').open('ab')"
    seen += "\nopen('e', mode='w')\nPath('f').open('r+b')"
    assert len(list(writes(ast.parse(f"{seen}\ntorch.save(x, content)\nopen('d', 'rb')")))) == 6
    found = {name for name, path in WRITTEN.items() for _ in writes(TREES[path])}
    assert found == {"__main__", "runs.files", "runs.lock"}
