//! Rules of the platform, over HTTP, beyond those that an OpenID client of others sees to (`tests/peers/entra_check.mjs`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use super::{Entra, Rotation, TokenFault};

const DIRECTORY: &str = "11111111-2222-3333-4444-555555555555";
const BACK: &str = "http://127.0.0.1:9/callback";
const EWS: &str = "https://outlook.office365.com/EWS.AccessAsUser.All";
const VERIFIER: &str = "a verifier that is long enough for everybody";

#[derive(Default)]
struct Hand(AtomicI64);

impl Hand {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_795_000_000 + self.0.load(Ordering::SeqCst)).unwrap()
    }
}

struct Client {
    entra: Entra,
    clock: Arc<Hand>,
    http: reqwest::Client,
}

impl Client {
    async fn new(rotation: Rotation, lifetime: Option<Duration>) -> Self {
        let clock = Arc::<Hand>::default();
        let shown = clock.clone();
        let builder = Entra::builder().clock(move || shown.now());
        let builder = builder.rotation(rotation).refresh_lifetime(lifetime);
        let entra = builder.start().await.unwrap();
        entra.add_directory(DIRECTORY, &["example.com"]);
        entra.add_user_named("anna.principal@example.com", "anna@example.com");
        entra.add_app("app", "secret", &[BACK]);
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { entra, clock, http }
    }

