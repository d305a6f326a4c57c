//! Reading what the service streams.

use mailagent_client::{
    Delivery,
    v1::{DownloadAttachmentResponse, DownloadHeader, DownloadMessageResponse, DownloadNoteMessageResponse},
};
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use super::PATIENCE;

/// The next item of a stream; `None` at its end.
pub async fn take<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> Option<T> {
    timeout(PATIENCE, stream.next()).await.expect("the stream is not silent")
}

/// The next `count` events of a watch, without the bookmarks between them.
pub async fn events<T>(watch: &mut (impl Stream<Item = Result<Delivery<T>, Status>> + Unpin), count: usize) -> Vec<T> {
    let mut events = Vec::new();
    let reading = async {
        while events.len() < count {
            let delivery = watch.next().await.expect("a watch does not end").expect("the watch goes on");
            assert!(!delivery.cursor.is_empty());
            events.extend(delivery.event);
        }
    };
    let read = timeout(PATIENCE, reading).await;
    assert!(read.is_ok(), "{} of {count} events came", events.len());
    events
}

/// A piece of any download.
pub trait Piece {
    /// Header, offset and data.
    fn parts(self) -> (Option<DownloadHeader>, i64, Vec<u8>);
}

macro_rules! pieces {
    ($($piece:ty)*) => {
        $(impl Piece for $piece {
            fn parts(self) -> (Option<DownloadHeader>, i64, Vec<u8>) {
                (self.header, self.offset_bytes, self.data.into())
            }
        })*
    };
}

pieces!(DownloadMessageResponse DownloadNoteMessageResponse DownloadAttachmentResponse);

/// A whole download: its header and all bytes from `offset` on. Its form is checked on the way.
pub async fn download<P: Piece>(mut pieces: Streaming<P>, offset: usize) -> (DownloadHeader, Vec<u8>) {
    let first = take(&mut pieces).await.expect("a header comes").expect("the download begins");
    let (header, _, data) = first.parts();
    assert!(data.is_empty(), "the header comes alone");
    let header = header.expect("the first response is the header");
    let mut bytes = Vec::new();
    while let Some(piece) = take(&mut pieces).await {
        let (again, at, data) = piece.expect("the download goes on").parts();
        assert_eq!(again, None, "one header");
        assert_eq!(usize::try_from(at), Ok(offset + bytes.len()), "pieces follow one another");
        assert!((1..=64 * 1024).contains(&data.len()), "{} bytes", data.len());
        bytes.extend(data);
    }
    assert_eq!(
        usize::try_from(header.size_bytes),
        Ok(offset + bytes.len()),
        "the whole has its size"
    );
    if offset == 0 {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        assert_eq!(header.sha256, digest.as_ref(), "the hash is of the whole");
    }
    (header, bytes)
}
