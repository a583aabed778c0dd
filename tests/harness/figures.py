"""Telemetry that keeps in this process what it is told."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from haulier.telemetry import names
from haulier.telemetry.seam import NO_ATTRIBUTES, Attributes, NoSpan, NoTelemetry, SpanKind, TraceSpan, Value


class KeptSpan(NoSpan):
    def __init__(self, attributes: Attributes) -> None:
        self.attributes: dict[str, Value] = dict(attributes)

    def set(self, attributes: Attributes) -> None:
        self.attributes.update(attributes)


class Figures(NoTelemetry):
    is_on = True

    def __init__(self) -> None:
        self.spans: list[KeptSpan] = []
        self.sums: Counter[str] = Counter()
        self.items: Counter[tuple[Value, Value]] = Counter()
        """By outcome, and by whether another attempt had finished them."""

    @contextlib.contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        link: str = "",
        parent: str = "",
        is_root: bool = False,
    ) -> Iterator[TraceSpan]:
        self.spans.append(KeptSpan(attributes))
        yield self.spans[-1]

    def add(self, name: str, amount: float, attributes: Attributes = NO_ATTRIBUTES) -> None:
        self.sums[name] += int(amount)
        if name == names.ITEMS:
            self.items[attributes[names.OUTCOME], attributes[names.IS_ADOPTED]] += int(amount)

    @property
    def outcomes(self) -> list[Value]:
        """As the spans of items have them, in the order in which these began."""
        return [span.attributes[names.OUTCOME] for span in self.spans if names.OUTCOME in span.attributes]
