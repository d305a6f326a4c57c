import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from mailagent_client.v1 import login_pb2 as _login_pb2
from mailagent_client.v1 import types_pb2 as _types_pb2
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
    AGENT_KIND_SMTP: _ClassVar[AgentKind]
    AGENT_KIND_EXCHANGE_GRAPH: _ClassVar[AgentKind]

class SmtpSecurity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SMTP_SECURITY_UNSPECIFIED: _ClassVar[SmtpSecurity]
    SMTP_SECURITY_STARTTLS: _ClassVar[SmtpSecurity]
    SMTP_SECURITY_TLS: _ClassVar[SmtpSecurity]
    SMTP_SECURITY_NONE: _ClassVar[SmtpSecurity]

class SmtpAuthentication(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SMTP_AUTHENTICATION_UNSPECIFIED: _ClassVar[SmtpAuthentication]
    SMTP_AUTHENTICATION_NONE: _ClassVar[SmtpAuthentication]
    SMTP_AUTHENTICATION_PASSWORD: _ClassVar[SmtpAuthentication]
    SMTP_AUTHENTICATION_OAUTH: _ClassVar[SmtpAuthentication]

class ConnectionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONNECTION_TYPE_UNSPECIFIED: _ClassVar[ConnectionType]
    CONNECTION_TYPE_USER_CREDENTIALS: _ClassVar[ConnectionType]
    CONNECTION_TYPE_MAINTENANCE_ACCOUNT: _ClassVar[ConnectionType]

class CheckStageKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHECK_STAGE_KIND_UNSPECIFIED: _ClassVar[CheckStageKind]
    CHECK_STAGE_KIND_RESOLVE: _ClassVar[CheckStageKind]
    CHECK_STAGE_KIND_CONNECT: _ClassVar[CheckStageKind]
    CHECK_STAGE_KIND_TLS: _ClassVar[CheckStageKind]
    CHECK_STAGE_KIND_AUTHENTICATE: _ClassVar[CheckStageKind]
    CHECK_STAGE_KIND_OPEN_INBOX: _ClassVar[CheckStageKind]
    CHECK_STAGE_KIND_SEND: _ClassVar[CheckStageKind]

class CheckStageState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHECK_STAGE_STATE_UNSPECIFIED: _ClassVar[CheckStageState]
    CHECK_STAGE_STATE_PASSED: _ClassVar[CheckStageState]
    CHECK_STAGE_STATE_FAILED: _ClassVar[CheckStageState]

class CheckFault(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHECK_FAULT_UNSPECIFIED: _ClassVar[CheckFault]
    CHECK_FAULT_TEMPORARY: _ClassVar[CheckFault]
    CHECK_FAULT_UNREACHABLE: _ClassVar[CheckFault]
    CHECK_FAULT_LOGIN: _ClassVar[CheckFault]
    CHECK_FAULT_REFUSED: _ClassVar[CheckFault]
    CHECK_FAULT_TOO_LARGE: _ClassVar[CheckFault]
    CHECK_FAULT_MALFORMED: _ClassVar[CheckFault]

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
AGENT_KIND_SMTP: AgentKind
AGENT_KIND_EXCHANGE_GRAPH: AgentKind
SMTP_SECURITY_UNSPECIFIED: SmtpSecurity
SMTP_SECURITY_STARTTLS: SmtpSecurity
SMTP_SECURITY_TLS: SmtpSecurity
SMTP_SECURITY_NONE: SmtpSecurity
SMTP_AUTHENTICATION_UNSPECIFIED: SmtpAuthentication
SMTP_AUTHENTICATION_NONE: SmtpAuthentication
SMTP_AUTHENTICATION_PASSWORD: SmtpAuthentication
SMTP_AUTHENTICATION_OAUTH: SmtpAuthentication
CONNECTION_TYPE_UNSPECIFIED: ConnectionType
CONNECTION_TYPE_USER_CREDENTIALS: ConnectionType
CONNECTION_TYPE_MAINTENANCE_ACCOUNT: ConnectionType
CHECK_STAGE_KIND_UNSPECIFIED: CheckStageKind
CHECK_STAGE_KIND_RESOLVE: CheckStageKind
CHECK_STAGE_KIND_CONNECT: CheckStageKind
CHECK_STAGE_KIND_TLS: CheckStageKind
CHECK_STAGE_KIND_AUTHENTICATE: CheckStageKind
CHECK_STAGE_KIND_OPEN_INBOX: CheckStageKind
CHECK_STAGE_KIND_SEND: CheckStageKind
CHECK_STAGE_STATE_UNSPECIFIED: CheckStageState
CHECK_STAGE_STATE_PASSED: CheckStageState
CHECK_STAGE_STATE_FAILED: CheckStageState
CHECK_FAULT_UNSPECIFIED: CheckFault
CHECK_FAULT_TEMPORARY: CheckFault
CHECK_FAULT_UNREACHABLE: CheckFault
CHECK_FAULT_LOGIN: CheckFault
CHECK_FAULT_REFUSED: CheckFault
CHECK_FAULT_TOO_LARGE: CheckFault
CHECK_FAULT_MALFORMED: CheckFault
AGENT_HEALTH_STATE_UNSPECIFIED: AgentHealthState
AGENT_HEALTH_STATE_OK: AgentHealthState
AGENT_HEALTH_STATE_DEGRADED: AgentHealthState
AGENT_HEALTH_STATE_AUTHENTICATION_REQUIRED: AgentHealthState
AGENT_HEALTH_STATE_UNREACHABLE: AgentHealthState
AGENT_HEALTH_STATE_DISABLED: AgentHealthState

class Agent(_message.Message):
    __slots__ = ("name", "owner_user", "kind", "from_name", "from_address", "disabled", "exchange", "health", "create_time", "update_time", "etag", "campaign_compatible", "smtp", "authentication")
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
    CAMPAIGN_COMPATIBLE_FIELD_NUMBER: _ClassVar[int]
    SMTP_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
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
    campaign_compatible: bool
    smtp: SmtpSettings
    authentication: _login_pb2.Authentication
    def __init__(self, name: _Optional[str] = ..., owner_user: _Optional[str] = ..., kind: _Optional[_Union[AgentKind, str]] = ..., from_name: _Optional[str] = ..., from_address: _Optional[str] = ..., disabled: _Optional[bool] = ..., exchange: _Optional[_Union[ExchangeSettings, _Mapping]] = ..., health: _Optional[_Union[AgentHealth, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., campaign_compatible: _Optional[bool] = ..., smtp: _Optional[_Union[SmtpSettings, _Mapping]] = ..., authentication: _Optional[_Union[_login_pb2.Authentication, _Mapping]] = ...) -> None: ...

class SmtpSettings(_message.Message):
    __slots__ = ("host", "port", "security", "authentication", "username", "password", "password_set")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_SET_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    security: SmtpSecurity
    authentication: SmtpAuthentication
    username: str
    password: str
    password_set: bool
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., security: _Optional[_Union[SmtpSecurity, str]] = ..., authentication: _Optional[_Union[SmtpAuthentication, str]] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., password_set: _Optional[bool] = ...) -> None: ...

class ExchangeSettings(_message.Message):
    __slots__ = ("endpoint", "mailbox", "username", "password", "password_set", "case_sweep", "archive", "sweep_options", "triage", "calendar", "connection_type", "maintenance_account", "triage_options", "authentication_method")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    MAILBOX_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_SET_FIELD_NUMBER: _ClassVar[int]
    CASE_SWEEP_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    SWEEP_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TRIAGE_FIELD_NUMBER: _ClassVar[int]
    CALENDAR_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    MAINTENANCE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TRIAGE_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_METHOD_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    mailbox: str
    username: str
    password: str
    password_set: bool
    case_sweep: bool
    archive: bool
    sweep_options: SweepOptions
    triage: bool
    calendar: bool
    connection_type: ConnectionType
    maintenance_account: str
    triage_options: TriageOptions
    authentication_method: _types_pb2.AuthenticationMethod
    def __init__(self, endpoint: _Optional[str] = ..., mailbox: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., password_set: _Optional[bool] = ..., case_sweep: _Optional[bool] = ..., archive: _Optional[bool] = ..., sweep_options: _Optional[_Union[SweepOptions, _Mapping]] = ..., triage: _Optional[bool] = ..., calendar: _Optional[bool] = ..., connection_type: _Optional[_Union[ConnectionType, str]] = ..., maintenance_account: _Optional[str] = ..., triage_options: _Optional[_Union[TriageOptions, _Mapping]] = ..., authentication_method: _Optional[_Union[_types_pb2.AuthenticationMethod, str]] = ...) -> None: ...

class TriageOptions(_message.Message):
    __slots__ = ("case_reference_purge",)
    CASE_REFERENCE_PURGE_FIELD_NUMBER: _ClassVar[int]
    case_reference_purge: bool
    def __init__(self, case_reference_purge: _Optional[bool] = ...) -> None: ...

class SweepOptions(_message.Message):
    __slots__ = ("create_non_matching_contacts", "keep_full_message")
    CREATE_NON_MATCHING_CONTACTS_FIELD_NUMBER: _ClassVar[int]
    KEEP_FULL_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    create_non_matching_contacts: bool
    keep_full_message: bool
    def __init__(self, create_non_matching_contacts: _Optional[bool] = ..., keep_full_message: _Optional[bool] = ...) -> None: ...

class MaintenanceAccount(_message.Message):
    __slots__ = ("name", "display_name", "kind", "endpoint", "username", "password", "password_set", "agent_count", "problem", "create_time", "update_time", "etag", "login_address", "authentication")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_SET_FIELD_NUMBER: _ClassVar[int]
    AGENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    LOGIN_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    kind: AgentKind
    endpoint: str
    username: str
    password: str
    password_set: bool
    agent_count: int
    problem: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    login_address: str
    authentication: _login_pb2.Authentication
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., kind: _Optional[_Union[AgentKind, str]] = ..., endpoint: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., password_set: _Optional[bool] = ..., agent_count: _Optional[int] = ..., problem: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., login_address: _Optional[str] = ..., authentication: _Optional[_Union[_login_pb2.Authentication, _Mapping]] = ...) -> None: ...

class TriageAllowance(_message.Message):
    __slots__ = ("name", "total_count", "used_count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    USED_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    total_count: int
    used_count: int
    def __init__(self, name: _Optional[str] = ..., total_count: _Optional[int] = ..., used_count: _Optional[int] = ...) -> None: ...

class DefaultAgent(_message.Message):
    __slots__ = ("name", "agent")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    agent: str
    def __init__(self, name: _Optional[str] = ..., agent: _Optional[str] = ...) -> None: ...

class CheckStage(_message.Message):
    __slots__ = ("kind", "state", "duration", "summary", "server_reply", "certificate", "fault")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SERVER_REPLY_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    kind: CheckStageKind
    state: CheckStageState
    duration: _duration_pb2.Duration
    summary: str
    server_reply: str
    certificate: ServerCertificate
    fault: CheckFault
    def __init__(self, kind: _Optional[_Union[CheckStageKind, str]] = ..., state: _Optional[_Union[CheckStageState, str]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., summary: _Optional[str] = ..., server_reply: _Optional[str] = ..., certificate: _Optional[_Union[ServerCertificate, _Mapping]] = ..., fault: _Optional[_Union[CheckFault, str]] = ...) -> None: ...

class ServerCertificate(_message.Message):
    __slots__ = ("subject", "issuer", "names", "not_before_time", "not_after_time", "sha256_fingerprint", "tls_version", "trusted_by_fingerprint")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_TIME_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_TIME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TLS_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_BY_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    subject: str
    issuer: str
    names: _containers.RepeatedScalarFieldContainer[str]
    not_before_time: _timestamp_pb2.Timestamp
    not_after_time: _timestamp_pb2.Timestamp
    sha256_fingerprint: str
    tls_version: str
    trusted_by_fingerprint: bool
    def __init__(self, subject: _Optional[str] = ..., issuer: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., not_before_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., not_after_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sha256_fingerprint: _Optional[str] = ..., tls_version: _Optional[str] = ..., trusted_by_fingerprint: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("owner_user", "health_state", "campaign_compatible", "kind", "maintenance_account")
    OWNER_USER_FIELD_NUMBER: _ClassVar[int]
    HEALTH_STATE_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_COMPATIBLE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MAINTENANCE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    owner_user: str
    health_state: AgentHealthState
    campaign_compatible: bool
    kind: AgentKind
    maintenance_account: str
    def __init__(self, owner_user: _Optional[str] = ..., health_state: _Optional[_Union[AgentHealthState, str]] = ..., campaign_compatible: _Optional[bool] = ..., kind: _Optional[_Union[AgentKind, str]] = ..., maintenance_account: _Optional[str] = ...) -> None: ...

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

class CheckAgentRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CheckAgentResponse(_message.Message):
    __slots__ = ("stage",)
    STAGE_FIELD_NUMBER: _ClassVar[int]
    stage: CheckStage
    def __init__(self, stage: _Optional[_Union[CheckStage, _Mapping]] = ...) -> None: ...

class TestAgentRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class TestAgentResponse(_message.Message):
    __slots__ = ("stage", "recipient")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    stage: CheckStage
    recipient: str
    def __init__(self, stage: _Optional[_Union[CheckStage, _Mapping]] = ..., recipient: _Optional[str] = ...) -> None: ...

class GetTriageAllowanceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetDefaultAgentRequest(_message.Message):
    __slots__ = ("default_agent",)
    DEFAULT_AGENT_FIELD_NUMBER: _ClassVar[int]
    default_agent: DefaultAgent
    def __init__(self, default_agent: _Optional[_Union[DefaultAgent, _Mapping]] = ...) -> None: ...

class GetDefaultAgentRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CreateMaintenanceAccountRequest(_message.Message):
    __slots__ = ("maintenance_account", "request_id")
    MAINTENANCE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    maintenance_account: MaintenanceAccount
    request_id: str
    def __init__(self, maintenance_account: _Optional[_Union[MaintenanceAccount, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetMaintenanceAccountRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListMaintenanceAccountsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMaintenanceAccountsResponse(_message.Message):
    __slots__ = ("maintenance_accounts", "next_page_token")
    MAINTENANCE_ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    maintenance_accounts: _containers.RepeatedCompositeFieldContainer[MaintenanceAccount]
    next_page_token: str
    def __init__(self, maintenance_accounts: _Optional[_Iterable[_Union[MaintenanceAccount, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateMaintenanceAccountRequest(_message.Message):
    __slots__ = ("maintenance_account", "update_mask")
    MAINTENANCE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    maintenance_account: MaintenanceAccount
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, maintenance_account: _Optional[_Union[MaintenanceAccount, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteMaintenanceAccountRequest(_message.Message):
    __slots__ = ("name", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...
