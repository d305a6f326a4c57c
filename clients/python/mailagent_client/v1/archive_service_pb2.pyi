import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from mailagent_client.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MessageDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MESSAGE_DIRECTION_UNSPECIFIED: _ClassVar[MessageDirection]
    MESSAGE_DIRECTION_INCOMING: _ClassVar[MessageDirection]
    MESSAGE_DIRECTION_OUTGOING: _ClassVar[MessageDirection]
    MESSAGE_DIRECTION_INTERNAL: _ClassVar[MessageDirection]

class MessageView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MESSAGE_VIEW_UNSPECIFIED: _ClassVar[MessageView]
    MESSAGE_VIEW_BASIC: _ClassVar[MessageView]
    MESSAGE_VIEW_FULL: _ClassVar[MessageView]
MESSAGE_DIRECTION_UNSPECIFIED: MessageDirection
MESSAGE_DIRECTION_INCOMING: MessageDirection
MESSAGE_DIRECTION_OUTGOING: MessageDirection
MESSAGE_DIRECTION_INTERNAL: MessageDirection
MESSAGE_VIEW_UNSPECIFIED: MessageView
MESSAGE_VIEW_BASIC: MessageView
MESSAGE_VIEW_FULL: MessageView

class Message(_message.Message):
    __slots__ = ("name", "message_id", "direction", "subject", "to", "cc", "preview", "customers", "agents", "sent_time", "received_time", "archive_time", "size_bytes", "stored_bytes", "sha256", "attachment_count", "automatic_kind", "content")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    CC_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    SENT_TIME_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TIME_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    AUTOMATIC_KIND_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    message_id: str
    direction: MessageDirection
    subject: str
    to: _containers.RepeatedCompositeFieldContainer[_types_pb2.EmailAddress]
    cc: _containers.RepeatedCompositeFieldContainer[_types_pb2.EmailAddress]
    preview: str
    customers: _containers.RepeatedCompositeFieldContainer[CustomerLink]
    agents: _containers.RepeatedScalarFieldContainer[str]
    sent_time: _timestamp_pb2.Timestamp
    received_time: _timestamp_pb2.Timestamp
    archive_time: _timestamp_pb2.Timestamp
    size_bytes: int
    stored_bytes: int
    sha256: bytes
    attachment_count: int
    automatic_kind: _types_pb2.AutomaticKind
    content: MessageContent
    def __init__(self, name: _Optional[str] = ..., message_id: _Optional[str] = ..., direction: _Optional[_Union[MessageDirection, str]] = ..., subject: _Optional[str] = ..., to: _Optional[_Iterable[_Union[_types_pb2.EmailAddress, _Mapping]]] = ..., cc: _Optional[_Iterable[_Union[_types_pb2.EmailAddress, _Mapping]]] = ..., preview: _Optional[str] = ..., customers: _Optional[_Iterable[_Union[CustomerLink, _Mapping]]] = ..., agents: _Optional[_Iterable[str]] = ..., sent_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., received_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., archive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., size_bytes: _Optional[int] = ..., stored_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ..., attachment_count: _Optional[int] = ..., automatic_kind: _Optional[_Union[_types_pb2.AutomaticKind, str]] = ..., content: _Optional[_Union[MessageContent, _Mapping]] = ..., **kwargs) -> None: ...

class CustomerLink(_message.Message):
    __slots__ = ("customer", "contact", "address")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    customer: str
    contact: str
    address: str
    def __init__(self, customer: _Optional[str] = ..., contact: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class MessageContent(_message.Message):
    __slots__ = ("headers", "text", "html", "remote_content_blocked", "attachments")
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    HTML_FIELD_NUMBER: _ClassVar[int]
    REMOTE_CONTENT_BLOCKED_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    headers: _containers.RepeatedCompositeFieldContainer[HeaderField]
    text: str
    html: str
    remote_content_blocked: bool
    attachments: _containers.RepeatedCompositeFieldContainer[Attachment]
    def __init__(self, headers: _Optional[_Iterable[_Union[HeaderField, _Mapping]]] = ..., text: _Optional[str] = ..., html: _Optional[str] = ..., remote_content_blocked: _Optional[bool] = ..., attachments: _Optional[_Iterable[_Union[Attachment, _Mapping]]] = ...) -> None: ...

class HeaderField(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Attachment(_message.Message):
    __slots__ = ("index", "file_name", "media_type", "size_bytes", "content_id", "inline")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    index: int
    file_name: str
    media_type: str
    size_bytes: int
    content_id: str
    inline: bool
    def __init__(self, index: _Optional[int] = ..., file_name: _Optional[str] = ..., media_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., content_id: _Optional[str] = ..., inline: _Optional[bool] = ...) -> None: ...

class ListMessagesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: MessageFilter
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[MessageFilter, _Mapping]] = ...) -> None: ...

