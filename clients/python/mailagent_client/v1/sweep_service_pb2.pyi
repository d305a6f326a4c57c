import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from mailagent_client.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GapKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_KIND_UNSPECIFIED: _ClassVar[GapKind]
    GAP_KIND_NOT_HANDLED: _ClassVar[GapKind]
    GAP_KIND_NOT_ARCHIVED: _ClassVar[GapKind]

class OutcomeResult(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_RESULT_UNSPECIFIED: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_MATCHED: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_NO_REFERENCE: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_UNKNOWN_REFERENCE: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_NON_MATCHING_CONTACT: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_AUTOMATIC: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_DUPLICATE: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_LOOP: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_SENDER_NOT_AUTHENTIC: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_TOO_LARGE: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_UNPARSABLE: _ClassVar[OutcomeResult]
    OUTCOME_RESULT_OWN_MESSAGE: _ClassVar[OutcomeResult]
GAP_KIND_UNSPECIFIED: GapKind
GAP_KIND_NOT_HANDLED: GapKind
GAP_KIND_NOT_ARCHIVED: GapKind
OUTCOME_RESULT_UNSPECIFIED: OutcomeResult
OUTCOME_RESULT_MATCHED: OutcomeResult
OUTCOME_RESULT_NO_REFERENCE: OutcomeResult
OUTCOME_RESULT_UNKNOWN_REFERENCE: OutcomeResult
OUTCOME_RESULT_NON_MATCHING_CONTACT: OutcomeResult
OUTCOME_RESULT_AUTOMATIC: OutcomeResult
OUTCOME_RESULT_DUPLICATE: OutcomeResult
OUTCOME_RESULT_LOOP: OutcomeResult
OUTCOME_RESULT_SENDER_NOT_AUTHENTIC: OutcomeResult
OUTCOME_RESULT_TOO_LARGE: OutcomeResult
OUTCOME_RESULT_UNPARSABLE: OutcomeResult
OUTCOME_RESULT_OWN_MESSAGE: OutcomeResult

class Outcome(_message.Message):
    __slots__ = ("name", "agent", "folder", "result", "detail", "subject", "sender", "message_id", "automatic_kind", "case", "note", "contact", "message", "sender_candidates", "size_bytes", "received_time", "handled_time", "source_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    AUTOMATIC_KIND_FIELD_NUMBER: _ClassVar[int]
    CASE_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SENDER_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TIME_FIELD_NUMBER: _ClassVar[int]
    HANDLED_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    agent: str
    folder: str
    result: OutcomeResult
    detail: str
    subject: str
    sender: _types_pb2.EmailAddress
    message_id: str
    automatic_kind: _types_pb2.AutomaticKind
    case: str
    note: str
    contact: str
    message: str
    sender_candidates: _containers.RepeatedCompositeFieldContainer[SenderCandidate]
    size_bytes: int
    received_time: _timestamp_pb2.Timestamp
    handled_time: _timestamp_pb2.Timestamp
    source_id: str
    def __init__(self, name: _Optional[str] = ..., agent: _Optional[str] = ..., folder: _Optional[str] = ..., result: _Optional[_Union[OutcomeResult, str]] = ..., detail: _Optional[str] = ..., subject: _Optional[str] = ..., sender: _Optional[_Union[_types_pb2.EmailAddress, _Mapping]] = ..., message_id: _Optional[str] = ..., automatic_kind: _Optional[_Union[_types_pb2.AutomaticKind, str]] = ..., case: _Optional[str] = ..., note: _Optional[str] = ..., contact: _Optional[str] = ..., message: _Optional[str] = ..., sender_candidates: _Optional[_Iterable[_Union[SenderCandidate, _Mapping]]] = ..., size_bytes: _Optional[int] = ..., received_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., handled_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source_id: _Optional[str] = ...) -> None: ...

class SenderCandidate(_message.Message):
    __slots__ = ("address", "reason")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    address: _types_pb2.EmailAddress
    reason: str
    def __init__(self, address: _Optional[_Union[_types_pb2.EmailAddress, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class Note(_message.Message):
    __slots__ = ("name", "case", "case_reference", "customer", "contact", "contact_created", "agent", "message", "message_id", "sender", "subject", "text", "quoted_text", "automatic_kind", "sender_not_authentic", "received_time", "create_time", "full_message_kept", "size_bytes", "quoted_text_truncated")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CASE_FIELD_NUMBER: _ClassVar[int]
    CASE_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    CONTACT_CREATED_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    QUOTED_TEXT_FIELD_NUMBER: _ClassVar[int]
    AUTOMATIC_KIND_FIELD_NUMBER: _ClassVar[int]
    SENDER_NOT_AUTHENTIC_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    FULL_MESSAGE_KEPT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    QUOTED_TEXT_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    name: str
    case: str
    case_reference: str
    customer: str
    contact: str
    contact_created: bool
    agent: str
    message: str
    message_id: str
    sender: _types_pb2.EmailAddress
    subject: str
    text: str
    quoted_text: str
    automatic_kind: _types_pb2.AutomaticKind
    sender_not_authentic: bool
    received_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    full_message_kept: bool
    size_bytes: int
    quoted_text_truncated: bool
    def __init__(self, name: _Optional[str] = ..., case: _Optional[str] = ..., case_reference: _Optional[str] = ..., customer: _Optional[str] = ..., contact: _Optional[str] = ..., contact_created: _Optional[bool] = ..., agent: _Optional[str] = ..., message: _Optional[str] = ..., message_id: _Optional[str] = ..., sender: _Optional[_Union[_types_pb2.EmailAddress, _Mapping]] = ..., subject: _Optional[str] = ..., text: _Optional[str] = ..., quoted_text: _Optional[str] = ..., automatic_kind: _Optional[_Union[_types_pb2.AutomaticKind, str]] = ..., sender_not_authentic: _Optional[bool] = ..., received_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., full_message_kept: _Optional[bool] = ..., size_bytes: _Optional[int] = ..., quoted_text_truncated: _Optional[bool] = ...) -> None: ...

class ListOutcomesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: OutcomeFilter
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[OutcomeFilter, _Mapping]] = ...) -> None: ...

class OutcomeFilter(_message.Message):
    __slots__ = ("agent", "results", "message_id")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    agent: str
    results: _containers.RepeatedScalarFieldContainer[OutcomeResult]
    message_id: str
    def __init__(self, agent: _Optional[str] = ..., results: _Optional[_Iterable[_Union[OutcomeResult, str]]] = ..., message_id: _Optional[str] = ...) -> None: ...

class ListOutcomesResponse(_message.Message):
    __slots__ = ("outcomes", "next_page_token")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[Outcome]
    next_page_token: str
    def __init__(self, outcomes: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetOutcomeRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListNotesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: NoteFilter
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[NoteFilter, _Mapping]] = ...) -> None: ...

class NoteFilter(_message.Message):
    __slots__ = ("case", "agent")
    CASE_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    case: str
    agent: str
    def __init__(self, case: _Optional[str] = ..., agent: _Optional[str] = ...) -> None: ...

class ListNotesResponse(_message.Message):
    __slots__ = ("notes", "next_page_token")
    NOTES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    notes: _containers.RepeatedCompositeFieldContainer[Note]
    next_page_token: str
    def __init__(self, notes: _Optional[_Iterable[_Union[Note, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetNoteRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DownloadNoteMessageRequest(_message.Message):
    __slots__ = ("name", "offset_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    offset_bytes: int
    def __init__(self, name: _Optional[str] = ..., offset_bytes: _Optional[int] = ...) -> None: ...

class DownloadNoteMessageResponse(_message.Message):
    __slots__ = ("header", "offset_bytes", "data")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: _types_pb2.DownloadHeader
    offset_bytes: int
    data: bytes
    def __init__(self, header: _Optional[_Union[_types_pb2.DownloadHeader, _Mapping]] = ..., offset_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class WatchMatchesRequest(_message.Message):
    __slots__ = ("cursor", "filter")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    filter: MatchFilter
    def __init__(self, cursor: _Optional[str] = ..., filter: _Optional[_Union[MatchFilter, _Mapping]] = ...) -> None: ...

class MatchFilter(_message.Message):
    __slots__ = ("agent", "customer", "case")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    CASE_FIELD_NUMBER: _ClassVar[int]
    agent: str
    customer: str
    case: str
    def __init__(self, agent: _Optional[str] = ..., customer: _Optional[str] = ..., case: _Optional[str] = ...) -> None: ...

class WatchMatchesResponse(_message.Message):
    __slots__ = ("cursor", "match")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    match: Match
    def __init__(self, cursor: _Optional[str] = ..., match: _Optional[_Union[Match, _Mapping]] = ...) -> None: ...

class Match(_message.Message):
    __slots__ = ("event_id", "note", "event_time")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    note: Note
    event_time: _timestamp_pb2.Timestamp
    def __init__(self, event_id: _Optional[str] = ..., note: _Optional[_Union[Note, _Mapping]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SweepAgentRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class SweepAgentResponse(_message.Message):
    __slots__ = ("handled_count", "matched_count", "archived_count", "done", "problem", "folder_problems")
    HANDLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MATCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    FOLDER_PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    handled_count: int
    matched_count: int
    archived_count: int
    done: bool
    problem: str
    folder_problems: _containers.RepeatedCompositeFieldContainer[FolderProblem]
    def __init__(self, handled_count: _Optional[int] = ..., matched_count: _Optional[int] = ..., archived_count: _Optional[int] = ..., done: _Optional[bool] = ..., problem: _Optional[str] = ..., folder_problems: _Optional[_Iterable[_Union[FolderProblem, _Mapping]]] = ...) -> None: ...

class CheckCompletenessRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CheckCompletenessResponse(_message.Message):
    __slots__ = ("gap", "folder", "done", "problem")
    GAP_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    gap: Gap
    folder: FolderReport
    done: bool
    problem: str
    def __init__(self, gap: _Optional[_Union[Gap, _Mapping]] = ..., folder: _Optional[_Union[FolderReport, _Mapping]] = ..., done: _Optional[bool] = ..., problem: _Optional[str] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("folder", "source_id", "kind", "subject", "sender", "message_id", "received_time", "size_bytes", "problem")
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TIME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    folder: str
    source_id: str
    kind: GapKind
    subject: str
    sender: _types_pb2.EmailAddress
    message_id: str
    received_time: _timestamp_pb2.Timestamp
    size_bytes: int
    problem: str
    def __init__(self, folder: _Optional[str] = ..., source_id: _Optional[str] = ..., kind: _Optional[_Union[GapKind, str]] = ..., subject: _Optional[str] = ..., sender: _Optional[_Union[_types_pb2.EmailAddress, _Mapping]] = ..., message_id: _Optional[str] = ..., received_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., size_bytes: _Optional[int] = ..., problem: _Optional[str] = ...) -> None: ...

class FolderReport(_message.Message):
    __slots__ = ("folder", "server_count", "listed_count", "skipped_count", "handled_count", "archived_count", "gap_count", "problem")
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    SERVER_COUNT_FIELD_NUMBER: _ClassVar[int]
    LISTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    HANDLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    GAP_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    folder: str
    server_count: int
    listed_count: int
    skipped_count: int
    handled_count: int
    archived_count: int
    gap_count: int
    problem: str
    def __init__(self, folder: _Optional[str] = ..., server_count: _Optional[int] = ..., listed_count: _Optional[int] = ..., skipped_count: _Optional[int] = ..., handled_count: _Optional[int] = ..., archived_count: _Optional[int] = ..., gap_count: _Optional[int] = ..., problem: _Optional[str] = ...) -> None: ...

class FolderProblem(_message.Message):
    __slots__ = ("folder", "problem")
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    folder: str
    problem: str
    def __init__(self, folder: _Optional[str] = ..., problem: _Optional[str] = ...) -> None: ...

class BackfillAgentRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class BackfillAgentResponse(_message.Message):
    __slots__ = ("gap_count", "closed_count", "remaining_count", "matched_count", "archived_count", "remaining", "done", "problem", "folder_problems")
    GAP_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REMAINING_COUNT_FIELD_NUMBER: _ClassVar[int]
    MATCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    FOLDER_PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    gap_count: int
    closed_count: int
    remaining_count: int
    matched_count: int
    archived_count: int
    remaining: _duration_pb2.Duration
    done: bool
    problem: str
    folder_problems: _containers.RepeatedCompositeFieldContainer[FolderProblem]
    def __init__(self, gap_count: _Optional[int] = ..., closed_count: _Optional[int] = ..., remaining_count: _Optional[int] = ..., matched_count: _Optional[int] = ..., archived_count: _Optional[int] = ..., remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., done: _Optional[bool] = ..., problem: _Optional[str] = ..., folder_problems: _Optional[_Iterable[_Union[FolderProblem, _Mapping]]] = ...) -> None: ...
