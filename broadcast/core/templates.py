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
   in its place: its number in base 16, made of the noncharacters U+FDD0 to U+FDDF, ended by U+FDE0.
   They mean nothing to markdown or HTML, HTML's `&#…;` cannot make them
   (https://html.spec.whatwg.org/multipage/parsing.html#numeric-character-reference-end-state), and
   Unicode keeps them for inside a program
   (https://www.unicode.org/faq/private_use.html#noncharacters). Where an author wrote one all the
   same, it becomes a value itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from difflib import get_close_matches
from functools import lru_cache, partial
from string import capwords
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes, pass_context
from jinja2 import Template as JinjaTemplate
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from broadcast.core.errors import MessageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from broadcast.core.model import Contact

MOST_CHARACTERS = 16 * 4096
"""Of a template, of what it renders to, and of each value on the way: sixteen full messages."""

MOST_STEPS = 100_000
"""What one rendering may cost; a message with a loop over twenty tags takes a few hundred."""

PLACEHOLDER = re.compile("([\ufdd0-\ufddf]+\ufde0)")

_STEP = 64  # characters that are read for one step
_ITEM = 16  # an item of a list weighs as much as so many characters: it is sorted, or made a text
_MOST_FORM = 200  # characters of a date's form: each two of them may cost as much as a step
_MOST_BITS = 128
_RESERVED = re.compile("([\ufdd0-\ufdef])")
_FILE = "<template>"
_RUN = "\0run"  # no template can name it
_SHOWN = 60  # characters of a value in a complaint


class _Mistake(Exception):  # noqa: N818 - it carries a complaint, and never leaves this file
    """What is wrong, in words; the line is added where it is known."""


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
            raise _Mistake(
                "this is too much work for one message: make its loops shorter, or nest them less"
            )


def _run(context: Context) -> _Run:
    return cast("_Run", context.parent[_RUN])


# Placeholders.


@lru_cache(maxsize=1024)
def _placeholder(number: int) -> str:
    return "".join(chr(0xFDD0 + int(digit, 16)) for digit in f"{number:x}") + "\ufde0"


def number_of(placeholder: str) -> int:
    """Which value a match of `PLACEHOLDER` stands for, from 0."""
    number = 0
    for digit in placeholder[:-1]:
        number = number << 4 | ord(digit) - 0xFDD0
    return number


def fill(text: str, values: Sequence[str]) -> str:
    """Put the values into a rendered text: for reading it, never for parsing it again."""
    if not values:
        return text
    pieces = PLACEHOLDER.split(text)
    for at in range(1, len(pieces), 2):
        number = number_of(pieces[at])
        if number < len(values):
            pieces[at] = values[number]
    return "".join(pieces)


# Values.


def _size(value: object) -> int:
    """What a value weighs, in characters; every value is flat, so this is all of it."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return _ITEM * len(mapping) + sum(len(v) for v in mapping.values() if isinstance(v, str))
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return _ITEM * len(items) + sum(len(item) for item in items if isinstance(item, str))
    return _ITEM * len(value) if isinstance(value, range) else 1


def _bounded(size: float) -> None:
    if size > MOST_CHARACTERS:
        raise _Mistake(
            f"a value gets longer than {MOST_CHARACTERS} characters, or a list than "
            f"{MOST_CHARACTERS // _ITEM} items"
        )


def _present(value: Any) -> Any:
    """`value`, when it is there; else raises what is missing."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - Jinja's own way to raise it
    return value


def _text(value: Any) -> str:
    """How a value is written; a list is written with commas."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list | tuple | range):
        return _join(cast("Sequence[object]", value), ", ")
    _present(value)
    raise _Mistake(f"{_kind(value)} cannot be written: say which part of it is meant")


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a set of fields"
    if isinstance(value, list | tuple | range):
        return "a list"
    if isinstance(value, bool | int | float):
        return "a number"
    if isinstance(value, datetime):
        return "a moment"
    return "a text" if isinstance(value, str) else "this"


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, str | int | float) else _kind(value)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?(e[+-][0-9]{1,2})?", re.ASCII)


def _number(value: object) -> Decimal:
    """A number, or a text that is one in the plain form: 1234.50."""
    if isinstance(value, int | float):
        value = repr(+value)  # +True is 1
    if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    raise _Mistake(f"{_shown(value)} is not a number: write it like 1234.50")


def _rounded(value: Decimal, decimals: object) -> Decimal:
    if not isinstance(decimals, int) or not 0 <= decimals <= 8:
        raise _Mistake("a number has 0 to 8 decimals")
    step = Decimal(1).scaleb(-decimals)
    if value.adjusted() > 18:
        raise _Mistake("this number is too large")
    return value.quantize(step, ROUND_HALF_UP)


# Filters. Each is also described in docs/messages.md.


def _default(value: Any, default: object = "", *_ignored: object) -> object:
    """`default` in place of what is missing or empty; 0 is a value."""
    is_empty = value is None or isinstance(value, Undefined)
    if isinstance(value, str):
        is_empty = not value.strip()
    elif isinstance(value, list | tuple | Mapping):
        is_empty = not value
    return default if is_empty else cast("object", value)


_DIRECTIVES = frozenset("aAbBdHIjmMpSyYzZuVG%")


_DIRECTIVE = re.compile(r"%(-?)(.?)", re.DOTALL)


def _date(value: object, form: str = "%Y-%m-%d") -> str:
    """A moment, or a text in ISO 8601, by the directives of strftime; `%-d` is 4 and not 04."""
    moment = _moment(value)
    if len(form) > _MOST_FORM:
        raise _Mistake(f"the form of a date has at most {_MOST_FORM} characters")
    return _dated(moment.replace(tzinfo=None), moment.tzinfo, moment.fold, form)


@lru_cache(maxsize=256)  # `now` is the same for everybody
def _dated(wall: datetime, zone: tzinfo | None, fold: int, form: str) -> str:
    moment = wall.replace(tzinfo=zone, fold=fold)

    def written(match: re.Match[str]) -> str:
        minus, directive = match.groups()
        if directive not in _DIRECTIVES:
            raise _Mistake(f"a date has no %{directive}: docs/messages.md lists what it has")
        text = moment.strftime(f"%{directive}")
        return (text.lstrip("0") or "0") if minus else text

    return _DIRECTIVE.sub(written, form)


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError:
            pass
    raise _Mistake(f"{_shown(value)} is not a date: write it like {date(2026, 12, 24)}")


def _money(
    value: object,
    currency: str = "",
    decimals: int = 2,
    *,
    thousands: str = ",",
    point: str = ".",
    after: bool | None = None,
) -> str:
    """1234.5 -> 1,234.50; a symbol stands before it, a code of letters (EUR) after it."""
    number = _rounded(_number(value), decimals)
    digits = f"{abs(number):,.{decimals}f}"
    digits = digits.translate({ord(","): thousands, ord("."): point})
    if after is None:
        after = len(currency) > 1 and currency.isalpha()
    if currency:
        digits = f"{digits} {currency}" if after else f"{currency}{digits}"
    return f"-{digits}" if number < 0 else digits


def _plural(
    value: object,
    one: str,
    other: str,
    *,
    zero: str | None = None,
    two: str | None = None,
    few: str | None = None,
) -> str:
    """The form for a count. With `few` it is the rule of Russian, Ukrainian, Serbian, Croatian.

    https://www.unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html
    """
    count = abs(_number(value))
    if count == 0 and zero is not None:
        return zero
    if count == 2 and two is not None:
        return two
    if few is None or count % 1:
        return one if count == 1 else other
    if count % 10 == 1 and count % 100 != 11:
        return one
    return few if 2 <= count % 10 <= 4 and not 12 <= count % 100 <= 14 else other


def _join(value: Any, between: str = ", ") -> str:
    items = [_text(item) for item in _items(value)]
    _bounded(sum(map(len, items)) + len(items) * len(between))
    return between.join(items)


def _replace(value: object, old: str, new: str) -> str:
    text = _text(value)
    _bounded(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _truncate(value: object, length: int = 100, end: str = "\N{HORIZONTAL ELLIPSIS}") -> str:
    text = _text(value)
    return text if len(text) <= length else text[: max(length, 0)].rstrip() + end


def _whole(value: object, default: object = missing) -> object:
    try:
        number = _rounded(_number(value), 0) if not isinstance(value, int) else value
    except _Mistake:
        if default is missing:
            raise
        return default
    return int(number)


def _float(value: object, default: object = missing) -> object:
    try:
        return float(_number(value))
    except _Mistake:
        if default is missing:
            raise
        return default


def _round(value: object, decimals: int = 0) -> float:
    number = _rounded(_number(value), decimals)
    return int(number) if decimals == 0 else float(number)


def _items(value: Any) -> list[Any]:
    if isinstance(value, str | list | tuple | range | Mapping):
        return list(cast("Sequence[Any]", value))
    raise _Mistake(f"{_kind(value)} is not a list")


def _only(value: Any, at: int) -> Any:
    items = _items(value)
    if not items:
        raise _Mistake('the list is empty: write |default("…") before this filter')
    return items[at]


def _length(value: Any) -> int:
    return len(_items(value))


def _unique(value: Any) -> list[Any]:
    return list(dict.fromkeys(_items(value)))


def _absolute(value: object) -> object:
    return abs(_computed(value))


def _computed(value: object) -> Any:
    """A number to compute with: a text that is one stays whole when it is."""
    if isinstance(value, int | float):
        return value
    number = _number(value)
    return int(number) if number == number.to_integral_value() else float(number)


def _reversed(value: Any) -> object:
    return value[::-1] if isinstance(value, str) else _items(value)[::-1]


def _sorted(value: Any) -> list[Any]:
    return sorted(_items(value), key=lambda item: _text(item).casefold())


def _of_text(change: Callable[[str], str]) -> Callable[[object], str]:
    return lambda value: change(_text(value))


_FILTERS: dict[str, Callable[..., object]] = {
    "abs": _absolute,
    "capitalize": _of_text(str.capitalize),
    "d": _default,
    "date": _date,
    "default": _default,
    "first": partial(_only, at=0),
    "float": _float,
    "int": _whole,
    "join": _join,
    "last": partial(_only, at=-1),
    "length": _length,
    "list": _items,
    "lower": _of_text(str.lower),
    "money": _money,
    "plural": _plural,
    "replace": _replace,
    "reverse": _reversed,
    "round": _round,
    "sort": _sorted,
    "string": _text,
    "title": _of_text(partial(capwords, sep=" ")),
    "trim": _of_text(str.strip),
    "truncate": _truncate,
    "unique": _unique,
    "upper": _of_text(str.upper),
    "urlencode": _of_text(partial(quote, safe="")),
}

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
        read = _size(value)
        for arg in args:
            read += _size(arg)
        run.pay(1 + read // _STEP)
        for option in options.values():
            run.pay(_size(option) // _STEP)
            _bounded(_size(option))
        if function is not _default:
            _present(value)
        result = function(value, *args, **options)
        size = _size(result)
        run.pay(size // _STEP)
        _bounded(size)
        return result

    call.__name__ = call.__qualname__ = name
    return call


# What the compiled template calls by itself: no author can write these names.


@pass_context
def _each(context: Context, items: Any, cost: int) -> list[Any]:
    """The turns of a loop, paid for all at once."""
    _present(items)
    run = _run(context)
    run.pay(_size(items) // _STEP)
    if isinstance(items, str):
        _bounded(len(items))
    turns = _items(items)
    run.pay(len(turns) * cost)
    return turns


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    """What is compared or cut: it is read to its end."""
    _run(context).pay(_size(_present(value)) // _STEP)
    return value


@pass_context
def _flat(context: Context, value: Any) -> Any:
    """A list or table that the author wrote; what it holds is single values."""
    held = cast("Iterable[object]", value.values() if isinstance(value, dict) else value)
    for item in held:
        if isinstance(_present(item), list | tuple | range | Mapping):
            raise _Mistake("a list cannot be inside a list")
    size = _size(cast("object", value))
    _run(context).pay(size // _STEP)
    _bounded(size)
    return cast("object", value)


@pass_context
def _glued(context: Context, pieces: list[Any]) -> str:
    """The operator `~`."""
    text = _join(pieces, "")
    _run(context).pay(len(text) // _STEP)
    return text


@pass_context
def _aside(context: Context, value: Any) -> str:
    """Keep the value of a `{{ … }}`, and write its placeholder."""
    text = value if isinstance(value, str) else _text(value)
    run: _Run = context.parent[_RUN]
    run.pay(1 + len(text) // _STEP)
    run.values.append(text)
    return _placeholder(len(run.values) - 1)


def _range(*args: int) -> range:
    numbers = range(*args)
    _bounded(_size(numbers))
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
        self.filters = own | {name: _paid(name, made) for name, made in _FILTERS.items()}
        self.tests = {name: test for name, test in self.tests.items() if name in _TESTS}
        self.globals = {}

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return self.getitem(obj, attribute)
        _present(obj)
        for kind in (str, datetime, LoopContext):
            if isinstance(obj, kind) and (
                attribute in _METHODS[kind] or attribute in _ATTRIBUTES.get(kind, ())
            ):
                return getattr(obj, attribute)
        return _Absent(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        _present(obj)
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
            raise _Mistake("only range() and the methods in docs/messages.md can be called")
        run = _run(context)
        run.pay(1 + (_size(owner) + sum(map(_size, args))) // _STEP)
        result = function(*args, **options)
        size = _size(result)
        run.pay(size // _STEP)
        _bounded(size)
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        first, second = cast("tuple[object, object]", (_present(left), _present(right)))
        run = _run(context)
        run.pay(1)
        if isinstance(first, int | float) and isinstance(second, int | float):
            if isinstance(first, int) and isinstance(second, int):
                _small(first, second, power=operator == "**")
            result: object = _OPERATORS[operator](first, second)
            if isinstance(result, complex):
                raise _Mistake("this has no result among the real numbers")
            return result
        if operator == "+" and type(first) is type(second) and isinstance(first, str | list):
            size = _size(cast("object", first)) + _size(second)
            run.pay(size // _STEP)
            _bounded(size)
            return left + right
        raise _Mistake(
            f"{operator} does not go with {_kind(first)} and {_kind(second)}: texts are put "
            "together with ~, and a text that is a number becomes one with |int or |float"
        )


def _small(left: int, right: int, *, power: bool) -> None:
    bits = left.bit_length() * abs(right) if power else left.bit_length() + right.bit_length()
    if bits > _MOST_BITS:
        raise _Mistake("this number is too large")


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
    """Raise _Mistake, or TemplateSyntaxError, when a template cannot have this."""
    told = ""
    match node:
        case nodes.Filter() if node.name in _NEEDLESS:
            told = f"leave |{node.name} out: a value is never read as markup"
        case nodes.Filter() if node.name not in _FILTERS:
            told = f"there is no filter {node.name}{_hint(node.name, _FILTERS)}"
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
    if not isinstance(child, nodes.TemplateData) or not _RESERVED.search(child.data):
        yield child
        return
    for piece in _RESERVED.split(child.data):
        kind = nodes.Const if _RESERVED.match(piece) else nodes.TemplateData
        yield kind(piece, lineno=child.lineno)


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name[:_SHOWN], known, 1)
    return f": did you mean {close[0]}?" if close else ": docs/messages.md lists those there are"


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
        run = _Run()
        parent = {"range": _range, **names, _RUN: run}
        context = Context(_ENVIRONMENT, parent, None, {})
        try:
            text = "".join(self._jinja.root_render_func(context))
        except _Missing as error:
            raise _at(self._line(error), _told(error, names)) from None
        except _Mistake as error:
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
        return f"{_kind(holder)} has no {_shown(name)}: docs/messages.md lists what it has"
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
