//! The sweep of a whole mailbox, from the simulator in its own process, until every note is durable.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use mailagent_client::{Clients, connect, v1};

use crate::{
    MAILAGENT, Run, TENANT,
    process::{Background, Cost, cpu_seconds, free_port, memory},
    report::{Report, Wanted},
};

/// Cases in the CRM; the set's references are among them.
const CASES: usize = 1500;
/// Customers to whom the cases belong.
const CUSTOMERS: usize = 300;
/// How long the sweep may take.
const PATIENCE: Duration = Duration::from_mins(30);
const MAILBOX: &str = "mailbox@simulated.example";

/// What is in the messages.
pub struct Manifest {
    /// How many there are.
    pub messages: u64,
    /// Message-ID and case reference of those that belong to a case.
    matches: BTreeSet<(String, String)>,
}

impl Manifest {
    /// Reads it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)?;
        let (mut messages, mut matches) = (0, BTreeSet::new());
        for line in text.lines().skip(1) {
            let [_, _, message_id, case, ..] = line.split('\t').collect::<Vec<_>>()[..] else {
                bail!("this line has too few columns: {line}");
            };
            messages += 1;
            if case != "-" {
                matches.insert((bare(message_id), case.to_owned()));
            }
        }
        Ok(Self { messages, matches })
    }
}

fn bare(message_id: &str) -> String {
    message_id.trim_matches(['<', '>']).to_owned()
}

/// How the mailbox is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Ews,
    Graph,
}

/// The simulator, in a process of its own.
struct Simulator {
    process: Background,
    ews: String,
    graph: String,
    authority: String,
    people: String,
}

