//! Where the master keys come from: a file, a variable of the environment, or a program.

use std::{
    env, fmt,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

use super::{KeyFileError, KeyId, KeyRing, MasterKey, RingError, Secret, keyfile};

/// Time limit for a program, which may query a remote key service.
const PROGRAM_LIMIT: Duration = Duration::from_secs(30);

/// Limit of bytes of a program's output, and of its standard error.
const MAX_OUTPUT: usize = 16 * 1024;
/// Limit of characters of it that are shown.
const MAX_SHOWN: usize = 500;

/// Words of at least this length that could be a key are not shown: 32 bytes take 43 characters in base64 and 64 in hexadecimal.
const MIN_HIDDEN: usize = 40;
/// Shorter arguments are not secrets.
const MIN_ARGUMENT: usize = 8;

/// Where the [`KeyRing`] comes from: its keys, one a line, the current one first.
///
/// Displayed without the arguments of a program, which may contain credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// This file, which must be private.
    File(PathBuf),
    /// The variable of this name.
    Env(String),
    /// What a program prints: its absolute path and its arguments. It is run without a shell and without the service's own variables.
    Command(Vec<String>),
}

/// Why a source provides no keys. The texts contain no part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// There is no file, and it must not be created.
    #[error("the key file {} is missing, and only its keys can decrypt the secrets in the database. Restore it from a backup", .0.display())]
    Missing(PathBuf),
    /// It contains something other than keys.
    #[error("{place} does not hold master keys: {problem}. {remedy}")]
    Content {
        /// The source.
        place: String,
        /// What is wrong with it.
        problem: RingError,
        /// What to do.
        remedy: &'static str,
    },
    /// The content read back differs from what was written.
    #[error("{0} does not contain what was just written to it. Check it, then run this again")]
    NotKept(String),
    /// There is no such variable.
    #[error(
        "the variable {0} is not set. It must hold the master key: 32 random bytes in base64, as `openssl rand -base64 32` prints them"
    )]
    NotSet(String),
    /// The program cannot be started.
    #[error("the program {program}, which should print the master key, cannot be started")]
    Start {
        /// Its path.
        program: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The program failed.
    #[error("the program {program}, which should print the master key, failed ({status}){said}")]
    Failed {
        /// Its path.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// `, saying: …`, or nothing.
        said: String,
    },
    /// The program takes too long.
    #[error("the program {program}, which should print the master key, did not finish within {} s", PROGRAM_LIMIT.as_secs())]
    TooSlow {
        /// Its path.
        program: String,
    },
    /// The program prints too much.
    #[error("the program {program}, which should print the master key, printed more than {MAX_OUTPUT} bytes")]
    TooMuch {
        /// Its path.
        program: String,
    },
}

