import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGENT_KIND_UNSPECIFIED: _ClassVar[AgentKind]
    AGENT_KIND_EXCHANGE_EWS: _ClassVar[AgentKind]

class AgentHealthState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGENT_HEALTH_STATE_UNSPECIFIED: _ClassVar[AgentHealthState]
    AGENT_HEALTH_STATE_OK: _ClassVar[AgentHealthState]
    AGENT_HEALTH_STATE_DEGRADED: _ClassVar[AgentHealthState]
    AGENT_HEALTH_STATE_AUTHENTICATION_REQUIRED: _ClassVar[AgentHealthState]
    AGENT_HEALTH_STATE_UNREACHABLE: _ClassVar[AgentHealthState]
    AGENT_HEALTH_STATE_DISABLED: _ClassVar[AgentHealthState]
AGENT_KIND_UNSPECIFIED: AgentKind
AGENT_KIND_EXCHANGE_EWS: AgentKind
AGENT_HEALTH_STATE_UNSPECIFIED: AgentHealthState
AGENT_HEALTH_STATE_OK: AgentHealthState
AGENT_HEALTH_STATE_DEGRADED: AgentHealthState
AGENT_HEALTH_STATE_AUTHENTICATION_REQUIRED: AgentHealthState
AGENT_HEALTH_STATE_UNREACHABLE: AgentHealthState
AGENT_HEALTH_STATE_DISABLED: AgentHealthState

class Agent(_message.Message):
    __slots__ = ("name", "owner_user", "kind", "from_name", "from_address", "disabled", "exchange", "health", "create_time", "update_time", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_USER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FROM_NAME_FIELD_NUMBER: _ClassVar[int]
    FROM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    owner_user: str
    kind: AgentKind
    from_name: str
    from_address: str
    disabled: bool
    exchange: ExchangeSettings
    health: AgentHealth
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., owner_user: _Optional[str] = ..., kind: _Optional[_Union[AgentKind, str]] = ..., from_name: _Optional[str] = ..., from_address: _Optional[str] = ..., disabled: _Optional[bool] = ..., exchange: _Optional[_Union[ExchangeSettings, _Mapping]] = ..., health: _Optional[_Union[AgentHealth, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class ExchangeSettings(_message.Message):
    __slots__ = ("endpoint", "mailbox", "username", "password", "password_set", "case_sweep", "archive", "sweep_options")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    MAILBOX_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_SET_FIELD_NUMBER: _ClassVar[int]
    CASE_SWEEP_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    SWEEP_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    mailbox: str
    username: str
    password: str
    password_set: bool
    case_sweep: bool
    archive: bool
    sweep_options: SweepOptions
    def __init__(self, endpoint: _Optional[str] = ..., mailbox: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., password_set: _Optional[bool] = ..., case_sweep: _Optional[bool] = ..., archive: _Optional[bool] = ..., sweep_options: _Optional[_Union[SweepOptions, _Mapping]] = ...) -> None: ...

class SweepOptions(_message.Message):
    __slots__ = ("create_non_matching_contacts", "keep_full_message")
    CREATE_NON_MATCHING_CONTACTS_FIELD_NUMBER: _ClassVar[int]
    KEEP_FULL_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    create_non_matching_contacts: bool
    keep_full_message: bool
    def __init__(self, create_non_matching_contacts: _Optional[bool] = ..., keep_full_message: _Optional[bool] = ...) -> None: ...

class AgentHealth(_message.Message):
    __slots__ = ("state", "problem", "server_reply", "last_success_time", "problem_time", "retry_time", "handled_count", "matched_count", "set_aside_count")
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    SERVER_REPLY_FIELD_NUMBER: _ClassVar[int]
    LAST_SUCCESS_TIME_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_TIME_FIELD_NUMBER: _ClassVar[int]
    RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    HANDLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MATCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SET_ASIDE_COUNT_FIELD_NUMBER: _ClassVar[int]
    state: AgentHealthState
    problem: str
    server_reply: str
    last_success_time: _timestamp_pb2.Timestamp
    problem_time: _timestamp_pb2.Timestamp
    retry_time: _timestamp_pb2.Timestamp
    handled_count: int
    matched_count: int
    set_aside_count: int
    def __init__(self, state: _Optional[_Union[AgentHealthState, str]] = ..., problem: _Optional[str] = ..., server_reply: _Optional[str] = ..., last_success_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., problem_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., handled_count: _Optional[int] = ..., matched_count: _Optional[int] = ..., set_aside_count: _Optional[int] = ...) -> None: ...

class CreateAgentRequest(_message.Message):
    __slots__ = ("agent", "request_id")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    request_id: str
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetAgentRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListAgentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: AgentFilter
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[AgentFilter, _Mapping]] = ...) -> None: ...

class AgentFilter(_message.Message):
    __slots__ = ("owner_user", "health_state")
    OWNER_USER_FIELD_NUMBER: _ClassVar[int]
    HEALTH_STATE_FIELD_NUMBER: _ClassVar[int]
    owner_user: str
    health_state: AgentHealthState
    def __init__(self, owner_user: _Optional[str] = ..., health_state: _Optional[_Union[AgentHealthState, str]] = ...) -> None: ...

class ListAgentsResponse(_message.Message):
    __slots__ = ("agents", "next_page_token")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    next_page_token: str
    def __init__(self, agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateAgentRequest(_message.Message):
    __slots__ = ("agent", "update_mask")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteAgentRequest(_message.Message):
    __slots__ = ("name", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...
