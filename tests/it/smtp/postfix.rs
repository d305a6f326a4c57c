//! Postfix, with logins by Dovecot.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Weak},
    time::Duration,
};

use mailagent::testing::{
    domain::SmtpSecurity,
    net::{ErrorClass, Stage, StageKind},
    provider::{Credentials, MailSink},
};

use tokio::sync::Mutex;

use super::{Choices, Pair, Process, certificate, certificate_with, check, failed, message, password, refused, stages};
use crate::harness::{PATIENCE, eventually};

const MAIN: &str = "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.com
mydestination =
mynetworks =
alias_maps =
local_recipient_maps =
default_transport = error:none
virtual_mailbox_domains = example.com
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{bob@example.com=bob/, eva@example.com=eva/, none@example.com=none/, tester@example.com=tester/}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_mailbox_limit = 0
message_size_limit = 100000
smtpd_error_sleep_time = 0
smtpd_tls_cert_file = {folder}/conf/own.pem
smtpd_tls_key_file = {folder}/conf/own.key
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sender_login_maps = inline:{anna@example.com=anna, boss@example.com=boss}
smtpd_recipient_restrictions = reject_sender_login_mismatch,
    check_recipient_access inline:{{nobody@example.com = 550 5.1.1 No such user}, {later@example.com = 450 4.2.0 Greylisted}},
    permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
";

const MASTER: &str = "127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{login} inet n - n - - smtpd -o smtpd_sasl_mechanism_filter=login -o smtpd_discard_ehlo_keywords=size
127.0.0.1:{plain} inet n - n - - smtpd -o smtpd_tls_security_level=none -o smtpd_tls_auth_only=no
127.0.0.1:{foreign} inet n - n - - smtpd -o smtpd_tls_cert_file={folder}/conf/foreign.pem -o smtpd_tls_key_file={folder}/conf/foreign.key
127.0.0.1:{expired} inet n - n - - smtpd -o smtpd_tls_cert_file={folder}/conf/expired.pem -o smtpd_tls_key_file={folder}/conf/expired.key
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
";

const DOVECOT: &str = "base_dir = {folder}/dovecot/run
state_dir = {folder}/dovecot/run
log_path = {folder}/dovecot/log
protocols =
ssl = no
auth_mechanisms = plain login
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN {folder}/dovecot/users
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}
service auth {
  unix_listener {folder}/queue/private/auth {
    mode = 0660
    user = postfix
  }
}
";

pub(super) struct Postfix {
    certificate: Pair,
    /// What the ports with other certificates show.
    others: [Pair; 2],
    pub(super) starttls: u16,
    tls: u16,
    /// Takes AUTH LOGIN only, and says nothing of sizes.
    login: u16,
    /// No TLS at all.
    plain: u16,
    /// Has a certificate for another name.
    foreign: u16,
    /// Has a certificate that has expired.
    expired: u16,
    // Stopped in this order; the folder goes last.
    _processes: [Process; 2],
    folder: tempfile::TempDir,
}

/// A number from `id`.
fn id(arguments: &[&str]) -> u32 {
    let output = Command::new("id").args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let number = text.trim().parse();
    number.unwrap_or_else(|_| panic!("id {arguments:?} says nothing: Postfix is not installed; run `make setup`"))
}

