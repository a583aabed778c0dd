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
    if not is_graphql and not any(map(_may_refuse, rules)):
        return None

    def is_met(some: Sequence[Rule], answer: Response) -> bool:
        return any(applies(rule, answer, expected) for rule in some)

    def is_refusal(answer: Response) -> bool:
        # Those that cannot refuse may search a large body: they are asked only where another one applies.
        for place, rule in enumerate(rules):
            if _may_refuse(rule) and applies(rule, answer, expected):
                status = meant_status(rule, answer)
                is_said = rule.action is Action.AUTH if status is None else status == 401
                return is_said and not is_met(rules[:place], answer)
        is_said = is_graphql and answer.status == 200 and refuses_credentials(answer.body)
        return is_said and not is_met(rules, answer)

    return is_refusal


def _may_refuse(rule: Rule) -> bool:
    return rule.action is Action.AUTH or rule.status_at is not None
