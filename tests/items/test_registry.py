"""Which kinds an app knows."""

from dataclasses import dataclass

import pytest

from haulier.errors import BrokenEnvelopeError, UnknownKindError, UsageError
from haulier.items.registry import Registry
from haulier.items.workitem import WorkItem


@dataclass(frozen=True)
class People(WorkItem, stream="people", kind="people"):
    batch: int


@dataclass(frozen=True)
class Customers(WorkItem, stream="customers", kind="customers_by_id"):
    first: int


@dataclass(frozen=True)
class OtherPeople(WorkItem, stream="people", kind="people"):
    batch: int


def _registry() -> Registry:
    registry = Registry()
    for cls in (People, Customers):
        registry.add(cls)
    return registry


def test_a_kind_gives_its_class() -> None:
    """`get` finds what was added, and the classes come back in the order of adding."""
    registry = _registry()
    assert registry.get("people") is People
    assert [*registry] == [People, Customers]
    assert len(registry) == 2
    assert Customers in registry
    assert OtherPeople not in registry


def test_an_unknown_kind_names_the_known_ones() -> None:
    """A worker releases a kind without a class, so its error has a class of its own; it says what is registered."""
    with pytest.raises(UnknownKindError) as caught:
        _registry().get("orders_by_id")
    assert str(caught.value) == (
        "No processor for kind 'orders_by_id'. Registered: customers_by_id, people. "
        "Does the app that you passed import its module?"
    )
    assert isinstance(caught.value, BrokenEnvelopeError)
    with pytest.raises(UnknownKindError, match="Registered: none"):
        Registry().get("people")


def test_adding_again_is_once() -> None:
    """The same class may be added twice."""
    registry = _registry()
    registry.add(People)
    assert len(registry) == 2


def test_two_classes_of_one_kind_are_refused() -> None:
    """A kind in a message means one class; the error names both."""
    registry = _registry()
    with pytest.raises(UsageError, match=r"Two classes have the kind 'people': .*\.People and .*\.OtherPeople"):
        registry.add(OtherPeople)
    assert registry.get("people") is People


def test_a_class_that_cannot_be_used_is_refused_when_added() -> None:
    """What no worker could decode is found at start."""

    class Bare(WorkItem, stream="s", kind="bare"):
        pass

    with pytest.raises(UsageError, match="Bare: it is not a dataclass"):
        Registry().add(Bare)
