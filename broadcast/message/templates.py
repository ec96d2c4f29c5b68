"""A text with names in braces -> the text of one recipient; no file, no loop without an end.

Templates are Jinja2 (https://jinja.palletsprojects.com/en/stable/templates/) in its sandbox, cut
down to what a message needs. Three rules:

1. What is not listed here is not there. Each node of a template, each attribute, method, filter and
   test stands in a table below; macros, blocks, imports and includes do not, so nothing can call
   itself, and no value has a method that makes it big.
2. Everything is paid for before it is done. A rendering has `MOST_STEPS`: a loop costs its turns
   times the nodes in its body, and what reads a text or a list costs its size. Texts and lists are
   flat and weigh at most `MOST_CHARACTERS`, numbers have 128 bits. So time and memory are bounded
   by counting; no clock, thread or signal is needed.
3. A value is never markup. What an expression writes is kept aside, and the text gets a placeholder
   in its place (placeholders.py), which is filled after the markup was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes, pass_context
from jinja2 import Template as JinjaTemplate
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from broadcast.core.errors import MessageError
from broadcast.message.filters import (
    FILTERS,
    MOST_CHARACTERS,
    Mistake,
    default,
    items_of,
    join,
    kind_of,
    present,
    require_bounded,
    shown,
    size_of,
    text_of,
)
from broadcast.message.placeholders import RESERVED, placeholder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from broadcast.core.model import Contact

MOST_STEPS = 100_000
"""What one rendering may cost; a message with a loop over twenty tags takes a few hundred."""

_STEP = 64  # characters that are read for one step
_MOST_BITS = 128
_FILE = "<template>"
_SHOWN = 60  # characters of a name in a complaint
_RUN = "\0run"  # no template can name it


class _Missing(Exception):  # noqa: N818 - the same
    """`name` is not there, among the names of the contact or in `holder`."""

    def __init__(self, name: str, holder: object, _message: str = "") -> None:
        super().__init__(name)
        self.name, self.holder = name, holder


class _Absent(StrictUndefined):
    """A name without a value: only `default` and `is defined` may look at it."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: Any = None,
    ) -> None:
        super().__init__(hint, obj, name, partial(_Missing, str(name), obj))  # pyright: ignore[reportArgumentType]


