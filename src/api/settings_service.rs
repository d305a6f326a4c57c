//! `SettingsService`.

use tonic::{Request, Response, Status};

use super::{
    call::Call,
    convert::{
        self,
        settings::{changed_settings, settings as answer},
    },
    page::Pages,
    v1::{self, settings_service_server::SettingsService},
};
use crate::ops::{Ops, audit, settings};

pub(super) struct Settings(pub(super) Ops);

#[tonic::async_trait]
impl SettingsService for Settings {
    async fn get_tenant_settings(&self, request: Request<v1::GetTenantSettingsRequest>) -> Result<Response<v1::TenantSettings>, Status> {
        let (call, _) = Call::of(request)?;
        call.answer(settings::get(&self.0, call.caller()).await.map(answer))
    }

    async fn update_tenant_settings(
        &self,
        request: Request<v1::UpdateTenantSettingsRequest>,
    ) -> Result<Response<v1::TenantSettings>, Status> {
        let (call, request) = Call::of(request)?;
        let (etag, patch) = changed_settings(request);
        call.answer(settings::update(&self.0, call.caller(), &etag, patch).await.map(answer))
    }

    async fn acknowledge_storage_terms(
        &self,
        request: Request<v1::AcknowledgeStorageTermsRequest>,
    ) -> Result<Response<v1::TenantSettings>, Status> {
        let (call, _) = Call::of(request)?;
        call.answer(settings::acknowledge_storage_terms(&self.0, call.caller()).await.map(answer))
    }

    async fn list_audit_entries(
        &self,
        request: Request<v1::ListAuditEntriesRequest>,
    ) -> Result<Response<v1::ListAuditEntriesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let page = async {
            let wanted = request.filter.unwrap_or_default();
            let pages = Pages::new(&self.0, "ListAuditEntries", &call.caller().tenant, &wanted);
            let before: String = pages.open(&request.page_token)?.unwrap_or_default();
            let filter = convert::audit::filter(wanted)?;
            let page = audit::list(&self.0, call.caller(), &filter, &before, request.page_size).await?;
            Ok(v1::ListAuditEntriesResponse {
                audit_entries: page.items.into_iter().map(convert::audit::entry).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }
}
