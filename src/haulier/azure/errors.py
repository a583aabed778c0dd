"""What a person must change when Azure refuses: one sentence for what is wrong, one for the remedy.

Codes: learn.microsoft.com/rest/api/storageservices, "Common REST API error codes". Azurite says AuthorizationFailure
for a wrong key or an expired SAS, as the service does for its firewall alone. What may pass by itself is for the caller
to wait out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from haulier.azure.account import ACCOUNT, CONNECTION_STRING, AzureAccount
from haulier.azure.fault import AzureFault, fault_of
from haulier.clock import Clock
from haulier.errors import UsageError

MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)
"""Azure refuses what was signed 15 minutes ago. A signature that is to end with a lease must not outlive it."""

ROLES = {"container": "Storage Blob Data Contributor", "queue": "Storage Queue Data Contributor"}
SAS_RIGHTS = {"container": "racwdl on services b and resource types co", "queue": "raupc on services q and types co"}

_UNBELIEVED = frozenset({"AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation"})
_RIGHTS = frozenset(
    {
        *("AuthorizationPermissionMismatch", "InsufficientAccountPermissions"),
        *("AuthorizationServiceMismatch", "AuthorizationResourceTypeMismatch"),
        # To a SAS that may create and not write.
        "UnauthorizedBlobOverwrite",
    }
)
_MISSING = frozenset({"ContainerNotFound", "QueueNotFound", "FilesystemNotFound"})
_NAMES = frozenset({"InvalidResourceName", "InvalidUri", "OutOfRangeInput"})


@dataclass(frozen=True)
class AzurePlace:
    """A container or a queue, as a person named it."""

    account: AzureAccount
    kind: Literal["container", "queue"]
    name: str

    def __str__(self) -> str:
        return f"the {self.kind} {self.name!r} of the storage account {self.account.name!r}"

    @property
    def host(self) -> str:
        endpoint = self.account.blob_endpoint if self.kind == "container" else self.account.queue_endpoint
        return urlsplit(endpoint).hostname or endpoint

    @property
    def identity(self) -> str:
        """By what it is reached, for messages."""
        if self.account.key:
            return f"the key in {self.account.setting}"
        if self.account.sas:
            return f"the SAS in {self.account.setting}"
        return "the identity that DefaultAzureCredential finds here"


class AzureErrors:
    """Tells refusals from outages, for the clients of one place."""

    def __init__(self, place: AzurePlace, clock: Clock) -> None:
        self._place = place
        self._clock = clock
        self._has_answered = False

    def note_answer(self) -> None:
        """From now on a host that is not found, or a token that cannot be had, is an outage, and no slip."""
        self._has_answered = True

    def refusal(self, error: BaseException) -> UsageError | None:
        """None for what may pass by itself. Raise it ``from None``: the SDK's own error may repeat a signature (G7)."""
        return refusal(fault_of(error), self._place, self._clock.now(), has_answered=self._has_answered)

    def require_clock(self, server_time: datetime) -> None:
        """Raises `UsageError` where this machine's clock is far from Azure's."""
        if (problem := _clock_problem(server_time, self._clock.now())) is not None:
            raise UsageError(problem)


def words_of(error: BaseException) -> str:
    """One line without secrets, for what is waited for."""
    return fault_of(error).words


def refusal(fault: AzureFault, place: AzurePlace, now: datetime, *, has_answered: bool) -> UsageError | None:
    problem = _problem(fault, place, now, has_answered=has_answered)
    return None if problem is None else UsageError(problem)


def _problem(fault: AzureFault, place: AzurePlace, now: datetime, *, has_answered: bool) -> str | None:
    """The first row that applies."""
    if fault.is_host_unknown or fault.is_token_missing:
        if has_answered:
            return None
        return _unknown_host(place) if fault.is_host_unknown else _missing_token(fault, place)
    if fault.status in (401, 403):
        return _clock_problem(fault.server_time, now) or _denied(fault, place, fault.server_time or now)
    if fault.code in _MISSING:
        create = f"az storage {place.kind} create --account-name {place.account.name} --name {place.name}"
        return f"{_capital(place)} does not exist. Correct its name, or create it: {create} --auth-mode login"
    if fault.code in _NAMES:
        return (
            f"{place.name!r} cannot be the name of a {place.kind}: that has 3 to 63 of a-z, 0-9 and single hyphens, "
            "and begins and ends with a letter or digit."
        )
    if fault.code == "InvalidHeaderValue" and "Azurite" in fault.words:
        return "This Azurite is older than the SDK. Start it with --skipApiVersionCheck."
    return None


