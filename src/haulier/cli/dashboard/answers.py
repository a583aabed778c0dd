"""Answers of the page's server: documents, and errors in the words of the commands."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from haulier.cli.hints import fill_source
from haulier.errors import UnavailableError, sentence

logger = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder(enc_hook=str)


def encode(document: Any) -> bytes:
    return _encoder.encode(document)


def document(content: Any) -> Response:
    """``content`` may be encoded already."""
    return Response(content if isinstance(content, bytes) else encode(content), media_type="application/json")


def refusal(status: int, said: str) -> Response:
    """``state`` is ``refused``, or ``unavailable`` where the same may be right in a while."""
    state = "unavailable" if status == 503 else "refused"
    return Response(encode({"state": state, "error": fill_source(said)}), status, media_type="application/json")


def answer_error(_request: Request, error: Exception) -> Response:
    """Errors that haulier raises on purpose: 503 if later may be better; 409 if what is asked for does not fit what
    stands in the lake."""
    return refusal(503 if isinstance(error, UnavailableError) else 409, str(error))


def answer_http(_request: Request, error: Exception) -> Response:
    """What cannot be meant, such as a path that there is not. Nothing was changed."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, sentence(error.detail))


def answer_bug(request: Request, error: Exception) -> Response:
    logger.error("request failed", extra={"path": request.url.path}, exc_info=error)
    return refusal(500, "The dashboard failed over this. Its log has the traceback.")
