"""Each rule that docs/gateway.md states, in its order, with the tests that prove it at the simulated gateway."""

from __future__ import annotations

from tests.field.behaviours import Behaviour

_S = "simulator/"
_AUTH, _LIMITS = f"{_S}server/test_authentication.py::", f"{_S}server/test_limits.py::"
_SESSIONS, _COMMANDS = f"{_S}mxaccess/test_sessions.py::", f"{_S}mxaccess/test_commands.py::"
_APARTMENT, _EVENTS = f"{_S}mxaccess/test_one_apartment.py::", f"{_S}mxaccess/test_events.py::"
_REPLAY, _WRITES = f"{_S}mxaccess/test_replay.py::", f"{_S}mxaccess/test_writes.py::"
_BULKS, _READS = f"{_S}mxaccess/test_bulk_commands.py::", f"{_S}mxaccess/test_bulk_commands.py::TestReadBulk::"
_SUSPEND, _BUFFERED = f"{_S}mxaccess/test_suspend.py::", f"{_S}mxaccess/test_buffered_items.py::"
_SPARSE, _FAULTS = f"{_S}mxaccess/test_sparse_arrays.py::", f"{_S}mxaccess/test_event_faults.py::"
_VALUES, _ALARMS = f"{_S}plant/test_values.py::", f"{_S}alarms/test_alarms.py::"
_SUBSCRIBERS, _GALAXY = f"{_S}alarms/test_alarm_subscribers.py::", f"{_S}galaxy/test_galaxy.py::"
_WATCHING, _FILTERS = f"{_GALAXY}TestWatchingDeployments::", f"{_S}galaxy/test_galaxy_filters.py::"
_DEPLOYMENTS, _HTTP2 = f"{_S}galaxy/test_redeployments.py::", f"{_S}server/test_http2_rules.py::"
_HOSTILE, _TLS = f"{_S}server/test_hostile_clients.py::", f"{_S}server/test_life_cycle.py::TestTls::"
_RUNNING, _SEVERAL = f"{_S}behaviour/test_running.py::", f"{_S}behaviour/test_several_subscribers.py::"
_OPTIONS = f"{_S}test_options.py::"


def _rule(text: str, test: str, *more: str) -> Behaviour:
    return Behaviour(text, test, more)