def _denied(fault: AzureFault, place: AzurePlace, server_time: datetime) -> str:
    account = place.account
    if account.sas and (problem := _sas_time_problem(account, server_time)):
        return problem
    if fault.code in _RIGHTS:
        return _missing_right(place)
    if fault.code == "KeyBasedAuthenticationNotPermitted":
        return (
            f"The storage account {account.name!r} takes neither keys nor what they sign. Unset {account.setting}, so "
            f"that DefaultAzureCredential is asked, and set {ACCOUNT}."
        )
    if fault.code == "AuthorizationProtocolMismatch":
        return f"{_capital(place.identity)} holds for https alone. Name the endpoint with https."
    if fault.code == "AuthorizationSourceIPMismatch":
        return f"{_capital(place.identity)} does not hold for the address of this machine. Make one without sip=."
    if fault.code == "AccountIsDisabled":
        return f"The storage account {account.name!r} is disabled. Its subscription or its owner must enable it."
    if fault.code == "AuthorizationFailure" and "authenticate" not in fault.words:
        return (
            f"The firewall of the storage account {account.name!r} refuses this machine. Let its network in: "
            f"az storage account network-rule add --account-name {account.name} --ip-address ADDRESS"
        )
    if fault.code in _UNBELIEVED or "authenticate" in fault.words:
        return _unbelieved(place, fault.detail)
    return f"Azure refuses {place} to {place.identity} ({fault.words}). Compare its rights with docs/azure.md."


def _unbelieved(place: AzurePlace, detail: str) -> str:
    account, said = place.account, f" It says: {detail}" if detail else ""
    if account.key:
        return (
            f"The key in {account.setting} is not one of the storage account {account.name!r}. Read a valid one with: "
            f"az storage account keys list --account-name {account.name}"
        )
    if account.sas:
        return (
            f"Azure does not accept the SAS in {account.setting} for {place}: it is changed or cut, of another "
            f"account, or the key that signed it was renewed.{said} Make a new one: {_new_sas(account)}"
        )
    return (
        f"Azure does not accept the token of {place.identity} for {place}.{said} Is the account in another tenant? "
        "Log in there with az login --tenant TENANT, or set AZURE_TENANT_ID."
    )


def _missing_right(place: AzurePlace) -> str:
    role, account = ROLES[place.kind], place.account
    if account.sas:
        return (
            f"The SAS in {account.setting} lacks a right on {place}: it needs {SAS_RIGHTS[place.kind]}. Make a new "
            f"one: {_new_sas(account)}"
        )
    return (
        f"{_capital(place.identity)} lacks a right on {place}. Give it the role {role!r}: az role assignment create "
        f'--assignee PRINCIPAL --role "{role}" --scope "$(az storage account show --name {account.name} --query id '
        '--output tsv)". It takes up to ten minutes until a new role counts.'
    )


def _missing_token(fault: AzureFault, place: AzurePlace) -> str:
    account = place.account
    unused = f" {account.unused}, and hold for that alone." if account.unused else ""
    return (
        f"There is no credential for the storage account {account.name!r}: {fault.words}.{unused} Set "
        f"{CONNECTION_STRING} for this account, or log in with az login, or give this machine a managed identity that "
        f"has the role {ROLES[place.kind]!r}."
    )


def _unknown_host(place: AzurePlace) -> str:
    key = "lake" if place.kind == "container" else "queue"
    return (
        f"There is no storage account {place.account.name!r}: the host {place.host} is not known. Correct its name in "
        f"the URL of the {key}, in {ACCOUNT} or in {CONNECTION_STRING}."
    )


def _clock_problem(server_time: datetime | None, now: datetime) -> str | None:
    if server_time is None or abs(server_time - now) <= MAX_CLOCK_DIFFERENCE:
        return None
    minutes = round(abs(server_time - now).total_seconds() / 60)
    side = "behind" if server_time > now else "ahead of"
    return (
        f"The clock of this machine is {minutes:,} minutes {side} Azure's, which refuses what is not signed at its own "
        "time. Set the clock, as `timedatectl set-ntp true` does, and run again."
    )


def _sas_time_problem(account: AzureAccount, server_time: datetime) -> str | None:
    """The service does not always say which end of its time was missed, so the SAS is read."""
    words = parse_qs(account.sas)
    end, start = _moment(words.get("se")), _moment(words.get("st"))
    if end is not None and end <= server_time:
        ended = f"{end:%Y-%m-%dT%H:%M:%SZ}"
        return f"The SAS in {account.setting} ended at {ended}. Make a new one: {_new_sas(account)}"
    if start is not None and start > server_time:
        begins = f"{start:%Y-%m-%dT%H:%M:%SZ}"
        return f"The SAS in {account.setting} begins at {begins} only. Wait for that, or make one that has begun."
    return None


def _moment(written: list[str] | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(written[0]) if written else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo is not None else found.replace(tzinfo=UTC)


def _new_sas(account: AzureAccount) -> str:
    return (
        f"az storage account generate-sas --account-name {account.name} --services bq --resource-types co "
        "--permissions rwdlacup --expiry YYYY-MM-DDTHH:MMZ --https-only"
    )


def _capital(text: object) -> str:
    said = str(text)
    return said[:1].upper() + said[1:]
