//! Services that show a certificate instead of a token (mutual TLS).

use std::{path::Path, time::Duration};

use mailagent::testing::{config::Config, domain::Scope};
use mailagent_client::{Auth, Clients, v1};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, date_time_ymd};
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

use super::settings_of;
use crate::harness::{Choices, Engine, Harness, TENANT, contact, customer, frame, metadata, reason, user};

/// An authority for certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
struct Made {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for the port.
    fn server(&self) -> Made {
        self.make(CertificateParams::new(["localhost".to_owned()]).unwrap())
    }

    /// A certificate for a service with these names, good until the end of a year.
    fn service(&self, names: &[&str], year: i32) -> Made {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = |name: &&str| {
            if name.contains("://") {
                SanType::URI((*name).try_into().unwrap())
            } else {
                SanType::DnsName((*name).try_into().unwrap())
            }
        };
        params.subject_alt_names = names.iter().map(name).collect();
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        self.make(params)
    }

    fn make(&self, params: CertificateParams) -> Made {
        let key = KeyPair::generate().unwrap();
        Made {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// What the operator wrote.
fn settings(folder: &Path, demand: &str) -> String {
    let folder = folder.to_str().unwrap();
    format!(
        r#"
[server.tls]
certificate_file = "{folder}/tls.crt"
key_file = "{folder}/tls.key"
client_ca_file = "{folder}/clients.crt"
client_certificate = "{demand}"

[[auth.services]]
identity = "spiffe://example.com/crm"
tenant = "{TENANT}"
user = "crm"
scopes = ["directory.read", "directory.write"]

[[auth.services]]
identity = "Billing.internal"
tenant = "other"
user = "billing"
scopes = ["directory.read"]
"#
    )
}

/// A service whose port speaks TLS, and who signs what.
struct World {
    h: Harness,
    server: Authority,
    clients: Authority,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(demand: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (server, clients) = (Authority::new(), Authority::new());
        let made = server.server();
        for (name, text) in [("tls.crt", made.certificate), ("tls.key", made.key), ("clients.crt", clients.pem())] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let wanted = settings_of(&settings(folder.path(), demand));
        let configure = move |config: &mut Config| {
            config.auth = wanted.auth;
            config.server.tls = wanted.server.tls;
        };
        let h = Harness::with(Choices {
            configure: Box::new(configure),
            ..Choices::of(Engine::Sqlite)
        })
        .await;
        Self {
            h,
            server,
            clients,
            _folder: folder,
        }
    }

    /// A caller with a certificate, a token, or both.
    async fn client(&self, certificate: Option<&Made>, token: &str) -> Result<Clients, tonic::transport::Error> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.server.pem()))
            .domain_name("localhost");
        if let Some(made) = certificate {
            tls = tls.identity(Identity::from_pem(&made.certificate, &made.key));
        }
        let endpoint = Channel::from_shared(self.h.url().replace("http:", "https:")).unwrap();
        let channel = endpoint.tls_config(tls)?.connect().await?;
        Ok(Clients::new(channel, Auth::new(token).unwrap()))
    }

