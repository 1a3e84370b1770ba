"""A status is judged by its category and explained by the names of its enums."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import proto
from mxgateway.status import explain_detail, explain_status, failures, is_failure
from tests.rows import each_row

C = proto.MxStatusCategory
S = proto.MxStatusSource

NO_FAILURES = {"UNSPECIFIED", "OK", "PENDING", "WARNING"}


@each_row("category", list(C))
def test_ok_pending_warning_and_an_unset_category_are_no_failure_and_all_others_are(category: C) -> None:
    assert is_failure(category) is (category.name not in NO_FAILURES)


@pytest.mark.parametrize("name", ["SECURITY_ERROR", "MX_STATUS_CATEGORY_SECURITY_ERROR"])
def test_a_category_may_be_given_by_name_with_or_without_the_enums_prefix(name: str) -> None:
    assert is_failure(name)
    assert not is_failure(name.replace("SECURITY_ERROR", "PENDING"))


def test_no_category_at_all_is_no_failure() -> None:
    assert not is_failure(None)
    assert not is_failure("")
    assert not is_failure(proto.MxStatusProxy().category)


def test_a_category_that_the_contract_does_not_name_is_a_failure() -> None:
    assert is_failure(C.try_value(4711))
    assert is_failure("BRAND_NEW_ERROR")


@pytest.mark.parametrize("success", [-1, 0, 1])
def test_success_is_a_com_number_and_decides_nothing(success: int) -> None:
    fine = proto.MxStatusProxy(success=success, category=C.OK)
    bad = proto.MxStatusProxy(success=success, category=C.OTHER_ERROR)
    assert failures([fine, bad]) == [bad]


def test_the_status_of_a_suspend_in_progress_is_no_failure() -> None:
    pending = proto.MxStatusProxy(success=-1, category=C.PENDING, detected_by=S.REQUESTING_LMX)
    assert failures([pending]) == []
    assert explain_status(pending) == (
        "pending: received, not yet complete, detected by the requesting side's Local Message Exchange"
    )


def test_a_status_is_explained_with_category_source_detail_and_the_gateways_text() -> None:
    status = proto.MxStatusProxy(
        category=C.SECURITY_ERROR,
        detected_by=S.RESPONDING_LMX,
        detail=321,
        diagnostic_text="Write denied by provider security.",
    )
    assert explain_status(status) == (
        "security error: access rights do not suffice, detected by the responding side's Local Message Exchange, detail 321; "
        "Write denied by provider security."
    )


def test_an_unresolved_reference_is_explained_by_its_detail() -> None:
    status = proto.MxStatusProxy(category=C.CONFIGURATION_ERROR, detail=1003)
    assert explain_status(status) == (
        "configuration error, detail 1003 (the reference could not be resolved: unknown tag, or a whole array without its [])"
    )


def test_an_empty_status_has_words_too() -> None:
    assert explain_status(proto.MxStatusProxy()) == "no category"


def test_numbers_without_a_name_are_shown_as_the_gateway_sent_them() -> None:
    status = proto.MxStatusProxy(
        category=C.try_value(99), detected_by=S.try_value(98), raw_category=41, raw_detected_by=42, detail=7777
    )
    assert explain_status(status) == "status category 41, detected by source 42, detail 7777"


def test_names_of_a_newer_contract_are_spelled_out() -> None:
    status = SimpleNamespace(
        success=0,
        category=SimpleNamespace(name="LICENCE_ERROR"),
        detected_by=SimpleNamespace(name="MX_STATUS_SOURCE_EDGE_GATEWAY"),
        detail=0,
        raw_category=11,
        raw_detected_by=9,
        diagnostic_text="",
    )
    assert explain_status(status) == "licence error, detected by edge gateway"  # type: ignore[arg-type]


def test_every_category_and_source_of_the_contract_has_words() -> None:
    for category in C:
        for source in S:
            text = explain_status(proto.MxStatusProxy(category=category, detected_by=source))
            assert "_" not in text
            assert text == text.strip()
            assert ("detected by" in text) is (source.name != "UNSPECIFIED")


def test_the_gateways_text_stays_on_one_line() -> None:
    status = proto.MxStatusProxy(category=C.OTHER_ERROR, diagnostic_text=" first\r\n second\t third ")
    assert explain_status(status) == "other error; first second third"


def test_a_detail_without_a_public_meaning_stays_a_number() -> None:
    assert explain_detail(321) == "detail 321"
    assert explain_detail(6) == "detail 6 (invalid reference: the tag could not be resolved)"


@given(
    st.builds(
        proto.MxStatusProxy,
        success=st.integers(-1, 1),
        category=st.integers(-5, 20).map(C.try_value),
        detected_by=st.integers(-5, 20).map(S.try_value),
        detail=st.integers(-(2**31), 2**31 - 1),
        diagnostic_text=st.text(),
    )
)
def test_any_status_is_explained_in_one_line(status: proto.MxStatusProxy) -> None:
    assert len(explain_status(status).splitlines()) == 1


def test_explaining_needs_no_message_classes() -> None:
    script = (
        "import sys; from mxgateway.status import explain_hresult, explain_quality; explain_hresult(0); "
        "print([m for m in ('betterproto', 'grpclib', 'mxgateway.proto') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
