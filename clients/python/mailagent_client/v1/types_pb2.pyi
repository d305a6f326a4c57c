from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class AutomaticKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUTOMATIC_KIND_UNSPECIFIED: _ClassVar[AutomaticKind]
    AUTOMATIC_KIND_AUTO_REPLY: _ClassVar[AutomaticKind]
    AUTOMATIC_KIND_BOUNCE: _ClassVar[AutomaticKind]
    AUTOMATIC_KIND_LIST: _ClassVar[AutomaticKind]
    AUTOMATIC_KIND_REPORT: _ClassVar[AutomaticKind]

class AuthenticationMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUTHENTICATION_METHOD_UNSPECIFIED: _ClassVar[AuthenticationMethod]
    AUTHENTICATION_METHOD_BASIC: _ClassVar[AuthenticationMethod]
    AUTHENTICATION_METHOD_MODERN: _ClassVar[AuthenticationMethod]
AUTOMATIC_KIND_UNSPECIFIED: AutomaticKind
AUTOMATIC_KIND_AUTO_REPLY: AutomaticKind
AUTOMATIC_KIND_BOUNCE: AutomaticKind
AUTOMATIC_KIND_LIST: AutomaticKind
AUTOMATIC_KIND_REPORT: AutomaticKind
AUTHENTICATION_METHOD_UNSPECIFIED: AuthenticationMethod
AUTHENTICATION_METHOD_BASIC: AuthenticationMethod
AUTHENTICATION_METHOD_MODERN: AuthenticationMethod

class EmailAddress(_message.Message):
    __slots__ = ("display_name", "address")
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    display_name: str
    address: str
    def __init__(self, display_name: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class DownloadHeader(_message.Message):
    __slots__ = ("size_bytes", "sha256", "media_type", "file_name")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    sha256: bytes
    media_type: str
    file_name: str
    def __init__(self, size_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ..., media_type: _Optional[str] = ..., file_name: _Optional[str] = ...) -> None: ...
