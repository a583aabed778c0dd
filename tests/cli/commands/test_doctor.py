"""`haulier doctor`: what is wrong is found, each for real, with what to do about it; and nothing is left behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.api.identity.certificates import make_certificates
from tests.azure.loopback import loopback
from tests.cli.conftest import Place, Said
from tests.cli.test_azure_start import Cloud, cloud, sas
from tests.lake.small_disk import small_disk

__all__ = ["cloud"]

EVENTS = """
source = "shop"

[api]
url = "{url}"

[streams.events]
get     = "/events"
query   = {{ limit = 100 }}
records = "items"
pages   = {{ cursor = "next", query = "cursor" }}

[streams.events.full.windows]
query = {{ {since} = "{{start}}", {until} = "{{end}}" }}
start = 2024-01-01T00:00:00Z
end   = 2024-01-01T12:00:00Z
step  = "6h"

[streams.regions]
get     = "/items"
query   = {{ limit = 10 }}
records = "items"
pages   = {{ cursor = "next", query = "cursor" }}

[streams.regions.full.values]
list  = ["north", "south"]
query  = {{ region = "{{value}}" }}
"""

BLOG = """
source = "shop"

[api]
url = "{url}"

[streams.comments]
get     = "/posts/{{value}}/comments"
records = "comments"
pages   = {{ cursor = "next", query = "cursor" }}

[streams.comments.full.values.from]
get     = "/posts"
query   = {{ limit = 3 }}
records = "posts"
at      = "id"
pages   = {{ cursor = "next", query = "cursor" }}
"""


def states(said: Said) -> dict[str, str]:
    """The state of each check, the worst of those of one name."""
    order, found = ("ok", "warning", "away", "wrong"), dict[str, str]()
    for finding in said.json["checks"]:
        known = found.get(finding["check"], "ok")
        found[finding["check"]] = max(known, finding["state"], key=order.index)
    return found


def texts(said: Said, check: str) -> str:
    found = [one for one in said.json["checks"] if one["check"] == check]
    return "\n".join(f"{one['subject']}: {one['text']} {one['remedy']}" for one in found)


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "queue.sqlite3" not in path.name)
    return {str(path): path.read_bytes() for path in found}


def test_a_source_that_works_is_found_well(shop: Place, api: SandboxProcess) -> None:
    """Before its first run and after it: every check is well, few requests are sent, and no file is left or changed."""
    asked, before = api.counters().requests, files(shop.folder)
    said = shop.run("doctor")
    assert (said.code, said.err) == (0, "")
    assert all(line.startswith("ok ") for line in said.out.splitlines()[:-1])
    assert said.out.endswith("checks: nothing is wrong.\n")
    assert "The API's clock and that of this machine agree." in said.out, "asked as a run asks: pages have no `Date`"
    assert files(shop.folder) == before
    assert api.counters().requests - asked == 6, "last ID, first page, two that show the filters, count, time"
    assert shop.run("run").code == 0
    before = files(shop.folder)
    said = shop.run("doctor", "--json")
    assert said.code == 0
    document = said.json
    assert (document["state"], document["exit_code"]) == ("ok", 0)
    assert set(states(said)) == {
        *("source", "versions", "telemetry", "lake", "disk", "queue", "scope", "runs"),
        *("first_page", "filter", "expect", "clock"),
    }
    assert "It is complete: 1,000 records." in texts(said, "runs")
    assert "items: The API promises 1,000 records." in texts(said, "expect")
    assert files(shop.folder) == before


@pytest.mark.parametrize(
    ("lower", "upper", "ignored"),
    [("from_idd", "to_id", "`from_idd`"), ("from_id", "to_idd", "`to_idd`"), ("fro", "until", "`fro` and `until`")],
)
def test_a_filter_of_ids_that_the_api_ignores_is_named(shop: Place, lower: str, upper: str, ignored: str) -> None:
    """The API answers 200 and everything to a parameter that it does not know, as most do."""
    text = shop.toml.read_text().replace("from_id =", f"{lower} =").replace("to_id =", f"{upper} =")
    shop.toml.write_text(text)
    said = shop.run("doctor", "--json")
    assert (said.code, states(said)["filter"]) == (2, "wrong")
    assert f"can hold nothing, and the API sent 100 records: it ignores {ignored}." in texts(said, "filter")
    assert "correct the query of the stream" in texts(said, "filter")


@pytest.mark.parametrize(
    ("since", "until", "ignored"), [("since", "until", ""), ("sinze", "until", "`sinze`"), ("since", "til", "`til`")]
)
def test_a_filter_of_times_or_values_that_the_api_ignores_is_named(
    place: Place, api: SandboxProcess, since: str, until: str, ignored: str
) -> None:
    """Windows in a year from now, or before all time; and two values that bring the same."""
    place.toml.write_text(EVENTS.format(url=api.url, since=since, until=until))
    said = place.run("doctor", "--json")
    assert said.code == 2
    assert "regions: The first two items begin with the same 10 records: it ignores `region`." in texts(said, "filter")
    (events,) = (line for line in texts(said, "filter").splitlines() if line.startswith("events"))
    assert events.endswith("nothing came. ") if not ignored else f"it ignores {ignored}." in events


def test_an_increment_without_a_start_is_looked_at_as_the_next_run_would(place: Place, api: SandboxProcess) -> None:
    """Refused as that would be; well once somebody has said what is finished."""
    text = EVENTS.format(url=api.url, since="since", until="until").partition("[streams.regions]")[0]
    text = text.replace("full.windows", "incremental.windows").replace("start = 2024-01-01T00:00:00Z\n", "")
    place.toml.write_text(text)
    said = place.run("doctor", "--json")
    assert (said.code, states(said)["first_page"]) == (2, "wrong")
    assert place.run("state set", "events", "--until", "2024-01-01T06:00:00Z", "--why", "loaded by hand").code == 0
    said = place.run("doctor", "--json")
    assert (said.code, states(said)["filter"]) == (0, "ok"), said.out


def test_a_list_of_many_values_is_not_read_to_its_end(place: Place) -> None:
    """Seven pages of posts, of which the first one has two items to compare."""
    with SandboxProcess(SandboxSettings(posts=20, comments_per_post=5)) as blog:
        place.toml.write_text(BLOG.format(url=blog.url))
        said = place.run("doctor", "--json")
        assert (said.code, states(said)["filter"]) == (0, "ok"), said.out
        assert blog.counters().requests <= 4


def test_g7_a_refused_credential_is_told_without_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a variable that is not set."""
    monkeypatch.setenv("SHOP_TOKEN", "a-wrong-token")
    with SandboxProcess(SandboxSettings(records=10, token="a-right-token")) as guarded:
        place.write(guarded.url, in_flight='auth = { bearer = "${SHOP_TOKEN}" }')
        said = place.run("doctor", "--json")
        assert (said.code, states(said)["first_page"]) == (2, "wrong")
        assert "The API refuses the credentials." in texts(said, "first_page")
        assert "a-wrong-token" not in said.out + said.err
    monkeypatch.delenv("SHOP_TOKEN")
    said = place.run("doctor", "--json")
    assert (said.code, states(said)["credentials"]) == (2, "wrong")
    assert "SHOP_TOKEN" in texts(said, "credentials")


