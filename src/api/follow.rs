//! Streaming responses: watches and downloads.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use tonic::Status;

use super::{call::Call, v1};
use crate::{
    domain::{Error, Result},
    ops::{
        archive::Download,
        watch::{Cursors, Followed},
    },
    telemetry::ActiveStream,
};

/// The response of a streaming method.
pub(super) type Answers<T> = BoxStream<'static, Result<T, Status>>;

/// Sends each entry, or bookmark, with its cursor.
pub(super) fn watch<T, R>(
    call: Call,
    active: ActiveStream,
    cursors: Cursors,
    entries: impl Stream<Item = Result<Followed<T>>> + Send + 'static,
    answer: impl Fn(String, Option<T>) -> R + Send + 'static,
) -> Answers<R> {
    let answers = entries.map(move |followed| match followed {
        Ok(Followed { position, entry }) => {
            if entry.is_some() {
                active.delivered(1);
            }
            Ok(answer(cursors.seal(position), entry))
        }
        Err(error) => Err(call.fail(&error)),
    });
    answers.boxed()
}

/// A chunk of a download, or its header.
pub(super) struct Piece {
    /// Only in the first.
    pub(super) header: Option<v1::DownloadHeader>,
    /// Where `data` begins in the whole.
    pub(super) offset_bytes: i64,
    /// Empty in the first.
    pub(super) data: Bytes,
}

/// The downloads differ only in the names of their responses.
macro_rules! pieces {
    ($($response:ident),*) => {
        $(impl From<Piece> for v1::$response {
            fn from(piece: Piece) -> Self {
                let Piece { header, offset_bytes, data } = piece;
                Self { header, offset_bytes, data }
            }
        })*
    };
}

pieces!(DownloadMessageResponse, DownloadAttachmentResponse, DownloadNoteMessageResponse);

/// Sends a header, then the bytes.
pub(super) fn download<R: From<Piece> + Send + 'static>(call: Call, mut download: Download) -> Answers<R> {
    let header = v1::DownloadHeader {
        size_bytes: signed(download.size),
        sha256: std::mem::take(&mut download.sha256),
        media_type: std::mem::take(&mut download.media_type),
        file_name: std::mem::take(&mut download.file_name),
    };
    let pieces = async_stream::try_stream! {
        yield Piece { header: Some(header), offset_bytes: 0, data: Bytes::new() };
        while let Some((offset, data)) = download.next().await? {
            yield Piece { header: None, offset_bytes: signed(offset), data };
        }
    };
    let answers = pieces.map(move |piece: Result<Piece, Error>| piece.map(R::from).map_err(|error| call.fail(&error)));
    answers.boxed()
}

/// A count or size in the signed form that the proto files have.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
