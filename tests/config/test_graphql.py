"""`graphql` in a source file: the query in it or in a file beside it, and mistakes that are refused when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.api.paging.graphql import GraphQL
from haulier.cli.main import main
from haulier.config.source_file import load_source
from haulier.errors import SourceFileError
from haulier.sources.fingerprint import fingerprint
from haulier.sources.recipe import StreamRecipe

QUERY = 'query ($since: Time, $after: String) { orders(q: "{start}", after: $after) { nodes { value } } }'
SOURCE = """
source = "shop"
[api]
url = "https://api.example.com"
[streams.orders]
post = "/graphql"
records = "data.orders.nodes"
graphql = "orders.graphql"
pages = { page_info = "data.orders.pageInfo" }
[streams.orders.full.once]
"""


def stream(folder: Path, *changes: tuple[str, str], query: str = QUERY) -> StreamRecipe:
    (folder / "orders.graphql").write_text(query)
    text = SOURCE
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    file = folder / "shop.toml"
    file.write_text(text)
    return load_source(file, {}).streams[0]


def print_of(recipe: StreamRecipe) -> bytes:
    return fingerprint("full", [recipe], {recipe.name: recipe})


def test_a_query_in_a_file_of_its_own_or_in_the_source_file(tmp_path: Path) -> None:
    """The same query is the same source, wherever it stands; another one shapes other records."""
    own = stream(tmp_path)
    within = stream(tmp_path, ('"orders.graphql"', f"'''{QUERY}'''"))
    assert own.json == within.json == GraphQL(QUERY)
    assert own.json.file == "orders.graphql"
    other = stream(tmp_path, query=QUERY.replace("value", "id"))
    assert print_of(own) == print_of(within) != print_of(other)


def test_variables_have_placeholders_and_the_query_has_none(tmp_path: Path) -> None:
    windows = "[streams.orders.full.windows]\nstart = 2024-01-01T00:00:00Z\nstep = '1d'\nonly_start = true\n"
    for variables, words in (
        ("{ since = '{start}' }", ""),
        ("{ since = 'x' }", "streams.orders.full.windows: the request does not use {start}"),
        ("{ since = '{strat}' }", "streams.orders.variables: {strat} is not a placeholder. Did you mean {start}?"),
    ):
        changes = (("pages =", f"variables = {variables}\npages ="), ("[streams.orders.full.once]\n", windows))
        if not words:
            assert stream(tmp_path, *changes).json.variables == {"since": "{start}"}
            continue
        with pytest.raises(SourceFileError) as caught:
            stream(tmp_path, *changes)
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('"orders.graphql"', '"order.graphql"', 'the file "order.graphql" cannot be read: No such file or directory.'),
        ('"orders.graphql"', '""', "expected a query, or the name of a file with one"),
        ('"orders.graphql"', '"{ a "', "the GraphQL query cannot be read: the text is cut at its end, in line 1."),
        ("post =", "get =", "streams.orders.pages: these pages are asked for in the body, and a GET request has none."),
        ("graphql = ", "json = {}\ngraphql = ", "streams.orders.json: `graphql` and `json` cannot be used together."),
        ("graphql = ", "variables = { afer = 1 }\ngraphql = ", "does not declare $afer. It declares: $since, $after."),
        ("graphql = ", "variables = 1\ngraphql = ", "streams.orders.variables: expected a table of variables, found 1"),
        ("graphql = ", "operation = 'A'\ngraphql = ", "has no operation 'A'. It has: one without a name."),
        (
            'graphql = "orders.graphql"',
            'operation = "A"',
            "streams.orders.operation: only a stream with `graphql` can have this key.",
        ),
        (
            'pageInfo" }',
            'pageInfo", variable = "cursor" }',
            "streams.orders.pages: the next page is asked for by $cursor, which the query does not declare.",
        ),
    ],
)
def test_refused(before: str, after: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SourceFileError) as caught:
        stream(tmp_path, (before, after))
    assert words in str(caught.value)


def test_a_file_beside_is_not_deployed_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream(tmp_path)
    assert main(["deploy", "compose", str(tmp_path / "shop.toml")]) == 2
    assert "needs orders.graphql beside it" in capsys.readouterr().err