class _Run:
    """One rendering: the steps that are left, and the values written so far."""

    __slots__ = ("left", "values")

    def __init__(self) -> None:
        self.left = MOST_STEPS
        self.values: list[str] = []

    def pay(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise Mistake(
                "this is too much work for one message: make its loops shorter, or nest them less"
            )


def _run(context: Context) -> _Run:
    return cast("_Run", context.parent[_RUN])


_NEEDLESS = frozenset({"e", "escape", "forceescape", "safe"})
_TESTS = frozenset(
    {"defined", "undefined", "none", "number", "integer", "float", "string", "mapping"}
    | {"sequence", "boolean", "true", "false", "even", "odd", "divisibleby"}
)


def _paid(name: str, function: Callable[..., object]) -> Callable[..., object]:
    """A filter that pays for what it reads and for what it makes."""

    @pass_context
    def call(context: Context, value: object, *args: object, **options: object) -> object:
        run = _run(context)
        read = size_of(value)
        for arg in args:
            read += size_of(arg)
        run.pay(1 + read // _STEP)
        for option in options.values():
            run.pay(size_of(option) // _STEP)
            require_bounded(size_of(option))
        if function is not default:
            present(value)
        result = function(value, *args, **options)
        size = size_of(result)
        run.pay(size // _STEP)
        require_bounded(size)
        return result

    call.__name__ = call.__qualname__ = name
    return call


# What the compiled template calls by itself: no author can write these names.


@pass_context
def _each(context: Context, items: Any, cost: int) -> list[Any]:
    """The turns of a loop, paid for all at once."""
    present(items)
    run = _run(context)
    run.pay(size_of(items) // _STEP)
    if isinstance(items, str):
        require_bounded(len(items))
    turns = items_of(items)
    run.pay(len(turns) * cost)
    return turns


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    """What is compared or cut: it is read to its end."""
    _run(context).pay(size_of(present(value)) // _STEP)
    return value


@pass_context
def _flat(context: Context, value: Any) -> Any:
    """A list or table that the author wrote; what it holds is single values."""
    held = cast("Iterable[object]", value.values() if isinstance(value, dict) else value)
    for item in held:
        if isinstance(present(item), list | tuple | range | Mapping):
            raise Mistake("a list cannot be inside a list")
    size = size_of(cast("object", value))
    _run(context).pay(size // _STEP)
    require_bounded(size)
    return cast("object", value)


@pass_context
def _glued(context: Context, pieces: list[Any]) -> str:
    """The operator `~`."""
    text = join(pieces, "")
    _run(context).pay(len(text) // _STEP)
    return text


@pass_context
def _aside(context: Context, value: Any) -> str:
    """Keep the value of a `{{ … }}`, and write its placeholder."""
    text = value if isinstance(value, str) else text_of(value)
    run: _Run = context.parent[_RUN]
    run.pay(1 + len(text) // _STEP)
    run.values.append(text)
    return placeholder(len(run.values) - 1)


def _range(*args: int) -> range:
    numbers = range(*args)
    require_bounded(size_of(numbers))
    return numbers


_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        {"upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "split"}
        | {"startswith", "endswith", "isdigit", "isalpha", "casefold"}
    ),
    datetime: frozenset({"weekday", "isoweekday"}),
    LoopContext: frozenset({"cycle"}),
}
_ATTRIBUTES: dict[type, frozenset[str]] = {
    datetime: frozenset({"year", "month", "day", "hour", "minute", "second"}),
    LoopContext: frozenset(
        {"index", "index0", "revindex", "revindex0", "first", "last", "length"}
        | {"previtem", "nextitem"}
    ),
}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "//": lambda left, right: left // right,
    "%": lambda left, right: left % right,
    "**": lambda left, right: left**right,
}


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja, with the tables above in place of what it offers by itself."""

    intercepted_binops = frozenset(_OPERATORS)

    def __init__(self) -> None:
        super().__init__(
            undefined=_Absent,
            finalize=_aside,
            optimized=False,  # nothing is computed at compile time, where nobody counts
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        own = {" each": _each, " weighed": _weighed, " flat": _flat, " glued": _glued}
        self.filters = own | {name: _paid(name, made) for name, made in FILTERS.items()}
        self.tests = {name: test for name, test in self.tests.items() if name in _TESTS}
        self.globals = {}

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return self.getitem(obj, attribute)
        present(obj)
        for kind in (str, datetime, LoopContext):
            if isinstance(obj, kind) and (
                attribute in _METHODS[kind] or attribute in _ATTRIBUTES.get(kind, ())
            ):
                return getattr(obj, attribute)
        return _Absent(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        present(obj)
        try:
            return obj[argument]
        except (TypeError, LookupError):
            return _Absent(obj=cast("object", obj), name=str(argument)[:_SHOWN])

    def call(self, context: Context, function: Any, /, *args: Any, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - Jinja calls it by position
        owner = getattr(function, "__self__", None)
        methods = next((_METHODS[kind] for kind in _METHODS if isinstance(owner, kind)), ())
        for own in ("_loop_vars", "_block_vars"):  # Jinja's, for its own Context.call
            options.pop(own, None)
        if function is not _range and getattr(function, "__name__", "") not in methods:
            raise Mistake("only range() and the methods in docs/messages.md can be called")
        run = _run(context)
        run.pay(1 + (size_of(owner) + sum(map(size_of, args))) // _STEP)
        result = function(*args, **options)
        size = size_of(result)
        run.pay(size // _STEP)
        require_bounded(size)
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        first, second = cast("tuple[object, object]", (present(left), present(right)))
        run = _run(context)
        run.pay(1)
        if isinstance(first, int | float) and isinstance(second, int | float):
            if isinstance(first, int) and isinstance(second, int):
                _small(first, second, power=operator == "**")
            result: object = _OPERATORS[operator](first, second)
            if isinstance(result, complex):
                raise Mistake("this has no result among the real numbers")
            return result
        if operator == "+" and type(first) is type(second) and isinstance(first, str | list):
            size = size_of(cast("object", first)) + size_of(second)
            run.pay(size // _STEP)
            require_bounded(size)
            return left + right
        raise Mistake(
            f"{operator} does not go with {kind_of(first)} and {kind_of(second)}: texts are put "
            "together with ~, and a text that is a number becomes one with |int or |float"
        )


def _small(left: int, right: int, *, power: bool) -> None:
    bits = left.bit_length() * abs(right) if power else left.bit_length() + right.bit_length()
    if bits > _MOST_BITS:
        raise Mistake("this number is too large")


_ENVIRONMENT = _Environment()


# The tree of a template: what is not in this table is refused.

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
        case nodes.Test() if node.name not in _TESTS:
            told = f"there is no test {node.name}{_hint(node.name, _TESTS)}"
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
        1 + (len(node.data) // _STEP if isinstance(node, nodes.TemplateData) else 0)
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


class _Plain:
    """A template of nothing but text and names: its text is the same for everybody."""

    def __init__(self, text: str, names: list[str]) -> None:
        self._text, self._names = text, names
        self._most = min(MOST_CHARACTERS - len(text), MOST_STEPS - len(names))

    def render(self, names: Mapping[str, object]) -> tuple[str, tuple[str, ...]] | None:
        """See `Template.render`; None where Jinja has to tell what is wrong, or to make a text."""
        size = 0
        values: list[str] = []
        for name in self._names:
            value = names.get(name)
            if type(value) is not str:
                return None
            size += len(value)
            values.append(value)
        return (self._text, tuple(values)) if size <= self._most else None


def _plain(tree: nodes.Template) -> _Plain | None:
    """The short way through a template, if it is one that most are: `Hi {{ first_name }}!`

    It takes 3 µs less for each message, a sixth of what the engine and the gates take in all.
    """
    text, names = "", list[str]()
    for output in tree.body:
        for piece in output.nodes if isinstance(output, nodes.Output) else [output]:
            if isinstance(piece, nodes.TemplateData):
                text += piece.data
            elif isinstance(piece, nodes.Name):
                text += placeholder(len(names))
                names.append(piece.name)
            else:
                return None
    return _Plain(text, names)


class Template:
    """A compiled template. It is made by `template`, which keeps it."""

    def __init__(self, source: str) -> None:
        if len(source) > MOST_CHARACTERS:
            raise MessageError(
                f"the template is too long: {len(source)} characters, and at most "
                f"{MOST_CHARACTERS} are read; nothing was sent"
            )
        try:
            tree = cast("nodes.Template", _rewrite(_ENVIRONMENT.parse(source)))
            self._plain = _plain(tree)
            tree.set_environment(_ENVIRONMENT)
            code = _ENVIRONMENT.compile(tree, filename=_FILE)
            self._jinja = JinjaTemplate.from_code(_ENVIRONMENT, code, {})
        except TemplateSyntaxError as error:
            raise _at(error.lineno, str(error.message)) from None
        except (RecursionError, MemoryError, SyntaxError):
            raise _at(1, "it is nested too deeply: make it simpler") from None
        except ValueError:  # a number of more digits than Python reads
            raise _at(1, "it has a number that is too large") from None

    def render(self, names: Mapping[str, object]) -> tuple[str, tuple[str, ...]]:
        """The text with a placeholder for each value, and the values. Raises MessageError."""
        if self._plain is not None and (filled := self._plain.render(names)) is not None:
            return filled
        run = _Run()
        parent = {"range": _range, **names, _RUN: run}
        context = Context(_ENVIRONMENT, parent, None, {})
        try:
            text = "".join(self._jinja.root_render_func(context))
        except _Missing as error:
            raise _at(self._line(error), _told(error, names)) from None
        except Mistake as error:
            raise _at(self._line(error), str(error)) from None
        except (TypeError, ValueError, ArithmeticError, LookupError, TemplateError) as error:
            raise _at(self._line(error), _translated(error)) from None
        if len(text) + sum(map(len, run.values)) > MOST_CHARACTERS:
            raise _at(1, f"the message gets longer than {MOST_CHARACTERS} characters")
        return text, tuple(run.values)

    def _line(self, error: Exception) -> int:
        """The line of the template at which `error` came up: the innermost of its frames."""
        line, trace = 1, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _FILE:
                line = self._jinja.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return line


def _at(line: int, told: str) -> MessageError:
    return MessageError(f"line {line} of the template: {told}; nothing was sent")


def _told(error: _Missing, names: Mapping[str, object]) -> str:
    """What is missing, what is there instead, and what mends it."""
    name, holder = error.name, error.holder
    if isinstance(holder, Mapping):
        known, written = [str(key) for key in cast("Mapping[str, object]", holder)], "fields[…]"
    elif holder is missing:
        known, written = [key for key in names if key.isidentifier()], name
    else:
        return f"{kind_of(holder)} has no {shown(name)}: docs/messages.md lists what it has"
    mends = f'where not everybody has it, write {{{{ {written}|default("…") }}}}'
    if name in ("name", "first_name"):
        return f"this contact has no name; {mends}"
    close = get_close_matches(name, known, 3)
    there = f"perhaps {' or '.join(close)} is meant" if close else f"there is {_listed(known)}"
    return f"this contact has no {name!r}: {there}; {mends}"


def _listed(known: Sequence[str]) -> str:
    return ", ".join(known[:20]) + (", …" if len(known) > 20 else "") if known else "none"


def _translated(error: Exception) -> str:
    """Python's complaint in words for a person."""
    text = str(error)
    if isinstance(error, ZeroDivisionError):
        return "this divides by zero"
    if "not supported between" in text:
        return "a text is compared with a number: it becomes one with |int or |float"
    if isinstance(error, ArithmeticError):
        return "this number is too large"
    return text[:200] or type(error).__name__


@lru_cache(maxsize=256)
def template(source: str) -> Template:
    """Compile `source`, once. Raises MessageError that names the line."""
    return Template(source)


def names_of(contact: Contact, now: datetime) -> dict[str, object]:
    """The names that a template may use. What is empty is as good as absent, as in the list.

    A field called `first_name` or `now` stands for itself.
    """
    names: dict[str, object] = {"peer": contact.peer.text, "tags": contact.tags, "now": now}
    if words := contact.name.split(maxsplit=1):
        names["name"], names["first_name"] = contact.name, words[0]
    names.update(contact.fields)
    names["fields"] = contact.fields
    return names
