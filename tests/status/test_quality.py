"""An OPC quality is good, uncertain or bad by the upper two bits of its low byte, and has words for the rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mxgateway.status import explain_quality, is_good, quality_kind
from tests.rows import each_row


@each_row(
    ("quality", "kind", "words"),
    [
        (192, "good", "good"),
        (216, "good", "good: local override"),
        (0, "bad", "bad"),
        (4, "bad", "bad: configuration error"),
        (8, "bad", "bad: not connected"),
        (12, "bad", "bad: device failure"),
        (16, "bad", "bad: sensor failure"),
        (20, "bad", "bad: last known value"),
        (24, "bad", "bad: communication failure"),
        (28, "bad", "bad: out of service"),
        (32, "bad", "bad: waiting for initial data"),
        (64, "uncertain", "uncertain"),
        (68, "uncertain", "uncertain: last usable value"),
        (80, "uncertain", "uncertain: sensor not accurate"),
        (84, "uncertain", "uncertain: engineering units exceeded"),
        (88, "uncertain", "uncertain: fewer good sources than required"),
        (85, "uncertain", "uncertain: engineering units exceeded, at the low limit"),
        (86, "uncertain", "uncertain: engineering units exceeded, at the high limit"),
        (195, "good", "good: constant"),
        (192 + 7 * 256, "good", "good: vendor byte 7"),
        (196, "good", "good: sub-status 1"),
        (128, "bad", "bad: reserved quality 128"),
    ],
)
def test_a_quality_has_a_class_and_words(quality: int, kind: str, words: str) -> None:
    assert quality_kind(quality) == kind
    assert explain_quality(quality) == words
    assert is_good(quality) is (kind == "good")


@given(st.integers(-(2**31), 2**31 - 1))
def test_the_class_is_the_upper_two_bits_of_the_low_byte_whatever_the_vendor_adds(quality: int) -> None:
    expected = {0b00: "bad", 0b01: "uncertain", 0b10: "bad", 0b11: "good"}[(quality & 0xFF) // 64]
    assert quality_kind(quality) == expected
    assert explain_quality(quality).startswith(expected)
    assert "\n" not in explain_quality(quality)
