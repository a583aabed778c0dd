"""What `haulier deploy` refuses: exit code 2, one clear error, nothing on standard output."""

from pathlib import Path

import pytest

from haulier.cli.main import main
from tests.cli.conftest import Said
from tests.cli.deploy.manifests import SHOP

QUEUE, LAKE, AUTH = SHOP.splitlines()[1], SHOP.splitlines()[2], SHOP.splitlines()[6]
PYTHON = """
import os
from dataclasses import dataclass
from haulier import Api, App, Bearer, IdRange, WorkItem, env
{first}

app = App("shop", api=Api("https://api.example.com", auth={auth}, in_flight=3), queue="azure-queue://haulierdemo/shop",
          lake="az://lake/bronze")
REGION = os.environ["SHOP_REGION"]
ZONE = os.environ.get("SHOP_ZONE", "a")
SIZE = os.getenv("SHOP_SIZE")

@dataclass(frozen=True)
class Things(WorkItem, stream="things", kind="things"):
    ids: IdRange

@app.enumerate("full")
async def things(ctx):
    for number in ():
        yield number

@app.processor(Things)
async def pull(item, ctx):
    yield None
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.toml").write_text(SHOP)


def deploy(capsys: pytest.CaptureFixture[str], *words: str) -> Said:
    capsys.readouterr()
    code = main(["deploy", *words])
    captured = capsys.readouterr()
    return Said(code, captured.out, captured.err)


def write(old: str, new: str) -> None:
    assert old in SHOP
    Path("shop.toml").write_text(SHOP.replace(old, new))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("k8s shop.toml --queue sqlite", "A queue in a file serves one machine, and Kubernetes has many."),
        ("aca shop.toml --queue memory", "A queue in memory ends with its process, and Container Apps has many."),
        ("aca shop.toml --queue sqlite", "or deploy to one machine: haulier deploy compose shop.toml"),
        ("compose shop.toml --queue memory", "A queue in memory ends with its process, and here are several."),
        ("k8s shop.toml --queue sqs://x/y", "A queue of kind 'sqs' is not supported. Amazon SQS is planned"),
        ("compose shop.toml --queue postgres://me:pw@x", "A queue of kind 'postgres' is not supported."),
        ("compose shop.toml --lake lake", "A queue on Azure needs a lake there, which all workers reach."),
        (
            "compose shop.toml --queue sqlite --lake s3://x/y",
            "A lake at a URL that begins with 's3:' is not supported.",
        ),
        ("k8s shop.toml --lake lake", "A queue on Azure needs a lake there, which all workers reach."),
        ("k8s shop.toml --lake az://x", "The lake's URL names no container"),
        ("k8s shop.toml --queue azure-queue://haulierdemo/shop-first", "is the name of a queue that haulier makes"),
        ("k8s shop.toml --name Shop", "'Shop' cannot name what is deployed"),
        ("k8s shop.toml --name shop--x", "at most 44 of a-z, 0-9 and single hyphens"),
        ("aca shop.toml --name a-name-that-jobs-cannot-bear", "at most 24 of a-z, 0-9 and single hyphens"),
        ("k8s shop.toml --image UPPER/haulier", "--image: 'UPPER/haulier' is not the name of an image."),
        ("k8s shop.toml --client-id me", "--client-id: 'me' is not the client ID of an identity"),
        ("k8s shop.toml --namespace Data", "--namespace: 'Data' is not the name of a namespace"),
        ("aca shop.toml --vault v", "--vault: 'v' is not the name of a Key Vault"),
        ("aca shop.toml --identity worker", "kind Microsoft.ManagedIdentity/userAssignedIdentities"),
        (
            "aca shop.toml --environment /subscriptions/a/resourceGroups/b/providers/Microsoft.App/jobs/c",
            "is not the ID of a resource of the kind Microsoft.App/managedEnvironments",
        ),
        ("k8s shop.toml --mode incremental", "No stream of source 'shop' takes part in an incremental run."),
        ("k8s shop.toml --workers 0", "0 is not in the range 1<=x<=1000"),
        ("k8s shop.toml --env OTEL_SERVICE_NAME", "--env: write NAME=VALUE"),
        ("aca shop.toml --env HAULIER_QUEUE=x", "--env: HAULIER_QUEUE is ruled by the YAML itself. Use --queue."),
        ("k8s shop.toml --env HAULIER_EXIT_IDLE=1", "HAULIER_EXIT_IDLE is ruled by the YAML itself. Use --by-depth"),
        ("k8s shop.toml --env HAULIER_GRACE=120", "A container is killed 30 seconds after it is asked to stop"),
        ("k8s shop.toml --env HAULIER_LAESE=60", "--env: haulier reads no variable HAULIER_LAESE here."),
        ("k8s shop.toml --env A=1 --env A=2", "--env: A is set already."),
        ("k8s shop.toml --env HTTPS_PROXY=http://me:tok@proxy", "--env: HTTPS_PROXY may hold a secret"),
        ("k8s shop.toml --env COLLECTOR=http://c:4318?token=tok-1", "--env: COLLECTOR may hold a secret"),
        ("k8s shop.toml --env DB_PASSWD=tok", "--env: DB_PASSWD may hold a secret"),
        (
            "aca shop.toml --env HAULIER_ON_CLOSE=https://hooks.example.com/services/T1/zR7f3a9c1e5bQkLmN4pXy",
            "--env: HAULIER_ON_CLOSE may hold a secret",
        ),
        ("k8s shop.toml --connection-string --client-id 6f1d9c3e-6c0e-4d57-9b0a-0d6d1f0c9a11", "use one of them."),
        (
            "compose shop.toml --queue sqlite:////srv/q.db --lake lake",
            "The queue sqlite:////srv/q.db is on this machine",
        ),
        ("compose shop.toml --queue sqlite --lake /srv/lake", "The lake /srv/lake is on this machine"),
        (
            "compose shop.toml --queue sqlite --lake file:///srv/lake",
            "Write --lake lake for that, or name one on Azure.",
        ),
        ("compose shop.toml --env SHOP_TOKEN=x", "--env: SHOP_TOKEN may hold a secret, and is printed."),
        ("k8s shop.toml --env OTEL_EXPORTER_OTLP_HEADERS=x", "--env: OTEL_EXPORTER_OTLP_HEADERS may hold a secret"),
        ("k8s absent.toml", "there is no such file"),
        ("swarm shop.toml", "No such command 'swarm'"),
        ("compose shop.toml --schedule @daily", "No such option '--schedule'"),
    ],
)
def test_what_cannot_work_is_refused(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused = deploy(capsys, *words.split())
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("@daily", "'@daily' has 1 field."),
        ("0 2 * *", "'0 2 * *' has 4 fields."),
        ("60 2 * * *", "'60' is no minute: that is 0 to 59."),
        ("0 24 * * *", "'24' is no hour: that is 0 to 23."),
        ("0 2 0 * *", "'0' is no day of the month: that is 1 to 31."),
        ("0 2 * 13 *", "'13' is no month: that is 1 to 12."),
        ("0 2 * * 7", "'7' is no day of the week: that is 0 to 6."),
        ("0 2 * * monday", "'monday' is no day of the week"),
        ("*/0 * * * *", "a step of 0 in '*/0' never comes to an end"),
        ("0 5-2 * * *", "'5-2' ends before it begins"),
        ("0 2 ? * *", "'?' is no day of the month"),
        ("0 2 30 2 *", "'0 2 30 2 *' never comes: no such month has that day."),
        ("0,,5 * * * *", "'' is no minute"),
    ],
)
def test_a_schedule_that_a_platform_would_refuse(schedule: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused = deploy(capsys, "k8s", "shop.toml", "--schedule", schedule)
    assert (refused.code, refused.out) == (2, "")
    assert f"--schedule: {said}" in refused.err
    assert "'0 2 * * *' is each day at 02:00 UTC" in refused.err


@pytest.mark.parametrize(
    "schedule",
    ["*/5 * * * *", "0  2 * * mon-fri", "15,45 8-18/2 1,15 jan-mar *", "0 0 29 2 *", "0 2 30 2 1", "5/10 * * * *"],
)
def test_a_schedule_of_five_fields_is_taken(schedule: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = deploy(capsys, "k8s", "shop.toml", "--schedule", schedule)
    assert said.code == 0, said.err
    assert said.out.count(f'schedule: "{" ".join(schedule.split())}"') == 2


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (AUTH, 'auth      = { bearer = "tok-7f3a9c1e5b" }', "api.auth.bearer"),
        (AUTH, 'auth      = { bearer = "${SHOP_TOKEN:-tok-7f3a9c1e5b}" }', "api.auth.bearer"),
        (AUTH, 'auth      = { header = "X-Key", value = "tok-7f3a9c1e5b" }', "api.auth.value"),
        (AUTH, 'auth      = { user = "me", password = "tok-7f3a9c1e5b" }', "api.auth.password"),
        (AUTH, 'headers   = { X-Api-Key = "tok-7f3a9c1e5b" }', "api.headers.X-Api-Key"),
        (
            AUTH,
            'auth      = { login = "/login", form = { user = "me", pwd = "tok-7f3a9c1e5b" }, token_at = "t" }',
            "api.auth.form.pwd",
        ),
        (AUTH, 'proxy     = "http://me:tok-7f3a9c1e5b@proxy.example.com:3128"', "api.proxy"),
        (
            LAKE,
            f'{LAKE}\non_close = ["curl", "https://hooks.example.com/services/T1/tokR7f3a9c1e5bQkLmN4pXy"]',
            "on_close",
        ),
        (LAKE, f'{LAKE}\non_close = ["curl", "https://hooks.example.com/?token=tok-7f3a9c1e5b"]', "on_close"),
        (LAKE, f'{LAKE}\non_close = ["curl", "-H", "Authorization: Bearer tok-7f3a9c1e5b"]', "on_close"),
        (LAKE, f"{LAKE}\n# Once http://me:tok-7f3a9c1e5b@proxy.example.com:3128", "line 4"),
        (
            AUTH,
            'headers   = { X-Hook = "https://me:${SHOP_TOKEN:-tok-7f3a9c1e5b}@hooks.example.com" }',
            "api.headers.X-Hook",
        ),
        (
            "query   = { limit = 100 }",
            'query   = { limit = 100, api_key = "tok-7f3a9c1e5b" }',
            "streams.items.query.api_key",
        ),
    ],
)
def test_g7_a_credential_in_the_source_is_not_printed(
    old: str, new: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text of the source goes into the YAML, which goes into shells, tickets and repositories."""
    write(old, new)
    for platform in ("k8s", "aca", "compose"):
        refused = deploy(capsys, platform, "shop.toml")
        assert (refused.code, refused.out) == (2, ""), platform
        assert f"shop.toml holds a credential itself, at {place}" in refused.err
        assert "7f3a9c1e5b" not in refused.err
    assert deploy(capsys, "k8s", "shop.toml", "--in-image", "/app/shop.toml").code == 0, "then no text is printed"


