//! What a status says beside its code.

use mailagent_client::tonic_types::StatusExt;
use tonic::Status;

/// The stable reason.
pub fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "mailagent");
    info.reason
}

/// What the metadata of the reason have under this key.
pub fn metadata(status: &Status, key: &str) -> String {
    let info = status.get_details_error_info();
    let mut info = info.unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    let value = info.metadata.remove(key);
    value.unwrap_or_else(|| panic!("no {key} in {:?}", info.metadata))
}

/// The fields that are wrong, sorted.
pub fn violations(status: &Status) -> Vec<String> {
    let request = status.get_details_bad_request();
    let request = request.unwrap_or_else(|| panic!("no BadRequest: {status:?}"));
    let mut fields: Vec<String> = request.field_violations.into_iter().map(|violation| violation.field).collect();
    fields.sort();
    fields
}
