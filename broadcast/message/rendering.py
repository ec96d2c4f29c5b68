"""What a template may read, call and compute while it is rendered, and what each of these costs.

Two of the rules of templates.py are kept here. What is not listed does not exist: each attribute,
method and operator stands in a table below. And everything is paid for before it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from jinja2 import StrictUndefined, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from broadcast.core.spelling import same_key
from broadcast.message.filters import (
    FILTERS,
    Mistake,
    default,
    items_of,
    join,
    kind_of,
    present,
    require_bounded,
    size_of,
    text_of,
)
from broadcast.message.placeholders import placeholder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST_STEPS = 100_000
"""What one rendering may cost; a message with a loop over twenty tags takes a few hundred."""

STEP = 64  # characters that are read for one step
_MOST_BITS = 128
_SHOWN = 60  # characters of a name in a complaint
RUN = "\0run"  # no template can name it


class MissingError(Exception):
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
        super().__init__(hint, obj, name, partial(MissingError, str(name), obj))  # pyright: ignore[reportArgumentType]


class Rendering:
    """One rendering: the steps that are left, and the values that were written until now."""

    __slots__ = ("left", "values")

    def __init__(self) -> None:
        self.left = MOST_STEPS
        self.values: list[str] = []

    def pay(self, steps: int) -> None:
        """Take `steps` from what is left. Raises Mistake when there are not so many."""
        self.left -= steps
        if self.left < 0:
            raise Mistake(
                "this is too much work for one message: make its loops shorter, or nest them less"
            )

    def take(self, value: object) -> None:
        """Pay for all of `value`. Raises Mistake also when it is too long."""
        size = size_of(value)
        self.pay(size // STEP)
        require_bounded(size)


def _run(context: Context) -> Rendering:
    return cast("Rendering", context.parent[RUN])


TESTS = frozenset(
    {"defined", "undefined", "none", "number", "integer", "float", "string", "mapping"}
    | {"sequence", "boolean", "true", "false", "even", "odd", "divisibleby"}
)


def _paid(function: Callable[..., object]) -> Callable[..., object]:
    """A filter that pays for what it reads and for what it makes."""

    @pass_context
    def call(context: Context, value: object, *args: object, **options: object) -> object:
        run = _run(context)
        run.pay(1 + (size_of(value) + sum(map(size_of, args))) // STEP)
        for option in options.values():
            run.take(option)
        if function is not default:
            present(value)
        result = function(value, *args, **options)
        run.take(result)
        return result

    return call


# What the compiled template calls by itself: no author can write these names.


@pass_context
def _each(context: Context, items: Any, cost: int) -> list[Any]:
    """The turns of a loop, paid for all at once."""
    present(items)
    run = _run(context)
    run.pay(size_of(items) // STEP)
    if isinstance(items, str):
        require_bounded(len(items))
    turns = items_of(items)
    run.pay(len(turns) * cost)
    return turns


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    """What is compared or cut: it is read to its end."""
    _run(context).pay(size_of(present(value)) // STEP)
    return value


@pass_context
def _among(context: Context, value: Any) -> Any:
    """What stands after `in`: a text, or a list or fields whose texts match in any spelling.

    So `"VIP" in tags` says what `--to VIP` does.
    """
    _run(context).pay(size_of(present(value)) // STEP)
    return _Among(value) if isinstance(value, list | tuple | Mapping) else value


class _Among:
    """The texts of a list, or the names of fields, compared as core/spelling.py says."""

    def __init__(self, held: Any) -> None:
        self._held = held

    def __contains__(self, item: object) -> bool:
        if item in self._held or not isinstance(item, str):
            return item in self._held
        wanted = same_key(item)
        return any(isinstance(each, str) and same_key(each) == wanted for each in self._held)


def _named(mapping: Mapping[object, object], name: object) -> object:
    """The value of the key `name`, in any spelling. Raises KeyError."""
    if name in mapping:
        return mapping[name]
    if isinstance(name, str):
        for key, value in mapping.items():
            if isinstance(key, str) and same_key(key) == same_key(name):
                return value
    raise KeyError(name)


@pass_context
def _flat(context: Context, value: Any) -> Any:
    """A list or table that the author wrote; what it holds is single values."""
    held = cast("Iterable[object]", value.values() if isinstance(value, dict) else value)
    for item in held:
        if isinstance(present(item), list | tuple | range | Mapping):
            raise Mistake("a list cannot be inside a list")
    _run(context).take(cast("object", value))
    return cast("object", value)


@pass_context
def _glued(context: Context, pieces: list[Any]) -> str:
    """The operator `~`."""
    text = join(pieces, "")
    _run(context).pay(len(text) // STEP)
    return text


@pass_context
def _aside(context: Context, value: Any) -> str:
    """Keep the value of a `{{ … }}`, and write its placeholder."""
    text = value if isinstance(value, str) else text_of(value)
    run: Rendering = context.parent[RUN]
    run.pay(1 + len(text) // STEP)
    run.values.append(text)
    return placeholder(len(run.values) - 1)


def up_to(*args: int) -> range:
    """The `range` of a template: no longer than a list may be."""
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


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja, with the tables above in place of what it offers by itself."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__(
            undefined=_Absent,
            finalize=_aside,
            optimized=False,  # nothing is computed at compile time, where nobody counts
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        own = {
            " each": _each,
            " weighed": _weighed,
            " among": _among,
            " flat": _flat,
            " glued": _glued,
        }
        self.filters = own | {name: _paid(made) for name, made in FILTERS.items()}
        self.tests = {name: test for name, test in self.tests.items() if name in TESTS}
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
            if isinstance(obj, Mapping):
                return _named(cast("Mapping[object, object]", obj), argument)
            return obj[argument]
        except (TypeError, LookupError):
            return _Absent(obj=cast("object", obj), name=str(argument)[:_SHOWN])

    def call(self, context: Context, function: Any, /, *args: Any, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - Jinja calls it by position
        owner = getattr(function, "__self__", None)
        methods = next((_METHODS[kind] for kind in _METHODS if isinstance(owner, kind)), ())
        for own in ("_loop_vars", "_block_vars"):  # Jinja's, for its own Context.call
            options.pop(own, None)
        if function is not up_to and getattr(function, "__name__", "") not in methods:
            raise Mistake("only range() and the methods in docs/messages.md can be called")
        run = _run(context)
        run.pay(1 + (size_of(owner) + sum(map(size_of, args))) // STEP)
        result = function(*args, **options)
        run.take(result)
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        first, second = cast("tuple[object, object]", (present(left), present(right)))
        run = _run(context)
        run.pay(1)
        if isinstance(first, int | float) and isinstance(second, int | float):
            if isinstance(first, int) and isinstance(second, int):
                _small(first, second, power=operator == "**")
            result: object = self.binop_table[operator](first, second)
            if isinstance(result, complex):
                raise Mistake("this has no result among the real numbers")
            return result
        if operator == "+" and type(first) is type(second) and isinstance(first, str | list):
            size = size_of(cast("object", first)) + size_of(second)
            run.pay(size // STEP)
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


ENVIRONMENT = _Environment()
