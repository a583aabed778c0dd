"""What a person can do about a failure."""

from __future__ import annotations

from haulier.api.answers.judgement import Judgement
from haulier.api.errors import Action, Fault
from haulier.api.http.transport import Response, TransportError


def advice_of(judgement: Judgement, outcome: Response | TransportError) -> str:
    """What becomes of the item is decided later."""
    match judgement.final:
        case Action.AUTH:
            return "The API refuses the credentials. Check `auth` of the source and the variable that it names."
        case Action.CONFIG:
            return "Check the address, the proxy and the certificates that the source declares."
        case Action.PAUSE:
            return "The API asks all clients to wait."
        case Action.OUTAGE:
            return "The API is failing at present."
        case Action.SPLIT:
            return "Ask for less at a time: a smaller `step`, or smaller pages."
        case Action.POISON if isinstance(outcome, Response) and outcome.status == 404:
            return "Check the path of the stream."
        case Action.POISON if isinstance(outcome, TransportError) and outcome.kind is Fault.REDIRECT:
            return "Check `url` and the path of the stream: the API may have moved, or ask for a login."
        case Action.POISON:
            return "Repeating the request would not help. Check path, query and access rights."
        case _:
            return ""
