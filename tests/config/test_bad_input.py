"""What a person gets to read for each mistake in a source file: where it is, what is wrong, what to write instead."""

from pathlib import Path

import pytest

from haulier.config.source_file import load_source
from haulier.errors import SourceFileError

GOOD = """
source = "flights"

[api]
url = "https://api.example.com"

[streams.flights]
get = "/flights.json"
records = "rows"
pages = { cursor = "next", query = "_next" }

[streams.flights.full.ids]
query = { id__gte = "{start}", id__lt = "{end}" }
last = { get = "/flights.json", at = "rows.0.id" }
step = 5000
"""
IDS = GOOD[GOOD.index("[streams.flights.full.ids]") :]
WINDOWS = """
[streams.flights.full.windows]
query = { since = "{start}", until = "{end}" }
start = 2013-01-01T00:00:00Z
step = "1d"
"""

CASES = {
"misspelt key": (("records =", "recods ="), ""),
"misspelt table": (("[api]", "[apii]"), ""),
"unknown": (("records =", "zzz ="), ""),
"no url": (('url = "https://api.example.com"', ""), ""),
"no source": (('source = "flights"', ""), ""),
"bad source": (('source = "flights"', 'source = "Flights EU"'), ""),
"long source": (('source = "flights"', f'source = "{"f"*41}"'), ""),
"no streams": ((GOOD[GOOD.index("[streams.flights]"):], ""), ""),
"bad stream name": (("streams.flights", "streams.Flights-EU"), ""),
"wrong type": (("step = 5000", 'step = "many"'), ""),
"bool step": (("step = 5000", 'step = true'), ""),
"zero step": (("step = 5000", 'step = 0'), ""),
"inflight": (("[streams.flights]", 'in_flight = "twelve"\n[streams.flights]'), ""),
"both get and post": (('get = "/flights.json"\nrec', 'get = "/flights.json"\npost = "/x"\nrec'), ""),
"neither": (('get = "/flights.json"\nrec', 'rec'), ""),
"ids and windows": ((IDS, IDS + WINDOWS), ""),
"no mode": ((IDS, ""), ""),
"empty full": ((IDS, "[streams.flights.full]"), ""),
"other origin": (('get = "/flights.json"\nrec', 'get = "https://evil.example/flights.json"\nrec'), ""),
"other origin 2": (('get = "/flights.json"\nrec', 'get = "//evil.example/flights.json"\nrec'), ""),
"no slash": (('get = "/flights.json"\nrec', 'get = "flights.json"\nrec'), ""),
"query in path": (('get = "/flights.json"\nrec', 'get = "/flights.json?a=1"\nrec'), ""),
"variable in key": (('[api]', '[api]\nheaders = { "${X}" = "1" }'), ""),
"variable in key 2": (('[api]', '[api]\n"${X}" = "1"'), ""),
"no template": (('query = { id__gte = "{start}", id__lt = "{end}" }\n', ''), ""),
"no end": (('id__lt = "{end}"', 'id__lt = "9"'), ""),
"near miss": (('"{start}"', '"{strat}"'), ""),
"no value": (('"{start}"', '"{value}"'), ""),
"parent": (('"{start}"', '"{parent.id}"'), ""),
"case": (('"{start}"', '"{START}"'), ""),
"expect template": (('records =', 'expect = { get = "/count", query = { a = "{start}" }, at = "n" }\nrecords ='), ""),
"twice": (('records =', 'query = { id__lt = 7 }\nrecords ='), ""),
"missing variable": (('https://api.example.com', 'https://${HOST}/v1'), ""),
"missing variable q": (('records =', 'query = { key = "${KEY}" }\nrecords ='), ""),
"bad ref": (('https://api.example.com', 'https://${HO ST}/v1'), ""),
"open ref": (('https://api.example.com', 'https://${HOST/v1'), ""),
"empty ref": (('https://api.example.com', 'https://${}/v1'), ""),
"auth as text": (('[api]', '[api]\nauth = "s3cret"'), ""),
"auth kind": (('[api]', '[api]\nauth = { baerer = "s3cret" }'), ""),
"auth number": (('[api]', '[api]\nauth = { bearer = 12345 }'), ""),
"auth empty": (('[api]', '[api]\nauth = { bearer = "" }'), ""),
"header number": (('[api]', '[api]\nheaders = { X-Key = 12345 }'), ""),
"header ours": (('[api]', '[api]\nheaders = { Host = "x" }'), ""),
"url": (('https://api.example.com', 'api.example.com'), ""),
"url pw": (('https://api.example.com', 'https://me:pw@api.example.com'), ""),
"url q": (('https://api.example.com', 'https://api.example.com?x=1'), ""),
"timeout": (('[api]', '[api]\nconnect_timeout = 5'), ""),
"timeout2": (('[api]', '[api]\nconnect_timeout = "5 s"'), ""),
"pages word": (('pages = { cursor = "next", query = "_next" }', 'pages = "cursor"'), ""),
"pages word2": (('pages = { cursor = "next", query = "_next" }', 'pages = "singel"'), ""),
"pages word3": (('pages = { cursor = "next", query = "_next" }', 'pages = "auto"'), ""),
"pages int": (('pages = { cursor = "next", query = "_next" }', 'pages = 5'), ""),
"pages two": (('pages = { cursor = "next", query = "_next" }', 'pages = { cursor = "next", offset = "o" }'), ""),
"pages none": (('pages = { cursor = "next", query = "_next" }', 'pages = { curser = "next" }'), ""),
"pages empty": (('pages = { cursor = "next", query = "_next" }', 'pages = { }'), ""),
"pages noquery": (('pages = { cursor = "next", query = "_next" }', 'pages = { cursor = "next" }'), ""),
"pages body": (('pages = { cursor = "next", query = "_next" }', 'pages = { cursor = "next", body = "after" }'), ""),
"pages missing": (('pages = { cursor = "next", query = "_next" }', ''), ""),
"records": (('records = "rows"', 'records = "a..b"'), ""),
"records empty": (('records = "rows"', 'records = ""'), ""),
"get body": (('records = "rows"', 'json = { a = 1 }\nrecords = "rows"'), ""),
"query time": (('records = "rows"', 'query = { since = 2013-01-01 }\nrecords = "rows"'), ""),
"query table": (('records = "rows"', 'query = { since = { a = 1 } }\nrecords = "rows"'), ""),
"query str": (('records = "rows"', 'query = "a=b"\nrecords = "rows"'), ""),
"total": (('records = "rows"', 'total = { at = "total", is = "exakt" }\nrecords = "rows"'), ""),
"total2": (('records = "rows"', 'total = { at = "total" }\nrecords = "rows"'), ""),
"empty word": (('at = "rows.0.id" }', 'at = "rows.0.id", empty = "nothing" }'), ""),
"last below first": (('last = { get = "/flights.json", at = "rows.0.id" }', 'last = 0'), ""),
"windows naive": ((IDS, WINDOWS.replace("00Z", "00")), ""),
"windows quoted": ((IDS, WINDOWS.replace("2013-01-01T00:00:00Z", '"2013-01-01"')), ""),
"windows step": ((IDS, WINDOWS.replace('"1d"', "86400")), ""),
"windows step0": ((IDS, WINDOWS.replace('"1d"', '"0d"')), ""),
"windows end": ((IDS, WINDOWS+"end = 2012-01-01T00:00:00Z\n"), ""),
"windows date": ((IDS, WINDOWS.replace('"1d"', '"12h"')+'bounds = { format = "date" }\n'), ""),
"windows granule": ((IDS, WINDOWS.replace('"1d"', '"1m"')+'bounds = { granule = "1h" }\n'), ""),
"windows format": ((IDS, WINDOWS+'bounds = { format = "%H" }\n'), ""),
"windows zone": ((IDS, WINDOWS+'bounds = { zone = "Europe/Londn" }\n'), ""),
"windows edge": ((IDS, WINDOWS+'bounds = { end = "inclusiv" }\n'), ""),
"duplicate key": (("step = 5000", "step = 5000\nstep = 6000"), ""),
"duplicate table": (("[streams.flights]\n", "[api]\n[streams.flights]\n"), ""),
"syntax": (('records = "rows"', "records = rows"), ""),
"syntax2": (('records = "rows"', 'records = "rows'), ""),
"syntax3": (('records = "rows"', "records"), ""),
"syntax4": (('step = 5000', "step = [1"), ""),
"yaml": ((GOOD, "source: flights\n"), ""),
"extend": ((IDS, IDS+"\n[streams.flights.pages]\nx = 1"), ""),
}

def message(text: str, folder: Path) -> str:
    file = folder / "flights.toml"
    file.write_text(text)
    try:
        load_source(file, {})
    except SourceFileError as e:
        return str(e).replace(str(folder) + "/", "")
    return "NO ERROR"
if __name__ == "__main__":
    import tempfile
    d = Path(tempfile.mkdtemp())
    for n, ((a, b), _) in CASES.items():
        assert a in GOOD, n
        print(f"{n}: ", message(GOOD.replace(a, b), d))
