"""Bad input: one clear message that says what is wrong, where, and what to do; the right exit code; nothing lost."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place, Said

NO_RUN = "full-20200101T000000Z"


def one_message(said: Said) -> str:
    """The one line that starts with the program's name."""
    (line,) = [line for line in said.err.splitlines() if line.startswith("haulier: ")]
    return line.removeprefix("haulier: ")


def test_a_misspelt_key_is_named_with_a_suggestion(place: Place) -> None:
    place.write("http://127.0.0.1:9", step="stpe = 200")
    said = place.run("run")
    assert said.code == 2
    assert "streams.items.full.ids.stpe" in one_message(said)
    assert "Did you mean" in said.err
    assert "step" in said.err


def test_a_missing_variable_is_named(place: Place) -> None:
    place.write("http://127.0.0.1:9", in_flight='auth = { bearer = "${SHOP_TOKEN}" }')
    said = place.run("run")
    assert said.code == 2
    assert "SHOP_TOKEN" in one_message(said)
    assert not place.lake.exists() or not list(place.lake.rglob("run.json"))


def test_a_missing_file_is_named(place: Place) -> None:
    said = place.run("run")
    assert said.code == 2
    assert str(place.toml) in one_message(said)


def test_an_unknown_command_is_answered_with_the_nearest(place: Place) -> None:
    said = place.run("stauts")
    assert said.code == 2
    assert "Did you mean 'status'?" in said.err


def test_an_unknown_stream_is_answered_with_those_that_there_are(shop: Place) -> None:
    said = shop.run("run", "--stream", "item")
    assert said.code == 2
    assert one_message(said) == "Source 'shop' has no stream 'item'. It has: items."


@pytest.mark.parametrize("words", [("run", "incremental"), ("enqueue", "incremental"), ("try", "incremental")])
def test_a_mode_without_a_stream_is_refused_in_words(shop: Place, words: tuple[str, ...]) -> None:
    said = shop.run(*words)
    assert said.code == 2
    assert one_message(said) == (
        "No stream of source 'shop' takes part in an incremental run. Write a table "
        "[streams.NAME.incremental.windows], [streams.NAME.incremental.ids] or [streams.NAME.incremental.feed]."
    )


def test_an_unknown_run_is_answered_with_the_newest(shop: Place) -> None:
    shop.run("run")
    said = shop.run("status", "--run", NO_RUN)
    assert said.code == 2
    assert f"has no run '{NO_RUN}' in this lake. The newest are: full-" in one_message(said)


@pytest.mark.parametrize("name", ["../../x", "full-20200101T000000Z/..", "", "Full"])
def test_a_name_that_can_be_no_run_or_key_is_answered_in_words(shop: Place, name: str) -> None:
    """Nothing that a person types leads out of the run's folder, or to a traceback."""
    shop.run("enqueue")
    said = shop.run("status", "--run", name)
    assert (said.code, "has no run" in one_message(said)) == (2, True)
    said = shop.run("poison show", name)
    assert (said.code, "has no poisoned item" in one_message(said)) == (2, True)


@pytest.mark.parametrize("command", ["status", "wait", "verify", "poison list"])
def test_no_run_at_all_says_how_to_start_one(shop: Place, command: str) -> None:
    said = shop.run(command)
    assert said.code == 2
    assert f"has no run in this lake yet. Start one with: haulier run {shop.toml}." in one_message(said)


def test_a_command_to_type_is_about_the_places_that_were_named(shop: Place) -> None:
    """What was typed stands in the hint, quoted where a shell needs it; without --lake it would look elsewhere."""
    other = str(shop.folder / "another lake")
    said = shop.run("status", "--lake", other)
    assert f"Start one with: haulier run {shop.toml} --lake '{other}'. If you meant" in one_message(said)


def test_an_unreachable_api_is_exit_4_and_nothing_is_poisoned(place: Place) -> None:
    """G4: nothing has ever succeeded; the error names the address."""
    place.write("http://127.0.0.1:9")
    said = place.run("run")
    assert said.code == 4, said.err
    assert "127.0.0.1:9" in said.err
    assert not list(place.lake.rglob("poison/*/*.json"))


def test_a_401_is_exit_2_and_says_what_to_change(place: Place) -> None:
    with SandboxProcess(SandboxSettings(records=10, token="right")) as api:
        place.write(api.url)
        said = place.run("run")
    assert said.code == 2, said.err
    assert "401" in one_message(said)


def test_html_instead_of_json_is_said_in_words(place: Place, html: str) -> None:
    place.write(html)
    said = place.run("try")
    assert said.code not in (0, 3)
    assert "html" in said.err.lower()


def test_a_records_path_that_is_not_there_names_what_is(place: Place, api: SandboxProcess) -> None:
    """A missing path is an error, never an empty page: no run may end as complete by it."""
    place.write(api.url, records='records = "itmes"')
    said = place.run("try")
    assert said.code not in (0, 3)
    assert "itmes" in said.err
    assert "items" in said.err


def test_a_newer_format_is_refused_in_words(shop: Place) -> None:
    shop.run("enqueue")
    (path,) = shop.lake.rglob("run.json")
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"format": 99}))
    for command in ("run", "work", "status"):
        said = shop.run(command)
        assert said.code == 2, (command, said.err)
        assert "has format 99; this haulier knows formats up to 1. Upgrade haulier" in said.err