class MessageFilter(_message.Message):
    __slots__ = ("customer", "contact", "agent", "direction", "has_attachments", "sent_after", "sent_before", "unlinked")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    HAS_ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    SENT_AFTER_FIELD_NUMBER: _ClassVar[int]
    SENT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    UNLINKED_FIELD_NUMBER: _ClassVar[int]
    customer: str
    contact: str
    agent: str
    direction: MessageDirection
    has_attachments: bool
    sent_after: _timestamp_pb2.Timestamp
    sent_before: _timestamp_pb2.Timestamp
    unlinked: bool
    def __init__(self, customer: _Optional[str] = ..., contact: _Optional[str] = ..., agent: _Optional[str] = ..., direction: _Optional[_Union[MessageDirection, str]] = ..., has_attachments: _Optional[bool] = ..., sent_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sent_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unlinked: _Optional[bool] = ...) -> None: ...

class ListMessagesResponse(_message.Message):
    __slots__ = ("messages", "next_page_token")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    next_page_token: str
    def __init__(self, messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SearchMessagesRequest(_message.Message):
    __slots__ = ("query", "page_size", "page_token", "filter")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    query: str
    page_size: int
    page_token: str
    filter: MessageFilter
    def __init__(self, query: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[MessageFilter, _Mapping]] = ...) -> None: ...

class SearchMessagesResponse(_message.Message):
    __slots__ = ("messages", "next_page_token")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    next_page_token: str
    def __init__(self, messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetMessageRequest(_message.Message):
    __slots__ = ("name", "view")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    name: str
    view: MessageView
    def __init__(self, name: _Optional[str] = ..., view: _Optional[_Union[MessageView, str]] = ...) -> None: ...

class StreamMessagesRequest(_message.Message):
    __slots__ = ("cursor", "filter")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    filter: MessageFilter
    def __init__(self, cursor: _Optional[str] = ..., filter: _Optional[_Union[MessageFilter, _Mapping]] = ...) -> None: ...

class StreamMessagesResponse(_message.Message):
    __slots__ = ("cursor", "message")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    message: Message
    def __init__(self, cursor: _Optional[str] = ..., message: _Optional[_Union[Message, _Mapping]] = ...) -> None: ...

class DownloadMessageRequest(_message.Message):
    __slots__ = ("name", "offset_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    offset_bytes: int
    def __init__(self, name: _Optional[str] = ..., offset_bytes: _Optional[int] = ...) -> None: ...

class DownloadMessageResponse(_message.Message):
    __slots__ = ("header", "offset_bytes", "data")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: _types_pb2.DownloadHeader
    offset_bytes: int
    data: bytes
    def __init__(self, header: _Optional[_Union[_types_pb2.DownloadHeader, _Mapping]] = ..., offset_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class DownloadAttachmentRequest(_message.Message):
    __slots__ = ("name", "index", "offset_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    index: int
    offset_bytes: int
    def __init__(self, name: _Optional[str] = ..., index: _Optional[int] = ..., offset_bytes: _Optional[int] = ...) -> None: ...

class DownloadAttachmentResponse(_message.Message):
    __slots__ = ("header", "offset_bytes", "data")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: _types_pb2.DownloadHeader
    offset_bytes: int
    data: bytes
    def __init__(self, header: _Optional[_Union[_types_pb2.DownloadHeader, _Mapping]] = ..., offset_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class GetArchiveStatisticsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ArchiveStatistics(_message.Message):
    __slots__ = ("message_count", "unlinked_count", "size_bytes", "stored_bytes")
    MESSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNLINKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    message_count: int
    unlinked_count: int
    size_bytes: int
    stored_bytes: int
    def __init__(self, message_count: _Optional[int] = ..., unlinked_count: _Optional[int] = ..., size_bytes: _Optional[int] = ..., stored_bytes: _Optional[int] = ...) -> None: ...
