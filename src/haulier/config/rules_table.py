"""`[[api.rules]]` and `[[streams.NAME.rules]]`: the meaning of answers, ahead of haulier's own rules."""

from __future__ import annotations

from functools import partial

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action
from haulier.config.fields import Field, TableShape
from haulier.config.request_kinds import JsonPath
from haulier.config.value_kinds import ListOf, NamedValue, TableOf, Text, WholeNumber

ACTION = Field(
    "action",
    NamedValue({action.value: action for action in Action}),
    "What to do about the request, or about its item; the table above says what each action does.",
    'action = "pause"',
    True,
)
STATUS = Field("status", WholeNumber(100), "The status of the answer.", "status = 403")
HEADER = Field(
    "header",
    Text(),
    "A header that the answer has, or `Name: value`, a whole value in which `*` stands for any text.",
    'header = "X-Throttled: yes"',
)
TEXT = Field(
    "text",
    Text(),
    "Text in the body of the answer; where its status is good, outside of records.",
    'text = "secondary rate limit"',
)
AT = Field(
    "at",
    JsonPath(),
    "A path in the body with a value that is not null, false, 0 or empty; `*` is each member, or each line.",
    'at = "error"',
)
STATUS_AT = Field("status_at", JsonPath(), "The path of the real status in the body.", 'status_at = "error.code"')

RULE = TableShape("The meaning of an answer.", ACTION, STATUS, HEADER, TEXT, AT, STATUS_AT)


def answers(doc: str) -> ListOf[Rule]:
    """Answers that are told as rules tell them, without an action."""
    return ListOf(TableOf(TableShape(doc, STATUS, HEADER, TEXT, AT), partial(Rule, Action.END)))


RULES = Field(
    "rules",
    ListOf(TableOf(RULE, Rule)),
    "Rules about the meaning of answers, ahead of haulier's own; the first that applies decides.",
    'rules = [{ status = 403, text = "rate limit", action = "pause" }]',
)
