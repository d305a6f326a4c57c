//! Mailboxes without an endpoint: found by the servers of their domain, checked, swept; or not found, and told why.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use mailagent::testing::{
    config::Config,
    domain::Clock,
    net::{Names, Service},
};
use mailagent_client::{
    Clients,
    v1::{
        Agent, AgentHealthState, AuthenticationMethod, BeginLoginRequest, CheckFault, CheckStageKind, CheckStageState, ConnectionType,
        ExchangeSettings, MaintenanceAccount, TenantSettings, UpdateAgentRequest, UpdateMaintenanceAccountRequest,
    },
};
use mailagent_sim::exchange::{Autodiscover, Exchange, FolderKind};
use prost_types::FieldMask;
use tokio_rustls::TlsAcceptor;
use tonic::Status;

use crate::{
    check::{check, failed},
    harness::{Choices, Engine, Harness, Mail, PATIENCE, account, create_account, eventually, password_of, violations},
    login::oauth,
};

const ANNA: &str = "anna@example.com";
const BERT: &str = "bert@example.com";

/// All servers of `example.com` and `hoster.test` are one.
struct OneServer(SocketAddr);

#[async_trait]
impl Names for OneServer {
    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let known = name.ends_with(".example.com") || name.ends_with(".hoster.test");
        // Nothing listens without TLS.
        let found = known && port == 443;
        found.then(|| vec![self.0]).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    async fn services(&self, _: &str) -> io::Result<Vec<Service>> {
        Ok(Vec::new())
    }
}

/// A service and the company's Exchange server, which only names lead to.
struct Company {
    h: Harness,
    client: Clients,
    exchange: Exchange,
    // The service reads it at each start.
    _roots: tempfile::NamedTempFile,
}

impl Company {
    async fn on(engine: Engine) -> Self {
        Self::with(engine, |_| {}).await
    }

