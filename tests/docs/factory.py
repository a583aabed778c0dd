"""What Data Factory does with the pipelines of docs/data-factory.md: activities, and their expressions."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

AUTHORITY = "https://management.azure.com"

_NEEDED: dict[str, set[str]] = {
    "WebActivity": {"method", "url", "authentication"},
    "Until": {"expression", "timeout", "activities"},
    "Wait": {"waitTimeInSeconds"},
    "SetVariable": {"variableName", "value"},
    "IfCondition": {"expression"},
    "Fail": {"message", "errorCode"},
}
_ALLOWED: dict[str, set[str]] = {
    "WebActivity": {"headers", "body"},
    "IfCondition": {"ifTrueActivities", "ifFalseActivities"},
}
_TIMESPAN = re.compile(r"\d+\.\d\d:\d\d:\d\d")
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_]\w*)|(?P<mark>[(),.]))")

_PURE: dict[str, Callable[..., Any]] = {
    "concat": lambda *parts: "".join(parts),
    "createArray": lambda *parts: [*parts],
    "contains": lambda whole, part: part in whole,
    "equals": lambda one, other: one == other,
    "not": lambda value: not value,
}


class PipelineError(Exception):
    """A Fail activity was reached."""


@dataclass
class Factory:
    """Runs a pipeline against the server that stands in for Azure's."""

    pipeline: dict[str, Any]
    server: str
    parameters: dict[str, str] = field(default_factory=dict)
    waited_seconds: int = 0
    outputs: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        properties = self.pipeline["properties"]
        assert set(properties) <= {"parameters", "variables", "activities"}
        given = {name: one["defaultValue"] for name, one in properties.get("parameters", {}).items()}
        self.parameters = given | self.parameters
        self.variables = {name: one["defaultValue"] for name, one in properties.get("variables", {}).items()}
        self._each(properties["activities"])

    def _each(self, activities: list[dict[str, Any]]) -> None:
        """In the order of their dependencies, of which each has to be one of its neighbours."""
        done: set[str] = set()
        waiting = list(activities)
        while waiting:
            ready = [one for one in waiting if {each["activity"] for each in one.get("dependsOn", [])} <= done]
            assert ready, f"{waiting[0]['name']} depends on what is no neighbour of it"
            for one in ready:
                assert all(each["dependencyConditions"] == ["Succeeded"] for each in one.get("dependsOn", []))
                self._do(one)
                done.add(one["name"])
                waiting.remove(one)

    def _do(self, activity: dict[str, Any]) -> None:
        kind, properties = activity["type"], activity["typeProperties"]
        assert set(activity) <= {"name", "type", "dependsOn", "policy", "typeProperties"}
        assert set(properties) >= _NEEDED[kind]
        assert set(properties) <= _NEEDED[kind] | _ALLOWED.get(kind, set())
        match kind:
            case "WebActivity":
                self.outputs[activity["name"]] = self._ask(activity)
            case "Until":
                assert _TIMESPAN.fullmatch(properties["timeout"])
                while True:
                    self._each(properties["activities"])
                    if self._value(properties["expression"]):
                        break
            case "Wait":
                self.waited_seconds += properties["waitTimeInSeconds"]
            case "SetVariable":
                assert properties["variableName"] in self.variables
                self.variables[properties["variableName"]] = self._value(properties["value"])
            case "IfCondition":
                branch = "ifTrueActivities" if self._value(properties["expression"]) else "ifFalseActivities"
                self._each(properties.get(branch, []))
            case "Fail":
                raise PipelineError(self._value(properties["message"]))
            case _:
                raise AssertionError(f"{kind} is no kind of activity that is known here")

    def _ask(self, activity: dict[str, Any]) -> Any:
        properties, policy = activity["typeProperties"], activity["policy"]
        assert set(policy) == {"timeout", "retry", "retryIntervalInSeconds"}
        assert _TIMESPAN.fullmatch(policy["timeout"])
        assert properties["authentication"] == {"type": "MSI", "resource": f"{AUTHORITY}/"}
        # A body is needed for a POST, and not allowed for a GET.
        assert ("body" in properties) == (properties["method"] == "POST")
        url = self._value(properties["url"])
        assert url.startswith(f"{AUTHORITY}/subscriptions/")
        asked = urllib.request.Request(
            url.replace(AUTHORITY, self.server),
            data=properties["body"].encode() if "body" in properties else None,
            headers=properties.get("headers", {}),
            method=properties["method"],
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
            return json.load(answer)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _value(self, given: Any) -> Any:
        assert given["type"] == "Expression"
        text = given["value"]
        assert text.startswith("@")
        tokens = list(_tokens(text[1:]))
        value, rest = self._read(tokens)
        assert rest == [], f"{text} goes on behind its end"
        return value

    def _read(self, tokens: list[str]) -> tuple[Any, list[str]]:
        first, rest = tokens[0], tokens[1:]
        if first.startswith("'"):
            return first[1:-1].replace("''", "'"), rest
        assert rest[:1] == ["("], f"{first} is no function"
        arguments, rest = self._arguments(rest[1:])
        value = self._call(first, arguments)
        while rest[:1] == ["."]:
            value, rest = value[rest[1]], rest[2:]
        return value, rest

    def _arguments(self, tokens: list[str]) -> tuple[list[Any], list[str]]:
        arguments: list[Any] = []
        while tokens[0] != ")":
            value, tokens = self._read(tokens)
            arguments.append(value)
            assert tokens[0] in {",", ")"}
            tokens = tokens[1:] if tokens[0] == "," else tokens
        return arguments, tokens[1:]

    def _call(self, name: str, arguments: list[Any]) -> Any:
        match name:
            case "pipeline":
                return {"parameters": self.parameters}
            case "variables":
                return self.variables[arguments[0]]
            case "activity":
                return {"output": self.outputs[arguments[0]]}
            case _:
                return _PURE[name](*arguments)


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        assert found, f"{text[place:]} cannot be read"
        yield found[found.lastgroup or ""]
        place = found.end()