RULES: dict[str, list[Behaviour]] = {
    "Sessions": [
        _rule("A session has a worker of its own, with one MXAccess object.", f"{_SESSIONS}test_each_session_has_its_own_id_and_worker"),
        _rule("The commands of a session run one after another; those of two sessions run side by side.", f"{_RUNNING}test_the_commands_of_a_session_run_one_after_another_and_those_of_two_side_by_side"),
        _rule("OpenSession answers with `session-` and 32 hex digits, the backend `mxaccess-worker`, both protocol versions and the capabilities.", f"{_SESSIONS}test_open_session_tells_everything_that_a_client_checks", f"{_SESSIONS}test_another_protocol_version_can_be_told"),
        _rule("Another backend, or a negative timeout, is INVALID_ARGUMENT.", f"{_SESSIONS}test_an_unknown_backend_and_a_negative_timeout_are_refused"),
        _rule("A session that starts passes through StartingWorker, WaitingForPipe, Handshaking and InitializingWorker; only Ready takes commands and streams.", f"{_RUNNING}test_a_session_that_starts_goes_through_its_states_and_takes_neither_commands_nor_streams", f"{_SESSIONS}test_a_closed_session_takes_no_commands_and_no_streams_but_tells_its_state"),
        _rule("From Faulted only Closed follows, and nothing follows Closed.", f"{_SESSIONS}test_a_crashed_worker_faults_its_session_for_good"),
        _rule("CloseSession answers CLOSED, however often it is called.", f"{_SESSIONS}test_closing_is_idempotent_and_always_answers_closed"),
        _rule("Closing a session fails its pending commands and ends its stream with OK.", f"{_APARTMENT}test_closing_the_session_fails_its_pending_commands", f"{_EVENTS}test_closing_the_session_ends_the_stream_with_ok"),
        _rule("GetSessionState answers at any time, also while a command runs and after the end.", f"{_RUNNING}test_the_state_of_a_session_is_known_while_its_worker_answers_nothing", f"{_COMMANDS}test_the_session_state_is_told"),
        _rule("A gateway has at most 64 sessions.", f"{_SESSIONS}test_a_session_too_many_is_refused_until_another_one_closes", f"{_OPTIONS}test_the_defaults_are_those_of_the_gateway"),
        _rule("A session has at most 128 pending commands; one more fails at once.", f"{_APARTMENT}test_the_default_limit_is_128_pending_commands", f"{_APARTMENT}test_the_command_after_the_last_allowed_pending_one_fails_at_once"),
        _rule("A call waits 30 s for its command, or as long as OpenSession has asked for; the command still runs.", f"{_APARTMENT}test_a_command_that_takes_too_long_is_deadline_exceeded_and_still_runs", f"{_SESSIONS}test_the_command_timeout_of_the_request_is_told_back"),
        _rule("A session that no call has used for 1,800 s is closed; any unary call extends the lease.", f"{_SESSIONS}test_the_lease_ends_an_idle_session_and_any_unary_call_extends_it"),
        _rule("Leases are looked at every 30 s.", f"{_RUNNING}test_leases_are_looked_at_every_30_seconds"),
        _rule("An attached event stream keeps its session.", f"{_SESSIONS}test_an_attached_event_stream_holds_the_session"),
        _rule("A session is closed 30 s after its last event stream has gone, unless a stream attaches again.", f"{_SESSIONS}test_a_session_is_closed_when_its_stream_does_not_come_back_within_the_grace", f"{_SEVERAL}test_when_the_first_leaves_the_others_go_on_and_the_last_one_starts_the_grace_period"),
        _rule("Workers start one after another, and one that takes more than 30 s fails: many sessions opened at once exceed it.", f"{_SESSIONS}test_workers_start_one_after_another_and_one_that_is_late_fails_its_session"),
        _rule("A restart ends every session.", f"{_SESSIONS}test_a_restart_of_the_gateway_ends_every_session"),
        _rule("A client's deadline or cancellation only ends its waiting: the command goes on.", f"{_APARTMENT}test_the_clients_deadline_ends_the_call_and_not_the_command", f"{_APARTMENT}test_a_cancelled_call_leaves_its_command_running", f"{_SESSIONS}test_a_session_whose_opener_has_gone_starts_all_the_same"),
    ],
    "Keys and scopes": [
        _rule("Each call and each stream carries `authorization: Bearer mxgw_<key-id>_<secret>`; without a good key it is UNAUTHENTICATED.", f"{_AUTH}test_a_missing_or_wrong_key_is_unauthenticated_on_unary_calls_and_streams"),
        _rule("`Bearer` and `mxgw_` match without case.", f"{_AUTH}test_bearer_and_prefix_match_without_case"),
        _rule("Each method needs its scope and no other; without it the call is PERMISSION_DENIED, and the text names the scope.", f"{_AUTH}test_each_method_needs_its_scope_and_no_other"),
        _rule("Each kind of command needs its scope and no other.", f"{_AUTH}test_each_command_needs_its_scope_and_no_other"),
        _rule("What the gateway does not know needs `admin`.", f"{_AUTH}test_what_the_gateway_does_not_know_needs_admin", f"{_AUTH}test_an_unknown_method_is_unimplemented_for_an_admin"),
        _rule("Each of several keys has its own scopes.", f"{_AUTH}test_several_keys_each_allow_their_own"),
        _rule("A key that is narrowed to some tags fails a single command with PERMISSION_DENIED.", f"{_AUTH}TestConstraints::test_a_denied_single_command_is_permission_denied"),
        _rule("Of a bulk it fails the denied entries at their own index, and the call succeeds.", f"{_AUTH}TestConstraints::test_a_denied_entry_of_a_bulk_is_a_failed_result_at_its_own_index", f"{_AUTH}TestConstraints::test_denied_writes_and_advises_of_a_bulk_fail_at_their_own_index"),
        _rule("A key that is narrowed to some objects sees only these in the galaxy.", f"{_AUTH}TestConstraints::test_browse_constraints_filter_results"),
    ],
    "Status codes": [
        _rule("An unknown session is NOT_FOUND.", f"{_SESSIONS}test_an_unknown_session_is_not_found_by_every_call"),
        _rule("A session that is closed, or has faulted, is FAILED_PRECONDITION.", f"{_SESSIONS}test_a_closed_session_takes_no_commands_and_no_streams_but_tells_its_state", f"{_SESSIONS}test_a_crashed_worker_faults_its_session_for_good"),
        _rule("A session too many, a command too many and an overflowing event queue are RESOURCE_EXHAUSTED.", f"{_SESSIONS}test_a_session_too_many_is_refused_until_another_one_closes", f"{_APARTMENT}test_the_command_after_the_last_allowed_pending_one_fails_at_once", f"{_EVENTS}TestOverflow::test_a_slow_readers_stream_ends_with_resource_exhausted"),
        _rule("A second event stream is ALREADY_EXISTS.", f"{_EVENTS}test_a_second_subscriber_is_refused_and_the_first_one_goes_on"),
        _rule("A command that takes too long is DEADLINE_EXCEEDED.", f"{_APARTMENT}test_a_command_that_takes_too_long_is_deadline_exceeded_and_still_runs"),
        _rule("A worker that is gone is UNAVAILABLE, for its pending commands and for its stream.", f"{_APARTMENT}test_a_crash_of_the_worker_fails_its_pending_commands", f"{_SESSIONS}test_a_crashed_worker_faults_its_session_for_good"),
        _rule("A malformed request is INVALID_ARGUMENT.", f"{_COMMANDS}test_a_request_without_a_command_or_with_the_wrong_payload_is_malformed", f"{_COMMANDS}test_a_write_without_a_value_is_malformed", f"{_HOSTILE}test_a_malformed_message_has_a_status"),
        _rule("A message of more than 16 MiB, each way, is RESOURCE_EXHAUSTED, and nothing of the request is done.", f"{_LIMITS}test_a_request_above_the_limit_is_resource_exhausted", f"{_LIMITS}test_a_request_at_the_limit_is_taken", f"{_LIMITS}test_a_reply_above_the_limit_is_resource_exhausted", f"{_LIMITS}test_a_bulk_above_the_limit_is_resource_exhausted_and_nothing_of_it_is_done"),
        _rule("What the worker answers is data: a failure of MXAccess is a reply with gRPC's OK, MXACCESS_FAILURE, an HRESULT and a status array.", f"{_RUNNING}test_an_mxaccess_failure_is_a_reply_with_the_status_ok", f"{_WRITES}test_provider_security_can_refuse_at_once_as_data"),
        _rule("An unsupported kind of command is INVALID_REQUEST, as data.", f"{_COMMANDS}test_an_unsupported_kind_is_an_invalid_request_as_data", f"{_COMMANDS}test_every_kind_of_the_contract_is_supported"),
    ],
    "Events": [
        _rule("Events come in the order of their worker sequence, contiguous from 1; each session counts its own.", f"{_EVENTS}test_events_come_in_order_and_are_numbered_from_1_without_a_hole", f"{_EVENTS}test_each_session_counts_its_own_events"),
        _rule("A session has one event stream. Cancelling it does not end the session, and another one can attach.", f"{_EVENTS}test_cancelling_a_stream_leaves_the_session_alive_and_free_for_the_next_one", f"{_EVENTS}test_streams_that_are_cancelled_while_they_start_leave_no_subscriber_behind"),
        _rule("A gateway can be set to allow up to eight streams of a session. Each gets every event.", f"{_SEVERAL}test_each_of_eight_subscribers_gets_every_event_and_a_ninth_is_refused", f"{_SEVERAL}test_a_subscriber_that_resumes_beside_others_gets_all_that_it_lacks"),
        _rule("There only the slow stream is cut off, not the session.", f"{_SEVERAL}test_only_the_slow_one_is_cut_off_and_not_the_session", f"{_SEVERAL}test_a_slow_subscriber_that_is_alone_is_cut_off_as_well_and_the_session_goes_on"),
        _rule("A stream can stay without events and without an end: its worker hangs.", f"{_RUNNING}test_a_worker_that_hangs_leaves_its_stream_without_events_and_without_an_end"),
        _rule("The gateway ends connections politely: after a GOAWAY older calls go on.", f"{_FAULTS}test_a_goaway_lets_older_calls_go_on"),
        _rule("The handle of an item that is gone can be given to another one.", f"{_RUNNING}test_the_handle_of_what_is_gone_can_be_given_again"),
        _rule("A session queues 10,000 events. When one more comes, its stream ends and the session faults.", f"{_EVENTS}TestOverflow::test_ten_thousand_events_fit", f"{_EVENTS}TestOverflow::test_a_slow_readers_stream_ends_with_resource_exhausted"),
        _rule("Without a stream the events wait in the same queue, and overflow it as well.", f"{_EVENTS}TestOverflow::test_a_queue_that_nobody_reads_faults_the_session_when_it_overflows", f"{_SEVERAL}test_a_queue_that_nobody_reads_faults_the_session_all_the_same"),
        _rule("The first stream gets the waiting events as one burst.", f"{_EVENTS}test_the_first_attach_delivers_the_backlog_as_one_burst"),
        _rule("A stream that resumes begins after the event that it names; with 0 nothing is replayed.", f"{_REPLAY}test_a_resumed_stream_begins_after_the_last_seen_event", f"{_REPLAY}test_a_fresh_stream_replays_nothing", f"{_REPLAY}test_replayed_and_queued_events_follow_each_other", f"{_REPLAY}test_replayed_events_are_the_same_bytes"),
        _rule("The last 1,024 delivered events are kept for it, for 300 s.", f"{_REPLAY}test_the_ring_forgets_by_age", f"{_OPTIONS}test_the_defaults_are_those_of_the_gateway"),
        _rule("If it asks for older ones, its first message is one sentinel with `replay_gap`, no family and no body.", f"{_REPLAY}test_what_is_too_old_is_told_by_one_sentinel_and_the_rest_follows"),
        _rule("The oldest event that can be had less one is the point from which it resumes without a gap.", f"{_REPLAY}test_the_oldest_gap_free_point_is_one_before_the_oldest_kept_event"),
        _rule("DrainEvents never has the sentinel.", f"{_REPLAY}test_drain_never_carries_the_sentinel_and_drained_events_can_be_replayed", f"{_EVENTS}test_drain_takes_queued_events_up_to_a_limit"),
        _rule("The families are data changes, completed writes and operations, buffered data changes and alarms.", f"{_EVENTS}test_every_family_of_events_is_encoded_as_one_message_would_be"),
        _rule("OperationComplete follows a suspend or an activate, and nothing else.", f"{_RUNNING}test_an_operation_complete_follows_a_suspend_or_an_activate_and_nothing_else"),
        _rule("The first data change after Advise has the current value.", f"{_EVENTS}test_advise_tells_the_current_value_with_everything_that_belongs_to_it", f"{_EVENTS}test_a_second_advise_tells_nothing_again"),
        _rule("Quality is 192 for good, 64 for uncertain, 0 for bad; a bad one has no value.", f"{_VALUES}test_quality_says_whether_there_is_a_value"),
    ],
    "Commands": [
        _rule("The four writes answer OK when they are accepted; the item's OnWriteComplete has the outcome.", f"{_WRITES}test_a_write_is_accepted_completed_and_told_as_a_new_value"),
        _rule("There is one OnWriteComplete for each write, in their order.", f"{_WRITES}test_every_write_has_one_completion_in_order"),
        _rule("An attribute that its provider drives does not echo the written value.", f"{_WRITES}test_a_driven_attribute_does_not_echo_the_written_value"),
        _rule("Writing an item that is not advised fails with E_INVALIDARG.", f"{_WRITES}test_an_item_that_is_not_advised_takes_no_write"),
        _rule("The user of a plain write is recorded only while the item has a supervisory advise.", f"{_WRITES}test_the_user_of_a_plain_write_is_recorded_only_under_supervisory_advise", f"{_WRITES}test_a_user_is_recorded_by_the_advise_that_the_item_has_when_the_write_is_made"),
        _rule("Write2 gives the value its own time.", f"{_WRITES}test_write2_gives_the_value_its_own_time_exact_to_100_ns"),
        _rule("A bulk has one result for each entry, in order.", f"{_BULKS}test_adding_in_bulk_has_one_result_per_address_in_order", f"{_BULKS}test_handles_in_bulk_have_one_result_each_in_order"),
        _rule("A failed entry has no handle, and never fails the call.", f"{_BULKS}test_writes_in_bulk_fail_one_by_one_and_complete_in_order", f"{_BULKS}test_an_unknown_server_handle_fails_every_entry_and_not_the_call"),
        _rule("ReadBulk answers a tag that the session has advised from its last data change, and leaves the subscription alone.", f"{_READS}test_a_subscribed_tag_is_answered_from_its_last_data_change", f"{_READS}test_a_tag_that_another_registration_of_the_session_subscribed_is_answered_from_there"),
        _rule("Another tag is subscribed, read and forgotten, and the result is not marked as cached.", f"{_READS}test_another_tag_is_read_without_a_trace", f"{_READS}test_a_tag_that_another_session_subscribed_is_fetched"),
        _rule("`timeout_ms` is how long each of these tags is waited for; 0 is the worker's default.", f"{_READS}test_a_first_value_is_waited_for_as_long_as_asked", f"{_READS}test_a_late_first_value_is_read_when_there_is_time"),
        _rule("AuthenticateUser answers with an id for that server handle only, and with 0 for wrong credentials.", f"{_WRITES}TestUsers::test_right_credentials_give_an_id_and_wrong_ones_zero", f"{_WRITES}TestUsers::test_a_user_id_is_valid_for_its_server_handle_only"),
        _rule("A secured write takes one user twice, a verified write two users; each security classification takes its own writes.", f"{_WRITES}test_each_security_classification_takes_its_own_writes", f"{_WRITES}TestUsers::test_a_secured_write_needs_both_of_its_users"),
        _rule("AddItem2 and AddBufferedItem pass the context as it is.", f"{_RUNNING}test_the_context_of_an_item_is_passed_as_it_is", f"{_BUFFERED}test_a_context_completes_the_definition"),
        _rule("A buffered item subscribes by itself, and each of its events has one sample or more.", f"{_BUFFERED}test_a_buffered_item_subscribes_by_itself_and_tells_its_samples_in_batches"),
        _rule("SetBufferedUpdateInterval rounds up to 100 ms.", f"{_BUFFERED}test_the_update_interval_rounds_up_to_100_ms"),
        _rule("Suspend answers at once with a pending status; OperationComplete follows 0.2 s later.", f"{_SUSPEND}test_suspend_is_pending_at_once_and_complete_0_2_seconds_later"),
        _rule("Activating an item that is not suspended succeeds without an event.", f"{_SUSPEND}test_activating_what_is_not_suspended_succeeds_with_no_event"),
        _rule("Unregister drops all items of its server handle.", f"{_COMMANDS}test_unregister_drops_all_items_of_its_server_and_no_other"),
        _rule("Ping, ShutdownWorker and SetBufferedUpdateInterval answer with OK and no payload.", f"{_COMMANDS}test_ping_and_the_buffered_interval_answer_with_a_bare_ok", f"{_COMMANDS}test_shutdown_of_the_worker_answers_and_ends_the_session_and_its_stream"),
        _rule("A write replaces an array as a whole.", f"{_VALUES}test_writing_an_array_replaces_it_whole"),
        _rule("`Attr[]` and `Attr` name the whole array, `Attr[n]` one element, counted from 1.", f"{_VALUES}test_an_array_is_named_with_or_without_brackets", f"{_VALUES}test_an_element_is_named_from_1", f"{_VALUES}test_writing_an_element_keeps_the_others"),
        _rule("A sparse array becomes a whole one, with the default of the type in the slots that it does not list.", f"{_SPARSE}test_slots_that_are_not_listed_are_reset_to_the_default"),
        _rule("An index that is too large or repeated, and an element that is no scalar or of another type, are INVALID_ARGUMENT.", f"{_SPARSE}test_a_sparse_array_that_cannot_be_expanded_is_an_invalid_argument"),
        _rule("AddItem takes an unknown tag. Its first data change has no value, quality 0 and a configuration error, detail 1003.", f"{_VALUES}test_an_unknown_reference_is_told_by_its_first_event"),
        _rule("An unknown handle fails with E_INVALIDARG.", f"{_COMMANDS}test_an_unknown_server_handle_is_an_invalid_argument_of_mxaccess", f"{_COMMANDS}test_an_unknown_item_handle_is_an_invalid_argument_of_mxaccess", f"{_COMMANDS}test_handles_of_one_session_mean_nothing_in_another"),
    ],
    "Values and statuses": [
        _rule("Each type has its kind of MxValue, its data type and its variant type.", f"{_VALUES}test_each_type_has_its_kind"),
        _rule("Times are exact to 100 ns, in values, arrays and writes.", f"{_VALUES}test_a_time_is_exact_to_100_ns", f"{_VALUES}test_an_array_of_times_is_exact", f"{_WRITES}test_write2_cuts_a_time_to_the_steps_of_a_filetime"),
        _rule("What cannot be converted comes as bytes, with its type and a diagnostic.", f"{_VALUES}test_what_has_no_type_is_passed_through_with_its_diagnostic"),
        _rule("A written value is converted to the attribute's type; one that does not fit fails on completion.", f"{_VALUES}test_a_written_value_is_converted_to_the_attributes_type", f"{_VALUES}test_a_value_that_does_not_fit_fails_on_completion"),
        _rule("`success` is COM's number: -1 for a native OK or PENDING, else 0.", f"{_RUNNING}test_success_is_a_com_number_minus_one_for_a_native_ok_and_pending_and_else_zero"),
        _rule("A provider refuses a write at once with 0x80040200 and its statuses, or on completion.", f"{_WRITES}test_provider_security_can_refuse_at_once_as_data", f"{_WRITES}test_provider_security_can_refuse_on_completion"),
    ],
    "Alarms": [
        _rule("StreamAlarms begins with the active alarms, the end of the snapshot and the provider's status.", f"{_ALARMS}test_a_feed_begins_with_the_active_alarms_the_end_of_the_snapshot_and_the_provider"),
        _rule("Transitions follow: raise, acknowledge, retrigger, clear.", f"{_ALARMS}test_an_alarm_goes_through_raise_acknowledge_retrigger_and_clear"),
        _rule("Any number of clients can read, each with a prefix of its own.", f"{_ALARMS}test_any_number_of_clients_get_each_their_own_prefix"),
        _rule("A failover is reported by the provider's status. Alarms from subtags are degraded and have fewer fields.", f"{_ALARMS}test_a_failover_is_told_and_the_subtags_know_less"),
        _rule("QueryActiveAlarms answers with the snapshot and ends.", f"{_ALARMS}test_query_gives_the_snapshot_and_ends"),
        _rule("AcknowledgeAlarm takes a GUID or `Provider!Group.Tag`; its native outcome is in `hresult`, and `status` stays unset.", f"{_ALARMS}test_an_alarm_goes_through_raise_acknowledge_retrigger_and_clear", f"{_ALARMS}test_an_acknowledged_alarm_is_shown_as_such", f"{_ALARMS}test_acknowledging_what_is_unknown_or_not_active_is_a_native_failure"),
        _rule("Another reference is INVALID_REQUEST, as data; an empty one is INVALID_ARGUMENT.", f"{_ALARMS}test_a_reference_that_is_neither_guid_nor_name_is_an_invalid_request", f"{_ALARMS}test_an_empty_reference_is_an_invalid_argument"),
        _rule("A full reference is `Galaxy!<area>.<object>.<alarm>`, its source `<object>.<alarm>`, and the severity is from 1 to 999.", f"{_ALARMS}test_a_feed_begins_with_the_active_alarms_the_end_of_the_snapshot_and_the_provider"),
        _rule("A reader that is too slow loses its feed, and no other reader does.", f"{_SUBSCRIBERS}TestAReaderThatIsTooSlow::test_a_reader_that_stops_reading_loses_it_too_and_no_other_reader_does"),
        _rule("A session that subscribes to alarms gets them as events.", f"{_ALARMS}test_a_sessions_events_tell_alarms_while_it_is_subscribed"),
    ],
    "Galaxy": [
        _rule("The galaxy is browsed on the same port, and its tags are those of the sessions.", f"{_GALAXY}test_the_galaxy_and_the_tags_are_the_same_plant"),
        _rule("TestConnection never fails: without a database it answers false.", f"{_GALAXY}test_test_connection_says_false_and_never_fails"),
        _rule("While the cache is cold, pages are UNAVAILABLE and GetLastDeployTime waits.", f"{_GALAXY}test_a_cold_cache_is_unavailable_and_the_deploy_time_waits_for_it", f"{_GALAXY}test_the_deploy_time_is_told_when_there_is_one"),
        _rule("A page has 500 objects by default and 5,000 at most.", f"{_GALAXY}test_a_page_has_500_objects_by_default_and_5000_at_most"),
        _rule("A page token is bound to the deployment, the starting point and the filters; elsewhere it is INVALID_ARGUMENT.", f"{_GALAXY}test_a_token_is_bound_to_its_question_and_to_the_deployment", f"{_FILTERS}test_a_token_is_good_for_its_own_filters_and_for_no_others", f"{_DEPLOYMENTS}test_a_page_token_dies_in_a_deployment_between_two_pages", f"{_GALAXY}test_bad_page_sizes_depths_and_tokens_are_invalid_arguments"),
        _rule("The total counts the objects after the filters.", f"{_GALAXY}test_pages_together_are_the_whole_and_count_it", f"{_FILTERS}test_a_hierarchy_is_what_a_naive_filter_leaves_of_all_objects_in_their_order"),
        _rule("Filters are ANDed, several values of one are ORed; a glob knows `*` and `?`, is anchored and ignores case.", f"{_GALAXY}test_each_filter_agrees_with_a_naive_one_and_filters_are_anded", f"{_FILTERS}test_a_hierarchy_is_what_a_naive_filter_leaves_of_all_objects_in_their_order"),
        _rule("A `max_depth` of 0 is the root alone, a negative one INVALID_ARGUMENT.", f"{_GALAXY}test_max_depth_counts_levels_below_the_root", f"{_GALAXY}test_bad_page_sizes_depths_and_tokens_are_invalid_arguments"),
        _rule("Attributes come unless `include_attributes` is false.", f"{_GALAXY}test_attributes_come_unless_they_are_not_wanted"),
        _rule("Children are areas first, then by display name without case; `child_has_children` runs beside them.", f"{_GALAXY}test_children_come_areas_first_and_then_by_name_without_case", f"{_FILTERS}test_children_are_what_a_naive_filter_leaves_of_all_objects_areas_first_and_by_name"),
        _rule("An unknown root or parent is NOT_FOUND.", f"{_GALAXY}test_an_unknown_root_or_parent_is_not_found"),
        _rule("A root is named by id, tag name or contained path.", f"{_GALAXY}test_a_root_by_id_tag_or_path_limits_to_what_is_below_it"),
        _rule("An object has its parent, its host, its names, its category, its templates and the codes of its attributes; an array's reference ends in `[]`.", f"{_GALAXY}test_an_object_carries_what_the_repository_knows"),
        _rule("WatchDeployEvents reports the current state at once, unless the client knows it, and then each deployment.", f"{_WATCHING}test_the_current_state_comes_at_once_and_then_every_deployment", f"{_WATCHING}test_a_state_that_the_client_knows_is_not_told_again"),
        _rule("Its sequence rises by one; a gap means that the watcher was too slow.", f"{_WATCHING}test_a_watcher_that_is_too_slow_sees_a_gap_in_the_sequence", f"{_DEPLOYMENTS}test_a_watcher_misses_deployments_that_were_held_for_too_long"),
        _rule("After a restart the sequence is 1 again.", f"{_WATCHING}test_the_sequence_begins_again_after_a_restart", f"{_DEPLOYMENTS}test_a_restart_deploys_nothing_and_counts_from_1_again"),
    ],
    "Connections": [
        _rule("A connection has 100 streams, and windows of 1 MiB and 768 KiB.", f"{_LIMITS}test_the_connection_announces_100_streams_and_the_windows_of_kestrel", f"{_HTTP2}test_a_stream_too_many_is_refused_and_the_others_go_on", f"{_HTTP2}test_data_beyond_the_window_ends_the_connection"),
        _rule("The headers of a request have at most 32 KiB.", f"{_HTTP2}test_headers_beyond_the_limit_end_the_connection", f"{_OPTIONS}test_the_defaults_are_those_of_the_gateway"),
        _rule("The gateway sends no pings.", f"{_RUNNING}test_the_gateway_sends_no_pings"),
        _rule("A connection without a call is closed after 130 s.", f"{_HOSTILE}test_an_idle_connection_is_closed_and_a_busy_one_is_not", f"{_OPTIONS}test_the_defaults_are_those_of_the_gateway"),
        _rule("A gateway can serve TLS.", f"{_TLS}test_a_certificate_makes_it_tls"),
        _rule("A call that was not processed ends with REFUSED_STREAM, or with a GOAWAY that names an older stream.", f"{_FAULTS}test_a_refused_call_ends_with_refused_stream", f"{_FAULTS}test_a_call_beyond_a_goaway_is_sent_again_by_a_client_that_knows_that_it_was_not_processed"),
        _rule("A malformed request is reset and the connection goes on.", f"{_HTTP2}test_a_malformed_request_is_reset_and_the_next_one_is_served", f"{_HTTP2}test_a_well_formed_request_is_served"),
        _rule("Another violation of HTTP/2 has the error of RFC 9113.", f"{_HTTP2}test_a_broken_rule_has_the_error_of_the_rfc", f"{_HTTP2}test_what_the_rfc_allows_is_no_harm", f"{_HTTP2}test_another_preface_ends_the_connection", f"{_HTTP2}test_a_closed_stream_takes_no_more"),
        _rule("A flood ends its own connection and delays nobody.", f"{_HTTP2}test_requests_that_are_reset_at_once_end_their_connection_and_leave_nothing", f"{_HTTP2}test_requests_that_the_gateway_must_reset_are_no_way_around", f"{_HTTP2}test_a_flood_whose_answers_are_not_read_ends_its_connection", f"{_HTTP2}test_a_flood_whose_answers_are_read_delays_nobody"),
        _rule("A client that vanishes, or never reads, harms nobody.", f"{_HOSTILE}test_a_client_may_vanish_at_any_time", f"{_HOSTILE}test_a_client_that_pings_and_never_reads_is_cut"),
    ],
}  # fmt: skip
"""The rules by section."""
