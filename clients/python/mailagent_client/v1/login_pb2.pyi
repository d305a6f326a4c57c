import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuthenticationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUTHENTICATION_STATE_UNSPECIFIED: _ClassVar[AuthenticationState]
    AUTHENTICATION_STATE_NONE: _ClassVar[AuthenticationState]
    AUTHENTICATION_STATE_ACTIVE: _ClassVar[AuthenticationState]
    AUTHENTICATION_STATE_EXPIRED: _ClassVar[AuthenticationState]
    AUTHENTICATION_STATE_LOGIN_REQUIRED: _ClassVar[AuthenticationState]

class TokenEventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOKEN_EVENT_KIND_UNSPECIFIED: _ClassVar[TokenEventKind]
    TOKEN_EVENT_KIND_EXPIRING: _ClassVar[TokenEventKind]
    TOKEN_EVENT_KIND_EXPIRED: _ClassVar[TokenEventKind]
    TOKEN_EVENT_KIND_RENEWED: _ClassVar[TokenEventKind]
    TOKEN_EVENT_KIND_LOGIN_REQUIRED: _ClassVar[TokenEventKind]
    TOKEN_EVENT_KIND_CONSENT_GIVEN: _ClassVar[TokenEventKind]
    TOKEN_EVENT_KIND_CONSENT_REVOKED: _ClassVar[TokenEventKind]
    TOKEN_EVENT_KIND_SECRET_EXPIRING: _ClassVar[TokenEventKind]
    TOKEN_EVENT_KIND_LOGIN_REVOKED: _ClassVar[TokenEventKind]
AUTHENTICATION_STATE_UNSPECIFIED: AuthenticationState
AUTHENTICATION_STATE_NONE: AuthenticationState
AUTHENTICATION_STATE_ACTIVE: AuthenticationState
AUTHENTICATION_STATE_EXPIRED: AuthenticationState
AUTHENTICATION_STATE_LOGIN_REQUIRED: AuthenticationState
TOKEN_EVENT_KIND_UNSPECIFIED: TokenEventKind
TOKEN_EVENT_KIND_EXPIRING: TokenEventKind
TOKEN_EVENT_KIND_EXPIRED: TokenEventKind
TOKEN_EVENT_KIND_RENEWED: TokenEventKind
TOKEN_EVENT_KIND_LOGIN_REQUIRED: TokenEventKind
TOKEN_EVENT_KIND_CONSENT_GIVEN: TokenEventKind
TOKEN_EVENT_KIND_CONSENT_REVOKED: TokenEventKind
TOKEN_EVENT_KIND_SECRET_EXPIRING: TokenEventKind
TOKEN_EVENT_KIND_LOGIN_REVOKED: TokenEventKind

class Authentication(_message.Message):
    __slots__ = ("state", "source", "provider", "account", "login_user", "login_time", "renew_time", "expire_time", "time_left", "fraction_left", "problem", "provider_reply", "access_token_expire_time", "renewal_problem_time", "renewal_problem", "client_secret_expire_time", "available_providers")
    STATE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    LOGIN_USER_FIELD_NUMBER: _ClassVar[int]
    LOGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    RENEW_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_LEFT_FIELD_NUMBER: _ClassVar[int]
    FRACTION_LEFT_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_REPLY_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TOKEN_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    RENEWAL_PROBLEM_TIME_FIELD_NUMBER: _ClassVar[int]
    RENEWAL_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    state: AuthenticationState
    source: str
    provider: str
    account: str
    login_user: str
    login_time: _timestamp_pb2.Timestamp
    renew_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    time_left: _duration_pb2.Duration
    fraction_left: float
    problem: str
    provider_reply: str
    access_token_expire_time: _timestamp_pb2.Timestamp
    renewal_problem_time: _timestamp_pb2.Timestamp
    renewal_problem: str
    client_secret_expire_time: _timestamp_pb2.Timestamp
    available_providers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, state: _Optional[_Union[AuthenticationState, str]] = ..., source: _Optional[str] = ..., provider: _Optional[str] = ..., account: _Optional[str] = ..., login_user: _Optional[str] = ..., login_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., renew_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_left: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., fraction_left: _Optional[float] = ..., problem: _Optional[str] = ..., provider_reply: _Optional[str] = ..., access_token_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., renewal_problem_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., renewal_problem: _Optional[str] = ..., client_secret_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., available_providers: _Optional[_Iterable[str]] = ...) -> None: ...

