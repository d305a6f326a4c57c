//! `ArchiveService`.

use tonic::{Request, Response, Status};

use super::{
    call::Call,
    convert::{
        self,
        archive::{content, message, statistics},
        unknown_value,
    },
    follow::{Answers, download, watch},
    page::Pages,
    v1::{self, archive_service_server::ArchiveService},
};
use crate::{
    domain::topic,
    ops::{Ops, archive, watch::Cursors},
};

pub(super) struct Archive(pub(super) Ops);

#[tonic::async_trait]
impl ArchiveService for Archive {
    type StreamMessagesStream = Answers<v1::StreamMessagesResponse>;
    type DownloadMessageStream = Answers<v1::DownloadMessageResponse>;
    type DownloadAttachmentStream = Answers<v1::DownloadAttachmentResponse>;

    async fn list_messages(&self, request: Request<v1::ListMessagesRequest>) -> Result<Response<v1::ListMessagesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let page = async {
            let wanted = request.filter.unwrap_or_default();
            let pages = Pages::new(&self.0, "ListMessages", &call.caller().tenant, &wanted);
            let after = pages.open(&request.page_token)?;
            let filter = convert::archive::filter(&wanted)?;
            let page = archive::list(&self.0, call.caller(), &filter, after, request.page_size).await?;
            Ok(v1::ListMessagesResponse {
                messages: page.items.into_iter().map(message).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn search_messages(&self, request: Request<v1::SearchMessagesRequest>) -> Result<Response<v1::SearchMessagesResponse>, Status> {
        let (call, mut request) = Call::of(request)?;
        let page = async {
            let token = std::mem::take(&mut request.page_token);
            let page_size = std::mem::take(&mut request.page_size);
            let filter = convert::archive::filter(request.filter.get_or_insert_default())?;
            let pages = Pages::new(&self.0, "SearchMessages", &call.caller().tenant, &request);
            let after = pages.open(&token)?;
            let search = archive::Search {
                query: &request.query,
                filter: &filter,
            };
            let page = archive::search(&self.0, call.caller(), search, after, page_size).await?;
            Ok(v1::SearchMessagesResponse {
                messages: page.items.into_iter().map(message).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn get_message(&self, request: Request<v1::GetMessageRequest>) -> Result<Response<v1::Message>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("name", &request.name)?;
            match v1::MessageView::try_from(request.view) {
                Ok(v1::MessageView::Unspecified | v1::MessageView::Basic) => archive::get(&self.0, call.caller(), &id).await.map(message),
                Ok(v1::MessageView::Full) => {
                    let (found, parts) = archive::get_content(&self.0, call.caller(), &id).await?;
                    Ok(v1::Message {
                        content: Some(content(parts)),
                        ..message(found)
                    })
                }
                Err(_) => Err(unknown_value("view")),
            }
        };
        call.answer(found.await)
    }

    async fn stream_messages(&self, request: Request<v1::StreamMessagesRequest>) -> Result<Response<Self::StreamMessagesStream>, Status> {
        let (call, request) = Call::of(request)?;
        let opened = async {
            let filter = convert::archive::filter(&request.filter.unwrap_or_default())?;
            let cursors = Cursors::new(&self.0, &topic::MESSAGES, &call.caller().tenant);
            let messages = archive::stream(&self.0, call.caller(), &cursors, &request.cursor, filter).await?;
            let active = self.0.metrics.stream_opened(topic::MESSAGES.method);
            Ok(watch(call.clone(), active, cursors, messages, |cursor, entry| {
                v1::StreamMessagesResponse {
                    cursor,
                    message: entry.map(message),
                }
            }))
        };
        call.answer(opened.await)
    }

    async fn download_message(
        &self,
        request: Request<v1::DownloadMessageRequest>,
    ) -> Result<Response<Self::DownloadMessageStream>, Status> {
        let (call, request) = Call::of(request)?;
        let opened = async {
            let id = convert::id("name", &request.name)?;
            let bytes = archive::download(&self.0, call.caller(), &id, request.offset_bytes).await?;
            Ok(download(call.clone(), bytes))
        };
        call.answer(opened.await)
    }

    async fn download_attachment(
        &self,
        request: Request<v1::DownloadAttachmentRequest>,
    ) -> Result<Response<Self::DownloadAttachmentStream>, Status> {
        let (call, request) = Call::of(request)?;
        let opened = async {
            let id = convert::id("name", &request.name)?;
            let bytes = archive::download_attachment(&self.0, call.caller(), &id, request.index, request.offset_bytes).await?;
            Ok(download(call.clone(), bytes))
        };
        call.answer(opened.await)
    }

    async fn get_archive_statistics(
        &self,
        request: Request<v1::GetArchiveStatisticsRequest>,
    ) -> Result<Response<v1::ArchiveStatistics>, Status> {
        let (call, _) = Call::of(request)?;
        call.answer(archive::statistics(&self.0, call.caller()).await.map(statistics))
    }
}