def test_an_api_that_is_away_is_no_mistake(place: Place) -> None:
    """Exit code 4, soon; what is here is looked at all the same."""
    place.write("http://127.0.0.1:1")
    said = place.run("doctor", "--json")
    assert said.code == 4
    assert states(said)["first_page"] == "away"
    assert "cannot connect to 127.0.0.1:1: connection refused" in texts(said, "first_page")
    assert states(said)["lake"] == states(said)["queue"] == "ok"


def test_a_certificate_that_nobody_signed_is_told(place: Place, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)

    async def answer(_request: web.Request, _body: bytes) -> web.StreamResponse:
        return web.json_response({"id": 1})

    with loopback(answer, certificates.server_context()) as api:
        place.write(api.url.replace("http://", "https://"))
        said = place.run("doctor", "--json")
    assert (said.code, states(said)["first_page"]) == (2, "wrong")
    assert "certificate" in texts(said, "first_page")


@pytest.mark.parametrize("hours", [-1.0, 0.0, 1.0])
def test_a_clock_that_is_off_is_told(place: Place, hours: float) -> None:
    """By the `Date` of the API's answers."""

    async def answer(request: web.Request, _body: bytes) -> web.StreamResponse:
        body: dict[str, Any] = {"id": 1, "count": 0, "items": [], "next": None, "total": 0}
        date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
        return web.json_response(body, headers={"Date": date})

    with loopback(answer) as api:
        place.write(api.url)
        said = place.run("doctor", "--json")
    assert said.code == 0
    if not hours:
        assert "agree" in texts(said, "clock")
        return
    assert states(said)["clock"] == "warning"
    side = "ahead of" if hours > 0 else "behind"
    assert f"The API's clock is 1 h 0 min {side} that of this machine." in texts(said, "clock")