    fn page(&self, change: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
        let scope = format!("openid offline_access {EWS}");
        let mut query = vec![
            ("client_id", "app"),
            ("redirect_uri", BACK),
            ("response_type", "code"),
            ("scope", &scope),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in change {
            query.retain(|(known, _)| known != name);
            query.push((name, value));
        }
        let mut url = self.entra.authority().join("organizations/oauth2/v2.0/authorize").unwrap();
        url.query_pairs_mut().extend_pairs(query);
        url.into()
    }

    fn code(&self, scope: &str) -> String {
        let back = self.entra.sign_in(&self.page(&[("scope", scope)]), "anna@example.com").unwrap();
        value(&back, "code")
    }

    /// Status and body of a token request; the usual values unless they are changed.
    async fn token(&self, directory: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let mut all = vec![
            ("client_id", "app"),
            ("client_secret", "secret"),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in form {
            all.retain(|(known, _)| known != name);
            all.push((name, value));
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        let endpoint = self.entra.authority().join(&format!("{directory}/oauth2/v2.0/token")).unwrap();
        let request = self
            .http
            .post(endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    async fn redeem(&self, code: &str) -> (u16, Value) {
        self.token("organizations", &[("grant_type", "authorization_code"), ("code", code)])
            .await
    }

    async fn refresh(&self, token: &str) -> (u16, Value) {
        self.token(
            "organizations",
            &[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", EWS)],
        )
        .await
    }

    /// A refresh token of a new login.
    async fn login(&self) -> String {
        let (_, answer) = self.redeem(&self.code(&format!("offline_access {EWS}"))).await;
        text(&answer, "refresh_token")
    }
}

fn value(url: &Url, name: &str) -> String {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

/// Status, error and number of a refusal.
fn refusal((status, answer): &(u16, Value)) -> (u16, String, String) {
    let words = text(answer, "error_description");
    (
        *status,
        text(answer, "error"),
        words.split(':').next().unwrap_or_default().to_owned(),
    )
}

fn refused(status: u16, error: &str, number: &str) -> (u16, String, String) {
    (status, error.to_owned(), number.to_owned())
}

#[tokio::test]
async fn login_pages_are_strict() {
    let client = Client::new(Rotation::KeepOld, None).await;
    // Nobody is sent anywhere before the address is known.
    for change in [("client_id", "other"), ("redirect_uri", "http://127.0.0.1:9/callback/")] {
        assert!(
            client
                .entra
                .sign_in(&client.page(&[change]), "anna@example.com")
                .unwrap_err()
                .contains("AADSTS")
        );
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("scope", "Mail.Read https://outlook.office.com/SMTP.Send"), "invalid_scope"),
        (("cancel", "1"), "access_denied"),
    ] {
        let back = client.entra.sign_in(&client.page(&[change]), "anna@example.com").unwrap();
        assert_eq!(
            (value(&back, "error").as_str(), value(&back, "state").as_str()),
            (error, "s"),
            "{change:?}"
        );
    }
    let page = client
        .http
        .get(client.page(&[("state", "<script>\"&")]))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains("&lt;script&gt;&quot;&amp;") && !page.contains("<script"), "{page}");
}

#[tokio::test]
async fn a_code_is_good_once_for_who_asked() {
    let client = Client::new(Rotation::KeepOld, None).await;
    let scope = format!("openid offline_access {EWS}");
    for (change, number) in [
        (("code_verifier", "another"), "AADSTS501481"),
        (("redirect_uri", "http://127.0.0.1:9/"), "AADSTS500112"),
    ] {
        let code = client.code(&scope);
        let form = [("grant_type", "authorization_code"), ("code", &code), change];
        assert_eq!(refusal(&client.token("common", &form).await), refused(400, "invalid_grant", number));
        assert_eq!(
            refusal(&client.redeem(&code).await),
            refused(400, "invalid_grant", "AADSTS54005"),
            "it is used all the same"
        );
    }
    let code = client.code(&scope);
    client.clock.0.fetch_add(601, Ordering::SeqCst);
    assert_eq!(refusal(&client.redeem(&code).await), refused(400, "invalid_grant", "AADSTS70008"));
    // Without offline_access there is no refresh token, without openid no ID token.
    let (_, answer) = client.redeem(&client.code(EWS)).await;
    assert_eq!((&answer["refresh_token"], &answer["id_token"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn refresh_tokens_go_by_the_rule() {
    for (rotation, old_is_good, gives_new) in [
        (Rotation::KeepOld, true, true),
        (Rotation::Strict, false, true),
        (Rotation::Fixed, true, false),
    ] {
        let client = Client::new(rotation, None).await;
        let first = client.login().await;
        let (status, answer) = client.refresh(&first).await;
        assert_eq!((status, answer["refresh_token"].is_string()), (200, gives_new), "{rotation:?}");
        assert_eq!(client.refresh(&first).await.0 == 200, old_is_good, "{rotation:?}");
        if rotation == Rotation::Strict {
            let second = text(&answer, "refresh_token");
            assert_eq!(
                refusal(&client.refresh(&second).await),
                refused(400, "invalid_grant", "AADSTS50173"),
                "the whole family"
            );
            assert_eq!(client.entra.identify(&text(&answer, "access_token")), None);
        }
    }
    let client = Client::new(Rotation::KeepOld, Some(Duration::from_secs(100))).await;
    let token = client.login().await;
    let (_, answer) = client.refresh(&token).await;
    assert_eq!(answer["refresh_token_expires_in"], 100);
    client.clock.0.fetch_add(100, Ordering::SeqCst);
    assert_eq!(
        refusal(&client.refresh(&token).await),
        refused(400, "invalid_grant", "AADSTS700082")
    );
    let client = Client::new(Rotation::KeepOld, None).await;
    let token = client.login().await;
    client.entra.revoke("ANNA@example.com");
    assert_eq!(refusal(&client.refresh(&token).await), refused(400, "invalid_grant", "AADSTS50173"));
}

#[tokio::test]
async fn access_tokens_say_whose_they_are_until_they_end() {
    let client = Client::new(Rotation::KeepOld, None).await;
    client.entra.grant_only(Some(&["User.Read"]));
    let (_, answer) = client.redeem(&client.code("openid User.Read Mail.Send")).await;
    assert_eq!(answer["scope"], "openid User.Read");
    let token = text(&answer, "access_token");
    let holder = client.entra.identify(&token).unwrap();
    assert_eq!(
        (holder.account.as_deref(), holder.directory.as_str()),
        (Some("anna@example.com"), DIRECTORY)
    );
    let me = async |token: &str| {
        let response = client
            .http
            .get(format!("{}/me", client.entra.graph()))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, profile) = me(&token).await;
    assert_eq!(
        (status, &profile["mail"], &profile["userPrincipalName"]),
        (200, &json!("anna@example.com"), &json!("anna.principal@example.com"))
    );
    client.entra.grant_only(None);
    let (_, answer) = client.redeem(&client.code(EWS)).await;
    assert_eq!(me(&text(&answer, "access_token")).await.0, 401, "of another resource");
    assert_eq!(me("rubbish").await.0, 401);
    client.clock.0.fetch_add(3600, Ordering::SeqCst);
    assert_eq!(client.entra.identify(&token), None);
}

#[tokio::test]
async fn an_application_needs_consent_and_its_secret_or_certificate() {
    let client = Client::new(Rotation::KeepOld, None).await;
    const GRAPH: &str = "https://graph.microsoft.com/.default";
    let own = async |directory: &str, form: &[(&str, &str)]| {
        let mut all = vec![("grant_type", "client_credentials"), ("scope", GRAPH)];
        all.extend_from_slice(form);
        client.token(directory, &all).await
    };
    assert_eq!(
        refusal(&own("example.com", &[]).await),
        refused(400, "unauthorized_client", "AADSTS700016")
    );
    let consent = client
        .entra
        .authority()
        .join(&format!("example.com/v2.0/adminconsent?client_id=app&state=s&redirect_uri={BACK}"))
        .unwrap();
    let declined = client.entra.sign_in(&format!("{consent}&cancel=1"), "admin").unwrap();
    assert_eq!(value(&declined, "error"), "access_denied");
    let back = client.entra.sign_in(consent.as_str(), "admin").unwrap();
    assert_eq!(
        (value(&back, "admin_consent").as_str(), value(&back, "tenant").as_str()),
        ("True", DIRECTORY)
    );
    for directory in [DIRECTORY, "example.com", "EXAMPLE.com"] {
        let (status, answer) = own(directory, &[]).await;
        assert_eq!(status, 200);
        let holder = client.entra.identify(&text(&answer, "access_token")).unwrap();
        assert_eq!((holder.application, holder.account), (true, None));
    }
    assert_eq!(
        refusal(&own("unknown.example", &[]).await),
        refused(400, "invalid_request", "AADSTS90002")
    );
    assert_eq!(
        refusal(&own(DIRECTORY, &[("scope", "Mail.Read")]).await),
        refused(400, "invalid_scope", "AADSTS1002012")
    );
    assert_eq!(
        refusal(&own(DIRECTORY, &[("client_secret", "no")]).await),
        refused(401, "invalid_client", "AADSTS7000215")
    );
    client.entra.expire_secret("app");
    assert_eq!(refusal(&own(DIRECTORY, &[]).await), refused(401, "invalid_client", "AADSTS7000222"));

    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["app".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    client.entra.set_certificate("app", &certificate.pem());
    let signing = EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap();
    let assertion = |id: &str, audience: &str, thumbprint: &[u8], exp: i64| {
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(URL_SAFE_NO_PAD.encode(thumbprint));
        let claims = json!({ "aud": audience, "iss": "app", "sub": "app", "jti": id, "exp": exp });
        jsonwebtoken::encode(&header, &claims, &signing).unwrap()
    };
    let endpoint = format!("{}{DIRECTORY}/oauth2/v2.0/token", client.entra.authority());
    let thumbprint = digest::digest(&digest::SHA256, certificate.der());
    let soon = client.clock.now().unix_timestamp() + 60;
    let by = async |assertion: &str| own(DIRECTORY, &[("client_secret", ""), ("client_assertion", assertion)]).await;
    let good = assertion("1", &endpoint, thumbprint.as_ref(), soon);
    assert_eq!(by(&good).await.0, 200);
    assert_eq!(refusal(&by(&good).await), refused(401, "invalid_client", "AADSTS50198"), "once");
    for wrong in [
        assertion("2", "https://login.microsoftonline.com/token", thumbprint.as_ref(), soon),
        assertion("3", &endpoint, &[0; 32], soon),
        assertion("4", &endpoint, thumbprint.as_ref(), soon - 61),
        "rubbish".to_owned(),
    ] {
        assert_eq!(refusal(&by(&wrong).await), refused(401, "invalid_client", "AADSTS700027"));
    }
}

#[tokio::test]
async fn faults_come_as_scripted() {
    let client = Client::new(Rotation::Strict, None).await;
    let token = client.login().await;
    client.entra.fail(TokenFault::status(503), 1);
    client.entra.fail(TokenFault::error("interaction_required", "AADSTS50076: more"), 1);
    client.entra.fail(TokenFault::CutBefore, 1);
    assert_eq!(client.refresh(&token).await.0, 503);
    assert_eq!(
        refusal(&client.refresh(&token).await),
        refused(400, "interaction_required", "AADSTS50076")
    );
    let endpoint = client.entra.authority().join("common/oauth2/v2.0/token").unwrap();
    assert!(client.http.post(endpoint.clone()).send().await.is_err(), "the connection is cut");
    let (status, answer) = client.refresh(&token).await;
    assert_eq!(status, 200, "nothing was done until now");
    // Done, though nothing came of it.
    let second = text(&answer, "refresh_token");
    client.entra.fail(TokenFault::CutAfter, 1);
    let body = format!("client_id=app&client_secret=secret&grant_type=refresh_token&refresh_token={second}&scope={EWS}");
    let form = "application/x-www-form-urlencoded";
    assert!(
        client
            .http
            .post(endpoint)
            .header("content-type", form)
            .body(body)
            .send()
            .await
            .is_err()
    );
    assert_eq!(
        refusal(&client.refresh(&second).await),
        refused(400, "invalid_grant", "AADSTS54005")
    );
    let statuses: Vec<u16> = client.entra.token_requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [200, 503, 400, 0, 200, 0, 400]);
}
