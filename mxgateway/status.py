"""What an MxStatusProxy, an HRESULT and an OPC quality mean, in words.

Nothing here needs the generated messages: a status is anything with the attributes of MxStatusProxy, and its enums are
read by name, so that bindings generated from a gateway's own files work as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from mxgateway.errors.redaction import OPEN_GATE
from mxgateway.system.lazy_names import LazyModule

if TYPE_CHECKING:
    from mxgateway import proto
else:
    proto = LazyModule("mxgateway.proto")

QualityKind = Literal["good", "uncertain", "bad"]
"""The three classes of OPC quality."""

# --------------------------------------------------------------------------------------------------------------------
# Status categories and sources

# AVEVA's own words for the status of an attribute read or write (Application Server user's guide, "Status").
_CATEGORIES: Final = {
    "UNSPECIFIED": "no category",
    "UNKNOWN": "unknown status",
    "OK": "OK",
    "PENDING": "pending: received, not yet complete",
    "WARNING": "warning: completed, with a warning condition",
    "COMMUNICATION_ERROR": "communication error with the object behind the tag",
    "CONFIGURATION_ERROR": "configuration error",
    "OPERATIONAL_ERROR": "operational error",
    "SECURITY_ERROR": "security error: access rights do not suffice",
    "SOFTWARE_ERROR": "internal software error",
    "OTHER_ERROR": "other error",
}

# A WARNING completed; PENDING and an unset category report no failure yet.
_NO_FAILURE: Final = frozenset({"UNSPECIFIED", "OK", "PENDING", "WARNING"})

# LMX is the in-process part of Message Exchange, NMX its network part (ArchestrA Object Toolkit, MxStatusSource).
_SOURCES: Final = {
    "UNKNOWN": "an unknown component",
    "REQUESTING_LMX": "the requesting side's Local Message Exchange",
    "RESPONDING_LMX": "the responding side's Local Message Exchange",
    "REQUESTING_NMX": "the requesting side's Network Message Exchange",
    "RESPONDING_NMX": "the responding side's Network Message Exchange",
    "REQUESTING_AUTOMATION_OBJECT": "the requesting automation object",
    "RESPONDING_AUTOMATION_OBJECT": "the responding automation object",
}

# The members of the vendor's MxStatusDetail whose numbers are public, and some observed on live systems.
_DETAILS: Final = {
    1: "the request timed out",
    2: "communication error with the platform",
    3: "invalid platform id",
    4: "invalid engine id",
    5: "communication error with the engine",
    6: "invalid reference: the tag could not be resolved",
    7: "no Galaxy Repository",
    8: "invalid object id",
    1003: "the reference could not be resolved: unknown tag, or a whole array without its []",
}


@lru_cache(maxsize=64, typed=True)
def is_failure(category: proto.MxStatusCategory | str | None) -> bool:
    """Return whether a status category means that the operation failed.

    Args:
        category: The enum value, or its name with or without the enum's prefix. None counts as unset.

    Returns:
        False for OK, PENDING, WARNING and an unset category; True for every other, including one without a name. The
        COM number `success` of a status is not a boolean (native OK is −1) and is ignored.
    """
    return _name(category, "MX_STATUS_CATEGORY_") not in _NO_FAILURE


def failures(statuses: Iterable[proto.MxStatusProxy]) -> list[proto.MxStatusProxy]:
    """Return the statuses whose category is a failure, in order."""
    return [status for status in statuses if is_failure(status.category)]


def reports_failure(hresult: int | None, statuses: Iterable[proto.MxStatusProxy]) -> bool:
    """Return whether the HRESULT or a status of a reply, a result or an event is a failure; None is no HRESULT."""
    return (hresult is not None and hresult_failed(hresult)) or any(is_failure(each.category) for each in statuses)


def explain_failure(hresult: int | None, statuses: Iterable[proto.MxStatusProxy]) -> list[str]:
    """Return what an HRESULT and the failures among the statuses mean, one line for each."""
    return [*([explain_hresult(hresult)] if hresult else ()), *map(explain_status, failures(statuses))]


def explain_status(status: proto.MxStatusProxy) -> str:
    """Return one line that says what a status means.

    Args:
        status: An MxStatusProxy, or anything with its attributes.

    Returns:
        Category, source, detail and the gateway's own text, as far as they are set; a number if there is no name.
    """
    category = _name(status.category, "MX_STATUS_CATEGORY_")
    parts = [_CATEGORIES.get(category) or _spelled(category) or f"status category {status.raw_category}"]
    if category == "UNKNOWN" and status.raw_category:
        parts[0] += f" (category {status.raw_category})"
    source = _name(status.detected_by, "MX_STATUS_SOURCE_")
    if source != "UNSPECIFIED":
        words = _SOURCES.get(source) or _spelled(source) or f"source {status.raw_detected_by}"
        if source == "UNKNOWN" and status.raw_detected_by:
            words += f" (source {status.raw_detected_by})"
        parts.append(f"detected by {words}")
    if status.detail:
        parts.append(explain_detail(status.detail))
    text = OPEN_GATE.line(status.diagnostic_text)
    return "; ".join([", ".join(parts), text] if text else [", ".join(parts)])


def is_said(text: str, reasons: Iterable[str]) -> bool:
    """Return whether one of the reasons already contains a text, ignoring case and a final full stop."""
    needle = text.strip().rstrip(".").casefold()
    return any(needle in reason.casefold() for reason in reasons)


def explain_detail(detail: int) -> str:
    """Return what a detail number of a status means, or the number alone if its meaning is not public.

    Args:
        detail: `detail` of an MxStatusProxy.
    """
    words = _DETAILS.get(detail)
    return f"detail {detail} ({words})" if words else f"detail {detail}"


def _name(value: proto.MxStatusCategory | proto.MxStatusSource | str | None, prefix: str) -> str:
    """Return the enum name without its prefix; "UNSPECIFIED" if unset, "" for a number without a name."""
    name = value if isinstance(value, str) else getattr(value, "name", None)
    if name is None:
        return "" if value else "UNSPECIFIED"
    return name.removeprefix(prefix) or "UNSPECIFIED"


def _spelled(name: str) -> str:
    """Return a name from a newer contract as words."""
    return name.replace("_", " ").lower()


# --------------------------------------------------------------------------------------------------------------------
# HRESULTs


# Windows SDK, winerror.h and corerror.h. Only what a COM server such as MXAccess, or the .NET gateway around it,
# returns.
_HRESULTS: Final = {
    0x00000000: "S_OK: success",
    0x00000001: "S_FALSE: success, but the answer is false",
    0x80004001: "E_NOTIMPL: not implemented",
    0x80004002: "E_NOINTERFACE: no such interface; also a failed cast",
    0x80004003: "E_POINTER: invalid pointer",
    0x80004004: "E_ABORT: aborted",
    0x80004005: "E_FAIL: unspecified failure",
    0x8000000A: "E_PENDING: the data is not yet available",
    0x8000FFFF: "E_UNEXPECTED: catastrophic failure",
    0x80010001: "RPC_E_CALL_REJECTED: the callee rejected the call",
    0x80010007: "RPC_E_SERVER_DIED: the callee is gone; the call may have been carried out",
    0x80010012: "RPC_E_SERVER_DIED_DNE: the callee is gone; the call was not carried out",
    0x80010100: "RPC_E_SYS_CALL_FAILED: system call failed",
    0x80010105: "RPC_E_SERVERFAULT: the server threw an exception",
    0x80010106: "RPC_E_CHANGED_MODE: the thread already has another apartment kind",
    0x80010108: "RPC_E_DISCONNECTED: the object has disconnected from its clients",
    0x8001010A: "RPC_E_SERVERCALL_RETRYLATER: the server is busy; try again later",
    0x8001010B: "RPC_E_SERVERCALL_REJECTED: the server rejected the call",
    0x8001010D: "RPC_E_CANTCALLOUT_ININPUTSYNCCALL: no outgoing call during an input-synchronous one",
    0x8001010E: "RPC_E_WRONG_THREAD: the interface belongs to another thread",
    0x8001011F: "RPC_E_TIMEOUT: the call timed out",
    0x80020003: "DISP_E_MEMBERNOTFOUND: member not found",
    0x80020004: "DISP_E_PARAMNOTFOUND: parameter not found",
    0x80020005: "DISP_E_TYPEMISMATCH: type mismatch: the value's type does not fit the attribute",
    0x80020006: "DISP_E_UNKNOWNNAME: unknown name",
    0x80020008: "DISP_E_BADVARTYPE: bad variable type",
    0x80020009: "DISP_E_EXCEPTION: an exception occurred",
    0x8002000A: "DISP_E_OVERFLOW: the value is out of the type's range",
    0x8002000B: "DISP_E_BADINDEX: invalid index",
    0x8002000D: "DISP_E_ARRAYISLOCKED: the memory of the array is locked",
    0x8002000E: "DISP_E_BADPARAMCOUNT: wrong number of parameters",
    0x8002000F: "DISP_E_PARAMNOTOPTIONAL: a parameter is missing",
    0x80040154: "REGDB_E_CLASSNOTREG: COM class not registered: is MXAccess installed there?",
    0x800401F0: "CO_E_NOTINITIALIZED: COM is not initialised on this thread",
    0x800401F3: "CO_E_CLASSSTRING: invalid class string",
    0x800401FD: "CO_E_OBJNOTCONNECTED: the object is not connected to its server",
    0x80070005: "E_ACCESSDENIED: access denied",
    0x80070006: "E_HANDLE: invalid handle",
    0x8007000E: "E_OUTOFMEMORY: out of memory",
    0x80070057: "E_INVALIDARG: value does not fall within the expected range: an unknown handle, or an item that is not advised",
    0x8007007E: "ERROR_MOD_NOT_FOUND: a DLL was not found",
    0x800700C1: "ERROR_BAD_EXE_FORMAT: not a valid module; 32 and 64 bits are mixed",
    0x80070490: "ERROR_NOT_FOUND: element not found",
    0x800705B4: "ERROR_TIMEOUT: timed out",
    0x800706BA: "RPC_S_SERVER_UNAVAILABLE: the RPC server is unavailable",
    0x800706BE: "RPC_S_CALL_FAILED: the remote procedure call failed",
    0x80080005: "CO_E_SERVER_EXEC_FAILURE: the COM server could not be started",
    0x80131500: "COR_E_EXCEPTION: .NET exception",
    0x80131501: "COR_E_SYSTEM: .NET system exception",
    0x80131502: "COR_E_ARGUMENTOUTOFRANGE: .NET: argument out of range",
    0x80131505: "COR_E_TIMEOUT: .NET: timed out",
    0x80131509: "COR_E_INVALIDOPERATION: .NET: not valid in the object's present state",
    0x80131515: "COR_E_NOTSUPPORTED: .NET: not supported",
    0x8013153B: "COR_E_OPERATIONCANCELED: .NET: the operation was cancelled",
    0x80131622: "COR_E_OBJECTDISPOSED: .NET: the object was disposed of",
}

_FACILITIES: Final = {
    1: "RPC",
    2: "dispatch",
    3: "storage",
    4: "interface",
    7: "Win32",
    8: "Windows",
    9: "security",
    10: "control",
    17: "COM+",
    19: ".NET",
}
_INTERFACE_FACILITY: Final = 4
# Below this code COM itself defines the errors of FACILITY_ITF; from here on each interface defines its own.
_FIRST_INTERFACE_CODE: Final = 0x0200


def hresult_failed(hresult: int) -> bool:
    """Return whether an HRESULT is a failure, that is, whether its top bit is set.

    Args:
        hresult: Signed or unsigned.
    """
    return bool(hresult & 0x80000000)


def explain_hresult(hresult: int) -> str:
    """Return one line that says what an HRESULT means.

    Args:
        hresult: Signed (as the contract carries it) or unsigned.

    Returns:
        The number in hexadecimal, then its name and meaning, or its facility and code if it has no well-known name.
    """
    if not -(2**31) <= hresult < 2**32:
        return f"{hresult}, which is not an HRESULT"
    number = hresult & 0xFFFFFFFF
    known = _HRESULTS.get(number)
    if known is not None:
        return f"0x{number:08X} {known}"
    outcome = "failure" if hresult_failed(number) else "success"
    facility, code = number >> 16 & 0x1FFF, number & 0xFFFF
    if facility == _INTERFACE_FACILITY and code >= _FIRST_INTERFACE_CODE:
        return f"0x{number:08X}: {outcome} defined by the interface itself (code 0x{code:04X}); see the statuses"
    where = f", facility {_FACILITIES.get(facility, facility)}" if facility else " without a facility"
    return f"0x{number:08X}: {outcome}{where}, code {code}"


# --------------------------------------------------------------------------------------------------------------------
# OPC quality: vendor byte, then QQSSSSLL (OPC Data Access 3.00, "OPC Quality flags")

_QUALITY_KINDS: Final[tuple[QualityKind, ...]] = ("bad", "uncertain", "bad", "good")
_SUBSTATUSES: Final[dict[QualityKind, dict[int, str]]] = {
    "bad": {
        0: "",
        1: "configuration error",
        2: "not connected",
        3: "device failure",
        4: "sensor failure",
        5: "last known value",
        6: "communication failure",
        7: "out of service",
        8: "waiting for initial data",
    },
    "uncertain": {
        0: "",
        1: "last usable value",
        4: "sensor not accurate",
        5: "engineering units exceeded",
        6: "fewer good sources than required",
    },
    "good": {0: "", 6: "local override"},
}
_RESERVED_QUALITY: Final = 0b10
_LIMITS: Final = ("", "at the low limit", "at the high limit", "constant")


def quality_kind(quality: int) -> QualityKind:
    """Return the class of an OPC quality: the upper two bits of its low byte.

    Args:
        quality: From an event or a read; 192 is good, 64 uncertain, 0 bad.

    Returns:
        The class. The reserved bit pattern of OPC counts as bad.
    """
    return _QUALITY_KINDS[quality >> 6 & 0b11]


def is_good(quality: int) -> bool:
    """Return whether an OPC quality is good, whatever its sub-status."""
    return quality_kind(quality) == "good"


def explain_quality(quality: int) -> str:
    """Return one line that says what an OPC quality means.

    Args:
        quality: From an event or a read.

    Returns:
        Class, sub-status, limit and the vendor's byte, as far as they are set: ``bad: out of service``.
    """
    kind = quality_kind(quality)
    substatus = quality >> 2 & 0b1111
    if quality >> 6 & 0b11 == _RESERVED_QUALITY:
        words = f"reserved quality {quality & 0xFF}"
    else:
        words = _SUBSTATUSES[kind].get(substatus, f"sub-status {substatus}")
    vendor = quality >> 8 & 0xFF
    parts = [words, _LIMITS[quality & 0b11], f"vendor byte {vendor}" if vendor else ""]
    said = ", ".join(part for part in parts if part)
    return f"{kind}: {said}" if said else kind
