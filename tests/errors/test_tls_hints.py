"""A TLS failure has the remedy for its reason."""

import ssl

from mxgateway.errors import (
    map_fault,
)
from tests.errors.places import (
    GATEWAY,
    Tls,
)
from tests.rows import each_row


def verification(code: int, words: str) -> ssl.SSLCertVerificationError:
    fault = ssl.SSLCertVerificationError(1, words)
    fault.verify_code, fault.verify_message = code, words
    return fault


def alert(reason: str) -> ssl.SSLError:
    fault = ssl.SSLError(1, reason)
    fault.reason = reason
    return fault


@each_row(
    ("fault", "words", "remedy"),
    [
        (
            verification(10, "certificate has expired"),
            "certificate has expired",
            "renewed, or check this machine's clock",
        ),
        (verification(9, "certificate is not yet valid"), "not yet valid", "check this machine's clock"),
        (verification(62, "Hostname mismatch"), "Hostname mismatch", "server_name_override"),
        (verification(64, "IP address mismatch"), "IP address mismatch", "server_name_override"),
        (verification(18, "self-signed certificate"), "self-signed certificate", "CA file"),
        (verification(20, "unable to get local issuer"), "unable to get", "or its fingerprint as a pin"),
        (
            alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            "asks for a client certificate",
            "pass client_cert and client_key",
        ),
        (alert("TLSV1_ALERT_UNKNOWN_CA"), "refused this client's certificate", "that the gateway trusts"),
        (alert("SSLV3_ALERT_CERTIFICATE_EXPIRED"), "refused this client's certificate", "that the gateway trusts"),
        (
            alert("SSLV3_ALERT_HANDSHAKE_FAILURE"),
            "HANDSHAKE_FAILURE",
            "whether the gateway asks for a client certificate",
        ),
        (alert("WRONG_VERSION_NUMBER"), "WRONG_VERSION_NUMBER", "pass plaintext=True (--plaintext)"),
        (alert("HTTP_REQUEST"), "HTTP_REQUEST", "pass plaintext=True (--plaintext)"),
        (alert("TLSV1_ALERT_PROTOCOL_VERSION"), "PROTOCOL_VERSION", "TLS 1.2 or newer"),
    ],
)
def test_a_tls_failure_has_the_remedy_for_its_reason(fault: ssl.SSLError, words: str, remedy: str) -> None:
    error = map_fault(fault, GATEWAY)
    assert type(error) is Tls
    assert words in error.message
    assert remedy in error.hint
