//! One caller asks for as much as they can, of large messages. Others are served meanwhile, and memory stays bounded.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{Duration, Instant},
};

use mailagent_client::{Clients, v1};
use tokio::task::JoinSet;
use tonic::{Code, Streaming};

use crate::service::{Limits, Service, TENANT, program};

const MIB: u64 = 1 << 20;
/// What the large message is called.
const LARGE: &str = "large";
/// What the small one is called.
const SMALL: &str = "small";
/// Size of its attachment, of which base64 makes a message of 53 MB.
const ATTACHMENT: usize = 39_000_000;
/// Downloads that are begun and not read. Each keeps at most 5 MiB.
const UNREAD: u64 = 8;

/// A service whose archive has a message of 53 MB and a small one.
fn service() -> Service {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    std::fs::create_dir(&mail).unwrap();
    let head = |subject: &str| {
        format!("From: Eva <eva@oak.example>\r\nTo: anna@example.com\r\nSubject: {subject}\r\nMessage-ID: <{subject}@oak.example>\r\n")
    };
    std::fs::write(mail.join("small.eml"), head(SMALL) + "\r\nAll is well.\r\n").unwrap();
    let mut large = std::io::BufWriter::new(std::fs::File::create(mail.join("large.eml")).unwrap());
    let parts = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee there.\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n";
    large.write_all((head(LARGE) + parts).as_bytes()).unwrap();
    // Lines of 76 characters that cannot be compressed much.
    let mut random = fastrand::Rng::with_seed(7);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut line = [b'\n'; 78];
    line[76] = b'\r';
    for _ in 0..ATTACHMENT / 57 {
        for four in line[..76].chunks_mut(4) {
            let bits = random.u32(..);
            for (at, byte) in four.iter_mut().enumerate() {
                *byte = alphabet[(bits >> (6 * at)) as usize & 63];
            }
        }
        large.write_all(&line).unwrap();
    }
    large.write_all(b"--b--\r\n").unwrap();
    drop(large);
    // No more than what a test can wait for: reads that come later are told so.
    let limits = Limits {
        settings: vec![("MAILAGENT_SERVER__CALL_TIMEOUT", "15s".to_owned())],
        ..Limits::default()
    };
    let imported = program(folder.path(), &limits)
        .args(["archive", "import", "--quiet", "--tenant", TENANT])
        .arg(&mail)
        .output()
        .unwrap();
    assert!(imported.status.success(), "{imported:?}");
    Service::start_in(folder, &limits)
}

async fn named(client: &mut Clients, subject: &str) -> String {
    let found = client.archive.list_messages(v1::ListMessagesRequest::default()).await.unwrap();
    let mut found = found.into_inner().messages.into_iter();
    found.find(|message| message.subject == subject).expect("it is archived").name
}

fn full(name: &str) -> v1::GetMessageRequest {
    v1::GetMessageRequest {
        name: name.to_owned(),
        view: v1::MessageView::Full.into(),
    }
}

/// Begins to download the attachment and reads as far as the first bytes of it.
async fn begin(client: &mut Clients, name: &str) -> Streaming<v1::DownloadAttachmentResponse> {
    let request = v1::DownloadAttachmentRequest {
        name: name.to_owned(),
        ..Default::default()
    };
    let mut download = client.archive.download_attachment(request).await.unwrap().into_inner();
    let header = download.message().await.unwrap().unwrap().header.expect("the header comes first");
    assert!(header.size_bytes > 38_000_000, "{header:?}");
    assert!(!download.message().await.unwrap().unwrap().data.is_empty());
    download
}

#[tokio::test(flavor = "multi_thread")]
async fn large_reads_leave_memory_and_others_alone() {
    let mut service = service();
    let (mut anna, mut ben) = (service.client("anna").await, service.client("ben").await);
    let (large, small) = (named(&mut anna, LARGE).await, named(&mut anna, SMALL).await);

    // Downloads that nobody reads.
    drop(begin(&mut anna, &large).await);
    let before = service.memory_now();
    let mut unread = JoinSet::new();
    for _ in 0..UNREAD {
        let (mut client, large) = (anna.clone(), large.clone());
        unread.spawn(async move { begin(&mut client, &large).await });
    }
    let unread = unread.join_all().await;
    let each = service.memory_now().saturating_sub(before) / UNREAD;
    assert!(each < 5 * MIB, "each download that nobody reads takes {each} bytes");
    drop(unread);

    // A hundred reads at once, and somebody else's small ones.
    let began = Instant::now();
    let mut read_small = async || {
        let asked = Instant::now();
        let message = ben.archive.get_message(full(&small)).await.expect("others are served").into_inner();
        assert_eq!(message.content.expect("it was asked for").text.trim(), "All is well.");
        asked.elapsed()
    };
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(read_small().await);
    }
    let mut reads = JoinSet::new();
    for _ in 0..100 {
        let (mut client, request) = (anna.clone(), full(&large));
        reads.spawn(async move { client.archive.get_message(request).await.map(|answer| answer.into_inner().content) });
    }
    let mut meanwhile = Vec::new();
    let mut ended = Vec::new();
    while !reads.is_empty() {
        meanwhile.push(read_small().await);
        while let Some(read) = reads.try_join_next() {
            ended.push(read.unwrap());
        }
    }
    let read = ended.iter().filter(|read| read.is_ok()).count();
    for status in ended.into_iter().filter_map(Result::err) {
        assert!(
            matches!(status.code(), Code::DeadlineExceeded | Code::ResourceExhausted),
            "{status:?}"
        );
    }
    let mut report = String::new();
    for (when, times) in [("idle", &mut idle), ("meanwhile", &mut meanwhile)] {
        times.sort();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        write!(
            report,
            "{when}: {} reads, half within {:?}, 99 % within {:?}. ",
            times.len(),
            at(50),
            at(99)
        )
        .unwrap();
    }
    let peak = service.peak_memory() / MIB;
    println!(
        "{report}{read} large messages were read in {:?}, peak {peak} MiB, {each} bytes an unread download",
        began.elapsed()
    );
    assert!(read > 0, "large messages are read too");
    assert!(peak < 640, "{peak} MiB");
    let worst = meanwhile.last().expect("there are some");
    assert!(*worst < Duration::from_secs(5), "{report}");
    service.assert_alive();
}
