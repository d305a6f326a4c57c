//! Streams and downloads of the whole archive beside what lies underneath them.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use mailagent_client::{Clients, EARLIEST, connect, v1};

use crate::{
    bare::{BareRead, TONIC_MESSAGES},
    process::{Background, Cost, cpu_seconds, memory},
    report::{Report, Wanted, mebibytes, median},
    sweep::Service,
};

/// How often each stream is read; the one in the middle counts.
const ROUNDS: usize = 7;
/// Subscribers that take one message and then nothing.
const SLOW_READERS: u64 = 100;
/// How long memory is given to come to rest.
const REST: Duration = Duration::from_secs(2);

/// Measures `StreamMessages`.
pub async fn measure(service: &Service, report: &mut Report) -> anyhow::Result<()> {
    let read = BareRead::open(&service.database).await?;
    let (mut bare, mut streamed, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that both meet the same load of the machine.
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let rows = read.all().await?;
        bare.push(began.elapsed().as_secs_f64());
        ensure!(rows == service.archived, "{rows} rows of {} were read", service.archived);
        let (began, cpu_before) = (Instant::now(), cpu_seconds(service.pid())?);
        drain(&service.clients, service.archived).await?;
        streamed.push(began.elapsed().as_secs_f64());
        cpu.push(cpu_seconds(service.pid())? - cpu_before);
    }
    let (bare, streamed) = (median(bare), median(streamed));
    let cost = |wall, cpu| Cost { wall, cpu, peak: 0 };
    report.figure("SeaORM alone: the same rows in pages", service.archived, cost(bare, 0.0));
    report.figure(
        "tonic alone: ready messages of 4 KiB",
        TONIC_MESSAGES as u64,
        cost(bare_tonic().await?, 0.0),
    );
    report.figure("StreamMessages of the whole archive", service.archived, cost(streamed, median(cpu)));
    report.target("StreamMessages, times SeaORM alone", Wanted::AtLeast(0.5), bare / streamed);

    let before = memory(service.pid(), "VmRSS").context("the service has no memory")?;
    let slow = slow_readers(service).await?;
    tokio::time::sleep(REST).await;
    let grown = memory(service.pid(), "VmRSS").unwrap_or(0).saturating_sub(before);
    let mut beside = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        drain(&service.clients, service.archived).await?;
        beside.push(began.elapsed().as_secs_f64());
    }
    drop(slow);
    let beside = median(beside);
    report.figure("  the same beside 100 slow readers", service.archived, cost(beside, 0.0));
    report.target(
        "100 slow readers, MiB each",
        Wanted::AtMost(1.0),
        mebibytes(grown) / SLOW_READERS as f64,
    );
    report.target(
        "StreamMessages beside them, times that without",
        Wanted::AtLeast(0.8),
        streamed / beside,
    );
    Ok(())
}

/// Reads the whole archive once.
async fn drain(clients: &Clients, archived: u64) -> anyhow::Result<()> {
    let mut messages = open(clients).await?;
    let mut count = 0;
    while count < archived {
        let response = messages.message().await?.context("the stream ended")?;
        count += u64::from(response.message.is_some());
    }
    Ok(())
}

async fn open(clients: &Clients) -> anyhow::Result<tonic::Streaming<v1::StreamMessagesResponse>> {
    let request = v1::StreamMessagesRequest {
        cursor: EARLIEST.to_owned(),
        filter: None,
    };
    Ok(clients.archive.clone().stream_messages(request).await?.into_inner())
}

/// Each has a connection of its own, as in life.
async fn slow_readers(service: &Service) -> anyhow::Result<Vec<(Clients, tonic::Streaming<v1::StreamMessagesResponse>)>> {
    let mut readers = Vec::new();
    for _ in 0..SLOW_READERS {
        let clients = connect(&service.url, &service.token).await?;
        let mut messages = open(&clients).await?;
        messages.message().await?.context("the stream ended")?;
        readers.push((clients, messages));
    }
    Ok(readers)
}

async fn bare_tonic() -> anyhow::Result<f64> {
    let mut server = Background::start(Command::new(std::env::current_exe()?).arg("bare-tonic"))?;
    let url = server.line()?;
    let clients = connect(&url, "").await?;
    let mut seconds = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        let request = v1::DownloadMessageRequest::default();
        let mut messages = clients.archive.clone().download_message(request).await?.into_inner();
        let mut count = 0;
        while messages.message().await?.is_some() {
            count += 1;
        }
        ensure!(count == TONIC_MESSAGES, "{count} messages came");
        seconds.push(began.elapsed().as_secs_f64());
    }
    Ok(median(seconds))
}

/// Measures `DownloadMessage`, for information.
pub async fn measure_downloads(service: &Service, report: &mut Report) -> anyhow::Result<()> {
    let mut messages = open(&service.clients).await?;
    let mut names = Vec::new();
    while (names.len() as u64) < service.archived {
        let response = messages.message().await?.context("the stream ended")?;
        names.extend(response.message.map(|message| (message.name, message.size_bytes)));
    }
    drop(messages);
    for (what, in_flight) in [
        ("DownloadMessage of all, one by one", 1),
        ("DownloadMessage of all, 16 in flight", 16),
    ] {
        let (began, cpu) = (Instant::now(), cpu_seconds(service.pid())?);
        stream::iter(&names)
            .map(|(name, size)| download(&service.clients, name, *size))
            .buffer_unordered(in_flight)
            .try_for_each(|()| async { Ok(()) })
            .await?;
        report.figure(
            what,
            service.archived,
            Cost {
                wall: began.elapsed().as_secs_f64(),
                cpu: cpu_seconds(service.pid())? - cpu,
                peak: 0,
            },
        );
    }
    Ok(())
}

async fn download(clients: &Clients, name: &str, size: i64) -> anyhow::Result<()> {
    let request = v1::DownloadMessageRequest {
        name: name.to_owned(),
        offset_bytes: 0,
    };
    let mut pieces = clients.archive.clone().download_message(request).await?.into_inner();
    let mut bytes = 0;
    while let Some(piece) = pieces.message().await? {
        bytes += piece.data.len();
    }
    ensure!(i64::try_from(bytes) == Ok(size), "{name} has {size} bytes, {bytes} came");
    Ok(())
}
