//! The pages: login, consent, what the platform says of itself, and who somebody is.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use url::Url;

use super::{
    Shared,
    token::{Asked, give, one_resource},
    world::{Code, TokenFault, random},
};
use crate::listener::Switch;

/// Longest form that is read, in bytes.
const MAX_FORM: usize = 64 * 1024;

type Query = HashMap<String, String>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/{directory}/oauth2/v2.0/authorize", get(login_page).post(login_form))
        .route("/{directory}/oauth2/v2.0/token", post(token))
        .route("/{directory}/v2.0/adminconsent", get(consent_page).post(consent_form))
        .route("/{directory}/v2.0/.well-known/openid-configuration", get(discovery))
        .route("/{directory}/discovery/v2.0/keys", get(keys))
        .route("/v1.0/me", get(me))
        .with_state(shared)
}

/// What comes of a page: another page, or where the browser goes.
enum Outcome {
    Page(String),
    Refused(String),
    Redirect(Url),
}

impl Outcome {
    fn respond(self) -> Response {
        match self {
            Self::Page(html) => answer(StatusCode::OK, "text/html; charset=utf-8", html),
            Self::Refused(text) => answer(StatusCode::BAD_REQUEST, "text/html; charset=utf-8", page("Sorry", &escape(&text))),
            Self::Redirect(url) => {
                let mut response = answer(StatusCode::FOUND, "text/html", String::new());
                if let Ok(place) = url.as_str().parse() {
                    response.headers_mut().insert(header::LOCATION, place);
                }
                response
            }
        }
    }
}

/// As a browser that picks this account and accepts.
pub(super) fn sign_in(shared: &Shared, page: &str, account: &str) -> Result<Url, String> {
    let page = Url::parse(page).map_err(|error| error.to_string())?;
    let mut query: Query = page.query_pairs().into_owned().collect();
    let directory = page
        .path_segments()
        .and_then(|mut parts| parts.next())
        .unwrap_or_default()
        .to_owned();
    query.insert("account".to_owned(), account.to_owned());
    let outcome = if page.path().ends_with("/adminconsent") {
        consent(shared, &directory, &query)
    } else {
        login(shared, &query)
    };
    match outcome {
        Outcome::Redirect(url) => Ok(url),
        Outcome::Page(text) | Outcome::Refused(text) => Err(text),
    }
}

/// The login: with an account in the query somebody chose it; with `cancel`, they left.
fn login(shared: &Shared, query: &Query) -> Outcome {
    let value = |name: &str| query.get(name).map_or("", String::as_str);
    let mut world = shared.world();
    let Some(app) = world.apps.get(value("client_id")) else {
        return Outcome::Refused("AADSTS700016: Application was not found in the directory.".to_owned());
    };
    // Before this is known, nobody is sent anywhere.
    if !app.redirect_urls.iter().any(|url| url == value("redirect_uri")) {
        return Outcome::Refused("AADSTS50011: The redirect URI specified in the request does not match.".to_owned());
    }
    let back = |pairs: &[(&str, &str)]| redirect(value("redirect_uri"), value("state"), pairs);
    let wrong = |text: &str| back(&[("error", "invalid_request"), ("error_description", text)]);
    if value("response_type") != "code" {
        return back(&[
            ("error", "unsupported_response_type"),
            ("error_description", "AADSTS700054: response_type is not enabled."),
        ]);
    }
    if value("code_challenge_method") != "S256" || value("code_challenge").len() != 43 {
        return wrong("AADSTS9002325: Proof Key for Code Exchange is required.");
    }
    let scopes: Vec<String> = value("scope").split_whitespace().map(str::to_owned).collect();
    if let Err(refusal) = one_resource(&scopes) {
        return back(&[("error", refusal.0), ("error_description", &refusal.1)]);
    }
    if query.contains_key("cancel") {
        return back(&[
            ("error", "access_denied"),
            ("error_description", "AADSTS65004: User declined to consent to access the app."),
        ]);
    }
    if value("account").is_empty() {
        let mut accounts: Vec<String> = world.users.iter().map(|user| user.principal.clone()).collect();
        accounts.sort_by_key(|account| !account.eq_ignore_ascii_case(value("login_hint")));
        let lines = scopes.iter().map(|scope| format!("<li>{}</li>", escape(scope)));
        let text = format!(
            "<p>{} would like to:</p><ul>{}</ul>",
            escape(value("client_id")),
            lines.collect::<String>()
        );
        return Outcome::Page(form("Pick an account", &text, query, &accounts));
    }
    let Some(user) = world.user(value("account")) else {
        return Outcome::Refused("AADSTS50034: The user account does not exist in the directory.".to_owned());
    };
    let code = random("1.Code.");
    world.codes.insert(
        code.clone(),
        Code {
            client_id: value("client_id").to_owned(),
            redirect_url: value("redirect_uri").to_owned(),
            challenge: value("code_challenge").to_owned(),
            nonce: value("nonce").to_owned(),
            scopes,
            user,
            made: shared.now(),
        },
    );
    back(&[("code", &code), ("session_state", &random(""))])
}

