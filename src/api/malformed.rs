//! Requests that do not match the proto files.

use axum::response::Response;
use tonic::{Code, Status};

use super::{call::fail, streams::code_of};
use crate::domain::{Detail, Error, Kind, Reason};

/// Answers INVALID_ARGUMENT instead of INTERNAL to a request that cannot be decoded. The service's errors have details, those of the decoder have none.
///
/// Its answer to an unannounced compression is kept: gRPC requires INTERNAL there.
/// <https://github.com/grpc/grpc/blob/master/doc/compression.md>
pub(super) fn mend(response: Response, request_id: &str) -> Response {
    let headers = response.headers();
    if code_of(headers) != Code::Internal || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return response;
    }
    match Status::from_header_map(headers) {
        Some(status) if !status.message().starts_with("protocol error") => fail(&malformed(status.message()), request_id).into_http(),
        _ => response,
    }
}

/// The request cannot be decoded.
pub(super) fn malformed(problem: &str) -> Error {
    let text = "The request cannot be decoded. Use a client generated from the proto files of this version of the service.";
    Error::new(Kind::Invalid, Reason::RequestMalformed, text).with(Detail::Problem, problem)
}
