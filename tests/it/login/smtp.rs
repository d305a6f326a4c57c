//! Sending over SMTP with access tokens (XOAUTH2), at smtp-server for Node.

use mailagent_client::v1::{
    Agent, AgentKind, BatchUpsertUsersRequest, CheckStage, CheckStageKind, CheckStageState, SmtpAuthentication, SmtpSecurity, SmtpSettings,
    TenantSettings, TestAgentRequest, TrustedCertificate,
};
use serde_json::json;

use super::{ANNA, Place};
use crate::{
    harness::{take, user},
    smtp::scripted::Scripted,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sends_by_its_login() {
    // The server refuses the first access token that it sees, as if it had been withdrawn before its time.
    for refuse_first in [false, true] {
        let p = Place::new().await;
        let server = Scripted::start(json!({ "tokens": "eyAccess.", "refuseFirst": refuse_first }));
        let settings = TenantSettings {
            trusted_certificates: vec![TrustedCertificate {
                host: "127.0.0.1".to_owned(),
                sha256_fingerprint: server.fingerprint(),
            }],
            ..TenantSettings::default()
        };
        p.h.change_settings(&p.client, settings).await;
        let users = vec![user("anna", &[ANNA])];
        p.client
            .clone()
            .directory
            .batch_upsert_users(BatchUpsertUsersRequest { users })
            .await
            .unwrap();
        let agent = p
            .create(Agent {
                owner_user: "users/anna".to_owned(),
                kind: AgentKind::Smtp.into(),
                from_name: "Anna".to_owned(),
                from_address: ANNA.to_owned(),
                smtp: Some(SmtpSettings {
                    host: "127.0.0.1".to_owned(),
                    port: server.port.into(),
                    security: SmtpSecurity::Starttls.into(),
                    authentication: SmtpAuthentication::Oauth.into(),
                    ..SmtpSettings::default()
                }),
                ..Agent::default()
            })
            .await;
        let test = async || {
            let request = TestAgentRequest { name: agent.name.clone() };
            let mut stream = p.client.clone().agents.test_agent(request).await.unwrap().into_inner();
            let mut stages: Vec<CheckStage> = Vec::new();
            while let Some(answer) = take(&mut stream).await {
                stages.extend(answer.unwrap().stage);
            }
            stages
        };
        let without = test().await;
        assert!(without.last().unwrap().summary.contains("Nobody has logged in"), "{without:?}");
        p.log_in(&agent.name).await;
        let stages = test().await;
        let last = stages.last().unwrap();
        assert_eq!(
            (last.kind(), last.state()),
            (CheckStageKind::Send, CheckStageState::Passed),
            "{stages:#?}"
        );
        assert_eq!(p.renewals(), usize::from(refuse_first), "a refused token is replaced once");
        // What the login lacks is told by the server's own words, without the token in them.
        p.entra.revoke(ANNA);
    }
}