class AdminConsent(_message.Message):
    __slots__ = ("name", "domain", "directory", "authentication", "agent_count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    AGENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    domain: str
    directory: str
    authentication: Authentication
    agent_count: int
    def __init__(self, name: _Optional[str] = ..., domain: _Optional[str] = ..., directory: _Optional[str] = ..., authentication: _Optional[_Union[Authentication, _Mapping]] = ..., agent_count: _Optional[int] = ...) -> None: ...

class TokenEvent(_message.Message):
    __slots__ = ("id", "event_time", "kind", "source", "owner_user", "account", "provider", "expire_time", "threshold", "problem", "provider_reply")
    ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OWNER_USER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_REPLY_FIELD_NUMBER: _ClassVar[int]
    id: str
    event_time: _timestamp_pb2.Timestamp
    kind: TokenEventKind
    source: str
    owner_user: str
    account: str
    provider: str
    expire_time: _timestamp_pb2.Timestamp
    threshold: _duration_pb2.Duration
    problem: str
    provider_reply: str
    def __init__(self, id: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[_Union[TokenEventKind, str]] = ..., source: _Optional[str] = ..., owner_user: _Optional[str] = ..., account: _Optional[str] = ..., provider: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., threshold: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., problem: _Optional[str] = ..., provider_reply: _Optional[str] = ...) -> None: ...

class BeginLoginRequest(_message.Message):
    __slots__ = ("name", "provider", "redirect_url")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URL_FIELD_NUMBER: _ClassVar[int]
    name: str
    provider: str
    redirect_url: str
    def __init__(self, name: _Optional[str] = ..., provider: _Optional[str] = ..., redirect_url: _Optional[str] = ...) -> None: ...

class BeginLoginResponse(_message.Message):
    __slots__ = ("authorization_url", "account", "expire_time")
    AUTHORIZATION_URL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    authorization_url: str
    account: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, authorization_url: _Optional[str] = ..., account: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CompleteLoginRequest(_message.Message):
    __slots__ = ("state", "authorization_code", "error", "error_description")
    STATE_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    state: str
    authorization_code: str
    error: str
    error_description: str
    def __init__(self, state: _Optional[str] = ..., authorization_code: _Optional[str] = ..., error: _Optional[str] = ..., error_description: _Optional[str] = ...) -> None: ...

class CompleteLoginResponse(_message.Message):
    __slots__ = ("name", "authentication")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    authentication: Authentication
    def __init__(self, name: _Optional[str] = ..., authentication: _Optional[_Union[Authentication, _Mapping]] = ...) -> None: ...

class RevokeLoginRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RevokeLoginResponse(_message.Message):
    __slots__ = ("provider_notified",)
    PROVIDER_NOTIFIED_FIELD_NUMBER: _ClassVar[int]
    provider_notified: bool
    def __init__(self, provider_notified: _Optional[bool] = ...) -> None: ...

class BeginAdminConsentRequest(_message.Message):
    __slots__ = ("domain", "provider")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    domain: str
    provider: str
    def __init__(self, domain: _Optional[str] = ..., provider: _Optional[str] = ...) -> None: ...

class BeginAdminConsentResponse(_message.Message):
    __slots__ = ("consent_url", "expire_time")
    CONSENT_URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    consent_url: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, consent_url: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListAdminConsentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAdminConsentsResponse(_message.Message):
    __slots__ = ("admin_consents", "next_page_token")
    ADMIN_CONSENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    admin_consents: _containers.RepeatedCompositeFieldContainer[AdminConsent]
    next_page_token: str
    def __init__(self, admin_consents: _Optional[_Iterable[_Union[AdminConsent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RevokeAdminConsentRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchTokensRequest(_message.Message):
    __slots__ = ("cursor", "filter")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    filter: TokenEventFilter
    def __init__(self, cursor: _Optional[str] = ..., filter: _Optional[_Union[TokenEventFilter, _Mapping]] = ...) -> None: ...

class TokenEventFilter(_message.Message):
    __slots__ = ("source", "kinds")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    source: str
    kinds: _containers.RepeatedScalarFieldContainer[TokenEventKind]
    def __init__(self, source: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[TokenEventKind, str]]] = ...) -> None: ...

class WatchTokensResponse(_message.Message):
    __slots__ = ("cursor", "event")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    event: TokenEvent
    def __init__(self, cursor: _Optional[str] = ..., event: _Optional[_Union[TokenEvent, _Mapping]] = ...) -> None: ...
