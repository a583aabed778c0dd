"""What a class of work items may be, and in which words another one is refused."""

import dataclasses
import enum
import types
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Literal, NewType, Optional, Union

import msgspec
import pytest

from haulier.errors import UsageError
from haulier.items.codec import decode_payload
from haulier.items.ranges import IdRange
from haulier.items.windows import TimeWindow
from haulier.items.workitem import WorkItem, require_usable
from tests.items.payloads import written

AccountId = NewType("AccountId", int)


class Region(enum.StrEnum):
    NORTH = "north"


class Mixed(enum.Enum):
    WORD = "word"
    NUMBER = 1


@dataclass(frozen=True)
class Corner:
    x: int
    inner: "Corner | None" = None


@dataclass
class Loose:
    x: int


@dataclass(frozen=True)
class AssetsById(WorkItem, stream="assets", kind="assets_by_id"):
    ids: IdRange


def test_a_frozen_dataclass_with_stream_and_kind_is_all_it_takes() -> None:
    """A kind of work item is a frozen dataclass with two class keywords."""
    require_usable(AssetsById)
    assert (AssetsById.stream, AssetsById.kind) == ("assets", "assets_by_id")


def test_slots_keep_the_names() -> None:
    """dataclass(slots=True), which makes the class a second time, changes nothing."""

    @dataclass(frozen=True, slots=True)
    class Slotted(WorkItem, stream="assets", kind="slotted"):
        ids: IdRange

    require_usable(Slotted)
    assert Slotted.kind == "slotted"
    assert not hasattr(Slotted(IdRange(1, 2)), "__dict__")


def test_classes_are_made_at_run_time() -> None:
    """A TOML stream gets a class of its own, by `types.new_class` or `dataclasses.make_dataclass`."""

    def fill(namespace: dict[str, Any]) -> None:
        namespace["__annotations__"] = {"ids": IdRange}

    bare = types.new_class("FlightsIds", (WorkItem,), {"stream": "flights", "kind": "flights_ids"}, fill)
    first: type[WorkItem] = dataclass(frozen=True)(bare)
    second = dataclasses.make_dataclass(
        "PeopleIds", [("ids", IdRange)], bases=(WorkItem,), namespace={"stream": "p", "kind": "p_ids"}, frozen=True
    )
    for cls in (first, second):
        require_usable(cls)
        item = cls(IdRange(1, 9))
        assert decode_payload(cls, written(item)) == item


def test_the_parameter_types_that_are_taken() -> None:
    """Scalars, times, ranges, windows, enums, literals, frozen dataclasses, tuples of them, and any of them or None."""

    @dataclass(frozen=True)
    class Everything(WorkItem, stream="s", kind="everything"):
        a: str
        b: int
        c: float
        d: bool
        e: datetime
        f: date
        g: IdRange
        h: TimeWindow
        i: Region
        j: Literal["a", "b"]
        k: Corner
        m: tuple[int, ...]
        n: tuple[str, IdRange]
        o: int | None
        p: Optional[Region]  # noqa: UP045
        q: Annotated[int, msgspec.Meta(ge=0)]
        r: AccountId

    require_usable(Everything)


@pytest.mark.parametrize(
    "hint",
    [
        Any, object, bytes, list[int], dict[str, int], set[int], int | str, Union[int, float, None],  # noqa: UP007
        Mixed,
        Literal["a", 1], tuple[list[int], ...], complex, type, Loose, None,
    ],
    ids=str,
)  # fmt: skip
def test_other_parameter_types_are_refused_in_words(hint: Any) -> None:
    """A type whose values have no one way to be written is refused, naming class and field."""
    cls = dataclasses.make_dataclass(
        "Odd", [("fine", int), ("odd", hint)], bases=(WorkItem,), namespace={"stream": "s", "kind": "odd"}, frozen=True
    )
    with pytest.raises(UsageError, match=r"^Work item Odd: field 'odd' of Odd "):
        require_usable(cls)


