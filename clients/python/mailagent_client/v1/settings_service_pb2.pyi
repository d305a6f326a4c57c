import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from mailagent_client.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuditAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_ACTION_UNSPECIFIED: _ClassVar[AuditAction]
    AUDIT_ACTION_CREATED: _ClassVar[AuditAction]
    AUDIT_ACTION_UPDATED: _ClassVar[AuditAction]
    AUDIT_ACTION_DELETED: _ClassVar[AuditAction]
    AUDIT_ACTION_READ: _ClassVar[AuditAction]

class AuditKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_KIND_UNSPECIFIED: _ClassVar[AuditKind]
    AUDIT_KIND_CHANGE: _ClassVar[AuditKind]
    AUDIT_KIND_READ: _ClassVar[AuditKind]

class SenderCheck(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SENDER_CHECK_UNSPECIFIED: _ClassVar[SenderCheck]
    SENDER_CHECK_REFUSE: _ClassVar[SenderCheck]
    SENDER_CHECK_WARN: _ClassVar[SenderCheck]
AUDIT_ACTION_UNSPECIFIED: AuditAction
AUDIT_ACTION_CREATED: AuditAction
AUDIT_ACTION_UPDATED: AuditAction
AUDIT_ACTION_DELETED: AuditAction
AUDIT_ACTION_READ: AuditAction
AUDIT_KIND_UNSPECIFIED: AuditKind
AUDIT_KIND_CHANGE: AuditKind
AUDIT_KIND_READ: AuditKind
SENDER_CHECK_UNSPECIFIED: SenderCheck
SENDER_CHECK_REFUSE: SenderCheck
SENDER_CHECK_WARN: SenderCheck

class TenantSettings(_message.Message):
    __slots__ = ("name", "case_reference_format", "internal_domains", "trusted_authserv_ids", "sender_check", "skip_automatic_mail", "loop_limit_per_sender_and_case", "loop_limit_per_sender", "storage_acknowledgement", "etag", "authentication_method", "triage_licence_count", "allow_unencrypted_smtp", "allow_private_networks", "trusted_certificates", "read_audit_retention_days")
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
    AUTHENTICATION_METHOD_FIELD_NUMBER: _ClassVar[int]
    TRIAGE_LICENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_UNENCRYPTED_SMTP_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PRIVATE_NETWORKS_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    READ_AUDIT_RETENTION_DAYS_FIELD_NUMBER: _ClassVar[int]
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
    authentication_method: _types_pb2.AuthenticationMethod
    triage_licence_count: int
    allow_unencrypted_smtp: bool
    allow_private_networks: bool
    trusted_certificates: _containers.RepeatedCompositeFieldContainer[TrustedCertificate]
    read_audit_retention_days: int
    def __init__(self, name: _Optional[str] = ..., case_reference_format: _Optional[_Union[CaseReferenceFormat, _Mapping]] = ..., internal_domains: _Optional[_Iterable[str]] = ..., trusted_authserv_ids: _Optional[_Iterable[str]] = ..., sender_check: _Optional[_Union[SenderCheck, str]] = ..., skip_automatic_mail: _Optional[bool] = ..., loop_limit_per_sender_and_case: _Optional[int] = ..., loop_limit_per_sender: _Optional[int] = ..., storage_acknowledgement: _Optional[_Union[StorageAcknowledgement, _Mapping]] = ..., etag: _Optional[str] = ..., authentication_method: _Optional[_Union[_types_pb2.AuthenticationMethod, str]] = ..., triage_licence_count: _Optional[int] = ..., allow_unencrypted_smtp: _Optional[bool] = ..., allow_private_networks: _Optional[bool] = ..., trusted_certificates: _Optional[_Iterable[_Union[TrustedCertificate, _Mapping]]] = ..., read_audit_retention_days: _Optional[int] = ...) -> None: ...

class TrustedCertificate(_message.Message):
    __slots__ = ("host", "sha256_fingerprint")
    HOST_FIELD_NUMBER: _ClassVar[int]
    SHA256_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    host: str
    sha256_fingerprint: str
    def __init__(self, host: _Optional[str] = ..., sha256_fingerprint: _Optional[str] = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ("name", "create_time", "user", "resource", "action", "changes", "method")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    name: str
    create_time: _timestamp_pb2.Timestamp
    user: str
    resource: str
    action: AuditAction
    changes: _containers.RepeatedCompositeFieldContainer[FieldChange]
    method: str
    def __init__(self, name: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., user: _Optional[str] = ..., resource: _Optional[str] = ..., action: _Optional[_Union[AuditAction, str]] = ..., changes: _Optional[_Iterable[_Union[FieldChange, _Mapping]]] = ..., method: _Optional[str] = ...) -> None: ...

class FieldChange(_message.Message):
    __slots__ = ("field", "old_value", "new_value")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    OLD_VALUE_FIELD_NUMBER: _ClassVar[int]
    NEW_VALUE_FIELD_NUMBER: _ClassVar[int]
    field: str
    old_value: str
    new_value: str
    def __init__(self, field: _Optional[str] = ..., old_value: _Optional[str] = ..., new_value: _Optional[str] = ...) -> None: ...

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

class ListAuditEntriesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: AuditFilter
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[AuditFilter, _Mapping]] = ...) -> None: ...

class AuditFilter(_message.Message):
    __slots__ = ("resource", "user", "start_time", "end_time", "kind")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    resource: str
    user: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    kind: AuditKind
    def __init__(self, resource: _Optional[str] = ..., user: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[_Union[AuditKind, str]] = ...) -> None: ...

class ListAuditEntriesResponse(_message.Message):
    __slots__ = ("audit_entries", "next_page_token")
    AUDIT_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    audit_entries: _containers.RepeatedCompositeFieldContainer[AuditEntry]
    next_page_token: str
    def __init__(self, audit_entries: _Optional[_Iterable[_Union[AuditEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
