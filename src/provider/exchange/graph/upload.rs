//! Large attachments: uploaded range by range into a session, whose progress can be queried.
//!
//! <https://learn.microsoft.com/graph/api/attachment-createuploadsession>

use bytes::Bytes;
use http::StatusCode;
use http::{Method, header};
use serde::Deserialize;
use serde_json::json;

use super::{
    codes::Meaning,
    errors::Fault,
    transport::{Request, Transport},
};
use crate::mime::FilePart;

/// Bytes in a request: a multiple of 320 KiB, as other upload APIs require, and less than the limit of 4 MB.
const RANGE: usize = 12 * 320 * 1024;
/// How often an upload resumes after a fault.
const RESUMPTIONS: usize = 5;

/// A session. Outlook's own services, which answer for Graph here, begin the names with capital letters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    /// It grants permission to upload, and is never shown.
    #[serde(default)]
    upload_url: String,
    #[serde(default, alias = "NextExpectedRanges")]
    next_expected_ranges: Vec<String>,
}

impl Session {
    /// Where the next range begins.
    fn next(&self) -> Option<usize> {
        let digits = self.next_expected_ranges.first()?.split('-').next()?;
        digits.trim().parse().ok()
    }
}

/// Attaches a file to a draft.
pub(super) async fn upload(transport: &Transport, draft: &str, file: FilePart) -> Result<(), Fault> {
    let mut item = json!({
        "attachmentType": "file",
        "name": file.name,
        "size": file.content.len(),
        "contentType": file.media_type,
        "isInline": file.inline,
    });
    if !file.content_id.is_empty() {
        item["contentId"] = file.content_id.into();
    }
    let url = transport.url(&["messages", draft, "attachments", "createUploadSession"]);
    let request = Request::json(Method::POST, url, &json!({ "AttachmentItem": item }));
    let session: Session = transport.read(&transport.call(request).await?.body)?;
    let (client, url) = transport.client_for(&session.upload_url)?;

    let (content, mut at) = (Bytes::from(file.content), 0);
    let mut resumptions = 0;
    loop {
        let range = content.slice(at..(at + RANGE).min(content.len()));
        let (length, end) = (range.len(), at + range.len());
        let put = client
            .put(url.clone())
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(
                header::CONTENT_RANGE,
                format!("bytes {at}-{}/{}", end.saturating_sub(1), content.len()),
            )
            .body(range);
        let next = match transport.call_openly(put, length).await {
            Ok(answer) if answer.status == StatusCode::CREATED && end == content.len() => return Ok(()),
            Ok(answer) => transport.read::<Session>(&answer.body)?.next().filter(|next| *next > at),
            Err(fault) if resumptions < RESUMPTIONS && (fault.unclear || fault.meaning == Some(Meaning::WrongRange)) => {
                resumptions += 1;
                match transport.call_openly(client.get(url.clone()), 0).await {
                    Ok(answer) => transport.read::<Session>(&answer.body)?.next(),
                    // The first error is more informative.
                    Err(_) => return Err(fault),
                }
            }
            Err(fault) => return Err(fault),
        };
        at = next.filter(|next| *next < content.len()).ok_or_else(|| {
            transport
                .judge
                .malformed("does not say which part of an attachment is to come next")
        })?;
    }
}
