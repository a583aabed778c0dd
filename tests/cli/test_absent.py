"""What is not there, as a source declares that it may be: it is told, and nothing but that is no success."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Place
from tests.docs.fake_server import Asked, Reply, serving

TOML = """
source = "blog"

[api]
url = "{url}"

[streams.posts]
get = "/posts"
records = "posts"
pages = "single"

[streams.posts.full.once]

[streams.comments]
get = "/posts/{{parent.id}}/{name}"
records = "comments"
pages = "single"
parent = "posts"
batch = 2
absent = "skip"

[streams.tags]
get = "/tags"
query = {{ {parameter} = "{{parent.id}}" }}
records = "tags"
pages = "single"
parent = "posts"
batch = 3
join = {{ with = ",", at = "post", missing = "skip" }}
"""


LEVELS = """
source = "code"

[api]
url = "{url}"

[streams.orgs]
get = "/orgs"
records = "."
pages = "single"

[streams.orgs.full.once]

[streams.repos]
get = "/orgs/{{parent.id}}/repos"
records = "."
pages = "single"
parent = "orgs"
batch = 1
absent = "skip"

[streams.issues]
get = "/repos/{{parent.id}}/issues"
records = "."
pages = "single"
parent = "repos"
{absent}
"""


@pytest.mark.parametrize(
    ("repos", "issues", "absent", "reasons"),
    [
        ({"1": [], "2": [{"id": 7}]}, None, 'absent = "skip"', {"absent": 1}),
        ({"2": [{"id": 7}]}, [], "", {}),
        ({"1": [], "2": []}, None, 'absent = "skip"', {}),
        ({}, [], "", {"absent": 2}),
    ],
    ids=["wrong path below", "one list above gone", "nothing below", "wrong path above"],
)
def test_levels_of_parents_are_judged_apart(
    place: Place, repos: dict[str, list[dict[str, int]]], issues: list[int] | None, absent: str, reasons: dict[str, int]
) -> None:
    def levels(asked: Asked) -> Reply:
        match asked.path.strip("/").split("/"):
            case ["orgs"]:
                return Reply([{"id": 1}, {"id": 2}])
            case ["orgs", org, "repos"] if org in repos:
                return Reply(repos[org])
            case ["repos", _, "issues"] if issues is not None:
                return Reply(issues)
            case _:
                return Reply({"error": "no such thing"}, 404)

    place.name = "code.toml"
    with serving(levels) as url:
        place.toml.write_text(LEVELS.format(url=url, absent=absent))
        said = place.run("run", "--stream", "issues", "--json")
    assert said.json["reasons"] == reasons, said.err


def test_what_is_absent_above_is_told_where_the_item_is_divided(place: Place) -> None:
    """Two lists of repositories are asked for by one item: one is there, and one is gone."""

    def levels(asked: Asked) -> Reply:
        match asked.path.strip("/").split("/"):
            case ["orgs"]:
                return Reply([{"id": 1}, {"id": 2}])
            case ["orgs", "1", "repos"]:
                return Reply([{"id": 7}])
            case ["repos", _, "issues"]:
                return Reply([{"id": 9}])
            case _:
                return Reply({"error": "no such thing"}, 404)

    place.name = "code.toml"
    with serving(levels) as url:
        place.toml.write_text(LEVELS.format(url=url, absent="").replace("batch = 1", "batch = 2"))
        said = place.run("run", "--stream", "issues", "--json")
    assert said.code == 0, said.err
    assert (said.json["totals"]["absent"], said.json["totals"]["records"]) == (1, 1)
    assert place.run("verify").code == 0


def answer(asked: Asked) -> Reply:
    """Six posts: the comments of the first three are gone, those of the fourth are none; the first two have a tag."""
    match asked.path.strip("/").split("/"):
        case ["posts"]:
            return Reply({"posts": [{"id": n} for n in range(1, 7)]})
        case ["posts", number, "comments"] if int(number) > 3:
            return Reply({"comments": [{"post": int(number)}] if int(number) > 4 else []})
        case ["tags"]:
            posts = [int(text) for text in asked.query.get("posts", "").split(",") if text]
            return Reply({"tags": [{"post": n} for n in posts if n < 3]})
        case _:
            return Reply({"error": "no such thing"}, 404)


def written(place: Place, url: str, name: str = "comments", parameter: str = "posts") -> Place:
    place.name = "blog.toml"
    place.toml.write_text(TOML.format(url=url, name=name, parameter=parameter))
    return place


def test_what_is_absent_is_told(place: Place) -> None:
    """In items with records and in those without: three lists of comments, and the tags of four posts."""
    with serving(answer) as url:
        said = written(place, url).run("run", "--json")
        assert said.code == 0, said.err
        assert "  7 of what was asked for were not there, as `absent` or `missing` allows: see `absent`" in said.err
        assert place.run("verify").code == 0
    totals = said.json["totals"]
    assert (totals["absent"], totals["records"]) == (7, 6 + 2 + 2)


@pytest.mark.parametrize(("name", "parameter", "absent"), [("coments", "posts", 6 + 4), ("comments", "post", 3 + 6)])
def test_nothing_but_what_is_absent_is_no_success(place: Place, name: str, parameter: str, absent: int) -> None:
    """A wrong path, or a parameter that the API does not know, looks as if all of it were gone."""
    with serving(answer) as url:
        said = written(place, url, name, parameter).run("run", "--json")
        assert said.code == 1, said.err
    assert said.json["state"] == "partial"
    assert said.json["reasons"] == {"absent": 6}
    assert said.json["totals"]["absent"] == absent
    assert "Of a stream without records nothing is there: its path or a parameter is wrong" in said.err


def test_lists_that_are_there_and_empty_are_a_success(place: Place) -> None:
    """The path is right where one list of it was there."""

    def empty(asked: Asked) -> Reply:
        found = answer(asked)
        return Reply({"comments": [], "tags": []}) if found.body.get("comments") else found

    with serving(empty) as url:
        said = written(place, url).run("run", "--stream", "comments", "--json")
        assert said.code == 0, said.err
    assert (said.json["totals"]["absent"], said.json["totals"]["records"]) == (3, 0)
