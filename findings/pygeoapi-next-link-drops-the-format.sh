#!/usr/bin/env bash
# pygeoapi's link to the next page drops `f=json`, so that page 2 comes in another format than page 1.
#
# Version:   pygeoapi 0.21.0, the newest for Python 3.11.
# Input:     a collection of five points in a CSV file, read by ?f=json&limit=2 and its links of the relation "next", with
#            the header Accept that Java's HttpURLConnection sends by itself.
# Behaviour: page 1 is JSON, as `f` says. Its link to the next page has `offset` and `limit` and no `f`, though it says
#            "type": "application/geo+json" beside them; so Accept decides, and page 2 is an HTML page for people, under
#            status 200. Filters (`bbox`, `datetime`, properties) stay in the link. With Accept: */* all pages are JSON.
# Output:    page 1  application/json
#            link    type application/geo+json, parameters limit, offset
#            page 2  text/html
# Matters:   a client that pages as OGC API Features says gets HTML where it expects features: an error if it parses JSON,
#            the first page alone if it takes what it cannot parse for the end.
# Instead:   send Accept: application/geo+json with every request, or put `f` on each link again (in a source file of
#            haulier: keep_query = true).
# Exit code: 0 it is still so, 1 it has changed, 2 the package could not be installed.
set -euo pipefail
folder=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet pygeoapi==0.21.0; } >/dev/null 2>&1 || exit 2
printf 'id,value,lat,long\n1,1,1,1\n2,2,2,2\n3,3,3,3\n4,4,4,4\n5,5,5,5\n' >points.csv
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >config.yml <<YAML
server:
  bind: {host: 127.0.0.1, port: $port}
  url: http://127.0.0.1:$port
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  language: en-US
  languages: [en-US]
  limits: {default_items: 10, max_items: 100, on_exceed: throttle}
  map: {url: "https://tiles.example.com/{z}/{x}/{y}.png", attribution: nobody}
logging: {level: ERROR}
metadata:
  identification: {title: t, description: d, keywords: [k], keywords_type: theme, terms_of_service: t, url: http://example.com}
  license: {name: n, url: http://example.com}
  provider: {name: n, url: http://example.com}
  contact: {name: n, position: p, address: a, city: c, stateorprovince: s, postalcode: p, country: c, phone: p, fax: f,
    email: e@example.com, url: http://example.com, hours: h, instructions: i, role: r}
resources:
  points:
    type: collection
    title: Points
    description: Points
    keywords: [p]
    links: [{type: text/csv, rel: canonical, title: d, href: http://example.com, hreflang: en-US}]
    extents: {spatial: {bbox: [-180, -90, 180, 90], crs: "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}
    providers:
      - {type: feature, name: CSV, data: $folder/points.csv, id_field: id, geometry: {x_field: long, y_field: lat}}
YAML
export PYGEOAPI_CONFIG=$folder/config.yml PYGEOAPI_OPENAPI=$folder/openapi.yml
venv/bin/pygeoapi openapi generate config.yml --output-file openapi.yml >/dev/null 2>&1
venv/bin/python -c 'from werkzeug.serving import run_simple; import os, sys; from pygeoapi.flask_app import APP
run_simple("127.0.0.1", int(sys.argv[1]), APP)' "$port" >server.log 2>&1 &
server=$!
venv/bin/python - "$port" <<'PYTHON'
import json
import sys
import time
import urllib.request
from urllib.parse import parse_qs, urlsplit

JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


def get(url):
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": JAVA})) as answer:
        return answer.headers.get_content_type(), answer.read()


url = f"http://127.0.0.1:{sys.argv[1]}/collections/points/items?f=json&limit=2"
for _ in range(150):
    try:
        first, body = get(url)
        break
    except OSError:
        time.sleep(0.2)
else:
    sys.exit("the server does not answer")
(link,) = [each for each in json.loads(body)["links"] if each["rel"] == "next"]
names = sorted(parse_qs(urlsplit(link["href"]).query))
second, _ = get(link["href"])
print(f"page 1  {first}\nlink    type {link['type']}, parameters {', '.join(names)}\npage 2  {second}")
sys.exit([link["type"], names, second] != ["application/geo+json", ["limit", "offset"], "text/html"])
PYTHON
