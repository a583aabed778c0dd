"""Source files as they should be: what they are read into."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.body_format import BodyFormat
from haulier.api.errors import Action
from haulier.api.identity.auth import Bearer
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.links import LinkHeader
from haulier.api.paging.totals import Guard, Total
from haulier.api.settings import Api
from haulier.config.source_file import load_source
from haulier.errors import SourceFileError
from haulier.items.bounds import Bounds
from haulier.sources.recipe import (
    IdsRecipe,
    ListLookup,
    Lookup,
    OnceRecipe,
    ParentRecipe,
    StreamRecipe,
    ValuesRecipe,
    WindowsRecipe,
)

EXAMPLES = Path(__file__).parents[2] / "examples"

HEAD = """
source = "s"
[api]
url = "https://api.example.com"
[streams.t]
"""
IDS = """
[streams.t.full.ids]
last = 10
step = 5
query = { from = "{start}", to = "{end}" }
"""


def stream(folder: Path, text: str, division: str = IDS) -> StreamRecipe:
    file = folder / "s.toml"
    file.write_text(HEAD + text + division)
    return load_source(file, {}).streams[0]


def test_the_flights_example_is_read_as_it_is_shown() -> None:
    """The source file of README and demo gives exactly this source."""
    source = load_source(EXAMPLES / "flights.toml", {})
    assert (source.name, source.lake, source.queue, source.path.name) == ("flights", "lake", "sqlite", "flights.toml")
    assert source.api == Api(
        "http://127.0.0.1:8001/nycflights13",
        in_flight=12,
        contact="data-team@example.com",
        first_byte_timeout_seconds=10.0,
    )
    assert source.streams == (
        StreamRecipe(
            name="flights",
            path="/flights.json",
            query=(("_shape", "objects"), ("_size", "1000"), ("_nocount", "1")),
            records="rows",
            pages=Cursor("next", query="_next"),
            expect=Lookup("/flights.json", "filtered_table_rows_count", (("_size", "0"),)),
            full=IdsRecipe(
                query=(("id__gte", "{start}"), ("id__lt", "{end}")),
                last=Lookup(
                    "/flights.json", "rows.0.id", (("_sort_desc", "id"), ("_size", "1"), ("_shape", "objects"))
                ),
                may_be_empty=True,
                step=5000,
                bounds=Bounds(granule=1),
            ),
            incremental=WindowsRecipe(
                query=(("time_hour__gte", "{start}"), ("time_hour__lt", "{end}")),
                bounds=Bounds(format="%Y-%m-%dT%H:%M:%SZ", granule=timedelta(hours=1)),
                start=datetime(2013, 1, 1, tzinfo=UTC),
                end=datetime(2014, 1, 2, tzinfo=UTC),
                step=timedelta(days=7),
                lookback=timedelta(hours=2),
            ),
        ),
    )


def test_the_demo_points_the_flights_example_elsewhere() -> None:
    """FLIGHTS_URL says where the API is."""
    source = load_source(EXAMPLES / "flights.toml", {"FLIGHTS_URL": "http://127.0.0.1:9"})
    assert source.api.url == "http://127.0.0.1:9/nycflights13"


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.name)
def test_every_example_is_read(file: Path) -> None:
    """Every example that the project shows is a good source file, without any variable set."""
    assert load_source(file, {}).streams


@pytest.mark.parametrize(
    ("written", "total"),
    [
        ('{ at = "total", is = "exact" }', Total("total")),
        ('{ header = "X-Total-Count", is = "estimate" }', Total(header="X-Total-Count", is_exact=False)),
        ('{ at = "total", is = "exact", may_move = false }', Total("total", may_move=False)),
        ('{ at = "total", is = "exact", may_move = true }', Total("total", may_move=True)),
        ('{ header = "X-Total-Count", is = "bound" }', Total(header="X-Total-Count", counts_hidden=True)),
        (
            '{ at = "total", is = "exact", only_if = { at = "relation", is = "eq" } }',
            Total("total", only_if=Guard("relation", "eq")),
        ),
        (
            '{ at = "total", is = "exact", only_if = { at = "exact", is = true } }',
            Total("total", only_if=Guard("exact", equals=True)),
        ),
    ],
)
def test_totals_are_promises_of_one_kind(written: str, total: Total, tmp_path: Path) -> None:
    """A total says where it stands and what it is worth."""
    assert stream(tmp_path, f'get = "/t"\nrecords = "."\npages = "link"\ntotal = {written}\n').total == total


def test_a_cap_goes_with_the_total(tmp_path: Path) -> None:
    """`divide` says how many records the API hands out for one query; the total says how many there are."""
    written = 'get = "/t"\nrecords = "."\npages = "link"\ntotal = { at = "n", is = "estimate" }\n'
    read = stream(tmp_path, f"{written}divide = {{ above = 10_000 }}\n")
    assert read.total == Total("n", is_exact=False, divide_above=10_000)
    assert stream(tmp_path, written).total == Total("n", is_exact=False)


def test_values_are_a_list_or_are_asked_for(tmp_path: Path) -> None:
    """A list of values stands in the file, or comes from a request with pages of its own."""
    text = 'get = "/t/{value}"\nrecords = "."\npages = "link"\n'
    head = "[streams.t.full.values]\n"
    assert stream(tmp_path, text, head + 'list = ["AA", "$${B}"]').full == ValuesRecipe(("AA", "${B}"))
    assert stream(tmp_path, text, head + "list = [1, 20]").full == ValuesRecipe(("1", "20"), are_numbers=True)
    asked = """
    query = { also = "{value}" }
    from = { get = "/c", query = { n = 1 }, records = "rows", at = "c", pages = "link", empty = "no items" }
    """
    assert stream(tmp_path, text, head + asked).full == ValuesRecipe(
        ListLookup("/c", "rows", LinkHeader(), "c", (("n", "1"),)), query=(("also", "{value}"),), may_be_empty=True
    )


def test_a_stream_may_be_one_item(tmp_path: Path) -> None:
    """`once` is for what is not worth dividing."""
    text = 'get = "/t"\nrecords = "."\npages = "link"\n'
    assert stream(tmp_path, text, "[streams.t.full.once]").full == OnceRecipe()
    full = '[streams.t.full]\nonce = { query = { until = "{snapshot_time}" } }'
    assert stream(tmp_path, text, full).full == OnceRecipe((("until", "{snapshot_time}"),))


def test_a_stream_may_have_a_parent(tmp_path: Path) -> None:
    """A stream is asked for by the records of another, which may stand behind it in the file."""
    file = tmp_path / "s.toml"
    file.write_text(
        """
        source = "s"
        [api]
        url = "https://api.example.com"
        [[api.rules]]
        status = 403
        header = "X-Throttled: yes"
        action = "pause"
        [streams.comments]
        parent = "t"
        batch = 20
        absent = "skip"
        get = "/t/{parent.id}/comments"
        query = { by = "{parent.author.name}", until = "{snapshot_time}" }
        records = "."
        pages = "single"
        rules = [{ status = 200, at = "error", status_at = "error.code", action = "retry_later" }]
        [streams.t]
        get = "/t"
        records = "."
        pages = "link"
        """
        + IDS
    )
    source = load_source(file, {})
    comments = source.streams[0]
    assert comments.parent == ParentRecipe("t", batch=20, skips_absent=True)
    assert comments.full is None
    assert comments.rules == (Rule(Action.RETRY_LATER, status=200, at="error", status_at="error.code"),)
    assert source.rules == (Rule(Action.PAUSE, status=403, header="X-Throttled: yes"),)


def test_a_post_carries_a_body(tmp_path: Path) -> None:
    """A search by POST: a body of any shape, headers, parameters that are sent several times."""
    text = """
    post = "/search"
    records = "hits"
    pages = "single"
    headers = { Accept = "application/json" }
    query = { size = 10, deep = true, ratio = 0.5, tag = ["a", "b"], q = "$${x}" }
    json = { id = { gte = "{start}", lt = "{end}" }, sort = ["id", { desc = true }], n = 1.5 }
    """
    recipe = stream(tmp_path, text, '[streams.t.full.ids]\nlast = 10\nstep = 5\nbounds = { end = "inclusive" }\n')
    assert (recipe.method, recipe.path, recipe.headers) == ("POST", "/search", (("Accept", "application/json"),))
    assert recipe.query == (
        ("size", "10"),
        ("deep", "true"),
        ("ratio", "0.5"),
        ("tag", "a"),
        ("tag", "b"),
        ("q", "${x}"),
    )
    assert recipe.json == {"id": {"gte": "{start}", "lt": "{end}"}, "sort": ["id", {"desc": True}], "n": 1.5}
    assert isinstance(recipe.full, IdsRecipe)
    assert recipe.full.bounds == Bounds(end="inclusive", granule=1)


def test_windows_say_how_the_api_counts_time(tmp_path: Path) -> None:
    """Everything about windows is declared: ends, format, granule, zone, and how late the API is."""
    text = 'get = "/t"\nrecords = "."\npages = "link"\n'
    full = """
    [streams.t.full.windows]
    query = { since = "{start}", until = "{end}" }
    start = 2013-01-01T00:00:00-05:00
    end = 2014-01-01
    step = "1d"
    settle = "0s"

    [streams.t.full.windows.bounds]
    start = "exclusive"
    end = "inclusive"
    format = "%Y-%m-%d %H:%M:%S%z"
    granule = "1s"
    zone = "Europe/London"

    [streams.t.incremental.windows]
    query = { since = "{start}", until = "{end}" }
    start = 2013-01-01
    step = "2w"
    lookback = "90m"
    """
    recipe = stream(tmp_path, text, full)
    query = (("since", "{start}"), ("until", "{end}"))
    assert recipe.full == WindowsRecipe(
        query=query,
        bounds=Bounds("exclusive", "inclusive", "%Y-%m-%d %H:%M:%S%z", timedelta(seconds=1), "Europe/London"),
        start=datetime(2013, 1, 1, 5, tzinfo=UTC),
        end=datetime(2014, 1, 1, tzinfo=UTC),
        step=timedelta(days=1),
        settle=timedelta(),
    )
    assert recipe.incremental == WindowsRecipe(
        query=query,
        start=datetime(2013, 1, 1, tzinfo=UTC),
        step=timedelta(weeks=2),
        lookback=timedelta(minutes=90),
    )


def test_what_is_new_may_be_told_by_ids_or_without_start_and_step(tmp_path: Path) -> None:
    """Incremental runs have tables of their own: IDs with a lookback in IDs, or windows that the state begins."""
    text = 'get = "/t"\nrecords = "."\npages = "link"\npriority = 10\n'
    ids = """
    [streams.t.incremental.ids]
    query = { from = "{start}", to = "{end}" }
    last = { get = "/newest", at = "id" }
    step = 500
    lookback = 1000
    """
    recipe = stream(tmp_path, text, ids)
    query = (("from", "{start}"), ("to", "{end}"))
    bounds = Bounds(granule=1)
    assert recipe.full is None
    assert recipe.priority == 10
    assert recipe.incremental == IdsRecipe(Lookup("/newest", "id"), 500, query=query, bounds=bounds, lookback=1000)
    windows = '[streams.t.incremental.windows]\nquery = { since = "{start}" }\nonly_start = true\n'
    found = stream(tmp_path, text, windows).incremental
    assert found == WindowsRecipe(query=(("since", "{start}"),), only_start=True)


def test_the_start_may_name_the_whole_window(tmp_path: Path) -> None:
    """An API of daily reports takes one date; that it is enough is declared, since it mostly is not."""
    text = 'get = "/reports/{start}"\nrecords = "."\npages = "link"\n'
    full = """
    [streams.t.full.windows]
    bounds = { format = "date" }
    start = 2013-07-01
    step = "1d"
    only_start = true
    """
    recipe = stream(tmp_path, text, full)
    assert isinstance(recipe.full, WindowsRecipe)
    assert recipe.full.only_start


def test_a_date_is_midnight_where_the_api_is(tmp_path: Path) -> None:
    """A start without a time is the first moment of that day in the zone of the bounds."""
    text = 'get = "/t"\nrecords = "."\npages = "link"\n'
    full = """
    [streams.t.full.windows]
    query = { day = "{start}", last_day = "{end}" }
    bounds = { end = "inclusive", format = "date", zone = "Europe/London" }
    start = 2013-07-01
    step = "1d"
    """
    recipe = stream(tmp_path, text, full)
    assert isinstance(recipe.full, WindowsRecipe)
    assert recipe.full.start == datetime(2013, 6, 30, 23, tzinfo=UTC)


def test_the_api_takes_its_settings(tmp_path: Path) -> None:
    """Every setting of the API can be written, durations as durations."""
    file = tmp_path / "s.toml"
    file.write_text(
        """
        source = "s"
        lake = "/data/lake"
        queue = "sqlite:///q.sqlite3"
        [api]
        url = "https://api.example.com"
        auth = { bearer = "literal" }
        in_flight = 3
        contact = "me@example.com"
        headers = { Accept-Language = "en" }
        connect_timeout = "1s"
        first_byte_timeout = "500ms"
        request_timeout = "10m"
        min_bytes_per_second = 10
        max_body_bytes = 1000
        [streams.t]
        get = "/t"
        records = "."
        pages = "link"
        """
        + IDS
    )
    source = load_source(file, {})
    assert (source.lake, source.queue) == ("/data/lake", "sqlite:///q.sqlite3")
    assert source.api == Api(
        "https://api.example.com",
        auth=Bearer("literal"),
        in_flight=3,
        contact="me@example.com",
        headers=(("Accept-Language", "en"),),
        connect_timeout_seconds=1.0,
        first_byte_timeout_seconds=0.5,
        request_timeout_seconds=600.0,
        min_bytes_per_second=10,
        max_body_bytes=1000,
    )


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Editors that put a mark in front of the text do no harm, nor do their line ends."""
    file = tmp_path / "flights.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (EXAMPLES / "flights.toml").read_bytes().replace(b"\n", b"\r\n"))
    assert load_source(file, {}).streams == load_source(EXAMPLES / "flights.toml", {}).streams


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("fligths.toml", None, "there is no such file. Did you mean 'flights.toml'?"),
        ("", None, "this is a folder, not a file. Name the source file in it."),
        ("latin.toml", 'source = "flüge"'.encode("latin-1"), "line 1 is not UTF-8. Save the file as UTF-8."),
        ("big.toml", b"#" * 1_048_577, "the file is larger than 1048576 bytes, so it is not a source file."),
        ("deep.toml", b"a = " + b"[" * 2_000, "the values of the file are nested too deeply."),
    ],
)
def test_a_file_that_cannot_be_read_is_told(name: str, body: bytes | None, message: str, tmp_path: Path) -> None:
    """A file that is not there, or no source file at all, is told as such."""
    (tmp_path / "flights.toml").write_text("")
    if body is not None:
        (tmp_path / name).write_bytes(body)
    with pytest.raises(SourceFileError) as caught:
        load_source(tmp_path / name, {})
    assert str(caught.value) == f"{tmp_path / name}: {message}"


def test_a_tab_stands_between_the_values_of_a_table(tmp_path: Path) -> None:
    text = 'get = "/t"\nrecords = "."\nformat = { kind = "csv", delimiter = "\\t" }\npages = "single"\n'
    assert stream(tmp_path, text).format == BodyFormat("csv", delimiter="\t")