/// An administrator's consent, as [`login`].
fn consent(shared: &Shared, directory: &str, query: &Query) -> Outcome {
    let value = |name: &str| query.get(name).map_or("", String::as_str);
    let mut world = shared.world();
    let fits = world
        .apps
        .get(value("client_id"))
        .map(|app| app.redirect_urls.iter().any(|url| url == value("redirect_uri")));
    if fits != Some(true) {
        return Outcome::Refused("AADSTS50011: The redirect URI specified in the request does not match.".to_owned());
    }
    let Some(directory) = world.directory(directory) else {
        return Outcome::Refused("AADSTS90002: Tenant was not found.".to_owned());
    };
    let back = |pairs: &[(&str, &str)]| redirect(value("redirect_uri"), value("state"), pairs);
    if query.contains_key("cancel") {
        return back(&[
            ("error", "access_denied"),
            ("error_description", "AADSTS65004: The administrator declined to consent."),
        ]);
    }
    if value("account").is_empty() {
        let text = format!(
            "<p>{} would like to open all mailboxes of this company.</p>",
            escape(value("client_id"))
        );
        return Outcome::Page(form("Permissions requested", &text, query, &["Accept".to_owned()]));
    }
    world.consents.insert((value("client_id").to_owned(), directory.clone()));
    back(&[("admin_consent", "True"), ("tenant", &directory), ("scope", value("scope"))])
}

async fn login_page(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    login(&shared, &query_of(&request)).respond()
}

async fn login_form(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let query = with_form(request).await;
    login(&shared, &query).respond()
}

async fn consent_page(State(shared): State<Arc<Shared>>, Path(directory): Path<String>, request: Request) -> Response {
    consent(&shared, &directory, &query_of(&request)).respond()
}

async fn consent_form(State(shared): State<Arc<Shared>>, Path(directory): Path<String>, request: Request) -> Response {
    let query = with_form(request).await;
    consent(&shared, &directory, &query).respond()
}

async fn token(
    State(shared): State<Arc<Shared>>,
    Path(directory): Path<String>,
    ConnectInfo(switch): ConnectInfo<Switch>,
    request: Request,
) -> Response {
    let basic = basic(request.headers());
    let form = form_of(request).await;
    let asked = Asked {
        directory: &directory,
        form: &form,
        basic,
    };
    let fault = shared.world().faults.pop_front();
    let cut = |switch: &Switch| {
        switch.cut();
        Response::new(Body::empty())
    };
    match &fault {
        Some(TokenFault::Hang) => {
            shared.world().requests.push(asked.record(None, 0));
            shared.stop.cancelled().await;
            return cut(&switch);
        }
        Some(TokenFault::CutBefore) => {
            shared.world().requests.push(asked.record(None, 0));
            return cut(&switch);
        }
        Some(TokenFault::Status { status, body, retry_after }) => {
            shared.world().requests.push(asked.record(None, *status));
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = answer(status, "application/json", body.replace("{asked}", &asked.repeated()));
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
            }
            return response;
        }
        Some(TokenFault::CutAfter | TokenFault::Garbage | TokenFault::Careless(_)) | None => {}
    }
    let (user, given) = give(&shared, &asked);
    let (status, body) = match given {
        Ok(body) => (200, body),
        Err(refusal) => (refusal.status(), refusal.body(shared.now())),
    };
    let answered = if matches!(fault, Some(TokenFault::CutAfter)) { 0 } else { status };
    shared.world().requests.push(asked.record(user, answered));
    match fault {
        Some(TokenFault::CutAfter) => cut(&switch),
        Some(TokenFault::Garbage) => answer(StatusCode::OK, "application/json", "{\"access_token\": \u{fffd}".to_owned()),
        Some(TokenFault::Careless(fields)) => {
            let body = format!("\u{feff}{}", with_fields(body, fields));
            answer(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), "text/plain", body)
        }
        _ => json_answer(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &body),
    }
}

