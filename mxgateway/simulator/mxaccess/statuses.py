"""HRESULTs and MXAccess statuses of the simulated gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mxgateway.generated.mxaccess_gateway import v1 as mx

S_OK: Final = 0
E_INVALIDARG: Final = 0x80070057 - 2**32
E_PROVIDER_SECURITY: Final = 0x80040200 - 2**32

GOOD: Final = 192
UNCERTAIN: Final = 64
BAD: Final = 0

# COM's VARIANT_TRUE: a native OK or PENDING status has it in `success`.
_NATIVE_TRUE: Final = -1

OUT_OF_RANGE: Final = "Value does not fall within the expected range"


def _native(category: mx.MxStatusCategory, source: mx.MxStatusSource) -> mx.MxStatusProxy:
    return mx.MxStatusProxy(success=_NATIVE_TRUE, category=category, detected_by=source)


def _failure(category: mx.MxStatusCategory, source: mx.MxStatusSource, detail: int, text: str) -> mx.MxStatusProxy:
    return mx.MxStatusProxy(category=category, detected_by=source, detail=detail, diagnostic_text=text)


OK: Final = _native(mx.MxStatusCategory.OK, mx.MxStatusSource.RESPONDING_LMX)
PENDING: Final = _native(mx.MxStatusCategory.PENDING, mx.MxStatusSource.REQUESTING_LMX)

UNKNOWN_REFERENCE: Final = _failure(
    mx.MxStatusCategory.CONFIGURATION_ERROR,
    mx.MxStatusSource.REQUESTING_NMX,
    1003,
    "The reference is not known to the galaxy.",
)
PROVIDER_SECURITY: Final = _failure(
    mx.MxStatusCategory.SECURITY_ERROR,
    mx.MxStatusSource.RESPONDING_LMX,
    321,
    "Write denied by provider security.",
)
SECURED_WRITE_REQUIRED: Final = _failure(
    mx.MxStatusCategory.SECURITY_ERROR,
    mx.MxStatusSource.RESPONDING_LMX,
    322,
    "The attribute takes secured writes only.",
)
VERIFIED_WRITE_REQUIRED: Final = _failure(
    mx.MxStatusCategory.SECURITY_ERROR,
    mx.MxStatusSource.RESPONDING_LMX,
    323,
    "The attribute takes verified writes only: two different users.",
)
VIEW_ONLY: Final = _failure(
    mx.MxStatusCategory.SECURITY_ERROR,
    mx.MxStatusSource.RESPONDING_LMX,
    324,
    "The attribute is view only.",
)


def wrong_type(text: str) -> mx.MxStatusProxy:
    """Return the status of a write with a value that the attribute cannot take.

    Args:
        text: The reason.
    """
    return _failure(mx.MxStatusCategory.OPERATIONAL_ERROR, mx.MxStatusSource.RESPONDING_AUTOMATION_OBJECT, 1010, text)


class MxAccessFailure(Exception):
    """MXAccess rejected the command: the reply carries this as data.

    Args:
        diagnostic: The failure's text.
        hresult: The COM result.
        statuses: The status array.
    """

    def __init__(
        self,
        diagnostic: str = OUT_OF_RANGE,
        *,
        hresult: int = E_INVALIDARG,
        statuses: Sequence[mx.MxStatusProxy] = (),
    ) -> None:
        super().__init__(diagnostic)
        self.diagnostic = diagnostic
        self.hresult = hresult
        self.statuses = list(statuses)


def security_failure(*statuses: mx.MxStatusProxy) -> MxAccessFailure:
    """Return the failure of a call that the provider's security rejects."""
    return MxAccessFailure(statuses[0].diagnostic_text, hresult=E_PROVIDER_SECURITY, statuses=statuses)
