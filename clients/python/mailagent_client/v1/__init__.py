"""Messages and services of the protobuf package mailagent.v1. Generated."""

from mailagent_client.v1.agent_service_pb2 import *
from mailagent_client.v1.agent_service_pb2_grpc import *
from mailagent_client.v1.archive_service_pb2 import *
from mailagent_client.v1.archive_service_pb2_grpc import *
from mailagent_client.v1.directory_service_pb2 import *
from mailagent_client.v1.directory_service_pb2_grpc import *
from mailagent_client.v1.error_reason_pb2 import *
from mailagent_client.v1.login_pb2 import *
from mailagent_client.v1.settings_service_pb2 import *
from mailagent_client.v1.settings_service_pb2_grpc import *
from mailagent_client.v1.sweep_service_pb2 import *
from mailagent_client.v1.sweep_service_pb2_grpc import *
from mailagent_client.v1.types_pb2 import *
