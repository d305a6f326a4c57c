//! Fills the demo: the directory, the simulated mailboxes, their agents, and the mail.

use std::{collections::HashMap, time::Duration};

use mailagent_sim::exchange::Exchange;

use super::{data::Directory, login::Platforms, plan::Plan, show::print_line};
use crate::{
    crypto::Secret,
    domain::{
        AgentId, AgentKind, AgentSettings, AuthenticationMethod, Caller, Case, CaseReferenceFormat, Contact, Customer, ExchangeSettings,
        SweepOptions, TenantChoices, User,
    },
    ops::{
        Ops,
        agents::{self, AgentPatch},
        directory, settings,
    },
};

/// Writes the sample directory and the tenant's settings.
pub(super) async fn write_directory(ops: &Ops, admin: &Caller, directory: &Directory) -> anyhow::Result<()> {
    let tenant = &directory.tenant;
    let patch = settings::SettingsPatch {
        wanted: TenantChoices {
            case_reference_format: CaseReferenceFormat::Prefix {
                prefix: tenant.case_reference_prefix.clone(),
                digits: tenant.case_reference_digits,
            },
            internal_domains: tenant.internal_domains.clone(),
            trusted_authserv_ids: tenant.trusted_authserv_ids.clone(),
            authentication_method: AuthenticationMethod::Modern,
            ..TenantChoices::default()
        },
        fields: vec![
            "case_reference_format",
            "internal_domains",
            "trusted_authserv_ids",
            "authentication_method",
        ],
        violations: Vec::new(),
    };
    settings::update(ops, admin, "", patch).await?;
    settings::acknowledge_storage_terms(ops, admin).await?;
    let users = directory.users.iter().map(|user| User {
        id: user.id.as_str().into(),
        display_name: user.display_name.clone(),
        addresses: user.addresses.clone(),
        revision: 1,
    });
    directory::upsert_users(ops, admin, users.collect()).await?;
    let customers = directory.customers.iter().map(|customer| Customer {
        id: customer.id.as_str().into(),
        display_name: customer.display_name.clone(),
        revision: 1,
    });
    directory::upsert_customers(ops, admin, customers.collect()).await?;
    let contacts = directory.contacts.iter().map(|contact| Contact {
        id: contact.id.as_str().into(),
        customer: contact.customer.as_str().into(),
        display_name: contact.display_name.clone(),
        addresses: contact.addresses.clone(),
        revision: 1,
        created_by_service: false,
    });
    directory::upsert_contacts(ops, admin, contacts.collect()).await?;
    let cases = directory.cases.iter().map(|case| Case {
        id: case.id.as_str().into(),
        reference: case.reference.clone(),
        customer: case.customer.as_str().into(),
        title: case.title.clone(),
        revision: 1,
    });
    directory::upsert_cases(ops, admin, cases.collect()).await?;
    Ok(())
}

/// Creates the simulated mailboxes and their agents, and logs in to them: to every second one over Graph. Returns the agents' ids by the
/// addresses of their mailboxes.
pub(super) async fn create_agents(
    ops: &Ops,
    admin: &Caller,
    (exchange, platforms): (&Exchange, &Platforms),
    plan: &Plan,
) -> anyhow::Result<HashMap<String, AgentId>> {
    let mut agents = HashMap::new();
    for (number, mailbox) in plan.mailboxes.iter().enumerate() {
        exchange.add_mailbox(&mailbox.address, &mailbox.address, &ops.ids.next());
        let (kind, endpoint, shown) = if number % 2 == 0 {
            (AgentKind::ExchangeEws, exchange.endpoint(), "EWS")
        } else {
            (AgentKind::ExchangeGraph, exchange.graph(), "Microsoft Graph")
        };
        let settings = AgentSettings {
            kind,
            from_name: mailbox.from_name.clone(),
            from_address: mailbox.address.clone(),
            exchange: ExchangeSettings {
                endpoint: endpoint.into(),
                case_sweep: mailbox.case_sweep,
                archive: mailbox.archive,
                sweep_options: SweepOptions {
                    create_non_matching_contacts: mailbox.create_non_matching_contacts,
                    keep_full_message: mailbox.keep_full_message,
                },
                ..ExchangeSettings::default()
            },
            ..AgentSettings::default()
        };
        let patch = AgentPatch::all(&mailbox.owner.as_str().into(), settings, Secret::default());
        let agent = agents::create(ops, admin, patch, "").await?.agent.id;
        platforms.log_in(ops, admin, &agent, &mailbox.address).await?;
        print_line(&format!("Logged in to {}, which is read over {shown}.", mailbox.address));
        agents.insert(mailbox.address.clone(), agent);
    }
    Ok(agents)
}

/// Sends the mail to the simulated mailboxes.
pub(super) async fn deliver(exchange: &Exchange, plan: &Plan, pace: Duration) {
    for mail in &plan.mail {
        exchange.deliver(&mail.mailbox, mail.folder, mail.raw.clone(), mail.received);
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
    }
}