def test_the_message_lists_what_is_taken() -> None:
    """Whoever wrote a list is told what to write."""

    @dataclass(frozen=True)
    class Listed(WorkItem, stream="s", kind="listed"):
        ids: list[int]

    with pytest.raises(UsageError) as caught:
        require_usable(Listed)
    assert str(caught.value) == (
        "Work item Listed: field 'ids' of Listed has the type list[int], which is not supported. Supported: "
        "str, int, float, bool, datetime (aware), date, IdRange, TimeWindow, an Enum or Literal of str or of int, "
        "a frozen dataclass, a tuple of these, or one of these | None."
    ).replace("Listed", Listed.__qualname__)


def _undecorated() -> type[WorkItem]:
    class Bare(WorkItem, stream="s", kind="bare"):
        ids: IdRange

    return Bare


def _thawed() -> type[WorkItem]:
    @dataclass
    class Thawed(WorkItem, stream="s", kind="thawed"):
        ids: IdRange

    return Thawed


def _incomparable() -> type[WorkItem]:
    @dataclass(frozen=True, eq=False)
    class Incomparable(WorkItem, stream="s", kind="incomparable"):
        ids: IdRange

    return Incomparable


def _computed() -> type[WorkItem]:
    @dataclass(frozen=True)
    class Computed(WorkItem, stream="s", kind="computed"):
        ids: int = field(init=False, default=1)

    return Computed


def _clashing() -> type[WorkItem]:
    @dataclass(frozen=True)
    class Clashing(WorkItem, stream="s", kind="clashing"):
        kind: str = "mine"  # type: ignore[misc]

    return Clashing


def _undefined() -> type[WorkItem]:
    @dataclass(frozen=True)
    class Undefined(WorkItem, stream="s", kind="undefined"):
        ids: "Nowhere"  # type: ignore[name-defined]  # noqa: F821

    return Undefined


def _derived_undecorated() -> type[WorkItem]:
    class Derived(AssetsById, stream="s", kind="derived"):
        more: int = 0

    return Derived


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_undecorated, r"Bare: it is not a dataclass: write @dataclass\(frozen=True\) above it"),
        (_derived_undecorated, r"Derived: it is not a dataclass"),
        (_thawed, r"Thawed is not frozen: write @dataclass\(frozen=True\)"),
        (_incomparable, r"Incomparable has eq=False: leave it out"),
        (_computed, r"'ids' of .*Computed has init=False"),
        (_clashing, r"Clashing: its field 'kind' has the name"),
        (_undefined, r"a type of .*Undefined cannot be resolved .*Nowhere"),
        (lambda: WorkItem, r"WorkItem: it is not a subclass of WorkItem"),
        (lambda: Corner, r"Corner: it is not a subclass of WorkItem"),
    ],
)
def test_a_class_that_cannot_be_used_is_refused_at_first_use(make: Any, words: str) -> None:
    """The error names the class and what to write."""
    with pytest.raises(UsageError, match=words):
        require_usable(make())


@pytest.mark.parametrize("name", ["", "Assets", "1st", "_a", "a-b", "a b", "ä", "a" * 41, "a\n", 7])
@pytest.mark.parametrize("word", ["stream", "kind"])
def test_bad_names_are_refused_when_the_class_is_made(word: str, name: Any) -> None:
    """Names become folders and keys: lower-case ASCII, at most 40 characters."""
    keywords = {"stream": "fine", "kind": "fine", word: name}
    with pytest.raises(UsageError, match=f"Work item Odd has the {word} "):
        types.new_class("Odd", (WorkItem,), keywords)


def test_missing_names_are_refused() -> None:
    """A class says its own stream and kind; it never takes those of the class that it derives from."""
    with pytest.raises(UsageError, match=r"Nameless has no stream: write class .*Nameless\(WorkItem, stream="):

        class Nameless(WorkItem):
            pass

    with pytest.raises(UsageError, match="Heir has no stream"):

        class Heir(AssetsById):
            pass
