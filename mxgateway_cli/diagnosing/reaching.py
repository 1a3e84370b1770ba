"""The first steps: resolve, connect, TLS, HTTP/2, as the library reports them of one connection."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import mxgateway
from mxgateway_cli.diagnosing.certificates import fingerprint, read_certificate
from mxgateway_cli.diagnosing.steps import STEPS, Step, StepName

_PHASES: Final[dict[str, StepName]] = {"resolve": "resolve", "connect": "connect", "proxy": "connect", "tls": "tls"}
"""The step in which a phase of the library is; every other one is in http2."""
SOON: Final = 30
"""Days before the end of a certificate from which on it is a warning."""
_RENEW: Final = "have the gateway's certificate renewed, then run: mxgw-py doctor"


def connection_steps(report: mxgateway.ConnectionReport, options: mxgateway.ClientOptions) -> list[Step]:
    """Return the steps up to HTTP/2; the last one has failed if the gateway could not be reached."""
    failing = _PHASES.get(report.error.phase, "http2") if report.error is not None else None
    steps = []
    for name in STEPS[: STEPS.index("http2") + 1]:
        if name == failing:
            steps.append(_failed(name, report))
            break
        steps.append(_passed(name, report, options))
    return steps


def _failed(name: StepName, report: mxgateway.ConnectionReport) -> Step:
    assert report.error is not None
    facts = _certificate(report) if name == "tls" else {}
    also = f"the certificate is {_words(facts)}" if facts else ""
    address = {"address": report.address or None} if name == "connect" else {}
    return Step.failed(name, _seconds(name, report), report.error, also, **address, **facts)


def _passed(name: StepName, report: mxgateway.ConnectionReport, options: mxgateway.ClientOptions) -> Step:
    seconds = _seconds(name, report)
    if name == "tls" and options.plaintext:
        return Step.skipped(name, "plaintext: the API key and all data are sent unencrypted", needed=False)
    if seconds is None:
        return Step.skipped(name, "not reached: the files for TLS are read first")
    if name == "resolve":
        return Step.passed(name, seconds, ", ".join(report.addresses), addresses=list(report.addresses))
    if name == "connect":
        proxy = str(options.proxy) if options.proxy is not None else None
        detail = f"{report.address}, a proxy that opened a tunnel to {report.endpoint}" if proxy else report.address
        return Step.passed(name, seconds, detail, address=report.address, proxy=proxy)
    if name == "tls":
        return _secured(report, options.tls or mxgateway.TlsOptions(), seconds)
    alpn = None if options.plaintext else "h2"
    return Step.passed(name, seconds, "the gateway answered the greeting" + ("; ALPN h2" if alpn else ""), alpn=alpn)


def _seconds(name: StepName, report: mxgateway.ConnectionReport) -> float | None:
    """Return how long the phases of a step took; None if it did not begin."""
    phases = [seconds for phase, seconds in report.seconds.items() if _PHASES.get(phase, "http2") == name]
    return sum(phases) if phases else None


def _secured(report: mxgateway.ConnectionReport, options: mxgateway.TlsOptions, seconds: float) -> Step:
    facts = _certificate(report) | {"tlsVersion": report.tls_version, "trust": _trust(options)}
    days = facts.get("daysLeft")
    hint = _RENEW if days is not None and days < SOON else ""
    return Step.passed("tls", seconds, f"{report.tls_version}, {facts['trust']}: {_words(facts)}", hint, **facts)


def _trust(options: mxgateway.TlsOptions) -> str:
    verified = options.ca_file is not None or options.require_certificate_validation
    if verified:
        return "verified and pinned" if options.pins else "verified"
    return "pinned" if options.pins else "trusted on first use"


def _certificate(report: mxgateway.ConnectionReport) -> dict[str, Any]:
    """Return what the gateway's certificate says; nothing if none was seen."""
    if report.certificate is None:
        return {}
    sha256 = fingerprint(report.certificate)
    try:
        read = read_certificate(report.certificate)
    except ValueError:
        return {"subject": None, "issuer": None, "names": [], "sha256": sha256, "notAfter": None, "daysLeft": None}
    return {
        "subject": read.subject,
        "issuer": read.issuer,
        "names": list(read.names),
        "sha256": sha256,
        "notAfter": read.not_after.isoformat().replace("+00:00", "Z"),
        "daysLeft": (read.not_after - datetime.now(UTC)).days,
    }


def _words(facts: dict[str, Any]) -> str:
    """Return the facts of a certificate as words."""
    if facts["notAfter"] is None:
        return f"unreadable, SHA-256 {facts['sha256']}"
    days = facts["daysLeft"]
    when = "expired" if days < 0 else "1 day left" if days == 1 else f"{days} days left"
    signed = "self-signed" if facts["subject"] == facts["issuer"] else f"signed by {facts['issuer']}"
    names = f", for {', '.join(facts['names'])}" if facts["names"] else ""
    return f"{facts['subject']}{names}, {signed}, until {facts['notAfter'][:10]} ({when}), SHA-256 {facts['sha256']}"
