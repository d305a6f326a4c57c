//! The ids that messages have over EWS: by them, an agent that was moved to Graph recognises what it has handled.
//!
//! <https://learn.microsoft.com/graph/api/user-translateexchangeids>

use std::collections::HashMap;

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    codes::Meaning,
    errors::Fault,
    transport::{Request, Transport},
};
use crate::provider::ItemId;

/// Most ids in a request.
const MAX_IDS: usize = 1000;

#[derive(Deserialize)]
struct Translated {
    value: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    source_id: String,
    target_id: Option<String>,
}

/// See [`crate::provider::MailSource::former_ids`]. A server that does not translate them is no problem: messages are recognised by their identity
/// too, once they are read.
pub(super) async fn former_ids(transport: &Transport, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, Fault> {
    let mut known: HashMap<String, String> = HashMap::new();
    for ids in ids.chunks(MAX_IDS) {
        let ids: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        let body = json!({ "inputIds": ids, "sourceIdType": "restImmutableEntryId", "targetIdType": "ewsId" });
        let request = Request::json(Method::POST, transport.url(&["translateExchangeIds"]), &body);
        let translated: Translated = match transport.call(request).await {
            Ok(answer) => transport.read(&answer.body)?,
            Err(fault) if matches!(fault.meaning, Some(Meaning::BadRequest | Meaning::Gone | Meaning::Refused)) => break,
            Err(fault) => return Err(fault),
        };
        known.extend(
            translated
                .value
                .into_iter()
                .filter_map(|pair| Some((pair.source_id, pair.target_id?))),
        );
    }
    Ok(ids.iter().map(|id| known.remove(&id.0).map(ItemId)).collect())
}
