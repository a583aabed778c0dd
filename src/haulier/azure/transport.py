"""HTTP for the async clients of Azure's SDK, which sends each request once.

aiohttp itself repeats a GET, PUT or DELETE whose kept-alive connection broke before the answer came, whatever the SDK's
retries are set to. The effect of the first may stand by then: a lease that was renewed so is refused the second time.
"""

from __future__ import annotations

import urllib.request

import aiohttp
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
)
from azure.core.pipeline.transport import AioHttpTransport

REQUEST_TIMEOUT = 408


class AnswerLostError(aiohttp.ClientError):
    """The connection broke after the request was sent."""


def send_once_transport(connect_seconds: float, read_seconds: float) -> AioHttpTransport:
    """For a client or several of the running event loop. Its ``close`` is the caller's to await.

    A client that is given a transport ignores time-outs of its own. Those of a call hold.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        # Where no proxy is set this costs each request two hops to other threads.
        trust_env=bool(urllib.request.getproxies()),
        middlewares=(_send_once,),
    )
    return AioHttpTransport(session=session, connection_timeout=connect_seconds, read_timeout=read_seconds)


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Between aiohttp's repeats and the wire: another class of error is none that it repeats for."""
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise AnswerLostError(str(error) or type(error).__name__) from error


def may_have_happened(error: AzureError) -> bool:
    """Whether a call that failed so may have had its effect. The service answers 500 and 503 after it, too.

    A ServiceRequestError is no proof of the contrary, though the SDK documents it so: it stands for every broken
    connection.
    """
    if isinstance(error, ServiceRequestTimeoutError):
        return False  # While connecting.
    if isinstance(error, ClientAuthenticationError):
        return False  # Refused, or there was no token to ask with.
    if isinstance(error, ServiceRequestError):
        return not isinstance(error.inner_exception, aiohttp.ClientConnectorError)
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        # A good status with an error is a body that was cut.
        return error.status_code >= 500 or error.status_code < 300 or error.status_code == REQUEST_TIMEOUT
    return True
