"""TLS with an own certificate authority or a client certificate. Verification is never off."""

from __future__ import annotations

import ssl
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from haulier.api.http.redactor import Redactor
from haulier.api.identity.auth import Secret, reveal
from haulier.clock import Clock
from haulier.errors import UsageError

FILE_CHECK_SECONDS = 60.0
"""Files may be renewed during a run."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of TLS files in PEM format. Certificates are always verified."""

    _: KW_ONLY
    ca_file: str = ""
    """Trusted besides the system's authorities."""
    certificate_file: str = ""
    """The client's own certificate."""
    key_file: str = ""
    """Its key; not needed if ``certificate_file`` holds it too."""
    key_password: str | Secret = field(default="", repr=False)
    """Decrypts the key."""

    def __post_init__(self) -> None:
        if (self.key_file or self.key_password) and not self.certificate_file:
            raise UsageError(
                "key_file and key_password need a certificate_file. Name the certificate that the key belongs to."
            )

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(name for name in (self.ca_file, self.certificate_file, self.key_file) if name)

    def context(self, password: str, *, has_certificate: bool = True) -> ssl.SSLContext:
        """Raises `UsageError`, which names the unusable file. ``has_certificate``: with the client's own."""
        context = ssl.create_default_context()
        # Without this some servers would speak HTTP/2, which this transport does not.
        context.set_alpn_protocols(["http/1.1"])
        for name in self.files:
            if not Path(name).is_file():
                raise UsageError(f"The TLS file {name} does not exist. Name a file in PEM format.")
        if self.ca_file:
            try:
                context.load_verify_locations(self.ca_file)
            except (ssl.SSLError, OSError) as exc:
                raise UsageError(f"The TLS file {self.ca_file} has no certificate in PEM format: {exc}") from exc
        if self.certificate_file and has_certificate:
            try:
                # Without a password OpenSSL would ask for one on the terminal, and the run would hang there.
                context.load_cert_chain(self.certificate_file, self.key_file or None, password=lambda: password)
            except (ssl.SSLError, OSError) as exc:
                key = f" and the key {self.key_file}" if self.key_file else ""
                raise UsageError(
                    f"The TLS certificate {self.certificate_file}{key} cannot be used ({exc}). Check that both are in "
                    "PEM format and belong together, and that key_password is right."
                ) from exc
        return context


class TlsContexts:
    """The context of a `Tls`, made at once to find wrong files at the start, and anew when files change."""

    def __init__(self, tls: Tls, clock: Clock, redactor: Redactor) -> None:
        self._tls = tls
        self._clock = clock
        self._password = reveal(tls.key_password)
        redactor.add(self._password)
        self._stamps = self._stamp()
        self._looked_at = clock.monotonic()
        self._context, self._bare = self._contexts()

    def current(self, *, has_certificate: bool = True) -> ssl.SSLContext:
        """Unusable files leave the old context: a renewal may be half done. ``has_certificate``: with the client's own,
        which is a credential for the API alone."""
        now = self._clock.monotonic()
        if now - self._looked_at >= FILE_CHECK_SECONDS:
            self._looked_at = now
            stamps = self._stamp()
            if stamps != self._stamps:
                try:
                    self._context, self._bare = self._contexts()
                    self._stamps = stamps
                except UsageError:
                    pass
        return self._context if has_certificate else self._bare

    def _contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        whole = self._tls.context(self._password)
        return whole, self._tls.context("", has_certificate=False) if self._tls.certificate_file else whole

    def _stamp(self) -> tuple[object, ...]:
        def stamp(name: str) -> object:
            try:
                found = Path(name).stat()
            except OSError:
                return None
            return found.st_mtime_ns, found.st_size, found.st_ino

        return tuple(map(stamp, self._tls.files))
