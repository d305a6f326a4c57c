import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SenderCheck(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SENDER_CHECK_UNSPECIFIED: _ClassVar[SenderCheck]
    SENDER_CHECK_REFUSE: _ClassVar[SenderCheck]
    SENDER_CHECK_WARN: _ClassVar[SenderCheck]
SENDER_CHECK_UNSPECIFIED: SenderCheck
SENDER_CHECK_REFUSE: SenderCheck
SENDER_CHECK_WARN: SenderCheck

class TenantSettings(_message.Message):
    __slots__ = ("name", "case_reference_format", "internal_domains", "trusted_authserv_ids", "sender_check", "skip_automatic_mail", "loop_limit_per_sender_and_case", "loop_limit_per_sender", "storage_acknowledgement", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CASE_REFERENCE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_AUTHSERV_IDS_FIELD_NUMBER: _ClassVar[int]
    SENDER_CHECK_FIELD_NUMBER: _ClassVar[int]
    SKIP_AUTOMATIC_MAIL_FIELD_NUMBER: _ClassVar[int]
    LOOP_LIMIT_PER_SENDER_AND_CASE_FIELD_NUMBER: _ClassVar[int]
    LOOP_LIMIT_PER_SENDER_FIELD_NUMBER: _ClassVar[int]
    STORAGE_ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    case_reference_format: CaseReferenceFormat
    internal_domains: _containers.RepeatedScalarFieldContainer[str]
    trusted_authserv_ids: _containers.RepeatedScalarFieldContainer[str]
    sender_check: SenderCheck
    skip_automatic_mail: bool
    loop_limit_per_sender_and_case: int
    loop_limit_per_sender: int
    storage_acknowledgement: StorageAcknowledgement
    etag: str
    def __init__(self, name: _Optional[str] = ..., case_reference_format: _Optional[_Union[CaseReferenceFormat, _Mapping]] = ..., internal_domains: _Optional[_Iterable[str]] = ..., trusted_authserv_ids: _Optional[_Iterable[str]] = ..., sender_check: _Optional[_Union[SenderCheck, str]] = ..., skip_automatic_mail: _Optional[bool] = ..., loop_limit_per_sender_and_case: _Optional[int] = ..., loop_limit_per_sender: _Optional[int] = ..., storage_acknowledgement: _Optional[_Union[StorageAcknowledgement, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class CaseReferenceFormat(_message.Message):
    __slots__ = ("prefix", "pattern")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    prefix: PrefixForm
    pattern: str
    def __init__(self, prefix: _Optional[_Union[PrefixForm, _Mapping]] = ..., pattern: _Optional[str] = ...) -> None: ...

class PrefixForm(_message.Message):
    __slots__ = ("prefix", "digits")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    DIGITS_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    digits: int
    def __init__(self, prefix: _Optional[str] = ..., digits: _Optional[int] = ...) -> None: ...

class StorageAcknowledgement(_message.Message):
    __slots__ = ("user", "acknowledge_time")
    USER_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_TIME_FIELD_NUMBER: _ClassVar[int]
    user: str
    acknowledge_time: _timestamp_pb2.Timestamp
    def __init__(self, user: _Optional[str] = ..., acknowledge_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetTenantSettingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UpdateTenantSettingsRequest(_message.Message):
    __slots__ = ("tenant_settings", "update_mask")
    TENANT_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    tenant_settings: TenantSettings
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, tenant_settings: _Optional[_Union[TenantSettings, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class AcknowledgeStorageTermsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
