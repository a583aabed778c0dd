"""A source in Python: loaded, refused in words, and held to its shape on resume."""

import sys
from pathlib import Path

import pytest

from haulier.app.source_loader import load_app
from haulier.errors import UsageError
from haulier.testing.sandbox import SandboxProcess
from tests.cli.conftest import RECORDS, Place

GOOD = '''
from collections.abc import AsyncIterator
from dataclasses import dataclass

from haulier import Api, App, Context, Cursor, IdRange, Page, WorkItem, id_ranges

app = App("shop", api=Api("{url}", in_flight=8))


@dataclass(frozen=True)
class ItemsById(WorkItem, stream="items", kind="items_by_id"):
    ids: IdRange


@app.enumerate("full")
async def all_items(ctx: Context) -> AsyncIterator[WorkItem]:
    newest = await ctx.api.json("/items/newest", at="id")
    for ids in id_ranges(1, newest + 1, step=250):
        yield ItemsById(ids)


@app.processor(ItemsById)
async def items_by_id(item: ItemsById, ctx: Context) -> AsyncIterator[Page]:
    """Pages of a hundred."""
    query = item.ids.half_open("from_id", "to_id")
    async for page in ctx.api.pages("/items", query, pages=Cursor("next", query="cursor"), records="items"):
        yield page
'''


def write(folder: Path, text: str, name: str = "shop_source.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as refused:
        load_app(write(folder, text))
    return str(refused.value)


def test_a_python_source_pulls_everything(place: Place, api: SandboxProcess) -> None:
    """G6: what `yield page` gives is the API's own bytes."""
    place.name = "shop_source.py"
    write(place.folder, GOOD.format(url=api.url))
    assert place.run("run", "--workers", "2").code == 0
    assert place.lines() == RECORDS


def test_a_changed_processor_is_not_resumed_and_a_changed_comment_is(place: Place, api: SandboxProcess) -> None:
    """The fingerprint is over what the code does."""
    place.name = "shop_source.py"
    good = GOOD.format(url=api.url)
    write(place.folder, good)
    write(place.folder, good.replace("in_flight=8", "in_flight=1, max_requests=9"))
    assert place.run("run").code == 2, "some items are done, and no more requests are allowed"
    write(place.folder, good.replace('records="items"', 'records="items", max_pages=9'))
    said = place.run("run")
    assert (said.code, "was planned with another source file" in said.err) == (2, True)
    write(place.folder, good.replace('"""Pages of a hundred."""', '"""Other words."""  # a comment'))
    assert place.run("run").code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import haulier\n", "It creates no haulier.App. Write `app = App(...)` in it."),
        ("def f(:\n", "line 1: invalid syntax."),
        ("x = 1\nopen('/no/such/file')\n", "line 2: FileNotFoundError"),
        ("import sys\nsys.exit(0)\n", "ends Python when it is imported. Move what it does as a program below"),
        ("import no_such_module\n", "line 1: ModuleNotFoundError"),
        ("from haulier import Api, App\napp = App('Shop', api=Api('http://a'))\n", "A source cannot be named 'Shop'."),
        ("from haulier import Api, App\napp = App('shop', api=Api('ftp://a'))\n", "is not an address of an API"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_a_processor_that_is_no_async_generator_is_refused(tmp_path: Path) -> None:
    text = GOOD.format(url="http://127.0.0.1:9").replace("        yield page", "        print(page)")
    assert "The processor items_by_id is not an async generator." in refusal(tmp_path, text)


def test_an_enumerator_with_the_wrong_parameters_is_refused(tmp_path: Path) -> None:
    text = GOOD.format(url="http://127.0.0.1:9").replace("all_items(ctx: Context)", "all_items(ctx, more)")
    assert "The enumerator all_items takes 2 parameters. Write `async def all_items(ctx)`." in refusal(tmp_path, text)


@pytest.mark.parametrize("word", ["nothing", "no/such/file.py", "no_such_module:app", ":app", "haulier.errors:app"])
def test_what_is_no_source_is_said_with_the_forms_that_there_are(word: str) -> None:
    with pytest.raises(UsageError, match=r"Write"):
        load_app(word)


def test_a_file_displaces_no_module_of_the_same_name(tmp_path: Path) -> None:
    """A source may be called after what it pulls: calendar.py, mailbox.py, select.py."""
    import calendar

    load_app(write(tmp_path, "from haulier import Api, App\napp = App('shop', api=Api('http://a'))\n", "calendar.py"))
    assert sys.modules["calendar"] is calendar


def test_a_module_that_fails_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    write(tmp_path, "x = 1\n1 / 0\n", "failing_source.py")
    with pytest.raises(UsageError, match=r"failing_source: .*line 2: ZeroDivisionError: division by zero\."):
        load_app("failing_source:app")


def test_a_lifespan_that_is_no_context_manager_is_refused(tmp_path: Path) -> None:
    text = "from haulier import Api, App\napp = App('shop', api=Api('http://a'))\n"
    lifespan = "@app.lifespan\nasync def {name}():\n    yield 1\n"
    assert "Put @asynccontextmanager above it." in refusal(tmp_path, text + lifespan.format(name="one"))
    managed = (
        text
        + "from contextlib import asynccontextmanager\n"
        + "".join(
            lifespan.format(name=name).replace("@app.lifespan", "@app.lifespan\n@asynccontextmanager")
            for name in ("one", "two")
        )
    )
    assert "has two lifespans. Remove two" in refusal(tmp_path, managed)


def test_try_says_what_a_processor_yields_that_is_no_page(place: Place, api: SandboxProcess) -> None:
    """As a run would: exit code 0 means that a page came back."""
    place.name = "shop_source.py"
    write(place.folder, GOOD.format(url=api.url).replace("        yield page", '        yield {"page": page}'))
    said = place.run("try")
    assert said.code == 2
    assert "yielded a dict. Yield a page" in said.err