def test_words_that_only_look_like_credentials_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """The path of a record's key, a query that names a field, a user's name, the client's ID."""
    write('records = "items"', 'records = "items"\nkey = "id"')
    assert deploy(capsys, "k8s", "shop.toml").code == 0
    write(AUTH, 'auth = { user = "me", password = "${SHOP_TOKEN}" }')
    assert deploy(capsys, "k8s", "shop.toml").code == 0
    hook = 'on_close = ["curl", "-H", "Authorization: Bearer ${SHOP_HOOK}", "https://me:${SHOP_HOOK}@x.example.com/?key=id"]'
    write(LAKE, f'lake = "abfss://lake@haulierdemo.dfs.core.windows.net/bronze"\n{hook}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_HOOK", "tok-7f3a9c1e5b")
        said = deploy(capsys, "k8s", "shop.toml")
    assert said.code == 0, said.err
    assert "7f3a9c1e5b" not in said.out + said.err


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("in_flight=3", 'in_flight=3, proxy="http://me:tok-7f3a9c1e5b@proxy:3128"', "Api(proxy=...)"),
        (
            "in_flight=3",
            'in_flight=3, proxy=env("SHOP_PROXY", "http://me:tok-7f3a9c1e5b@proxy:3128")',
            "Api(proxy=...)",
        ),
        ('env("SHOP_TOKEN")', 'env("SHOP_TOKEN", "tok-7f3a9c1e5b")', "Bearer(token=...)"),
        ('"SHOP_ZONE", "a"', '"SHOP_ZONE", "https://me:tok-7f3a9c1e5b@zones.example.com"', "line 10"),
        ("app = App", "# http://me:tok-7f3a9c1e5b@proxy:3128\napp = App", "line 7"),
        ("SIZE = ", 'headers = {"X-Api-Key": "tok7f3a9c1e5b"}\nSIZE = ', "line 11"),
        ("SIZE = ", 'API_KEY = "tok7f3a9c1e5b"\nSIZE = ', "line 11"),
        (
            'lake="az',
            'on_close=["curl", "https://hooks.example.com/T1/tokR7f3a9c1e5bQkLmN4pXy"], lake="az',
            "on_close, line 8",
        ),
    ],
)
def test_g7_a_credential_in_code_is_not_printed(
    old: str, new: str, place: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_REGION", "eu")
    text = PYTHON.format(first="", auth='Bearer(env("SHOP_TOKEN"))')
    assert old in text
    Path("shop.py").write_text(text.replace(old, new))
    for platform in ("k8s", "aca"):
        refused = deploy(capsys, platform, "shop.py")
        assert (refused.code, refused.out) == (2, ""), platform
        assert f"shop.py holds a credential itself, at {place}" in refused.err
        assert "7f3a9c1e5b" not in refused.err


def test_a_file_that_kubectl_would_refuse(capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is a key of a ConfigMap, and its text stands in an annotation too."""
    Path("my shop.toml").write_text(SHOP)
    for platform in ("k8s", "aca"):
        refused = deploy(capsys, platform, "my shop.toml")
        assert (refused.code, refused.out) == (2, "")
        assert "'my shop.toml' cannot be mounted" in refused.err
    assert deploy(capsys, "compose", "my shop.toml").code == 0
    assert deploy(capsys, "k8s", "my shop.toml", "--in-image", "/sources/my shop.toml").code == 0
    for filling in ("# " + "x" * 200_000, "# <>\n" * 20_000):
        Path("shop.toml").write_text(f"{SHOP}{filling}\n")
        refused = deploy(capsys, "k8s", "shop.toml")
        assert (refused.code, refused.out) == (2, "")
        assert "`kubectl apply` does not take it" in refused.err
        assert "--in-image /sources/shop.toml" in refused.err


def test_a_variable_with_a_default_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    """Container Apps cannot take a secret that may be missing: what is left to its default is said."""
    said = deploy(capsys, "aca", "shop.toml")
    assert "Left to the defaults in the source: SHOP_URL. For another value: --env SHOP_URL=VALUE." in said.err
    for platform in ("aca", "k8s", "compose"):
        said = deploy(capsys, platform, "shop.toml", "--env", "SHOP_URL=https://eu.example.com")
        assert said.code == 0, said.err
        assert "Left to the defaults" not in said.err
        assert said.out.count("https://eu.example.com") == 2, "for what starts runs, and for workers"
        assert said.out.count(" SHOP_URL") == 2, "and from nowhere else"


def test_a_python_file_is_read_for_its_variables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_REGION", "reg-7f3a9c1e5b")
    Path("shop.py").write_text(PYTHON.format(first="", auth='Bearer(env("SHOP_TOKEN"))'))
    said = deploy(capsys, "k8s", "shop.py")
    assert said.code == 0, said.err
    assert 'args: [enqueue, "/sources/shop.py", full]' in said.out
    for name, is_optional in (("SHOP_TOKEN", False), ("SHOP_REGION", False), ("SHOP_ZONE", True), ("SHOP_SIZE", False)):
        _, _, after = said.out.partition(f"key: {name}\n")
        assert after.lstrip().startswith("optional: true") is is_optional, name
    assert "7f3a9c1e5b" not in said.out + said.err
    assert "3 workers, not 12: the source allows 3 requests in flight" in said.err
    assert "Variables that the code reads in other ways" in said.err

    Path("shop.py").write_text(PYTHON.format(first="", auth='Bearer("tok-7f3a9c1e5b")'))
    refused = deploy(capsys, "aca", "shop.py")
    assert (refused.code, refused.out) == (2, "")
    assert "shop.py holds a credential itself, at Bearer(token=...)" in refused.err
    assert 'write env("NAME") there' in refused.err


def test_a_source_of_several_files_goes_by_an_image(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_REGION", "eu")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    Path("shop_pages.py").write_text("PAGES = 3\n")
    Path("shop.py").write_text(PYTHON.format(first="import shop_pages", auth='Bearer(env("SHOP_TOKEN"))'))
    refused = deploy(capsys, "k8s", "shop.py")
    assert refused.code == 2
    assert "shop.py needs shop_pages.py beside it, and is deployed as one file." in refused.err
    assert "--in-image /sources/shop.py" in refused.err
    assert deploy(capsys, "k8s", "shop.py", "--in-image", "/sources/shop.py").code == 0
    assert deploy(capsys, "k8s", "shop:app").code == 0

    write(LAKE, f'{LAKE}\non_close = ["./alert.sh"]')
    assert "needs ./alert.sh beside it" in deploy(capsys, "compose", "shop.toml").err

    write(AUTH, 'auth      = { jwt = { key_file = "robot.pem", issuer = "me" } }')
    assert "needs robot.pem beside it" in deploy(capsys, "compose", "shop.toml").err


def test_what_is_left_to_fill_in_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    said = deploy(capsys, "aca", "shop.toml")
    for option in ("--image", "--environment", "--identity", "--client-id", "--vault"):
        assert f"or give {option}. Until then nothing of it works." in said.err
    assert "Left to fill in" not in deploy(capsys, "compose", "shop.toml", "--image", "haulier:1").err


def test_places_come_from_the_environment_as_everywhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAULIER_QUEUE", "azure-queue://otherdemo/orders")
    monkeypatch.setenv("HAULIER_LAKE", "abfss://lake@otherdemo.dfs.core.windows.net/bronze")
    said = deploy(capsys, "k8s", "shop.toml")
    assert 'value: "azure-queue://otherdemo/orders"' in said.out
    assert 'value: "abfss://lake@otherdemo.dfs.core.windows.net/bronze"' in said.out