def test_a_changed_source_file_is_not_resumed(shop: Place, api: SandboxProcess) -> None:
    """Records of one run have one shape; `--new` is the way out, and it is named."""
    shop.write(api.url, in_flight="in_flight = 1\nmax_requests = 9")
    assert shop.run("run").code == 2, "some items are done, and no more requests are allowed"
    done = shop.lines()
    assert 0 < done < RECORDS
    shop.write(api.url, query="query = { limit = 50 }")
    said = shop.run("run")
    assert said.code == 2
    assert "was planned with another source file" in one_message(said)
    assert "--new" in one_message(said)
    assert shop.run("run", "--new").code == 0
    assert shop.lines() == done + RECORDS


def test_limits_of_politeness_may_change_on_resume(shop: Place, api: SandboxProcess) -> None:
    """What shapes no record is no reason to refuse."""
    shop.run("enqueue")
    shop.write(api.url, in_flight="in_flight = 2")
    assert shop.run("run").code == 0


@pytest.mark.parametrize("is_enqueued", [True, False])
def test_two_runs_at_once_end_in_one_complete_run(place: Place, is_enqueued: bool) -> None:
    """P1: whoever loses the seal adopts it; nobody pulls twice, nobody loses a record."""
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.8)) as api:
        place.write(api.url, in_flight="in_flight = 1")
        if is_enqueued:
            place.run("enqueue")
        runs = [place.start("run") for _ in range(2)]
        codes = [(run.communicate()[1], run.returncode) for run in runs]
    assert [code for _, code in codes] == [0, 0], codes
    assert place.lines() == RECORDS


def test_a_memory_queue_is_refused_for_workers(shop: Place) -> None:
    said = shop.run("run", "--workers", "2", "--queue", "memory")
    assert said.code == 2
    assert 'Write queue = "sqlite", or leave --workers out.' in one_message(said)
    assert shop.run("run", "--queue", "memory").code == 0


def test_a_lake_that_is_a_file_is_refused(shop: Place) -> None:
    (shop.folder / "lake").write_text("not a folder")
    said = shop.run("run")
    assert said.code == 2
    assert "is not a folder" in one_message(said)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is of Linux")
@pytest.mark.parametrize("folder", ["/proc/x", "/proc/x/y"])
def test_a_place_in_which_nothing_can_be_created_is_refused(shop: Place, api: SandboxProcess, folder: str) -> None:
    """In a file system without folders of users' own: another place is needed, and waiting does not help."""
    before = api.counters().requests
    for command in ("run", "enqueue", "work"):
        said = shop.run(command, "--lake", folder)
        assert said.code == 2, said.err
        assert f"The lake at {folder} cannot be created: " in one_message(said)
        assert one_message(said).endswith("Name a folder on a local disk or volume of this machine.")
        said = shop.run(command, "--queue", f"sqlite:///{folder}/queue.sqlite3")
        assert said.code == 2, said.err
        assert f"The queue's folder {folder} cannot be created: " in one_message(said)
    assert api.counters().requests == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user for a moment")
def test_a_read_only_lake_is_refused_before_the_first_request(
    api: SandboxProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an unprivileged user, since root may write everywhere."""
    # pytest closes its own folders to others; this one stays open.
    with tempfile.TemporaryDirectory(prefix="haulier-") as folder:
        os.chmod(folder, 0o755)
        shop = Place(Path(folder), capsys)
        shop.write(api.url)
        shop.lake.mkdir(mode=0o555)
        before = api.counters().requests
        said = as_nobody(shop, "run")
    assert said.code == 2, said.err
    assert "Cannot write to the lake at" in said.err
    assert api.counters().requests == before


def test_a_full_disk_is_exit_4_and_the_run_goes_on_after_it(shop: Place) -> None:
    """G1, G4: a fault of the disk charges nobody; with room again the same run ends complete."""
    shop.run("enqueue")
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 8; exec {sys.executable} -m haulier run {shop.toml}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert full.returncode == 4, full.stderr
    assert "ulimit -f" in full.stderr or "cannot be used" in full.stderr
    assert not list(shop.lake.rglob("poison/*/*.json"))
    assert shop.run("run").code == 0
    assert shop.lines() == RECORDS


def as_nobody(place: Place, command: str) -> Said:
    """Run a command as the user nobody, who may read everything here."""
    # The interpreter's own files may be closed to nobody: a harmless command imports everything first.
    code = (
        "import os, sys, haulier.api.wire.aiohttp_transport, haulier.cli.commands.run;"
        "from haulier.cli.main import main;"
        f"main(['status', {str(place.toml)!r}]); os.setgid(65534); os.setuid(65534);"
        f"sys.exit(main({[command, str(place.toml)]!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def html() -> object:
    """A server that answers everything with a page for people, under 200."""
    import http.server
    import threading

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><html><body>Please log in.</body></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_lake_stays_where_it_is_named(shop: Place, tmp_path: Path) -> None:
    """--lake and HAULIER_LAKE take the place of the source's own."""
    assert shop.run("run", "--lake", str(tmp_path / "other")).code == 0
    assert not shop.lake.exists()
    assert list((tmp_path / "other/shop/items").rglob("*.ndjson.gz"))
