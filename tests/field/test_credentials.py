"""Credentials: a key that is rotated while the program runs is asked for again, and the cause of an outage is told."""

from __future__ import annotations

from tests.field.behaviours import Behaviour

BEHAVIOURS = [
    Behaviour(
        "api_key takes a function or coroutine function, and a refused call is sent again with the new key",
        "client/calling/test_rotated_keys.py::test_a_function_is_asked_at_the_connect_and_a_refused_call_is_repeated_with_the_new_key",
        (
            "client/calling/test_rotated_keys.py::test_a_confirmed_write_is_repeated_with_the_new_key",
            "client/calling/test_rotated_keys.py::test_a_stream_is_repeated_with_the_new_key",
            "client/calling/test_rotated_keys.py::test_calls_at_the_same_time_ask_once",
            "client/calling/test_rotated_keys.py::test_a_key_that_has_not_changed_is_refused_once_for_each_failure",
            "client/calling/test_rotated_keys.py::test_a_function_without_a_key_is_refused_at_the_connect",
            "client/calling/test_rotated_keys.py::test_a_function_that_fails_later_leaves_the_gateways_refusal",
            "client/calling/test_rotated_keys.py::test_a_function_that_never_answers_is_bounded_by_the_connect_timeout",
            "client/calling/test_rotated_keys.py::test_the_key_that_a_function_returned_never_shows",
        ),
    ),
    Behaviour(
        "a cause that changes during an outage is told: a refused key is named",
        "client/calling/test_rotated_keys.py::test_a_subscription_names_a_rotated_key_and_goes_on_with_the_new_one",
    ),
    Behaviour(
        "a key that is renewed in time interrupts nothing, and the log names it",
        "client/calling/test_rotated_keys.py::"
        "test_a_subscription_goes_on_with_a_key_that_was_renewed_in_time_and_one_line_says_so",
    ),
    Behaviour(
        "the file of --api-key-file is read again at UNAUTHENTICATED",
        "cli/connecting/test_rotated_key_file.py::test_a_key_that_is_rotated_while_a_command_runs_is_read_again",
        (
            "cli/connecting/test_rotated_key_file.py::test_the_file_is_read_again_after_the_first_time_and_its_new_key_is_hidden",
        ),
    ),
]
