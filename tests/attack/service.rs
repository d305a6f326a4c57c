//! The program under attack: started in a folder of its own, with limits that the system enforces, and measured from outside.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use mailagent::testing::{
    app::open_issuer,
    config::Config,
    crypto::{Claims, LOCAL_ISSUER},
    domain::{Clock, Scope, SystemClock},
};
use mailagent_client::{Clients, connect};

/// How long the program may take to start.
const START: Duration = Duration::from_mins(1);
/// The tenant that attacks work in, unless they need another.
pub const TENANT: &str = "acme";

/// What a test may choose about the program.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Bytes of memory that it may ask the system for (RLIMIT_DATA).
    pub memory: Option<u64>,
    /// Files and connections that it may have open: soft and hard limit (RLIMIT_NOFILE).
    pub files: Option<(u64, u64)>,
    /// The longest file that it may write (soft limit of RLIMIT_FSIZE), so that its disk seems full. `prlimit` lifts it while it runs.
    pub file_size: Option<u64>,
    /// Settings, as `MAILAGENT_SECTION__KEY` and value.
    pub settings: Vec<(&'static str, String)>,
}

/// A running program. Dropped, it is killed, also when the test panics.
pub struct Service {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Service {
    /// Starts the program in a fresh folder and waits until it takes connections.
    pub fn start(limits: &Limits) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder can be made"), limits)
    }

    /// Starts the program in a folder that another one left.
    pub fn start_in(folder: tempfile::TempDir, limits: &Limits) -> Self {
        let address = free_address();
        let log = log_file(folder.path());
        let mut command = program(folder.path(), limits);
        command
            .arg("serve")
            .env("MAILAGENT_SERVER__LISTEN", address.to_string())
            .stdout(Stdio::null())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(&log)
                    .expect("the log can be written"),
            );
        let mut child = command.spawn().expect("the program starts");
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().expect("it can be asked");
            assert!(
                ended.is_none() && began.elapsed() < START,
                "the program does not start: {ended:?}\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address, folder }
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        data_folder(self.folder.path())
    }

    /// A caller of the usual tenant who may do everything.
    pub async fn client(&self, user: &str) -> Clients {
        connect(&self.url(), &self.token(user)).await.expect("the service answers")
    }

    /// A token for such a caller, good for an hour.
    pub fn token(&self, user: &str) -> String {
        let now = SystemClock.now();
        let claims = Claims {
            iss: LOCAL_ISSUER.to_owned(),
            sub: user.to_owned(),
            tenant: TENANT.into(),
            scope: Scope::ALL.to_vec(),
            aud: vec![Config::default().auth.audience],
            exp: now.after(Duration::from_hours(1)),
            nbf: None,
            iat: now,
            jti: "attack".to_owned(),
        };
        let issuer = open_issuer(&self.data()).expect("the key can be used");
        issuer.issue(&claims).expect("the claims can be signed")
    }

    /// The most memory that it ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it has now, in bytes.
    pub fn memory_now(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the program runs");
        let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("Linux says so");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
        kib * 1024
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_file(self.folder.path())).unwrap_or_default()
    }

    /// Fails unless it still runs.
    pub fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "the program ended: {ended:?}\n{}", self.log());
    }

    /// Waits until it has ended by a signal, as a process does that aborts.
    pub fn wait_for_death(&mut self, patience: Duration) {
        let began = Instant::now();
        loop {
            if let Some(ended) = self.child.try_wait().expect("it can be asked") {
                assert_eq!(ended.code(), None, "it ended by itself:\n{}", self.log());
                return;
            }
            assert!(began.elapsed() < patience, "it still runs:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to stop, as an operator does (SIGTERM).
    pub fn begin_stop(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(asked.expect("it can be asked").success());
    }

    /// Waits until it has stopped, and returns what it has logged.
    pub async fn stopped(mut self) -> String {
        let began = Instant::now();
        while self.child.try_wait().expect("it can be asked").is_none() {
            assert!(began.elapsed() < START, "it does not stop:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.log()
    }

    /// Kills it as a lack of power would, and gives back its folder.
    pub fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a temporary folder can be made"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // An error says that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with a data folder and limits; its subcommand is for the caller to add. Runs below `sh`, which sets the limits and is replaced.
pub fn program(folder: &Path, limits: &Limits) -> Command {
    let mut script = String::new();
    if let Some(bytes) = limits.memory {
        script += &format!("ulimit -d {}; ", bytes / 1024);
    }
    if let Some((soft, hard)) = limits.files {
        script += &format!("ulimit -Hn {hard}; ulimit -Sn {soft}; ");
    }
    if let Some(bytes) = limits.file_size {
        // Beyond it the system sends SIGXFSZ, whose default is death; ignored, writes fail with EFBIG.
        script += &format!("trap '' XFSZ; ulimit -Sf {}; ", bytes / 1024);
    }
    script += "exec \"$0\" \"$@\"";
    let mut command = Command::new("bash");
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_mailagent")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("MAILAGENT_DATA", data_folder(folder))
        .envs(limits.settings.iter().map(|(key, value)| (key, value)));
    command
}

fn data_folder(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// A port that is free now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address")
}