    /// What comes of a caller's first call.
    async fn first_call(&self, certificate: Option<&Made>, token: &str) -> Result<(), Status> {
        // With TLS 1.3 a client learns that its certificate is refused only when it calls.
        let mut client = self
            .client(certificate, token)
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        let request = v1::ListUsersRequest::default();
        client.directory.list_users(request).await.map(|_| ())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_stands_for_a_service() {
    let w = World::new("optional").await;
    let crm = w.clients.service(&["unused.internal", "spiffe://example.com/crm"], 2999);
    let mut client = w.client(Some(&crm), "").await.unwrap();
    let users = vec![user("anna", &[])];
    client
        .directory
        .batch_upsert_users(v1::BatchUpsertUsersRequest { users })
        .await
        .unwrap();
    let customers = vec![customer("oak")];
    client
        .directory
        .batch_upsert_customers(v1::BatchUpsertCustomersRequest { customers })
        .await
        .unwrap();
    let denied = client
        .settings
        .get_tenant_settings(v1::GetTenantSettingsRequest {})
        .await
        .unwrap_err();
    assert_eq!(
        (denied.code(), metadata(&denied, "scope").as_str()),
        (Code::PermissionDenied, "tenant.admin")
    );
    // A stream, and another tenant.
    let request = v1::WatchChangesRequest {
        cursor: "LATEST".to_owned(),
    };
    let mut changes = client.directory.watch_changes(request).await.unwrap().into_inner();
    assert!(!changes.message().await.unwrap().unwrap().cursor.is_empty());
    let billing = w.clients.service(&["billing.internal"], 2999);
    let mut other = w.client(Some(&billing), "").await.unwrap();
    let name = "users/anna".to_owned();
    let foreign = other.directory.get_user(v1::GetUserRequest { name }).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);
    let contacts = vec![contact("eva", "oak", &[])];
    let denied = other
        .directory
        .batch_upsert_contacts(v1::BatchUpsertContactsRequest { contacts })
        .await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_no_row_is_told_so() {
    let w = World::new("optional").await;
    for (names, told) in [
        (&["spiffe://example.com/crm2"][..], "spiffe://example.com/crm2"),
        (&["spiffe://example.com/CRM"], "spiffe://example.com/CRM"),
        (
            &["crm.internal", "spiffe://example.org/crm"],
            "crm.internal, spiffe://example.org/crm",
        ),
        (&["a.billing.internal"], "a.billing.internal"),
        (&[], ""),
    ] {
        let made = w.clients.service(names, 2999);
        let status = w.first_call(Some(&made), "").await.expect_err(told);
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unauthenticated, "CERTIFICATE_INVALID"),
            "{told}"
        );
        assert_eq!(metadata(&status, "identity"), told);
        assert!(
            status.message().contains(told) && status.message().contains("auth.services"),
            "{status:?}"
        );
    }
    let status = w.first_call(None, "").await.expect_err("nothing is shown");
    assert_eq!(reason(&status), "TOKEN_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_decides_before_a_certificate() {
    let w = World::new("optional").await;
    let crm = w.clients.service(&["spiffe://example.com/crm"], 2999);
    let token = w.h.token("other", "anna", &[Scope::TenantAdmin]);
    let mut client = w.client(Some(&crm), &token).await.unwrap();
    client.settings.get_tenant_settings(v1::GetTenantSettingsRequest {}).await.unwrap();
    let denied = client.directory.list_users(v1::ListUsersRequest::default()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied, "the certificate adds nothing");
    let status = w.first_call(Some(&crm), "garbage").await.unwrap_err();
    assert_eq!(reason(&status), "TOKEN_INVALID", "a bad token is not made up for");
    // Without a certificate tokens do as before, where none is demanded.
    let token = w.h.token(TENANT, "anna", &[Scope::DirectoryRead]);
    w.first_call(None, &token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_do_not_stand_end_the_connection() {
    for demand in ["optional", "required"] {
        let w = World::new(demand).await;
        let token = w.h.token(TENANT, "anna", &[Scope::DirectoryRead]);
        let expired = w.clients.service(&["spiffe://example.com/crm"], 2021);
        let foreign = Authority::new().service(&["spiffe://example.com/crm"], 2999);
        let of_a_server = w.clients.make({
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.subject_alt_names = vec![SanType::URI("spiffe://example.com/crm".try_into().unwrap())];
            params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
            params
        });
        for (what, made) in [("expired", &expired), ("foreign", &foreign), ("for servers", &of_a_server)] {
            let status = w.first_call(Some(made), &token).await.expect_err(what);
            assert!(
                matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled),
                "{demand} {what}: {status:?}"
            );
        }
        let nothing = w.first_call(None, &token).await;
        assert_eq!(nothing.is_ok(), demand == "optional", "{demand}: {nothing:?}");
        let crm = w.clients.service(&["spiffe://example.com/crm"], 2999);
        w.first_call(Some(&crm), "").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_does_not_outlive_its_certificate() {
    let w = World::new("required").await;
    let crm = w.clients.service(&["spiffe://example.com/crm"], 2999);
    let mut client = w.client(Some(&crm), "").await.unwrap();
    client.directory.list_users(v1::ListUsersRequest::default()).await.unwrap();
    w.h.clock.advance(Duration::from_hours(1000 * 366 * 24));
    let status = client.directory.list_users(v1::ListUsersRequest::default()).await.unwrap_err();
    assert_eq!(reason(&status), "CERTIFICATE_INVALID");
    assert!(status.message().contains("expired"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_count_over_grpc_web_too() {
    let w = World::new("optional").await;
    let crm = w.clients.service(&["spiffe://example.com/crm"], 2999);
    let url = w.h.url().replace("http://127.0.0.1", "https://localhost") + "/mailagent.v1.DirectoryService/ListUsers";
    let call = async |identity: Option<&Made>| {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(w.server.pem().as_bytes()).unwrap()]);
        if let Some(made) = identity {
            let pem = format!("{}{}", made.certificate, made.key);
            builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
        }
        let request = builder.build().unwrap().post(&url);
        let request = request
            .header("content-type", "application/grpc-web+proto")
            .header("x-grpc-web", "1")
            .body(frame(&v1::ListUsersRequest::default().encode_to_vec()));
        let response = request.send().await.unwrap();
        let told = response
            .headers()
            .get("grpc-status")
            .map(|value| value.to_str().unwrap().to_owned());
        let body = response.bytes().await.unwrap();
        told.unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&body).into_owned();
            text.split("grpc-status:")
                .nth(1)
                .unwrap_or_default()
                .trim()
                .chars()
                .take_while(char::is_ascii_digit)
                .collect()
        })
    };
    assert_eq!(call(Some(&crm)).await, "0");
    assert_eq!(call(None).await, "16");
}
