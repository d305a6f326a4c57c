//! Creates an SMTP agent for a user of the directory, tests it, and shows each stage, so that a person sees what to fix.
//!
//! ```text
//! MAILAGENT_TOKEN=$(mailagent token --tenant acme --user anna --scope all) SMTP_PASSWORD=... \
//!     cargo run -p mailagent-client --example configure_agent -- users/anna anna@example.com mail.example.com
//! ```

use std::{env, error::Error};

use mailagent_client::{
    connect,
    tonic_types::StatusExt,
    v1::{Agent, AgentKind, CheckStageState, CreateAgentRequest, SmtpSecurity, SmtpSettings, TestAgentRequest},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [owner, address, host] = arguments.as_slice() else {
        return Err("give the owner (users/...), the address to send from and the SMTP server".into());
    };
    let url = env::var("MAILAGENT_URL").unwrap_or_else(|_| "http://127.0.0.1:50051".to_owned());
    let token = env::var("MAILAGENT_TOKEN").map_err(|_| "set MAILAGENT_TOKEN to what `mailagent token` prints")?;
    let mut agents = connect(&url, &token).await?.agents;

    let agent = Agent {
        owner_user: owner.clone(),
        kind: AgentKind::Smtp.into(),
        from_name: owner.trim_start_matches("users/").to_owned(),
        from_address: address.clone(),
        smtp: Some(SmtpSettings {
            host: host.clone(),
            security: SmtpSecurity::Starttls.into(),
            username: address.clone(),
            password: env::var("SMTP_PASSWORD").unwrap_or_default(),
            ..SmtpSettings::default()
        }),
        ..Agent::default()
    };
    let request = CreateAgentRequest {
        agent: Some(agent),
        // A repeat of this call, say after a broken connection, returns the same agent.
        request_id: format!("configure-{owner}-{address}"),
    };
    let agent = match agents.create_agent(request).await {
        Ok(created) => created.into_inner(),
        Err(refused) => {
            // Every wrong field at once, with what would be right.
            for wrong in refused.get_details_bad_request().iter().flat_map(|bad| &bad.field_violations) {
                eprintln!("{} {}", wrong.field, wrong.description);
            }
            return Err(refused.into());
        }
    };
    println!("{} is there. Testing it:", agent.name);

    let mut stages = agents.test_agent(TestAgentRequest { name: agent.name }).await?.into_inner();
    while let Some(answer) = stages.message().await? {
        let Some(stage) = answer.stage else { continue };
        let mark = if stage.state() == CheckStageState::Passed {
            "ok    "
        } else {
            "FAILED"
        };
        println!(
            "{mark} {:<14} {} {}",
            stage.kind().as_str_name().trim_start_matches("CHECK_STAGE_KIND_"),
            stage.summary,
            stage.server_reply
        );
    }
    Ok(())
}
