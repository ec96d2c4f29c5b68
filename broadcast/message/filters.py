"""The filters of templates, and how a value is read and written.

They are pure and know nothing of rendering: rendering.py counts what each of them costs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache, partial
from string import capwords
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from jinja2.runtime import Undefined
from jinja2.utils import missing

from broadcast.forms.entries import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_CHARACTERS = 16 * 4096
"""Of a template, of what it renders to, and of each value on the way: sixteen full messages."""

ITEM = 16  # an item of a list weighs as much as so many characters: it is sorted, or made a text
_MOST_FORM = 200  # characters of a date's form: each two of them may cost as much as a step


class Mistake(Exception):  # noqa: N818 - it carries a complaint, and is caught in the rendering
    """What is wrong with a template, in words; the line is added where it is known."""


def size_of(value: object) -> int:
    """The size of a value, in characters. No value is nested, so this is all of it."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return ITEM * len(mapping) + sum(len(v) for v in mapping.values() if isinstance(v, str))
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return ITEM * len(items) + sum(len(item) for item in items if isinstance(item, str))
    return ITEM * len(value) if isinstance(value, range) else 1


def require_bounded(size: float) -> None:
    """Raise Mistake when a value gets too long."""
    if size > MOST_CHARACTERS:
        raise Mistake(
            f"a value gets longer than {MOST_CHARACTERS} characters, or a list longer than "
            f"{MOST_CHARACTERS // ITEM} items"
        )


def present(value: Any) -> Any:
    """`value`. Raises what says that it is missing, when it is."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - Jinja's own way to raise it
    return value


def text_of(value: Any) -> str:
    """How a value is written; a list is written with commas."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list | tuple | range):
        return join(cast("Sequence[object]", value), ", ")
    present(value)
    raise Mistake(f"{kind_of(value)} cannot be written: name the part of it to write")


def kind_of(value: object) -> str:
    """What a value is, for a complaint."""
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


def shown(value: object) -> str:
    """A value in a complaint."""
    return quoted(str(value) if isinstance(value, str | int | float) else kind_of(value))


_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?(e[+-][0-9]{1,2})?", re.ASCII)


def _number(value: object) -> Decimal:
    """A number, or a text that is a number in the plain form: 1234.50."""
    if isinstance(value, int | float):
        value = repr(+value)  # +True is 1
    if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    raise Mistake(f"{shown(value)} is not a number: write it like 1234.50")


def _rounded(value: Decimal, decimals: object) -> Decimal:
    if not isinstance(decimals, int) or not 0 <= decimals <= 8:
        raise Mistake("a number has 0 to 8 decimals")
    step = Decimal(1).scaleb(-decimals)
    if value.adjusted() > 18:
        raise Mistake("this number is too large")
    return value.quantize(step, ROUND_HALF_UP)


# Filters. Each is also described in docs/messages.md.


def default(value: Any, default: object = "", *_ignored: object) -> object:
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
        raise Mistake(f"the form of a date has at most {_MOST_FORM} characters")
    return _dated(moment.replace(tzinfo=None), moment.tzinfo, moment.fold, form)


@lru_cache(maxsize=256)  # `now` is the same for everybody
def _dated(wall: datetime, zone: tzinfo | None, fold: int, form: str) -> str:
    moment = wall.replace(tzinfo=zone, fold=fold)

    def written(match: re.Match[str]) -> str:
        minus, directive = match.groups()
        if directive not in _DIRECTIVES:
            raise Mistake(f"a date has no %{directive}: docs/messages.md lists what it has")
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
    raise Mistake(f"{shown(value)} is not a date: write it like {date(2026, 12, 24)}")


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


def join(value: Any, between: str = ", ") -> str:
    """The items of a list, as texts, with something between them."""
    items = [text_of(item) for item in items_of(value)]
    require_bounded(sum(map(len, items)) + len(items) * len(between))
    return between.join(items)


def _replace(value: object, old: str, new: str) -> str:
    text = text_of(value)
    require_bounded(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _truncate(value: object, length: int = 100, end: str = "\N{HORIZONTAL ELLIPSIS}") -> str:
    text = text_of(value)
    return text if len(text) <= length else text[: max(length, 0)].rstrip() + end


def _number_as(made: Callable[[object], object]) -> Callable[..., object]:
    """A filter that makes a number of a value, or gives a default where it is none."""

    def number(value: object, default: object = missing) -> object:
        try:
            return made(value)
        except Mistake:
            if default is missing:
                raise
            return default

    return number


def _whole(value: object) -> int:
    return int(value if isinstance(value, int) else _rounded(_number(value), 0))


def _round(value: object, decimals: int = 0) -> float:
    number = _rounded(_number(value), decimals)
    return int(number) if decimals == 0 else float(number)


def items_of(value: Any) -> list[Any]:
    """The items of a list, or the letters of a text."""
    if isinstance(value, str | list | tuple | range | Mapping):
        return list(cast("Sequence[Any]", value))
    raise Mistake(f"{kind_of(value)} is not a list")


def _only(value: Any, at: int) -> Any:
    items = items_of(value)
    if not items:
        raise Mistake('the list is empty: write |default("…") before this filter')
    return items[at]


def _length(value: Any) -> int:
    return len(items_of(value))


def _unique(value: Any) -> list[Any]:
    return list(dict.fromkeys(items_of(value)))


def _absolute(value: object) -> float:
    if isinstance(value, int | float):
        return abs(value)
    number = abs(_number(value))
    return int(number) if number == number.to_integral_value() else float(number)


def _reversed(value: Any) -> object:
    return value[::-1] if isinstance(value, str) else items_of(value)[::-1]


def _sorted(value: Any) -> list[Any]:
    return sorted(items_of(value), key=lambda item: text_of(item).casefold())


def _of_text(change: Callable[[str], str]) -> Callable[[object], str]:
    return lambda value: change(text_of(value))


FILTERS: dict[str, Callable[..., object]] = {
    "abs": _absolute,
    "capitalize": _of_text(str.capitalize),
    "d": default,
    "date": _date,
    "default": default,
    "first": partial(_only, at=0),
    "float": _number_as(lambda value: float(_number(value))),
    "int": _number_as(_whole),
    "join": join,
    "last": partial(_only, at=-1),
    "length": _length,
    "list": items_of,
    "lower": _of_text(str.lower),
    "money": _money,
    "plural": _plural,
    "replace": _replace,
    "reverse": _reversed,
    "round": _round,
    "sort": _sorted,
    "string": text_of,
    "title": _of_text(partial(capwords, sep=" ")),
    "trim": _of_text(str.strip),
    "truncate": _truncate,
    "unique": _unique,
    "upper": _of_text(str.upper),
    "urlencode": _of_text(partial(quote, safe="")),
}
