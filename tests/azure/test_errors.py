"""What is said when Azure refuses: what is wrong, and what to do about it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError

from haulier.azure.account import find_account
from haulier.azure.errors import AzureErrors, AzurePlace, refusal
from haulier.azure.fault import AzureFault, fault_of
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock

KEY = "c2VjcmV0LWtleQ=="
BY_KEY = {"AZURE_STORAGE_ACCOUNT": "lakehouse", "AZURE_STORAGE_KEY": KEY}
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def by_sas(**words: str) -> dict[str, str]:
    said = "&".join(f"{name}={value}" for name, value in {"sv": "2026-01-01", **words, "sig": "c2VjcmV0"}.items())
    return {"AZURE_STORAGE_ACCOUNT": "lakehouse", "AZURE_STORAGE_SAS_TOKEN": said}


def place(environ: dict[str, str], kind: Literal["container", "queue"] = "container") -> AzurePlace:
    return AzurePlace(find_account("lakehouse", environ), kind, "bronze")


def said(
    fault: AzureFault,
    environ: dict[str, str] | None = None,
    kind: Literal["container", "queue"] = "container",
    *,
    has_answered: bool = False,
) -> str:
    found = refusal(fault, place(environ or {}, kind), NOW, has_answered=has_answered)
    return "" if found is None else str(found)


def denied(code: str, words: str = "", detail: str = "", status: int = 403) -> AzureFault:
    return AzureFault(words or f"{status} {code}", status, code, detail, server_time=NOW)


@pytest.mark.parametrize(
    ("fault", "environ", "kind", "problem", "remedy"),
    [
        (
            denied("AuthenticationFailed"),
            BY_KEY,
            "container",
            "key in AZURE_STORAGE_KEY is not one of",
            "az storage account keys list --account-name lakehouse",
        ),
        (
            denied("AuthorizationFailure", "403 AuthorizationFailure: Server failed to authenticate the request."),
            BY_KEY,
            "queue",
            "key in AZURE_STORAGE_KEY is not one of",
            "keys list",
        ),
        (
            denied("AuthorizationFailure", "403 AuthorizationFailure: This request is not authorized to perform this."),
            BY_KEY,
            "container",
            "The firewall of the storage account 'lakehouse'",
            "network-rule add",
        ),
        (
            denied("AuthenticationFailed"),
            by_sas(se="2026-11-30T11:00:00Z"),
            "container",
            "The SAS in AZURE_STORAGE_SAS_TOKEN ended at 2026-11-30T11:00:00Z",
            "generate-sas",
        ),
        (
            denied("AuthenticationFailed"),
            by_sas(st="2026-11-30T13:00Z", se="2026-12-30"),
            "container",
            "begins at 2026-11-30T13:00:00Z only",
            "Wait for that",
        ),
        (
            denied("AuthenticationFailed", detail="Signature did not match"),
            by_sas(se="2026-12-30"),
            "container",
            "does not accept the SAS in AZURE_STORAGE_SAS_TOKEN for the container 'bronze'",
            "It says: Signature did not match",
        ),
        (
            denied("AuthorizationPermissionMismatch"),
            by_sas(se="2026-12-30"),
            "queue",
            "lacks a right on the queue 'bronze'",
            "raupc",
        ),
        (
            denied("AuthorizationPermissionMismatch"),
            {},
            "container",
            "The identity that DefaultAzureCredential finds here lacks a right on the container 'bronze'",
            '--role "Storage Blob Data Contributor"',
        ),
        (
            denied("AuthorizationPermissionMismatch"),
            {},
            "queue",
            "lacks a right on the queue",
            "'Storage Queue Data Contributor'",
        ),
        (
            denied("InvalidAuthenticationInfo", status=401),
            {},
            "queue",
            "does not accept the token of the identity",
            "AZURE_TENANT_ID",
        ),
        (
            denied("KeyBasedAuthenticationNotPermitted"),
            BY_KEY,
            "queue",
            "takes neither keys",
            "Unset AZURE_STORAGE_KEY",
        ),
        (denied("AuthorizationProtocolMismatch"), by_sas(), "container", "holds for https alone", "with https"),
        (denied("AuthorizationSourceIPMismatch"), by_sas(), "container", "address of this machine", "sip="),
        (denied("AccountIsDisabled"), {}, "container", "is disabled", "subscription"),
        (denied("SomethingNew"), BY_KEY, "container", "(403 SomethingNew)", "docs/azure.md"),
        (denied("ContainerNotFound", status=404), {}, "container", "'bronze' of", "az storage container create"),
        (denied("QueueNotFound", status=404), {}, "queue", "The queue 'bronze' of", "az storage queue create"),
        (denied("InvalidResourceName", status=400), {}, "queue", "'bronze' cannot be the name of a queue", "3 to 63"),
        (
            AzureFault("400 InvalidHeaderValue: ... not supported by Azurite", 400, "InvalidHeaderValue"),
            {},
            "queue",
            "older than the SDK",
            "--skipApiVersionCheck",
        ),
        (AzureFault("x", is_host_unknown=True), {}, "container", "lakehouse.blob.core.windows.net", "URL of the lake"),
        (AzureFault("x", is_host_unknown=True), {}, "queue", "lakehouse.queue.core.windows.net", "URL of the queue"),
        (AzureFault("no identity", is_token_missing=True), {}, "queue", "no identity.", "az login"),
        (
            AzureFault("no identity", is_token_missing=True),
            BY_KEY | {"AZURE_STORAGE_ACCOUNT": "other"},
            "queue",
            "The settings of the environment (AZURE_STORAGE_KEY) are of the account 'other'",
            "AZURE_STORAGE_CONNECTION_STRING",
        ),
    ],
)
def test_g7_a_refusal_names_the_setting_and_the_remedy(
    fault: AzureFault, environ: dict[str, str], kind: Literal["container", "queue"], problem: str, remedy: str
) -> None:
    text = said(fault, environ, kind)
    assert problem in text
    assert remedy in text
    assert len(text) < 600
    assert not re.search(r"c2VjcmV0|sig=", text)


@pytest.mark.parametrize("side", ["behind", "ahead of"])
def test_a_clock_an_hour_off_is_named_before_any_credential(side: str) -> None:
    """Whatever was signed with it is refused, so key, SAS and rights may all be good."""
    server_time = NOW + timedelta(minutes=61 if side == "behind" else -61)
    text = said(replace(denied("AuthenticationFailed"), server_time=server_time), BY_KEY)
    assert f"The clock of this machine is 61 minutes {side} Azure's" in text
    assert "timedatectl" in text


@pytest.mark.parametrize(
    "fault",
    [
        AzureFault("connection refused"),
        AzureFault("503 ServerBusy", 503, "ServerBusy"),
        AzureFault("500 InternalError", 500, "InternalError"),
        AzureFault("409 ContainerBeingDeleted", 409, "ContainerBeingDeleted"),
        AzureFault("404 BlobNotFound", 404, "BlobNotFound"),
        AzureFault("412 ConditionNotMet", 412, "ConditionNotMet"),
    ],
)
def test_what_may_pass_is_no_refusal(fault: AzureFault) -> None:
    assert said(fault) == ""


def test_once_azure_has_answered_a_lost_name_or_token_is_an_outage() -> None:
    assert said(AzureFault("x", is_host_unknown=True), has_answered=True) == ""
    assert said(AzureFault("x", is_token_missing=True), has_answered=True) == ""
    assert said(denied("AuthenticationFailed"), BY_KEY, has_answered=True)


def test_clients_of_a_place_remember_that_it_answered() -> None:
    errors = AzureErrors(place({}), FakeClock(NOW))
    lost = ServiceRequestError("Cannot connect to host x:443 [Name or service not known]")
    assert isinstance(errors.refusal(lost), UsageError)
    errors.note_answer()
    assert errors.refusal(lost) is None
    errors.require_clock(NOW + timedelta(minutes=4))
    with pytest.raises(UsageError, match="6 minutes behind"):
        errors.require_clock(NOW + timedelta(minutes=6))


BODY = (
    "<Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request.\n"
    "RequestId:1\nTime:2026-11-30T13:00:00.1234567Z</Message>"
    "<AuthenticationErrorDetail>Request date header too old</AuthenticationErrorDetail>"
)
PAGE = (
    "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
    "\tEnvironmentCredential: unavailable.\n\tManagedIdentityCredential: unavailable, no response"
)


def test_an_error_of_obstore_is_read_from_its_text() -> None:
    """A refused list is a `GenericError`, whose URL may be signed."""
    url = "https://lakehouse.blob.core.windows.net/bronze?restype=container&sig=c2VjcmV0"
    found = fault_of(
        GenericError(
            f"Generic MicrosoftAzure error: Error performing GET {url} in 2ms - Server returned non-2xx status "
            f"code: 403 Forbidden: {BODY}\n\nDebug source:\nGeneric {{ {BODY} }}"
        )
    )
    assert (found.status, found.code, found.detail) == (403, "AuthenticationFailed", "Request date header too old")
    assert found.server_time == datetime(2026, 11, 30, 13, 0, tzinfo=UTC)
    assert found.words == "403 AuthenticationFailed: Server failed to authenticate the request."


def test_an_answer_to_head_has_no_code() -> None:
    found = fault_of(
        PermissionDeniedError("Error performing HEAD x in 1ms - Server returned non-2xx status code: 403 ")
    )
    assert (found.status, found.code, found.words) == (403, "", "403")


@pytest.mark.parametrize("wrap", [ClientAuthenticationError, UnauthenticatedError])
def test_a_page_about_credentials_becomes_a_line(wrap: type[Exception]) -> None:
    assert fault_of(wrap(PAGE)) == AzureFault("no identity was found", is_token_missing=True)
    refused = (
        f"{PAGE}\n\tWorkloadIdentityCredential: AADSTS700024: Client assertion is not within its valid time range."
    )
    assert fault_of(wrap(refused)).words.startswith("WorkloadIdentityCredential: AADSTS700024")


def test_g7_words_of_an_outage_repeat_no_signature() -> None:
    sent = (
        "Error performing PUT https://x.blob.core.windows.net/c/b?sv=1&sig=c2VjcmV0 in 1ms - HTTP error: error sending"
    )
    assert "c2VjcmV0" not in fault_of(GenericError(f"Generic MicrosoftAzure error: {sent}")).words
    inner = f'{sent}\n\nDebug source:\n Custom {{ kind: Uncategorized, error: "Connection refused (os error 111)" }}'
    assert fault_of(GenericError(inner)).words == "Connection refused (os error 111)"
