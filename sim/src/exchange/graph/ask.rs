//! Requests taken apart.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::Refusal;

/// Messages on a page, unless a client wishes for more.
const USUAL_PAGE: usize = 10;
/// Most messages on a page.
const MAX_PAGE: usize = 500;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    path: Vec<String>,
    query: HashMap<String, String>,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Ask {
    /// `target` is path and query behind the version.
    pub(super) fn new(method: &Method, target: &str, headers: &HeaderMap, body: Bytes) -> Self {
        let url = Url::parse("http://graph/").and_then(|base| base.join(target.trim_start_matches('/')));
        let (path, query) = match &url {
            Ok(url) => (
                url.path_segments().into_iter().flatten().flat_map(segments).collect(),
                url.query_pairs().into_owned().collect(),
            ),
            Err(_) => Default::default(),
        };
        Self {
            method: method.clone(),
            path,
            query,
            headers: headers.clone(),
            body,
        }
    }

    pub(super) fn path(&self) -> &[String] {
        &self.path
    }

    /// The user of `users/{user}`; `None` for `me`.
    pub(super) fn user(&self) -> Option<&str> {
        match self.path.as_slice() {
            [users, user, ..] if users == "users" => Some(user),
            _ => None,
        }
    }

    /// What of the user is asked for.
    pub(super) fn below_user(&self) -> &[String] {
        let begin = if self.user().is_some() { 2 } else { 1 };
        self.path.get(begin..).unwrap_or_default()
    }

    /// The secret of the session that it is about, if it is about one.
    pub(super) fn upload(&self) -> Option<&str> {
        match self.path.as_slice() {
            [sessions, secret] if sessions == "AttachmentSessions" => Some(secret),
            _ => None,
        }
    }

    /// What it does, such as `graph/delta`, for the record and for scripted faults.
    pub(super) fn operation(&self) -> String {
        if self.path.first().is_some_and(|first| first == "subscriptions") {
            return format!("graph/{} subscription", self.method.as_str().to_lowercase());
        }
        if self.upload().is_some() {
            return format!("graph/{} upload", self.method.as_str().to_lowercase());
        }
        let path: Vec<&str> = self.below_user().iter().map(String::as_str).collect();
        let name = match (self.method.as_str(), path.as_slice()) {
            (_, []) => "user",
            (_, ["mailFolders", "delta"]) => "folders",
            (_, [.., "delta"]) => "delta",
            (_, [.., "$value"]) => "value",
            (_, [.., "send"]) => "send",
            (_, [.., "move"]) => "move",
            (_, ["sendMail"]) => "sendMail",
            (_, ["translateExchangeIds"]) => "translate",
            (_, [.., "attachments"]) => "attach",
            (_, [.., "createUploadSession"]) => "post upload",
            ("POST", [.., "messages"]) => "create",
            (_, [.., "messages"]) => "list",
            ("GET", [.., "messages", _]) => "message",
            ("PATCH", [.., "messages", _]) => "update",
            ("DELETE", [.., "messages", _]) => "delete",
            (_, ["mailFolders", ..]) => "folder",
            _ => "other",
        };
        format!("graph/{name}")
    }

    /// An option such as `$select`.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// Whether ids are wanted that survive moves. It has to be said with each request.
    pub(super) fn immutable(&self) -> bool {
        self.preferences()
            .any(|wish| wish.replace('"', "").eq_ignore_ascii_case("IdType=ImmutableId"))
    }

    /// Entries on a page.
    pub(super) fn page(&self) -> usize {
        let wish = self
            .preferences()
            .find_map(|wish| wish.strip_prefix("odata.maxpagesize=")?.parse().ok());
        let top = self.option("$top").and_then(|top| top.parse().ok());
        wish.or(top).unwrap_or(USUAL_PAGE).clamp(1, MAX_PAGE)
    }

    fn preferences(&self) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split([',', ';'])).map(str::trim)
    }

    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body in JSON.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Err(Refusal::new(
                415,
                "UnsupportedMediaType",
                "The content type is not application/json.",
            ));
        }
        serde_json::from_slice(&self.body).map_err(|_| Refusal::new(400, "BadRequest", "Unable to read JSON request payload."))
    }

    /// The parameters of an action, whose names clients write with small and capital letters.
    pub(super) fn parameters(&self) -> Result<Parameters, Refusal> {
        self.json().map(Parameters)
    }

    /// Ids in it, for the record.
    pub(super) fn entries(&self) -> usize {
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        body.and_then(|body| Some(body.get("inputIds")?.as_array()?.len())).unwrap_or(0)
    }

    /// The requests of a batch, with their ids.
    pub(super) fn batch(&self, most: usize) -> Result<Vec<(Value, Ask)>, Refusal> {
        #[derive(Deserialize)]
        struct One {
            id: Value,
            method: String,
            url: String,
            #[serde(default)]
            headers: HashMap<String, String>,
            #[serde(default)]
            body: Value,
        }
        let mut body = self.json()?;
        let requests: Vec<One> = serde_json::from_value(body["requests"].take())
            .map_err(|_| Refusal::new(400, "BadRequest", "Invalid batch payload format."))?;
        if requests.len() > most {
            return Err(Refusal::new(
                400,
                "MaximumValueExceeded",
                "Number of batch request steps exceeds the maximum value of 20.",
            ));
        }
        let ask = |one: One| {
            let method = one.method.parse().unwrap_or_default();
            let mut headers = HeaderMap::new();
            for (name, value) in &one.headers {
                if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                    headers.append(name, value);
                }
            }
            let body = match &one.body {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                json => json.to_string(),
            };
            (one.id, Ask::new(&method, &one.url, &headers, body.into()))
        };
        Ok(requests.into_iter().map(ask).collect())
    }
}

