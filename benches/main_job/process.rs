//! Processes that are measured from outside, by what Linux says of them in `/proc`.

use std::{
    fs,
    io::Read,
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// Linux counts processor time for user space in hundredths of a second on every platform it runs this on.
const TICKS_PER_SECOND: f64 = 100.0;
/// How often the peak of the memory is read; the kernel keeps the peak itself, so only the very end can be missed.
const LOOK: Duration = Duration::from_millis(10);

/// What a piece of work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Seconds by the clock.
    pub wall: f64,
    /// Processor seconds, user and system, of all threads.
    pub cpu: f64,
    /// Greatest resident memory in bytes. 0 when it was not measured.
    pub peak: u64,
}

/// Runs a command to its end. Its output goes to our own error output when it fails, else nowhere.
pub fn run(command: &mut Command) -> anyhow::Result<Cost> {
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let mut errors = child.stderr.take().context("it has an error output")?;
    let errors = thread::spawn(move || {
        let mut text = String::new();
        // What cannot be read is missing from a message only.
        let _ = errors.read_to_string(&mut text);
        text
    });
    let pid = child.id();
    let mut cost = Cost::default();
    // A process that has ended keeps its times until it is waited for, but not its memory.
    while !has_ended(pid)? {
        cost.peak = memory(pid, "VmHWM").unwrap_or(0).max(cost.peak);
        thread::sleep(LOOK);
    }
    cost.wall = began.elapsed().as_secs_f64();
    cost.cpu = cpu_seconds(pid)?;
    let status = child.wait()?;
    if !status.success() {
        bail!("{command:?} failed with {status}:\n{}", errors.join().unwrap_or_default());
    }
    Ok(cost)
}

/// A process that works in the background, and is ended when this is dropped.
pub struct Background(Child);

impl Background {
    /// Starts it. Its error output is ours.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Ok(Self(child.with_context(|| format!("cannot start {command:?}"))?))
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> anyhow::Result<String> {
        let output = self.0.stdout.as_mut().context("its output was taken already")?;
        let mut line = Vec::new();
        let mut byte = [0];
        while output.read(&mut byte)? == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        Ok(String::from_utf8(line)?)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Processor seconds that a process has used.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let fields = stat(pid)?;
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    // Fields 14 and 15 of proc(5), counted from the state, which is the third.
    Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
}

/// Resident memory in bytes: `VmRSS` now, `VmHWM` at most.
pub fn memory(pid: u32, which: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn has_ended(pid: u32) -> anyhow::Result<bool> {
    Ok(stat(pid)?.first().is_some_and(|state| state == "Z"))
}

/// The fields behind the name, which may itself have spaces.
fn stat(pid: u32) -> anyhow::Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("only Linux tells what processes use")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has another form here")?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

/// A port that nobody uses at the moment.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
