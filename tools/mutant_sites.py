"""Every small change that a mutation run may make to the code of a package: one changed place per mutant.

What is never changed, by category: annotations and imports, decorators and their arguments, docstrings, the text of
messages, `zip(strict=...)`, and code that only a type checker reads.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

COMPARED = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitOr,
}
Words = Mapping[str, str]
"""A word of the vocabulary to the word that takes its place."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change to one file; `text` is the whole changed file."""

    id: str
    file: str
    line: int
    kind: str
    before: str
    after: str
    text: str


def mutant_of(file: str, line: int, kind: str, change: tuple[str, str], text: str) -> Mutant:
    """A mutant whose id holds as long as the changed file would read the same."""
    digest = hashlib.sha256(f"{file}\0{text}".encode()).hexdigest()[:16]
    return Mutant(id=digest, file=file, line=line, kind=kind, before=change[0], after=change[1], text=text)


def words_of(vocabulary: Path, named: Sequence[Sequence[str]]) -> dict[str, str]:
    """Every word of a closed list, and every name of a list of names, to its neighbour there."""
    lists = [list(names) for names in named]
    if vocabulary.exists():
        for node in ast.walk(ast.parse(vocabulary.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Tuple):
                words = [part.value for part in node.elts if isinstance(part, ast.Constant)]
                lists.append([word for word in words if isinstance(word, str) and word])
    return {
        word: after
        for words in lists
        if len(words) > 1
        for word, after in zip(words, words[1:] + words[:1], strict=True)
    }


def code_mutants(path: Path, name: str, words: Words) -> Iterator[Mutant]:
    """Every mutant of one module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    whole = ast.unparse(tree)
    for node, field, index in _places(tree):
        old = getattr(node, field) if index is None else getattr(node, field)[index]
        for kind, new in _changes(old, words):
            _put(node, field, index, new)
            text = ast.unparse(tree)
            _put(node, field, index, old)
            if text != whole:
                line = getattr(old, "lineno", getattr(node, "lineno", 0))
                yield mutant_of(name, line, kind, (_short(old), _short(new)), text + "\n")


def _put(node: ast.AST, field: str, index: int | None, value: ast.AST) -> None:
    if index is None:
        setattr(node, field, value)
    else:
        getattr(node, field)[index] = value


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:90]


Place = tuple[ast.AST, str, int | None]


def _places(tree: ast.AST) -> Iterator[Place]:
    """Every place that may hold a change, outside the categories left alone."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list", "type_params", "ctx"):
            continue
        entries: list[tuple[int | None, object]]
        entries = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, entry in entries:
            if isinstance(entry, ast.AST) and not _left_alone(tree, entry):
                yield tree, field, index
                yield from _places(entry)


def _left_alone(parent: ast.AST, node: ast.AST) -> bool:
    """Whether a node belongs to a category that is never changed."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
        return True
    if (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and isinstance(node.value.slice, ast.Tuple)
    ):
        return True
    if isinstance(parent, ast.JoinedStr) and isinstance(node, ast.Constant):
        return True
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _changes(node: ast.AST, words: Words) -> Iterator[tuple[str, ast.AST]]:
    """What may stand in the place of a node; a removed yield leaves an empty one, so that a generator stays one."""
    if isinstance(node, ast.Compare):
        yield from _compared(node)
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "boolean", ast.BoolOp(op=other, values=node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
        yield "arithmetic", ast.BinOp(left=node.left, op=COMPUTED[type(node.op)](), right=node.right)
    elif isinstance(node, ast.Constant):
        yield from _constants(node.value, words)
    elif isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield "return", ast.Return(value=ast.Constant(value=None))
    elif isinstance(node, (ast.Continue, ast.Break, ast.Raise, ast.AugAssign)):
        yield "removed", ast.Pass()
    elif isinstance(node, ast.Expr):
        nothing = ast.Expr(value=ast.YieldFrom(value=ast.Tuple(elts=[], ctx=ast.Load())))
        yield "removed", nothing if isinstance(node.value, (ast.Yield, ast.YieldFrom)) else ast.Pass()
    elif isinstance(node, ast.Assign) and not isinstance(node.targets[0], (ast.Name, ast.Tuple)):
        yield "removed", ast.Pass()
    if isinstance(node, (ast.If, ast.IfExp, ast.While)) and isinstance(node.test, (ast.Name, ast.Attribute, ast.Call)):
        turned = copy.copy(node)
        turned.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
        yield "condition", turned


def _compared(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for index, sign in enumerate(node.ops):
        for other in COMPARED[type(sign)]:
            signs = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            yield "comparison", ast.Compare(left=node.left, ops=signs, comparators=node.comparators)


def _constants(value: object, words: Words) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(value, bool):
        yield "constant", ast.Constant(value=not value)
    elif isinstance(value, int):
        yield "constant", ast.Constant(value=value + 1)
        yield "constant", ast.Constant(value=value - 1)
    elif isinstance(value, float):
        yield "constant", ast.Constant(value=value * 1.01 if value else 1.0)
    elif isinstance(value, str) and value in words:
        yield "word", ast.Constant(value=words[value])