impl Postfix {
    /// The one that is running, or a new one. It stops with the last test that uses it.
    pub(super) async fn running() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Postfix>> = Mutex::const_new(Weak::new());
        let mut running = RUNNING.lock().await;
        if let Some(postfix) = running.upgrade() {
            return postfix;
        }
        let postfix = Arc::new(Self::start().await);
        *running = Arc::downgrade(&postfix);
        postfix
    }

    async fn start() -> Self {
        let certificate = certificate();
        let foreign = certificate_with("mail.example.com", |_| {});
        let expired = certificate_with("127.0.0.1", |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1));
        assert_eq!(
            id(&["-u"]),
            0,
            "Postfix can only be started by root: run the tests as root, in a container for instance"
        );
        let postfix = id(&["-u", "postfix"]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // Its processes run as several users.
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["conf", "queue", "data", "mail", "dovecot"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        for name in [
            "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace", "public",
        ] {
            let queue = path.join("queue").join(name);
            fs::create_dir(&queue).unwrap();
            chown(&queue, Some(postfix), None).unwrap();
        }
        for name in ["maildrop", "pid"] {
            fs::create_dir(path.join("queue").join(name)).unwrap();
        }
        chown(path.join("data"), Some(postfix), None).unwrap();
        chown(path.join("mail"), Some(65534), None).unwrap();

        // All at once, so that they differ.
        let listeners = [0; 6].map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let ports @ [starttls, tls, login, plain, foreign_port, expired_port] =
            listeners.map(|listener| listener.local_addr().unwrap().port());
        let fill = |text: &str| {
            let names = ["{starttls}", "{tls}", "{login}", "{plain}", "{foreign}", "{expired}"];
            let text = text.replace("{folder}", path.to_str().unwrap());
            names
                .iter()
                .zip(ports)
                .fold(text, |text, (name, port)| text.replace(name, &port.to_string()))
        };
        for (name, pair) in [("own", &certificate), ("foreign", &foreign), ("expired", &expired)] {
            fs::write(path.join(format!("conf/{name}.pem")), &pair.certificate).unwrap();
            fs::write(path.join(format!("conf/{name}.key")), &pair.key).unwrap();
        }
        fs::write(path.join("conf/main.cf"), fill(MAIN)).unwrap();
        fs::write(path.join("conf/master.cf"), fill(MASTER)).unwrap();
        fs::write(path.join("dovecot/users"), "anna:{PLAIN}correct horse\n").unwrap();
        fs::write(path.join("dovecot/dovecot.conf"), fill(DOVECOT)).unwrap();

        let daemons = Command::new("postconf").args(["-dh", "daemon_directory"]).output();
        let daemons = daemons.expect("Postfix is not installed; run `make setup`").stdout;
        let daemons = PathBuf::from(String::from_utf8(daemons).unwrap().trim());
        let dovecot = Command::new("dovecot")
            .arg("-F")
            .arg("-c")
            .arg(path.join("dovecot/dovecot.conf"))
            .stderr(Stdio::null())
            .spawn();
        let dovecot = Process(dovecot.expect("Dovecot is not installed; run `make setup`"));
        let master = Command::new(daemons.join("master"))
            .args(["-s", "-c"])
            .arg(path.join("conf"))
            .env("MAIL_CONFIG", path.join("conf"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self {
            certificate,
            starttls,
            tls,
            login,
            plain,
            foreign: foreign_port,
            expired: expired_port,
            others: [foreign, expired],
            _processes: [Process(master), dovecot],
            folder,
        };
        eventually(PATIENCE, "Postfix and Dovecot listen", async || {
            let path = started.folder.path();
            if path.join("queue/private/auth").exists() && tokio::net::TcpStream::connect(("127.0.0.1", plain)).await.is_ok() {
                Ok(())
            } else {
                Err([path.join("log"), path.join("dovecot/log")].map(|log| fs::read_to_string(log).unwrap_or_default()))
            }
        })
        .await;
        started
    }

    fn choices(&self, security: SmtpSecurity) -> Choices {
        let port = match security {
            SmtpSecurity::StartTls => self.starttls,
            SmtpSecurity::Tls => self.tls,
            SmtpSecurity::None => self.plain,
        };
        Choices::new(port, security).trusting(&self.certificate)
    }

    /// Messages that were delivered, without the fields that Postfix put on top, with CRLF.
    pub(super) async fn delivered(&self, mailbox: &str, count: usize) -> Vec<String> {
        let new = self.folder.path().join("mail").join(mailbox).join("new");
        eventually(PATIENCE, "the messages are delivered", async || {
            let files: Vec<_> = list(&new);
            if files.len() == count {
                Ok(files.iter().map(|file| own_part(&fs::read(file).unwrap())).collect())
            } else {
                Err(fs::read_to_string(self.folder.path().join("log")).unwrap_or_default())
            }
        })
        .await
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map_or_else(|_| Vec::new(), |files| files.map(|file| file.unwrap().path()).collect())
}

fn own_part(raw: &[u8]) -> String {
    let text = String::from_utf8(raw.to_vec()).unwrap().replace('\n', "\r\n");
    text[text.find("From: ").unwrap()..].to_owned()
}

fn kinds(stages: &[Stage]) -> Vec<StageKind> {
    stages.iter().map(|stage| stage.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_delivers_what_was_sent_byte_for_byte() {
    let postfix = Postfix::running().await;
    let sent = message("anna@example.com", &["bob@example.com"]);
    for security in [SmtpSecurity::StartTls, SmtpSecurity::Tls] {
        let sink = postfix.choices(security).sink(password("anna", "correct horse"));
        for _ in 0..2 {
            let reply = sink.send(&sent).await.unwrap().server_reply;
            assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
        }
    }
    let by_login = Choices {
        port: postfix.login,
        ..postfix.choices(SmtpSecurity::StartTls)
    };
    by_login.sink(password("anna", "correct horse")).send(&sent).await.unwrap();
    // Without a line end at its end, and nothing but a header.
    let mut odd = message("anna@example.com", &["bob@example.com"]);
    odd.raw = "From: <anna@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <2@x>\r\n\r\n.no end".into();
    by_login.sink(password("anna", "correct horse")).send(&odd).await.unwrap();

    let mut expected = vec![String::from_utf8(sent.raw.to_vec()).unwrap(); 5];
    expected.push(format!("{}\r\n", String::from_utf8(odd.raw.to_vec()).unwrap()));
    let mut delivered = postfix.delivered("bob", 6).await;
    delivered.sort();
    expected.sort();
    assert_eq!(delivered, expected);
    let log = fs::read_to_string(postfix.folder.path().join("log")).unwrap();
    for part in ["sasl_method=PLAIN, sasl_username=anna", "sasl_method=LOGIN, sasl_username=anna"] {
        assert!(log.contains(part), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_postfix_are_told_apart_in_its_own_words() {
    let postfix = Postfix::running().await;
    let good = postfix.choices(SmtpSecurity::StartTls).sink(password("anna", "correct horse"));
    for (sender, recipient, class, problem, reply) in [
        (
            "boss@example.com",
            "none@example.com",
            ErrorClass::Refused,
            "sender address",
            "553 5.7.1 <boss@example.com>: Sender address rejected",
        ),
        (
            "anna@example.com",
            "nobody@example.com",
            ErrorClass::Refused,
            "the recipient nobody@example.com",
            "550 5.1.1 <nobody@example.com>",
        ),
        (
            "anna@example.com",
            "later@example.com",
            ErrorClass::Retry { after: None },
            "greylisting",
            "450 4.2.0",
        ),
    ] {
        check(&refused(&good, &message(sender, &[recipient])).await, class, problem, reply);
    }

    for security in [SmtpSecurity::StartTls, SmtpSecurity::Tls] {
        let wrong = postfix.choices(security).sink(password("anna", "wrong horse"));
        let error = refused(&wrong, &message("anna@example.com", &["none@example.com"])).await;
        check(
            &error,
            ErrorClass::LoginRequired,
            "rejects the login anna",
            "535 5.7.8 Error: authentication failed",
        );
    }

    let mut large = message("anna@example.com", &["none@example.com"]);
    large.raw = [large.raw.as_ref(), "0123456789abcdef\r\n".repeat(6_000).as_bytes()]
        .concat()
        .into();
    let beforehand = refused(&good, &large).await;
    check(&beforehand, ErrorClass::TooLarge, "at most 100000", "SIZE 100000");
    let port = Choices {
        port: postfix.login,
        ..postfix.choices(SmtpSecurity::StartTls)
    };
    let afterwards = refused(&port.sink(password("anna", "correct horse")), &large).await;
    check(&afterwards, ErrorClass::TooLarge, "larger than", "552 5.3.4");

    let nobody = postfix.choices(SmtpSecurity::StartTls).sink(Credentials::None);
    let error = refused(&nobody, &message("stranger@example.org", &["none@example.com"])).await;
    check(&error, ErrorClass::Refused, "the recipient none@example.com", "554 5.7.1");
    assert_eq!(list(&postfix.folder.path().join("mail/none/new")).len(), 0, "nothing was delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_postfix_goes_through_its_stages() {
    let postfix = Postfix::running().await;
    let all = [
        StageKind::Resolve,
        StageKind::Connect,
        StageKind::Tls,
        StageKind::Authenticate,
        StageKind::Send,
    ];
    let test = message("anna@example.com", &["eva@example.com"]);
    for security in [SmtpSecurity::StartTls, SmtpSecurity::Tls] {
        let sink = postfix.choices(security).sink(password("anna", "correct horse"));
        let stages = stages(&sink, Some(&test)).await;
        assert_eq!(kinds(&stages), all);
        let facts: Vec<_> = stages.iter().map(|stage| stage.outcome.as_ref().unwrap()).collect();
        assert_eq!(facts[2].certificate.as_ref().unwrap().names, ["127.0.0.1"]);
        assert_eq!(facts[3].server_reply, "235 2.7.0 Authentication successful");
        assert!(facts[4].server_reply.starts_with("250 2.0.0 Ok: queued as "), "{facts:?}");
        assert!(facts.iter().all(|facts| !facts.summary.is_empty()));
    }
    postfix.delivered("eva", 2).await;

    // Without a message nothing is sent; without a login the greeting stands for it.
    let anonymous = postfix.choices(SmtpSecurity::None).sink(Credentials::None);
    let stages = stages(&anonymous, None).await;
    assert_eq!(kinds(&stages), [StageKind::Resolve, StageKind::Connect, StageKind::Authenticate]);
    let greeting = &stages[2].outcome.as_ref().unwrap().server_reply;
    assert!(greeting.starts_with("250 mail.example.com PIPELINING SIZE 100000"), "{greeting}");

    let (kind, error) = failed(&postfix.choices(SmtpSecurity::Tls).sink(password("anna", "wrong horse"))).await;
    assert_eq!(kind, StageKind::Authenticate);
    check(&error, ErrorClass::LoginRequired, "password is wrong", "535");
    let boss = message("boss@example.com", &["eva@example.com"]);
    let sink = postfix.choices(SmtpSecurity::Tls).sink(password("anna", "correct horse"));
    let stages = super::stages(&sink, Some(&boss)).await;
    assert_eq!(kinds(&stages), all);
    check(stages[4].outcome.as_ref().unwrap_err(), ErrorClass::Refused, "sender", "553");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_kind_of_security_is_told_with_the_right_one() {
    let postfix = Postfix::running().await;
    let mixed = |port, security| {
        let choices = Choices {
            port,
            ..postfix.choices(security)
        };
        choices.waiting(Duration::from_millis(500)).sink(password("anna", "correct horse"))
    };
    for security in [SmtpSecurity::StartTls, SmtpSecurity::None] {
        let (_, error) = failed(&mixed(postfix.tls, security)).await;
        check(&error, ErrorClass::Unreachable, "requires security TLS", "");
    }
    let (kind, error) = failed(&mixed(postfix.starttls, SmtpSecurity::Tls)).await;
    assert_eq!(kind, StageKind::Tls);
    check(&error, ErrorClass::Unreachable, "Choose security STARTTLS", "220 mail.example.com");
    let (kind, error) = failed(&mixed(postfix.plain, SmtpSecurity::StartTls)).await;
    assert_eq!(kind, StageKind::Tls);
    check(&error, ErrorClass::Unreachable, "does not offer STARTTLS", "250 mail.example.com");
    let (kind, error) = failed(&mixed(postfix.starttls, SmtpSecurity::None)).await;
    assert_eq!(kind, StageKind::Authenticate);
    check(&error, ErrorClass::LoginRequired, "offers no login", "STARTTLS");
    let unencrypted = Choices {
        port: postfix.starttls,
        ..postfix.choices(SmtpSecurity::None)
    };
    let error = refused(
        &unencrypted.sink(Credentials::None),
        &message("anna@example.com", &["bob@example.com"]),
    )
    .await;
    check(
        &error,
        ErrorClass::LoginRequired,
        "requires encryption",
        "530 5.7.0 Must issue a STARTTLS command first",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_not_believed_are_shown() {
    let postfix = Postfix::running().await;
    let [foreign, expired] = &postfix.others;
    for (port, security, trusted, problem) in [
        (postfix.starttls, SmtpSecurity::StartTls, None, "issuer"),
        (postfix.tls, SmtpSecurity::Tls, Some(expired), "issuer"),
        (
            postfix.foreign,
            SmtpSecurity::StartTls,
            Some(foreign),
            "It is for mail.example.com.",
        ),
        (postfix.expired, SmtpSecurity::StartTls, Some(expired), "expired"),
    ] {
        let mut choices = Choices::new(port, security);
        choices.roots = trusted.map(|pair| pair.der.clone()).into_iter().collect();
        let (kind, error) = failed(&choices.sink(password("anna", "certified"))).await;
        assert_eq!(kind, StageKind::Tls);
        check(&error, ErrorClass::Unreachable, problem, "");
        assert_eq!(error.certificate.unwrap().sha256_fingerprint.len(), 64);
    }
}