def test_a_lake_that_cannot_be_written_is_told(shop: Place) -> None:
    said = shop.run("doctor", "--json", "--lake", "/proc/no-such-lake")
    assert (said.code, states(said)["lake"]) == (2, "wrong")
    assert "cannot be created" in texts(said, "lake")
    assert states(said)["first_page"] == "ok"


def test_a_lake_on_a_full_disk_is_away(shop: Place, tmp_path: Path) -> None:
    """Exit code 4: there may be room tomorrow."""
    with small_disk(tmp_path / "disk", size="8m", files=10_000) as disk:
        (disk / "ballast").write_bytes(bytes((8 << 20) - 300_000))
        said = shop.run("doctor", "--json", "--lake", str(disk / "lake"))
    assert (said.code, states(said)["disk"]) == (4, "away")
    assert "no work is begun below 409 KiB. Free some space" in texts(said, "disk")


def test_runs_that_want_a_person_are_told(shop: Place, api: SandboxProcess) -> None:
    """One that is open while nobody works it, and one that is partial, are warnings: the next run could start."""
    assert shop.run("enqueue").code == 0
    said = shop.run("doctor", "--json")
    assert (said.code, states(said)["runs"]) == (0, "warning")
    assert "It is open, and no worker is alive: 0 of 5 items have ended. Finish it: haulier run" in texts(said, "runs")
    assert shop.run("clear").code == 0
    assert "the queue has lost what is missing" in texts(shop.run("doctor", "--json"), "runs")


def test_a_command_of_on_close_that_cannot_be_started_is_told(shop: Place) -> None:
    """Else it would show when the first run is closed."""
    shop.toml.write_text('on_close = ["./alert.sh"]\n' + shop.toml.read_text())
    assert "There is no such program" in texts(shop.run("doctor", "--json"), "on_close")
    (shop.folder / "alert.sh").write_text("#!/bin/sh\n")
    said = shop.run("doctor", "--json")
    assert (said.code, states(said)["on_close"]) == (2, "wrong")
    assert "It is not executable. Make it executable: chmod +x" in texts(said, "on_close")
    (shop.folder / "alert.sh").chmod(0o755)
    assert shop.run("doctor").code == 0


def test_what_a_killed_doctor_left_is_removed_by_a_later_one(shop: Place) -> None:
    folder = shop.lake / "_haulier/shop"
    folder.mkdir(parents=True)
    (folder / "doctor-20261124T205959Z-host-1-aa.json").write_text("{}")
    (folder / "doctor-29991124T205959Z-host-1-aa.json").write_text("{}")
    assert shop.run("doctor").code == 0
    assert [path.name for path in folder.iterdir()] == ["doctor-29991124T205959Z-host-1-aa.json"]


def test_an_api_that_a_person_has_paused_is_not_asked(shop: Place, api: SandboxProcess) -> None:
    """Who did it and why, what ends it, and a limit that somebody may have forgotten."""
    assert shop.run("pause", "--why", "maintenance").code == 0
    assert shop.run("limit", "--in-flight", "2").code == 0
    asked = api.counters().requests
    said = shop.run("doctor", "--json")
    assert (said.code, states(said)["first_page"], states(said)["scope"]) == (4, "away", "warning")
    assert "(maintenance): no request leaves. To go on: haulier resume" in texts(said, "scope")
    assert "At most 2 in flight, set by" in texts(said, "scope")
    assert api.counters().requests == asked
    assert shop.run("resume").code == 0
    assert shop.run("doctor").code == 0


def test_g7_a_sas_without_the_right_to_write_is_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Azure too everything is tried; a container and a queue that are well say so."""
    with SandboxProcess(SandboxSettings(records=10)) as api:
        cloud.write(api.url)
        before = cloud.blobs()
        said = cloud.place.run("doctor", "--json")
        assert said.code == 0, said.out
        assert "It does not exist yet" in texts(said, "queue")
        assert cloud.blobs() == before
        assert cloud.place.run("enqueue").code == 0
        said = cloud.place.run("doctor", "--json")
        assert (said.code, states(said)["queue"]) == (0, "ok"), said.out
        assert "holds about 1 message" in texts(said, "queue")
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", cloud.connection(sas=sas(hours=1, permissions="rl")))
        said = cloud.place.run("doctor", "--json")
    assert (said.code, states(said)["lake"], states(said)["queue"]) == (2, "wrong", "wrong")
    assert "lacks a right on the container" in texts(said, "lake")
    assert "lacks a right on the queue" in texts(said, "queue")
    assert "sig=" not in said.out