/// The parameters of an action.
pub(super) struct Parameters(Value);

impl Parameters {
    /// One of them; null when it is not there.
    pub(super) fn get(&self, name: &str) -> &Value {
        let all = self.0.as_object().into_iter().flatten();
        let mut found = all.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map_or(&Value::Null, |(_, value)| value)
    }
}

/// The parts of a segment: clients write `mailFolders('inbox')` and `mailFolders/inbox`, `delta`, `delta()` and `microsoft.graph.delta()`.
fn segments(segment: &str) -> Vec<String> {
    let decoded = percent_decode(segment);
    let plain = decoded.strip_prefix("microsoft.graph.").unwrap_or(&decoded);
    if let Some((name, rest)) = plain.split_once('(')
        && let Some(key) = rest.strip_suffix(')')
    {
        let key = key.trim_matches('\'');
        return [name, key].into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect();
    }
    if plain.is_empty() { Vec::new() } else { vec![plain.to_owned()] }
}

fn percent_decode(text: &str) -> String {
    // As the value of a form, in which `+` and `&` mean something else.
    let value = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(value.as_bytes());
    pairs.next().map(|(_, decoded)| decoded.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_every_form() {
        let check = |target: &str, expected: &[&str]| {
            let ask = Ask::new(&Method::GET, target, &HeaderMap::new(), Bytes::new());
            assert_eq!(ask.path(), expected, "{target}");
        };
        check(
            "/me/mailFolders/inbox/messages/delta",
            &["me", "mailFolders", "inbox", "messages", "delta"],
        );
        check(
            "/me/mailFolders('inbox')/messages/delta()",
            &["me", "mailFolders", "inbox", "messages", "delta"],
        );
        check(
            "/users/anna@x/messages/microsoft.graph.delta()?$top=3",
            &["users", "anna@x", "messages", "delta"],
        );
        check(
            "/users('anna%40x')/messages('AA%3D-_')/$value",
            &["users", "anna@x", "messages", "AA=-_", "$value"],
        );
        check("users/a+b@x", &["users", "a+b@x"]);
        check("/$batch", &["$batch"]);
        check("/", &[]);
    }
}
