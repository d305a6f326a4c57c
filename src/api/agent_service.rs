//! `AgentService`.

use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use super::{
    call::Call,
    convert::{
        self, Update,
        agent::{agent, changed_agent},
        maintenance::{account, changed_account, new_account},
    },
    follow::{self, Answers},
    page::Pages,
    v1::{self, agent_service_server::AgentService},
};
use crate::{
    domain::{AgentId, Error, topic},
    ops::{
        Ops, agents,
        check::{self, Check, Extent},
        login, maintenance,
        watch::Cursors,
    },
};

pub(super) struct Agents(pub(super) Ops);

#[tonic::async_trait]
impl AgentService for Agents {
    type CheckAgentStream = Answers<v1::CheckAgentResponse>;
    type TestAgentStream = Answers<v1::TestAgentResponse>;
    type WatchTokensStream = Answers<v1::WatchTokensResponse>;

    async fn create_agent(&self, request: Request<v1::CreateAgentRequest>) -> Result<Response<v1::Agent>, Status> {
        let (call, request) = Call::of(request)?;
        let patch = convert::agent::new_agent(request.agent);
        let created = agents::create(&self.0, call.caller(), patch, &request.request_id).await;
        call.answer(created.map(|view| agent(view, call.caller())))
    }

    async fn get_agent(&self, request: Request<v1::GetAgentRequest>) -> Result<Response<v1::Agent>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("name", &request.name)?;
            agents::get(&self.0, call.caller(), &id).await
        };
        call.answer(found.await.map(|view| agent(view, call.caller())))
    }

    async fn list_agents(&self, request: Request<v1::ListAgentsRequest>) -> Result<Response<v1::ListAgentsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let page = async {
            let wanted = request.filter.unwrap_or_default();
            let pages = Pages::new(&self.0, "ListAgents", &call.caller().tenant, &wanted);
            let after: String = pages.open(&request.page_token)?.unwrap_or_default();
            let filter = convert::agent::filter(&wanted)?;
            let page = agents::list(&self.0, call.caller(), filter, &after, request.page_size).await?;
            Ok(v1::ListAgentsResponse {
                agents: page.items.into_iter().map(|view| agent(view, call.caller())).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn update_agent(&self, request: Request<v1::UpdateAgentRequest>) -> Result<Response<v1::Agent>, Status> {
        let (call, request) = Call::of(request)?;
        let changed = async {
            let Update { id, etag, patch } = changed_agent(request)?;
            agents::update(&self.0, call.caller(), &id, &etag, patch).await
        };
        call.answer(changed.await.map(|view| agent(view, call.caller())))
    }

    async fn delete_agent(&self, request: Request<v1::DeleteAgentRequest>) -> Result<Response<()>, Status> {
        let (call, request) = Call::of(request)?;
        let deleted = async {
            let id = convert::id("name", &request.name)?;
            agents::delete(&self.0, call.caller(), &id, &request.etag).await
        };
        call.answer(deleted.await)
    }

    async fn check_agent(&self, request: Request<v1::CheckAgentRequest>) -> Result<Response<Self::CheckAgentStream>, Status> {
        let (call, request) = Call::of(request)?;
        let prepared = async {
            let id = convert::id("name", &request.name)?;
            check::prepare(&self.0, call.caller(), &id, Extent::Login).await
        };
        let stages = prepared.await.map(|check| stages(call.clone(), self.0.clone(), check));
        call.answer(stages.map(|stages| {
            let answer = |stage| v1::CheckAgentResponse { stage: Some(stage) };
            stages.map(move |stage| stage.map(answer)).boxed()
        }))
    }

    async fn test_agent(&self, request: Request<v1::TestAgentRequest>) -> Result<Response<Self::TestAgentStream>, Status> {
        let (call, request) = Call::of(request)?;
        let prepared = async {
            let id = convert::id("name", &request.name)?;
            check::prepare(&self.0, call.caller(), &id, Extent::TestMessage).await
        };
        call.answer(prepared.await.map(|check| {
            let recipient = check.recipient().to_owned();
            let answer = move |stage| v1::TestAgentResponse {
                stage: Some(stage),
                recipient: recipient.clone(),
            };
            stages(call.clone(), self.0.clone(), check)
                .map(move |stage| stage.map(&answer))
                .boxed()
        }))
    }

    async fn begin_login(&self, request: Request<v1::BeginLoginRequest>) -> Result<Response<v1::BeginLoginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let begun = async {
            let source = convert::login::source(&request.name)?;
            login::begin(&self.0, call.caller(), &source, &request.provider, &request.redirect_url).await
        };
        call.answer(begun.await.map(|begun| v1::BeginLoginResponse {
            authorization_url: begun.url,
            account: begun.account,
            expire_time: convert::time(begun.expires),
        }))
    }

    async fn complete_login(&self, request: Request<v1::CompleteLoginRequest>) -> Result<Response<v1::CompleteLoginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let completed = async {
            let (state, answered) = convert::login::answered(request)?;
            login::complete(&self.0, call.caller(), &state, answered).await
        };
        call.answer(completed.await.map(|view| v1::CompleteLoginResponse {
            name: view.source.to_string(),
            authentication: Some(convert::login::authentication(view)),
        }))
    }

    async fn revoke_login(&self, request: Request<v1::RevokeLoginRequest>) -> Result<Response<v1::RevokeLoginResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let revoked = async {
            let source = convert::login::source(&request.name)?;
            login::revoke(&self.0, call.caller(), &source).await
        };
        call.answer(revoked.await.map(|provider_notified| v1::RevokeLoginResponse { provider_notified }))
    }

    async fn watch_tokens(&self, request: Request<v1::WatchTokensRequest>) -> Result<Response<Self::WatchTokensStream>, Status> {
        let (call, request) = Call::of(request)?;
        let opened = async {
            let filter = convert::login::token_filter(request.filter.unwrap_or_default())?;
            let cursors = Cursors::new(&self.0, &topic::TOKENS, &call.caller().tenant);
            let events = login::notify::watch(&self.0, call.caller(), cursors.clone(), &request.cursor, filter).await?;
            let active = self.0.metrics.stream_opened(topic::TOKENS.method);
            Ok(follow::watch(call.clone(), active, cursors, events, |cursor, entry| {
                v1::WatchTokensResponse {
                    cursor,
                    event: entry.map(convert::login::event),
                }
            }))
        };
        call.answer(opened.await)
    }

    async fn begin_admin_consent(
        &self,
        request: Request<v1::BeginAdminConsentRequest>,
    ) -> Result<Response<v1::BeginAdminConsentResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let begun = login::begin_consent(&self.0, call.caller(), &request.domain, &request.provider).await;
        call.answer(begun.map(|(consent_url, expires)| v1::BeginAdminConsentResponse {
            consent_url,
            expire_time: convert::time(expires),
        }))
    }

    async fn list_admin_consents(
        &self,
        request: Request<v1::ListAdminConsentsRequest>,
    ) -> Result<Response<v1::ListAdminConsentsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let page = async {
            let pages = Pages::new(&self.0, "ListAdminConsents", &call.caller().tenant, &());
            let after: String = pages.open(&request.page_token)?.unwrap_or_default();
            let page = login::list_consents(&self.0, call.caller(), &after, request.page_size).await?;
            Ok(v1::ListAdminConsentsResponse {
                admin_consents: page.items.into_iter().map(convert::login::consent).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn revoke_admin_consent(&self, request: Request<v1::RevokeAdminConsentRequest>) -> Result<Response<()>, Status> {
        let (call, request) = Call::of(request)?;
        let revoked = async {
            let domain = convert::login::consent_domain(&request.name)?;
            login::revoke_consent(&self.0, call.caller(), &domain).await
        };
        call.answer(revoked.await)
    }

    async fn get_triage_allowance(&self, request: Request<v1::GetTriageAllowanceRequest>) -> Result<Response<v1::TriageAllowance>, Status> {
        let (call, _) = Call::of(request)?;
        let count = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
        let allowance = agents::triage_allowance(&self.0, call.caller()).await;
        call.answer(allowance.map(|(total, used)| v1::TriageAllowance {
            name: "triageAllowance".to_owned(),
            total_count: count(total),
            used_count: count(used),
        }))
    }

    async fn set_default_agent(&self, request: Request<v1::SetDefaultAgentRequest>) -> Result<Response<v1::DefaultAgent>, Status> {
        let (call, request) = Call::of(request)?;
        let set = async {
            let wanted = request.default_agent.unwrap_or_default();
            let user = convert::agent::default_agent_user("default_agent.name", &wanted.name)?;
            let agent: Option<AgentId> = convert::optional_id("default_agent.agent", &wanted.agent)?;
            agents::set_default(&self.0, call.caller(), &user, agent.as_ref()).await?;
            Ok(convert::agent::default_agent(&user, agent.as_ref()))
        };
        call.answer(set.await)
    }

    async fn get_default_agent(&self, request: Request<v1::GetDefaultAgentRequest>) -> Result<Response<v1::DefaultAgent>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let user = convert::agent::default_agent_user("name", &request.name)?;
            let agent = agents::default_of(&self.0, call.caller(), &user).await?;
            Ok(convert::agent::default_agent(&user, agent.as_ref()))
        };
        call.answer(found.await)
    }

    async fn create_maintenance_account(
        &self,
        request: Request<v1::CreateMaintenanceAccountRequest>,
    ) -> Result<Response<v1::MaintenanceAccount>, Status> {
        let (call, request) = Call::of(request)?;
        let patch = new_account(request.maintenance_account);
        let created = maintenance::create(&self.0, call.caller(), patch, &request.request_id).await;
        call.answer(created.map(account))
    }

    async fn get_maintenance_account(
        &self,
        request: Request<v1::GetMaintenanceAccountRequest>,
    ) -> Result<Response<v1::MaintenanceAccount>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("name", &request.name)?;
            maintenance::get(&self.0, call.caller(), &id).await
        };
        call.answer(found.await.map(account))
    }

    async fn list_maintenance_accounts(
        &self,
        request: Request<v1::ListMaintenanceAccountsRequest>,
    ) -> Result<Response<v1::ListMaintenanceAccountsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let page = async {
            let pages = Pages::new(&self.0, "ListMaintenanceAccounts", &call.caller().tenant, &());
            let after: String = pages.open(&request.page_token)?.unwrap_or_default();
            let page = maintenance::list(&self.0, call.caller(), &after, request.page_size).await?;
            Ok(v1::ListMaintenanceAccountsResponse {
                maintenance_accounts: page.items.into_iter().map(account).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn update_maintenance_account(
        &self,
        request: Request<v1::UpdateMaintenanceAccountRequest>,
    ) -> Result<Response<v1::MaintenanceAccount>, Status> {
        let (call, request) = Call::of(request)?;
        let changed = async {
            let Update { id, etag, patch } = changed_account(request)?;
            maintenance::update(&self.0, call.caller(), &id, &etag, patch).await
        };
        call.answer(changed.await.map(account))
    }

    async fn delete_maintenance_account(&self, request: Request<v1::DeleteMaintenanceAccountRequest>) -> Result<Response<()>, Status> {
        let (call, request) = Call::of(request)?;
        let deleted = async {
            let id = convert::id("name", &request.name)?;
            maintenance::delete(&self.0, call.caller(), &id, &request.etag).await
        };
        call.answer(deleted.await)
    }
}

/// Runs a check and sends each stage as it ends. A caller who disconnects ends it; so does a shutdown of the service.
fn stages(call: Call, ops: Ops, check: Check) -> impl Stream<Item = Result<v1::CheckStage, Status>> + Send {
    async_stream::stream! {
        let (sender, mut ended) = mpsc::unbounded_channel();
        let mut report = move |stage| {
            // The receiver lives as long as the check.
            let _ = sender.send(stage);
        };
        let run = async { check.run(&ops, &mut report).await };
        tokio::pin!(run);
        let result = loop {
            tokio::select! {
                biased;
                Some(stage) = ended.recv() => yield Ok(convert::check::stage(stage)),
                result = &mut run => break result,
                () = ops.stopping.cancelled() => break Err(Error::shutting_down()),
            }
        };
        while let Ok(stage) = ended.try_recv() {
            yield Ok(convert::check::stage(stage));
        }
        if let Err(error) = result {
            yield Err(call.fail(&error));
        }
    }
}