impl Simulator {
    fn start(run: &Run, service: &str) -> anyhow::Result<Self> {
        let mut process = Background::start(
            Command::new(MAILAGENT)
                .args([
                    "simulate",
                    "--address",
                    MAILBOX,
                    "--callback",
                    &format!("http://{service}/oauth/callback"),
                    "--mail",
                ])
                .arg(&run.messages),
        )?;
        let mut line = || process.line();
        let (first, second, third) = (line()?, line()?, line()?);
        let urls = |line: &str| {
            line.split_whitespace()
                .filter(|word| word.starts_with("http"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (ews, graph, people) = (urls(&first), urls(&second), urls(&third));
        let ([ews], [graph, authority], [people]) = (&ews[..], &graph[..], &people[..]) else {
            bail!("the simulator does not start");
        };
        Ok(Self {
            ews: ews.clone(),
            graph: graph.clone(),
            authority: authority.clone(),
            people: people.clone(),
            process,
        })
    }
}

/// The service with a mailbox that was read to its end.
pub struct Service {
    process: Background,
    /// Services of it.
    pub clients: Clients,
    /// Where it listens.
    pub url: String,
    /// A token for everything.
    pub token: String,
    /// Its database.
    pub database: PathBuf,
    /// Messages in its archive.
    pub archived: u64,
}

impl Service {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    async fn start(data: &Path, address: &str, simulator: &Simulator) -> anyhow::Result<Self> {
        let mut command = Command::new(MAILAGENT);
        command
            .args(["serve", "--log", "warn", "--listen", address, "--data"])
            .arg(data)
            .env("MAILAGENT_EXCHANGE__ALLOW_HTTP", "true")
            .env("MAILAGENT_NETWORK__ALLOW_LOOPBACK", "true")
            // The real limit would hold the sweep back, not the service.
            .env("MAILAGENT_EXCHANGE__GRAPH_REQUESTS_PER_TEN_MINUTES", "1000000")
            .env("MAILAGENT_SERVER__MAX_STREAMS_PER_CALLER", "1000");
        for (field, value) in [
            ("NAME", "simulated"),
            ("PRESET", "microsoft"),
            ("CLIENT_ID", "mailagent"),
            ("CLIENT_SECRET", "mailagent"),
            ("AUTHORITY", &simulator.authority),
            ("GRAPH_URL", &simulator.people),
            ("HOSTS", "127.0.0.1"),
        ] {
            command.env(format!("MAILAGENT_OAUTH__PROVIDERS__0__{field}"), value);
        }
        let process = Background::start(&mut command)?;
        let url = format!("http://{address}");
        let token = Command::new(MAILAGENT)
            .args(["token", "--tenant", TENANT, "--user", "bench", "--scope", "all", "--data"])
            .arg(data)
            .stderr(Stdio::inherit())
            .output()?;
        let token = String::from_utf8(token.stdout)?.trim().to_owned();
        let mut tries = 0;
        let clients = loop {
            match connect(&url, &token).await {
                Ok(clients) => break clients,
                Err(error) if tries == 100 => return Err(error).context("the service does not start"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
            tries += 1;
        };
        Ok(Self {
            process,
            clients,
            url,
            token,
            database: data.join("mailagent.db"),
            archived: 0,
        })
    }

    /// Writes the directory and the settings of the tenant.
    async fn fill(&mut self) -> anyhow::Result<()> {
        let clients = &mut self.clients;
        let form = v1::PrefixForm {
            prefix: "CS-".to_owned(),
            digits: 7,
        };
        let settings = v1::TenantSettings {
            case_reference_format: Some(v1::CaseReferenceFormat {
                form: Some(v1::case_reference_format::Form::Prefix(form)),
            }),
            loop_limit_per_sender_and_case: Some(0),
            loop_limit_per_sender: Some(0),
            ..v1::TenantSettings::default()
        };
        let request = v1::UpdateTenantSettingsRequest {
            tenant_settings: Some(settings),
            update_mask: None,
        };
        clients.settings.update_tenant_settings(request).await?;
        clients
            .settings
            .acknowledge_storage_terms(v1::AcknowledgeStorageTermsRequest {})
            .await?;
        let user = v1::User {
            name: "users/bench".to_owned(),
            display_name: "Bench".to_owned(),
            email_addresses: Vec::new(),
            revision: 1,
        };
        clients
            .directory
            .batch_upsert_users(v1::BatchUpsertUsersRequest { users: vec![user] })
            .await?;
        let customers = (0..CUSTOMERS).map(|number| v1::Customer {
            name: format!("customers/{number}"),
            display_name: format!("Customer {number}"),
            revision: 1,
        });
        let customers = customers.collect();
        clients
            .directory
            .batch_upsert_customers(v1::BatchUpsertCustomersRequest { customers })
            .await?;
        let cases: Vec<v1::Case> = (0..CASES)
            .map(|number| v1::Case {
                name: format!("cases/{number}"),
                reference: format!("CS-{number:07}"),
                customer: format!("customers/{}", number % CUSTOMERS),
                title: format!("Case {number}"),
                revision: 1,
            })
            .collect();
        for cases in cases.chunks(500) {
            let cases = cases.to_vec();
            clients.directory.batch_upsert_cases(v1::BatchUpsertCasesRequest { cases }).await?;
        }
        Ok(())
    }

    /// Lets people log in by OAuth, which Graph wants.
    async fn use_logins(&mut self) -> anyhow::Result<()> {
        let settings = v1::TenantSettings {
            authentication_method: v1::AuthenticationMethod::Modern.into(),
            ..v1::TenantSettings::default()
        };
        let request = v1::UpdateTenantSettingsRequest {
            tenant_settings: Some(settings),
            update_mask: None,
        };
        self.clients.settings.update_tenant_settings(request).await?;
        Ok(())
    }

    /// Logs in to the agent's mailbox, as a browser does that follows where it is sent.
    async fn log_in(&mut self, agent: &str) -> anyhow::Result<()> {
        let request = v1::BeginLoginRequest {
            name: agent.to_owned(),
            ..v1::BeginLoginRequest::default()
        };
        let page = self.clients.agents.begin_login(request).await?.into_inner().authorization_url;
        let browser = reqwest::Client::builder().no_proxy().build()?;
        let answer = browser.get(format!("{page}&account={MAILBOX}")).send().await?;
        anyhow::ensure!(answer.status().is_success(), "the login fails: {}", answer.text().await?);
        let mut back = answer.url().clone();
        back.set_query(None);
        let page = answer.text().await?;
        let ticket = page
            .split("name=\"ticket\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let body = format!("decision=connect&ticket={}", ticket.context("the page does not ask")?);
        let request = browser.post(back).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(body).send().await?;
        anyhow::ensure!(answer.status().is_success(), "the login fails: {}", answer.text().await?);
        Ok(())
    }

    async fn create_agent(&mut self, protocol: Protocol, endpoint: &str) -> anyhow::Result<String> {
        let (kind, username, password) = match protocol {
            Protocol::Ews => (v1::AgentKind::ExchangeEws, MAILBOX, "simulated"),
            Protocol::Graph => (v1::AgentKind::ExchangeGraph, "", ""),
        };
        let agent = v1::Agent {
            owner_user: "users/bench".to_owned(),
            kind: kind.into(),
            from_name: "Bench".to_owned(),
            from_address: MAILBOX.to_owned(),
            exchange: Some(v1::ExchangeSettings {
                endpoint: endpoint.to_owned(),
                username: username.to_owned(),
                password: password.to_owned(),
                case_sweep: true,
                archive: Some(true),
                sweep_options: Some(v1::SweepOptions {
                    create_non_matching_contacts: true,
                    keep_full_message: false,
                }),
                ..v1::ExchangeSettings::default()
            }),
            ..v1::Agent::default()
        };
        let request = v1::CreateAgentRequest {
            agent: Some(agent),
            request_id: String::new(),
        };
        Ok(self.clients.agents.create_agent(request).await?.into_inner().name)
    }

    /// Waits until the agent has handled so many messages: the count is part of the transactions that handle them.
    async fn wait_until_handled(&mut self, agent: &str, messages: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let request = v1::GetAgentRequest { name: agent.to_owned() };
            let health = self
                .clients
                .agents
                .get_agent(request)
                .await?
                .into_inner()
                .health
                .unwrap_or_default();
            if u64::try_from(health.handled_count).is_ok_and(|handled| handled >= messages) {
                return Ok(());
            }
            if !health.problem.is_empty() {
                bail!("the mailbox cannot be read: {} {}", health.problem, health.server_reply);
            }
            if began.elapsed() > PATIENCE {
                bail!("{} of {messages} messages are handled after {PATIENCE:?}", health.handled_count);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Message-ID and case reference of every note, and how many notes there are.
    async fn notes(&mut self) -> anyhow::Result<(BTreeSet<(String, String)>, usize)> {
        let (mut notes, mut count) = (BTreeSet::new(), 0);
        let mut page_token = String::new();
        loop {
            let request = v1::ListNotesRequest {
                page_size: 500,
                page_token,
                filter: None,
            };
            let page = self.clients.sweep.list_notes(request).await?.into_inner();
            count += page.notes.len();
            notes.extend(page.notes.into_iter().map(|note| (bare(&note.message_id), note.case_reference)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok((notes, count));
            }
        }
    }
}

/// Sweeps and archives the whole set, and checks that the notes are those of the manifest, each once.
pub async fn measure(
    run: &Run,
    protocol: Protocol,
    manifest: &Manifest,
    import: Option<Cost>,
    report: &mut Report,
) -> anyhow::Result<Service> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let simulator = Simulator::start(run, &address)?;
    let (shown, endpoint) = match protocol {
        Protocol::Ews => ("EWS", &simulator.ews),
        Protocol::Graph => ("Graph", &simulator.graph),
    };
    let mut service = Service::start(&run.work.join(format!("service-{shown}")), &address, &simulator).await?;
    service.fill().await?;
    if protocol == Protocol::Graph {
        service.use_logins().await?;
    }
    let (began, cpu) = (Instant::now(), cpu_seconds(service.pid())?);
    let agent = service.create_agent(protocol, endpoint).await?;
    if protocol == Protocol::Graph {
        service.log_in(&agent).await?;
    }
    service.wait_until_handled(&agent, manifest.messages).await?;
    let cost = Cost {
        wall: began.elapsed().as_secs_f64(),
        cpu: cpu_seconds(service.pid())? - cpu,
        peak: memory(service.pid(), "VmHWM").unwrap_or(0),
    };
    report.figure(&format!("sweep and archive over {shown}, SQLite"), manifest.messages, cost);
    report.figure(
        "  the simulator meanwhile",
        manifest.messages,
        Cost {
            cpu: cpu_seconds(simulator.process.pid())?,
            peak: memory(simulator.process.pid(), "VmHWM").unwrap_or(0),
            wall: cost.wall,
        },
    );
    if let Some(import) = import {
        let what = format!("sweep over {shown}, times the import's CPU seconds");
        report.target(&what, Wanted::AtMost(2.0), cost.cpu / import.cpu);
    }
    let (notes, count) = service.notes().await?;
    if notes != manifest.matches || count != notes.len() {
        let missing = manifest.matches.difference(&notes).take(5).collect::<Vec<_>>();
        let foreign = notes.difference(&manifest.matches).take(5).collect::<Vec<_>>();
        bail!(
            "The notes are wrong: {count} notes, {} different ones, {} expected. Missing, for example: {missing:?}. Too many: {foreign:?}",
            notes.len(),
            manifest.matches.len()
        );
    }
    eprintln!("the {count} notes are exactly those of the manifest");
    let statistics = service
        .clients
        .archive
        .get_archive_statistics(v1::GetArchiveStatisticsRequest {})
        .await?
        .into_inner();
    service.archived = u64::try_from(statistics.message_count)?;
    Ok(service)
}
