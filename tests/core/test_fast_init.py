from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from broadcast.core.fast_init import fast_init


@dataclass(frozen=True, slots=True)
class Usual:
    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list)
    fourth: int = field(default=4, repr=False)


Quick = fast_init(
    dataclass(frozen=True, slots=True)(
        type(
            "Quick",
            (),
            {
                "__annotations__": Usual.__annotations__,
                "second": "two",
                "third": field(default_factory=list),
                "fourth": field(default=4, repr=False),
            },
        )
    )
)


@pytest.mark.parametrize(
    ("args", "options"),
    [((1,), {}), ((1, "b"), {}), ((1,), {"fourth": 9}), ((1, "b", [3], 5), {}), ((), {"first": 1})],
)
def test_it_is_made_with_the_same_arguments(
    args: tuple[object, ...], options: dict[str, object]
) -> None:
    usual, made = Usual(*args, **options), Quick(*args, **options)
    names = ("first", "second", "third", "fourth")
    assert [getattr(made, name) for name in names] == [getattr(usual, name) for name in names]
    assert repr(made) == repr(usual).replace("Usual", "Quick")


@pytest.mark.parametrize(
    ("args", "options"), [((), {}), ((1, "b", [], 5, 6), {}), ((1,), {"x": 1})]
)
def test_it_refuses_the_same_arguments(
    args: tuple[object, ...], options: dict[str, object]
) -> None:
    for cls in (Usual, Quick):
        with pytest.raises(TypeError):
            cls(*args, **options)


def test_it_is_as_frozen_as_before() -> None:
    made = Quick(1)
    with pytest.raises(FrozenInstanceError):
        made.first = 2
    assert made == Quick(1)
    assert replace(made, first=2) == Quick(2)


def test_a_default_that_is_made_is_made_for_each() -> None:
    assert Quick(1).third is not Quick(1).third


def test_its_parameters_have_the_names_of_the_fields() -> None:
    assert list(inspect.signature(Quick).parameters) == ["first", "second", "third", "fourth"]