/// An object with other fields, without those that are null.
fn with_fields(mut body: Value, fields: Value) -> Value {
    if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
        body.extend(fields);
        body.retain(|_, value| !value.is_null());
    }
    body
}

async fn discovery(State(shared): State<Arc<Shared>>, Path(directory): Path<String>) -> Response {
    let many = matches!(directory.as_str(), "organizations" | "common");
    let id = if many {
        Some("{tenantid}".to_owned())
    } else {
        shared.world().directory(&directory)
    };
    let Some(id) = id else {
        let body = json!({ "error": "invalid_tenant", "error_description": "AADSTS90002: Tenant was not found." });
        return json_answer(StatusCode::BAD_REQUEST, &body);
    };
    let base = shared.authority.as_str().trim_end_matches('/');
    let place = if many { directory } else { id.clone() };
    let body = json!({
        "issuer": shared.issuer(&id),
        "authorization_endpoint": format!("{base}/{place}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/{place}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/{place}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    });
    json_answer(StatusCode::OK, &body)
}

async fn keys(State(shared): State<Arc<Shared>>) -> Response {
    json_answer(StatusCode::OK, &shared.signer.keys())
}

async fn me(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let world = shared.world();
    let known = token.filter(|token| world.identify(token, shared.now()).is_some());
    let access = known.and_then(|token| world.access.get(token));
    let error = |status, code: &str| json_answer(status, &json!({ "error": { "code": code, "message": code, "innerError": {} } }));
    let Some(access) = access else {
        return error(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken");
    };
    let graph = |scope: &String| !scope.contains('/') || scope.starts_with("https://graph.microsoft.com/");
    match &access.user {
        Some(user) if access.holder.scopes.iter().all(graph) => json_answer(
            StatusCode::OK,
            &json!({ "id": user.principal, "displayName": user.principal, "mail": user.mail, "userPrincipalName": user.principal }),
        ),
        Some(_) => error(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken"),
        None => error(StatusCode::BAD_REQUEST, "BadRequest"),
    }
}

fn redirect(place: &str, state: &str, pairs: &[(&str, &str)]) -> Outcome {
    let Ok(mut url) = Url::parse(place) else {
        return Outcome::Refused("AADSTS50011: The redirect URI is no URL.".to_owned());
    };
    let mut query = url.query_pairs_mut();
    for (name, value) in pairs.iter().chain(&[("state", state)]) {
        query.append_pair(name, value);
    }
    drop(query);
    Outcome::Redirect(url)
}

fn query_of(request: &Request) -> Query {
    parse(request.uri().query().unwrap_or_default().as_bytes())
}

async fn form_of(request: Request) -> Query {
    let body = to_bytes(request.into_body(), MAX_FORM).await.unwrap_or_default();
    parse(&body)
}

/// What a page was opened with, and what was sent from it.
async fn with_form(request: Request) -> Query {
    let mut query = query_of(&request);
    query.extend(form_of(request).await);
    query
}

fn parse(pairs: &[u8]) -> Query {
    url::form_urlencoded::parse(pairs).into_owned().collect()
}

/// Client id and secret (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = STANDARD.decode(value).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let plain = |text: &str| parse(format!("v={text}").as_bytes()).remove("v").unwrap_or_default();
    Some((plain(id), plain(secret)))
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    answer(status, "application/json; charset=utf-8", body.to_string())
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// A page with a button for each choice, and one to leave.
fn form(title: &str, text: &str, query: &Query, choices: &[String]) -> String {
    let hidden: String = query
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value)))
        .collect();
    let button = |choice: &String| format!("<button name=\"account\" value=\"{0}\">{0}</button>", escape(choice));
    let buttons: String = choices.iter().map(button).collect();
    let form =
        format!("{text}<form method=\"post\">{hidden}{buttons}<button name=\"cancel\" value=\"1\" class=\"quiet\">Cancel</button></form>");
    page(title, &form)
}

fn page(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;background:#eef2f7;color:#1f2733}}\
         main{{background:#fff;padding:2rem 2.5rem;border-radius:8px;box-shadow:0 8px 30px #0002;max-width:30rem}}\
         button{{display:block;width:100%;margin:.5rem 0;padding:.7rem 1rem;font:inherit;text-align:left;border:1px solid #c4ccd6;\
         border-radius:6px;background:#fff;cursor:pointer}}.quiet{{border:0;color:#5b6675}}</style></head>\
         <body><main><h1>{title}</h1>{content}<p><small>A simulated identity platform. Nothing here is real.</small></p></main></body></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
