"""Parses a template, refuses what a message may not have, and adds what counts the cost.

Only the nodes in the table below are allowed. Macros, blocks, imports and includes are not, so
nothing can call itself.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from jinja2 import TemplateSyntaxError, nodes

from broadcast.message.filters import FILTERS
from broadcast.message.placeholders import RESERVED
from broadcast.message.rendering import ENVIRONMENT, STEP, TESTS

if TYPE_CHECKING:
    from collections.abc import Iterable

_NEEDLESS = frozenset({"e", "escape", "forceescape", "safe"})
_SHOWN = 60  # characters of a name in a complaint

_NODES: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign),
    *(nodes.With, nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair),
    *(nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Concat, nodes.And, nodes.Or, nodes.Not),
    *(nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv),
    *(nodes.Mod, nodes.Pow, nodes.Call),
)
_SAID: dict[type[nodes.Node], str] = {
    nodes.AssignBlock: "{% set … %}…{% endset %}",
    nodes.CallBlock: "{% call %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.FromImport: "{% from %}",
    nodes.NSRef: "namespace",
}


def _own(name: str, node: nodes.Expr, *args: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, f" {name}", list(args), [], None, None, lineno=node.lineno)


def _rewrite(node: nodes.Node) -> nodes.Node:
    """Refuse what is not in the tables, and put the counting in."""
    _admit(node)
    cost = _cost(node) if isinstance(node, nodes.For) else 0
    for name, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            setattr(node, name, _rewrite(value))
        elif isinstance(value, list):
            children = cast("list[Any]", value)
            made = [_rewrite(item) if isinstance(item, nodes.Node) else item for item in children]
            setattr(node, name, made)
    match node:
        case nodes.For():
            node.iter = _own("each", cast("nodes.Expr", node.iter), nodes.Const(cost))
        case nodes.Concat():
            return _own("glued", nodes.List(node.nodes, lineno=node.lineno))
        case nodes.List() | nodes.Dict() | nodes.Tuple(ctx="load"):
            return _own("flat", node)
        case nodes.Output():
            node.nodes = [piece for child in node.nodes for piece in _without_reserved(child)]
        case _:
            _weigh(node)
    return node


def _weigh(node: nodes.Node) -> None:
    """The same for what stays a node of its kind."""
    match node:
        case nodes.Compare():
            node.expr = _own("weighed", node.expr)
        case nodes.Operand() if not isinstance(node.expr, nodes.Const):
            node.expr = _own("weighed", node.expr)
        case nodes.Getitem(arg=nodes.Slice()):
            node.node = _own("weighed", node.node)
        case nodes.CondExpr(expr2=None):  # {{ "x" if y }} is nothing without y
            node.expr2 = nodes.Const("", lineno=node.lineno)
        case _:
            pass


def _admit(node: nodes.Node) -> None:
    """Raise Mistake, or TemplateSyntaxError, when a template cannot have this."""
    told = ""
    match node:
        case nodes.Filter() if node.name in _NEEDLESS:
            told = f"leave |{node.name} out: a value is never read as markup"
        case nodes.Filter() if node.name not in FILTERS:
            told = f"there is no filter {node.name}{_hint(node.name, FILTERS)}"
        case nodes.Test() if node.name not in TESTS:
            told = f"there is no test {node.name}{_hint(node.name, TESTS)}"
        case nodes.For(recursive=True):
            told = "a loop cannot be recursive"
        case nodes.Call() | nodes.Filter() | nodes.Test():
            if node.dyn_args is not None or node.dyn_kwargs is not None:
                told = "* and ** cannot be used in a message"
        case _:
            if not isinstance(node, _NODES):
                name = _SAID.get(type(node), f"{{% {type(node).__name__.lower()} %}}")
                told = f"{name} cannot be used in a message"
    if told:
        raise TemplateSyntaxError(told, node.lineno)


def _cost(loop: nodes.For) -> int:
    """What one turn costs: the nodes in it, and the text."""
    inside = [*loop.body, loop.test] if loop.test else loop.body
    every = (inner for child in inside for inner in (child, *child.find_all(nodes.Node)))
    return 1 + sum(
        1 + (len(node.data) // STEP if isinstance(node, nodes.TemplateData) else 0)
        for node in every
    )


def _without_reserved(child: nodes.Expr) -> Iterable[nodes.Expr]:
    """The author's own U+FDD0 becomes a value: else it would be taken for a placeholder."""
    if not isinstance(child, nodes.TemplateData) or not RESERVED.search(child.data):
        yield child
        return
    for piece in RESERVED.split(child.data):
        kind = nodes.Const if RESERVED.match(piece) else nodes.TemplateData
        yield kind(piece, lineno=child.lineno)


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name[:_SHOWN], known, 1)
    return f": did you mean {close[0]}?" if close else ": docs/messages.md lists those there are"


def parsed(source: str) -> nodes.Template:
    """The tree of a template, ready to be compiled. Raises TemplateSyntaxError."""
    return cast("nodes.Template", _rewrite(ENVIRONMENT.parse(source)))
