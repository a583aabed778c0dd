"""`make demo-fleet`: the flights, hauled on Azurite by a fleet of the image's entry point that a scaler starts.

The image is made by the Dockerfile's steps. A loop does what KEDA does: it reads the depth of the queue and starts
workers, none at first, twelve at most. Three are killed in the middle. In the end nobody is left, and every flight is
counted by Microsoft's own client.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from haulier.testing.flights import FLIGHTS, TOTAL_DISTANCE_MILES, DatasetteProcess, build_flights
from haulier.testing.proxy.process import FaultProxyProcess
from tests.harness.azure_demo import FAULTS, SOURCE, Demo, DemoError, say
from tests.harness.azurite import Azurite, fresh_name, start_azurite, why_not
from tests.harness.container import Container, Engine
from tests.harness.image_build import CannotBuildError, build_image
from tests.harness.scaler import Scaler, depths_of

WORKERS = 12
ITEMS_A_WORKER = 5
KILLED = 3
KILL_AFTER_ITEMS = 15
LEASE_SECONDS = 15
POLLING_SECONDS = 2.0
"""KEDA's default is 30."""
PATIENCE_SECONDS = 600.0


def run_demo(folder: Path, kept: Path) -> None:
    """Raises `DemoError` if a single record is missing, or a worker is left."""
    started_at = time.monotonic()
    say("1. The image, by the Dockerfile's steps.")
    image, environ = build_image(folder / "all")
    image.path(SOURCE).write_bytes(files("haulier.testing").joinpath(SOURCE).read_bytes())
    spools, logs = folder / "tmp", kept / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    spools.mkdir()
    spools.chmod(0o777)
    say(f"   {time.monotonic() - started_at:.0f} s\n")
    say("2. The API: 336,776 flights behind Datasette and a proxy that breaks 4.5 % of its answers; and Azurite.")
    database = build_flights(kept)
    with DatasetteProcess(database) as api, FaultProxyProcess(api.url, FAULTS) as proxy, start_azurite() as azurite:
        demo = Demo(kept, azurite, _container_of(azurite), proxy.url)
        places = dict(zip(("HAULIER_LAKE", "HAULIER_QUEUE"), demo.flags[1::2], strict=True))
        more = {"HAULIER_SOURCE": SOURCE, "HAULIER_EXIT_IDLE": "1", "HAULIER_LEASE": str(LEASE_SECONDS)}
        variables = {**environ, **azurite.environ, **places, **more, "FLIGHTS_URL": proxy.url, "TMPDIR": str(spools)}
        engine = Engine(image, variables, logs)
        with engine.all_ended():
            run_id = _enqueue(engine)
            _scale(
                engine,
                Scaler(depths_of(azurite, demo.container), engine.start, ITEMS_A_WORKER, WORKERS, POLLING_SECONDS),
            )
            _reconcile(engine, demo, run_id)
    say(f"\nNot one record is missing. It took {time.monotonic() - started_at:.0f} s.")


def _container_of(azurite: Azurite) -> str:
    from azure.storage.blob import BlobServiceClient

    name = fresh_name("fleet")
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_container(name)
    return name


def _enqueue(engine: Engine) -> str:
    code, out, said = engine.run("enqueue", "--json")
    if code:
        raise DemoError(f"haulier enqueue ended with exit code {code}: {said}")
    planned = json.loads(out)
    say(f"   {planned['items']} items of run {planned['run_id']} are on the queue\n")
    run_id: str = planned["run_id"]
    return run_id


def _scale(engine: Engine, scaler: Scaler) -> None:
    say(f"3. Workers come by the depth of the queue, {WORKERS} at most; {KILLED} are killed in the middle (SIGKILL).")
    began_at, killed, seen = time.monotonic(), list[Container](), (-1, -1)
    items = sum(scaler.depths())

    def watch() -> None:
        nonlocal seen
        if scaler.looks[-1] != seen:
            seen = scaler.looks[-1]
            say(f"   {time.monotonic() - began_at:5.0f} s  {seen[0]:3} messages, {seen[1]:2} workers")
        if not killed and len(scaler.running) == WORKERS and items - seen[0] >= KILL_AFTER_ITEMS:
            killed.extend(scaler.running[:KILLED])
            for worker in killed:
                worker.kill()
            say(f"   killed {KILLED} workers")

    scaler.until_rest(watch, seconds=PATIENCE_SECONDS)
    codes = [worker.wait(1) for worker in scaler.workers if worker not in killed]
    say(f"   {time.monotonic() - began_at:5.0f} s  no message, no worker; {len(scaler.workers)} were started in all\n")
    if len(killed) != KILLED or any(codes):
        raise DemoError(f"{len(killed)} were killed, the others ended with {sorted(codes)}; see {engine.logs}.")


def _reconcile(engine: Engine, demo: Demo, run_id: str) -> None:
    say("4. Reconcile: what was planned, what the API promised, what the lake holds.")
    code, out, said = engine.run("verify", "--json")
    verdict = json.loads(out)
    if code or verdict["state"] != "complete" or verdict["totals"]["records"] != FLIGHTS:
        raise DemoError(f"The run is {verdict['state']}, exit code {code}: {said}")
    objects, records, miles = demo.count(run_id)
    if (records, miles) != (FLIGHTS, TOTAL_DISTANCE_MILES):
        raise DemoError(f"The lake holds {records:,} flights of {FLIGHTS:,}, and {miles:,} miles.")
    say(f"   {objects} objects, {records:,} flights, sum(distance) = {miles:,}, as in the data itself.")


def main() -> int:
    if problem := why_not():
        say(problem)
        return 2
    kept = Path(".data/demo-fleet").absolute()
    kept.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
            Path(folder).chmod(0o755)
            run_demo(Path(folder), kept)
    except (DemoError, CannotBuildError, AssertionError) as error:
        say(f"\n{error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
