//! `AgentService`.

use tonic::{Request, Response, Status};

use super::{
    call::Call,
    convert::{self, agent::agent},
    page::Pages,
    v1::{self, agent_service_server::AgentService},
};
use crate::ops::{Ops, agents};

pub(super) struct Agents(pub(super) Ops);

#[tonic::async_trait]
impl AgentService for Agents {
    async fn create_agent(&self, request: Request<v1::CreateAgentRequest>) -> Result<Response<v1::Agent>, Status> {
        let (call, request) = Call::of(request)?;
        let patch = convert::agent::new_agent(request.agent);
        let created = agents::create(&self.0, call.caller(), patch, &request.request_id).await;
        call.answer(created.map(|view| agent(view, call.caller())))
    }

    async fn get_agent(&self, request: Request<v1::GetAgentRequest>) -> Result<Response<v1::Agent>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("agents", "name", &request.name)?;
            agents::get(&self.0, call.caller(), id).await
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
            let (found, more) = agents::list(&self.0, call.caller(), &filter, &after, request.page_size).await?;
            let last = found.last().filter(|_| more).map(|(agent, _)| agent.id.clone());
            Ok(v1::ListAgentsResponse {
                agents: found.into_iter().map(|view| agent(view, call.caller())).collect(),
                next_page_token: pages.next(last),
            })
        };
        call.answer(page.await)
    }

    async fn update_agent(&self, request: Request<v1::UpdateAgentRequest>) -> Result<Response<v1::Agent>, Status> {
        let (call, request) = Call::of(request)?;
        let changed = async {
            let (id, etag, patch) = convert::agent::changed_agent(request)?;
            agents::update(&self.0, call.caller(), &id, &etag, patch).await
        };
        call.answer(changed.await.map(|view| agent(view, call.caller())))
    }

    async fn delete_agent(&self, request: Request<v1::DeleteAgentRequest>) -> Result<Response<()>, Status> {
        let (call, request) = Call::of(request)?;
        let deleted = async {
            let id = convert::id("agents", "name", &request.name)?;
            agents::delete(&self.0, call.caller(), id, &request.etag).await
        };
        call.answer(deleted.await)
    }
}