impl KeySource {
    /// The current keys. Cancel safe; a program is then killed.
    ///
    /// # Errors
    /// [`KeySourceError`] says what is wrong with which source, and what to do.
    pub async fn load(&self) -> Result<KeyRing, KeySourceError> {
        let text = match self {
            Self::File(path) => {
                let path = path.clone();
                in_background(move || match keyfile::load(&path) {
                    Err(KeyFileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Err(KeySourceError::Missing(path)),
                    other => Ok(other?),
                })
                .await?
            }
            Self::Env(name) => {
                let value = env::var_os(name).ok_or_else(|| KeySourceError::NotSet(name.clone()))?;
                Secret::new(value.into_encoded_bytes())
            }
            Self::Command(words) => run(words, PROGRAM_LIMIT).await?,
        };
        self.parse(&text)
    }

    /// The keys as they are now; if the source is a missing file, it is created with a new key.
    ///
    /// The file is created atomically with mode 0600, and processes that race for it end with the same key.
    ///
    /// # Errors
    /// As [`KeySource::load`].
    pub async fn load_or_create(&self) -> Result<KeyRing, KeySourceError> {
        let Self::File(path) = self else { return self.load().await };
        let path = path.clone();
        let text = in_background(move || keyfile::load_or_create(&path, || KeyRing::of(MasterKey::generate()).to_text())).await?;
        self.parse(&text)
    }

    /// Keeps other processes from changing the keys until what is returned is dropped. `None` when the keys cannot be changed from here:
    /// they are not a file, or one in a read-only folder, as container platforms provide them.
    ///
    /// # Errors
    /// [`KeyFileError::Busy`] when another process has it.
    pub async fn lock(&self) -> Result<Option<KeySourceLock>, KeySourceError> {
        let Self::File(path) = self else { return Ok(None) };
        let path = path.clone();
        match in_background(move || keyfile::lock(&path)).await {
            Ok(file) => Ok(Some(KeySourceLock { _file: file })),
            Err(KeyFileError::Io { source, .. })
                if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the keys in the file. The file then holds `ring` or what it held before, whatever happens. `staged` is called when the new
    /// content is written beside it. A source that is not a file is left unchanged.
    ///
    /// # Errors
    /// When the file cannot be written or replaced.
    pub fn store(&self, ring: &KeyRing, _lock: &KeySourceLock, staged: impl FnOnce()) -> Result<(), KeySourceError> {
        if let Self::File(path) = self {
            keyfile::replace(path, ring.to_text().expose(), staged)?;
        }
        Ok(())
    }

    /// How another key is added to it, as the end of a sentence that begins with the key.
    pub fn how_to_add(&self) -> String {
        match self {
            Self::File(path) => format!("add it to {} as another line", path.display()),
            Self::Env(name) => format!("add it to the variable {name} after the current one and restart the service"),
            Self::Command(_) => format!("have {self} print it on another line"),
        }
    }

    fn parse(&self, text: &Secret<Vec<u8>>) -> Result<KeyRing, KeySourceError> {
        KeyRing::parse(text.expose()).map_err(|problem| KeySourceError::Content {
            place: self.to_string(),
            problem,
            remedy: match self {
                Self::File(_) => "Restore it from a backup: a new key cannot decrypt what the old one encrypted",
                Self::Env(_) | Self::Command(_) => "Each line must be a key as `openssl rand -base64 32` prints it, the current one first",
            },
        })
    }
}

/// Held while the keys of a source are changed.
#[derive(Debug)]
pub struct KeySourceLock {
    _file: std::fs::File,
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the key file {}", path.display()),
            Self::Env(name) => write!(f, "the variable {name}"),
            Self::Command(words) => write!(f, "the program {}", program(words)),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({self})")
    }
}

/// A master key that is needed and that the source does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database's keys are wrapped by the master key {id}, which is not in {place}. Find it, for example in a backup, and {remedy}")]
pub struct MissingMasterKey {
    /// The key.
    pub id: KeyId,
    /// The source that lacks it.
    pub place: String,
    /// How it is added to it.
    pub remedy: String,
}

impl MissingMasterKey {
    /// This key, which this source lacks.
    pub fn new(id: KeyId, source: &KeySource) -> Self {
        Self {
            id,
            place: source.to_string(),
            remedy: source.how_to_add(),
        }
    }
}

fn program(words: &[String]) -> &str {
    words.first().map_or("", String::as_str)
}

/// Files may be on a remote disk.
async fn in_background<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .expect("work on files does not panic and is never aborted")
}

/// What a program prints.
async fn run(words: &[String], limit: Duration) -> Result<Secret<Vec<u8>>, KeySourceError> {
    let program = program(words).to_owned();
    let mut command = Command::new(Path::new(&program));
    command
        .args(words.iter().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // The program must not see the service's environment: the database's password, for example.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MAILAGENT_")) {
        command.env_remove(name);
    }
    let failed = |source| KeySourceError::Start {
        program: program.clone(),
        source,
    };
    let mut child = command.spawn().map_err(failed)?;
    let stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let ended = tokio::time::timeout(limit, async {
        let (printed, said) = tokio::try_join!(read(stdout), read(stderr))?;
        Ok((printed, said, child.wait().await?))
    });
    let (printed, said, status) = match ended.await {
        Ok(ended) => ended.map_err(failed)?,
        Err(_) => return Err(KeySourceError::TooSlow { program }),
    };
    if !status.success() {
        let said = shown(said.expose(), printed.expose(), &words[1..]);
        return Err(KeySourceError::Failed {
            program,
            status,
            said: if said.is_empty() { said } else { format!(", saying: {said}") },
        });
    }
    if printed.expose().len() > MAX_OUTPUT {
        return Err(KeySourceError::TooMuch { program });
    }
    Ok(printed)
}

/// Reads to the end and keeps one byte more than allowed.
async fn read(mut from: impl AsyncRead + Unpin) -> std::io::Result<Secret<Vec<u8>>> {
    // Room for all at once: a buffer that grows would leave copies of the key behind.
    let mut kept = Secret::new(vec![0; MAX_OUTPUT + 1]);
    let mut length = 0;
    let mut rest = Secret::new(vec![0; 1024]);
    loop {
        let room = &mut kept.expose_mut()[length..];
        let room = if room.is_empty() { rest.expose_mut().as_mut_slice() } else { room };
        match from.read(room).await? {
            0 => break,
            count => length = (length + count).min(MAX_OUTPUT + 1),
        }
    }
    kept.expose_mut().truncate(length);
    Ok(kept)
}

/// The error output of a program, in one line, without anything that could be a key, is part of its output, or was an argument other
/// than a path, which may be a credential.
fn shown(said: &[u8], printed: &[u8], arguments: &[String]) -> String {
    let given = arguments
        .iter()
        .map(|word| word.split_once('=').map_or(word.as_str(), |(_, value)| value));
    let given: Vec<&str> = given
        .filter(|value| value.len() >= MIN_ARGUMENT && !value.starts_with(['/', '-']))
        .collect();
    let printed: Vec<&[u8]> = printed
        .split(|byte| !byte.is_ascii_graphic())
        .filter(|word| !word.is_empty())
        .collect();
    let in_key = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    let hidden = |word: &str| {
        let run = word.split(|c| !in_key(c)).map(str::len).max().unwrap_or(0);
        run >= MIN_HIDDEN
            || given.iter().any(|value| word.contains(value))
            || printed.iter().any(|secret| memchr::memmem::find(word.as_bytes(), secret).is_some())
    };
    let said = String::from_utf8_lossy(said);
    let words = said
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    let line: Vec<&str> = words.map(|word| if hidden(word) { "[hidden]" } else { word }).collect();
    line.join(" ").chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const KEYS: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\nAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n";

    fn shell(script: &str) -> KeySource {
        KeySource::Command(["/bin/sh", "-c", script].map(str::to_owned).into())
    }

    #[tokio::test]
    async fn a_file_is_made_only_when_it_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let source = KeySource::File(dir.path().join("folder/master.key"));
        assert!(matches!(source.load().await, Err(KeySourceError::Missing(_))));
        let made = source.load_or_create().await.unwrap();
        assert_eq!(source.load().await.unwrap().ids(), made.ids());
        assert_eq!(source.load_or_create().await.unwrap().ids(), made.ids());
        assert_eq!(made.ids().len(), 1);

        let lock = source.lock().await.unwrap().unwrap();
        let ring = made.behind(MasterKey::generate());
        source.store(&ring, &lock, || {}).unwrap();
        assert_eq!(source.load().await.unwrap().ids(), ring.ids());
        let busy = source.lock().await.unwrap_err().to_string();
        assert!(
            busy.ends_with("is being changed by another process. Wait until it has finished"),
            "{busy}"
        );

        fs::write(dir.path().join("folder/master.key"), format!("{KEYS}hunter2\n")).unwrap();
        let error = source.load().await.unwrap_err().to_string();
        assert!(
            error.contains("master.key does not hold master keys: the key number 3 is not 32"),
            "{error}"
        );
        assert!(error.contains("Restore it from a backup") && !error.contains("hunter2"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_file_in_a_folder_that_is_not_ours_cannot_be_changed_from_here() {
        // Not even root may make files there.
        let mut files = fs::read_dir("/sys/kernel").unwrap().map(|entry| entry.unwrap().path());
        let provided = files.find(|path| path.is_file()).unwrap();
        assert!(KeySource::File(provided).lock().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_variable_holds_them() {
        // Every process has it, and it holds no key.
        let error = KeySource::Env("PATH".to_owned()).load().await.unwrap_err().to_string();
        assert!(
            error.starts_with("the variable PATH does not hold master keys: the key number 1 is not"),
            "{error}"
        );
        assert!(!error.contains("/bin"), "{error}");
        let error = KeySource::Env("MAILAGENT_NOT_THERE".to_owned())
            .load()
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("MAILAGENT_NOT_THERE is not set") && error.contains("openssl rand -base64 32"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_program_prints_them() {
        let expected = KeyRing::parse(KEYS.as_bytes()).unwrap().ids();
        let source = shell(&format!("echo noise >&2; printf '{KEYS}'"));
        assert_eq!(source.load().await.unwrap().ids(), expected);
        assert_eq!(source.load_or_create().await.unwrap().ids(), expected);
        assert!(source.lock().await.unwrap().is_none());
        // It is not shown how it is called.
        assert_eq!(format!("{source} {source:?}"), "the program /bin/sh KeySource(the program /bin/sh)");
    }

    #[tokio::test]
    async fn a_program_that_fails_is_quoted_without_its_secrets() {
        let key = KEYS.lines().next().unwrap();
        let cases = [
            ("echo 'no such vault' >&2; exit 3", "failed (exit status: 3), saying: no such vault"),
            ("exit 4", "failed (exit status: 4)"),
            (
                "echo hunter2; echo 'what is hunter2?' >&2; exit 1",
                "failed (exit status: 1), saying: what is [hidden]",
            ),
            (
                &format!("echo 'bad key {key}.' >&2; exit 1"),
                "failed (exit status: 1), saying: bad key [hidden]",
            ),
            (
                "echo",
                "the program /bin/sh does not hold master keys: there is no key in it. Each line must be a key",
            ),
            ("echo hunter2", "the key number 1 is not 32 random bytes in base64"),
            ("head -c 20000 /dev/zero", "printed more than 16384 bytes"),
            ("head -c 200000 /dev/zero >&2; exit 1", "failed (exit status: 1)"),
        ];
        for (script, expected) in cases {
            let error = shell(script).load().await.unwrap_err().to_string();
            assert!(error.contains(expected), "{script}: {error}");
            assert!(!error.contains("hunter2") && !error.contains(key), "{script}: {error}");
        }
        let missing = KeySource::Command(vec!["/nowhere/vault".to_owned()]).load().await.unwrap_err();
        assert!(missing.to_string().contains("/nowhere/vault, which should print"), "{missing}");
        assert!(shown(&vec![b'x'; 9000], b"", &[]).len() <= MAX_SHOWN);
        let arguments = ["read", "-token=opensesame", "/path/of/key", "magicword"].map(str::to_owned);
        let said = "read: '-token=opensesame' and 'magicword' are refused for /path/of/key";
        assert_eq!(
            shown(said.as_bytes(), b"", &arguments),
            "read: [hidden] and [hidden] are refused for /path/of/key"
        );
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 600", pid.display());
        let words = ["/bin/sh", "-c", &script].map(str::to_owned);
        let error = run(&words, Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(error, KeySourceError::TooSlow { .. }), "{error}");
        let pid: u32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        let began = std::time::Instant::now();
        let runs = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
        while cfg!(target_os = "linux") && runs() {
            assert!(began.elapsed() < Duration::from_secs(10), "{pid} goes on");
            std::thread::yield_now();
        }
    }
}
