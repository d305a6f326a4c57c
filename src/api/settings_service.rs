//! `SettingsService`.

use tonic::{Request, Response, Status};

use super::{
    call::Call,
    convert::settings::{changed_settings, settings as answer},
    v1::{self, settings_service_server::SettingsService},
};
use crate::ops::{Ops, settings};

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
        let changed = async {
            let (etag, patch) = changed_settings(request)?;
            settings::update(&self.0, call.caller(), &etag, patch).await
        };
        call.answer(changed.await.map(answer))
    }

    async fn acknowledge_storage_terms(
        &self,
        request: Request<v1::AcknowledgeStorageTermsRequest>,
    ) -> Result<Response<v1::TenantSettings>, Status> {
        let (call, _) = Call::of(request)?;
        call.answer(settings::acknowledge_storage_terms(&self.0, call.caller()).await.map(answer))
    }
}