    async fn with(engine: Engine, configure: impl FnOnce(&mut Config) + 'static) -> Self {
        let names = ["*.example.com", "*.hoster.test"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let exchange = Exchange::builder().tls(move |tcp| acceptor.accept(tcp)).start().await.unwrap();
        exchange.autodiscover(at("mail.example.com"), at("mail.example.com"));
        let address = exchange.endpoint().socket_addrs(|| None).unwrap()[0];
        let roots = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(roots.path(), made.cert.pem()).unwrap();
        let path = roots.path().to_owned();
        let h = Harness::with(Choices {
            names: Arc::new(OneServer(address)),
            configure: Box::new(move |config| {
                config.network.root_certificates_file = Some(path);
                configure(config);
            }),
            ..Choices::of(engine)
        })
        .await;
        let client = h.seed().await;
        Self {
            h,
            client,
            exchange,
            _roots: roots,
        }
    }

    /// An agent without an endpoint, and its mailbox.
    async fn agent(&self, address: &str, change: impl FnOnce(&mut ExchangeSettings)) -> Agent {
        self.exchange.add_mailbox(address, address, &password_of(address));
        let mut agent = self.h.agent_for(address);
        let exchange = agent.exchange.as_mut().unwrap();
        exchange.endpoint.clear();
        change(exchange);
        self.h.create(&self.client, agent).await
    }

    fn deliver(&self, address: &str, mail: &Mail) {
        self.exchange.deliver(address, FolderKind::Inbox, mail.bytes(), self.h.clock.now());
    }

    async fn update(&self, agent: Agent, paths: &[&str]) -> Result<Agent, Status> {
        let request = UpdateAgentRequest {
            agent: Some(agent),
            update_mask: Some(FieldMask {
                paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            }),
        };
        Ok(self.client.clone().agents.update_agent(request).await?.into_inner())
    }

    /// The health of an agent once it is not well.
    async fn trouble(&self, name: &str) -> (AgentHealthState, String) {
        let found = eventually(PATIENCE, "the agent is not well", async || {
            let health = self.h.get_agent(&self.client, name).await.health.unwrap();
            if health.problem.is_empty() { Err(health) } else { Ok(health) }
        })
        .await;
        (found.state(), found.problem)
    }

    /// Whether any login was shown to the server.
    fn was_shown_a_login(&self) -> bool {
        let asked = self.exchange.autodiscover_requests();
        asked.iter().any(|request| request.scheme.is_some()) || !self.exchange.requests().is_empty()
    }
}

/// The answer that EWS is at this server.
fn at(host: &str) -> Autodiscover {
    Autodiscover::Names(format!("https://{host}/EWS/Exchange.asmx").parse().unwrap())
}

/// An agent with nothing but its name, to be filled with what changes.
fn named(agent: &Agent, exchange: ExchangeSettings) -> Agent {
    Agent {
        name: agent.name.clone(),
        exchange: Some(exchange),
        ..Agent::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_found_checked_and_swept() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut company = Company::on(engine).await;
        let agent = company.agent(ANNA, |_| {}).await;
        assert_eq!(agent.exchange.as_ref().unwrap().endpoint, "", "it is not written down");
        company.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
        company.h.handled(&company.client, &agent.name, 1).await;

        let stages = check(&company.client, &agent.name).await.unwrap();
        assert!(stages.iter().all(|stage| stage.state() == CheckStageState::Passed), "{stages:#?}");
        let words = "Autodiscover at https://autodiscover.example.com/autodiscover/autodiscover.json names \
                     https://mail.example.com/EWS/Exchange.asmx. mail.example.com has the address 127.0.0.1.";
        assert_eq!((stages[0].kind(), stages[0].summary.as_str()), (CheckStageKind::Resolve, words));
        let asked = company.exchange.autodiscover_requests();
        assert!(asked.iter().all(|request| request.scheme.is_none()), "{asked:?}");

        // After a restart it is found again, this time in the older way.
        company.exchange.autodiscover(Autodiscover::Off, at("mail.example.com"));
        company.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
        company.h.stop().await;
        company.h.start().await;
        company.client = company.h.client().await;
        company.h.handled(&company.client, &agent.name, 2).await;
        assert!(
            company
                .exchange
                .autodiscover_requests()
                .iter()
                .any(|request| request.scheme.is_some())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_is_found_the_health_says_who_answered_what() {
    let company = Company::on(Engine::Sqlite).await;
    company.exchange.autodiscover(Autodiscover::Off, Autodiscover::Off);
    let agent = company.agent(ANNA, |_| {}).await;
    let words = [
        "Autodiscover found no EWS address for anna@example.com.",
        "https://autodiscover.example.com/autodiscover/autodiscover.json: answered with HTTP 404",
        "https://example.com/autodiscover/autodiscover.json: The name example.com cannot be resolved.",
        "https://autodiscover.example.com/autodiscover/autodiscover.xml: answered with HTTP 404",
        "_autodiscover._tcp.example.com: there is no such record.",
        "Enter the address of the EWS service (exchange.endpoint",
    ];
    let (state, problem) = company.trouble(&agent.name).await;
    assert_eq!(state, AgentHealthState::Unreachable);
    for word in words {
        assert!(problem.contains(word), "{word}: {problem}");
    }
    let stages = check(&company.client, &agent.name).await.unwrap();
    failed(&stages, CheckStageKind::Resolve, CheckFault::Unreachable, &words);
    assert!(!company.was_shown_a_login());

    // The remedy. The password has to be given again, as it was for servers of the domain only.
    let typed = |password: String| {
        let exchange = ExchangeSettings {
            endpoint: "https://mail.example.com/EWS/Exchange.asmx".to_owned(),
            password,
            ..ExchangeSettings::default()
        };
        named(&agent, exchange)
    };
    let refused = company.update(typed(String::new()), &["exchange.endpoint"]).await.unwrap_err();
    assert_eq!(violations(&refused), ["agent.exchange.password"]);
    let paths = ["exchange.endpoint", "exchange.password"];
    company.update(typed(password_of(ANNA)), &paths).await.unwrap();
    company.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
    company.h.handled(&company.client, &agent.name, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_elsewhere_is_named_and_gets_nothing_until_the_operator_lists_it() {
    let mut company = Company::on(Engine::Sqlite).await;
    company.exchange.autodiscover(at("mail.hoster.test"), at("mail.hoster.test"));
    let agent = company.agent(ANNA, |_| {}).await;
    let (state, problem) = company.trouble(&agent.name).await;
    assert_eq!(state, AgentHealthState::Degraded);
    for word in [
        "https://mail.hoster.test/EWS/Exchange.asmx",
        "nothing is sent to it",
        "exchange.endpoint",
        "exchange.autodiscover_hosts",
    ] {
        assert!(problem.contains(word), "{word}: {problem}");
    }
    assert!(!company.was_shown_a_login());

    company.h.config.exchange.autodiscover_hosts.0.push(".hoster.test".to_owned());
    // When it is tried again by itself.
    company.h.clock.advance(Duration::from_secs(1));
    company.h.restart().await;
    company.client = company.h.client().await;
    company.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
    company.h.handled(&company.client, &agent.name, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_does_not_follow_to_another_domain() {
    let company = Company::on(Engine::Sqlite).await;
    let agent = company.agent(ANNA, |_| {}).await;
    let moved = |mailbox: &str, password: &str| {
        let exchange = ExchangeSettings {
            mailbox: mailbox.to_owned(),
            password: password.to_owned(),
            ..ExchangeSettings::default()
        };
        named(&agent, exchange)
    };
    let refused = company
        .update(moved("anna@evil.test", ""), &["exchange.mailbox"])
        .await
        .unwrap_err();
    assert_eq!(violations(&refused), ["agent.exchange.password"]);
    let sender = Agent {
        name: agent.name.clone(),
        from_address: "anna@evil.test".to_owned(),
        ..Agent::default()
    };
    let refused = company.update(sender, &["from_address"]).await.unwrap_err();
    assert_eq!(violations(&refused), ["agent.exchange.password"]);
    // Another mailbox of the same domain, and another domain with the password for it.
    company
        .update(moved("support@EXAMPLE.com", ""), &["exchange.mailbox"])
        .await
        .unwrap();
    let paths = ["exchange.mailbox", "exchange.password"];
    company
        .update(moved("anna@evil.test", "for the other domain"), &paths)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_account_is_for_its_own_domain() {
    let company = Company::on(Engine::Sqlite).await;
    let service = "service@example.com";
    company.exchange.add_maintenance_account(service, &password_of("service"));
    // By the older way, which shows the login.
    company.exchange.autodiscover(Autodiscover::Off, at("mail.example.com"));
    let made = MaintenanceAccount {
        username: service.to_owned(),
        ..account("")
    };
    let made = create_account(&company.client, made, "").await.unwrap();
    let through = |exchange: &mut ExchangeSettings| {
        exchange.set_connection_type(ConnectionType::MaintenanceAccount);
        exchange.maintenance_account.clone_from(&made.name);
        exchange.username.clear();
        exchange.password.clear();
    };
    let agent = company.agent(BERT, through).await;
    company.deliver(BERT, &Mail::new("eva@oak.example", "CS-0000001"));
    company.h.handled(&company.client, &agent.name, 1).await;
    let asked = company.exchange.autodiscover_requests();
    assert!(asked.iter().any(|request| request.path.ends_with("/bert@example.com")), "{asked:?}");

    // A mailbox of another domain: the login stays where it belongs. The account itself has no mailbox to ask about.
    let elsewhere = company
        .agent(ANNA, |exchange| {
            through(exchange);
            exchange.mailbox = "anna@elsewhere.test".to_owned();
        })
        .await;
    let (_, problem) = company.trouble(&elsewhere.name).await;
    assert!(problem.contains("no EWS address for service@example.com"), "{problem}");
    let asked = company.exchange.autodiscover_requests();
    assert!(asked.iter().all(|request| request.host.ends_with("example.com")), "{asked:?}");

    let update = async |change: &dyn Fn(&mut MaintenanceAccount), path: &str| {
        let mut changed = MaintenanceAccount {
            name: made.name.clone(),
            ..MaintenanceAccount::default()
        };
        change(&mut changed);
        let request = UpdateMaintenanceAccountRequest {
            maintenance_account: Some(changed),
            update_mask: Some(FieldMask {
                paths: vec![path.to_owned()],
            }),
        };
        company.client.clone().agents.update_maintenance_account(request).await
    };
    let refused = update(&|account| account.username = "service@evil.test".to_owned(), "username")
        .await
        .unwrap_err();
    assert_eq!(violations(&refused), ["maintenance_account.password"]);
    update(&|account| account.username = "crm@example.com".to_owned(), "username")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_before_the_server_is_known() {
    let provider = "[[oauth.providers]]\nname = \"contoso\"\npreset = \"microsoft\"\nclient_id = \"x\"\nclient_secret = \"y\"\n\
                    authority = \"https://login.example.com\"\nhosts = [\"mail.example.com\"]\n";
    let company = Company::with(Engine::Sqlite, |config| config.oauth = oauth(provider)).await;
    let settings = TenantSettings {
        authentication_method: AuthenticationMethod::Modern.into(),
        ..TenantSettings::default()
    };
    company.h.change_settings(&company.client, settings).await;
    let agent = company
        .agent(ANNA, |exchange| {
            exchange.username.clear();
            exchange.password.clear();
        })
        .await;
    assert_eq!(agent.health.unwrap().state(), AgentHealthState::AuthenticationRequired);
    let request = BeginLoginRequest {
        name: agent.name,
        ..BeginLoginRequest::default()
    };
    let begun = company.client.clone().agents.begin_login(request).await.unwrap().into_inner();
    let page = begun.authorization_url;
    assert!(
        page.starts_with("https://login.example.com/") && page.contains("anna%40example.com"),
        "{page}"
    );
    assert!(!company.was_shown_a_login());
}
