"""Answers that refuse the credentials without the status 401: by a rule of the source, or as GraphQL says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from haulier.api.answers.graphql_errors import refuses_credentials
from haulier.api.answers.judgement import ExpectedAnswer, Rule, applies, meant_status
from haulier.api.errors import Action
from haulier.api.http.transport import Response


def refusal_test(rules: Sequence[Rule], expected: ExpectedAnswer) -> Callable[[Response], bool] | None:
    """Whether an answer says that. None where none but a 401 can. The first rule that applies decides alone."""
    is_graphql = expected.graphql_errors is not None
    if not is_graphql and not (
        rules and any(rule.action is Action.AUTH or rule.status_at is not None for rule in rules)
    ):
        return None

    def is_refusal(answer: Response) -> bool:
        for rule in rules:
            if applies(rule, answer, expected):
                status = meant_status(rule, answer)
                return rule.action is Action.AUTH if status is None else status == 401
        return is_graphql and answer.status == 200 and refuses_credentials(answer.body)

    return is_refusal
