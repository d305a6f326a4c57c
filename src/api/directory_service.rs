//! `DirectoryService`.

use tonic::{Request, Response, Status};

use super::{
    call::Call,
    convert::{
        self,
        directory::{case, change, contact, customer, deletions, from_case, from_contact, from_customer, from_user, results, user},
    },
    follow::{Answers, watch},
    page::Pages,
    v1::{self, directory_service_server::DirectoryService},
};
use crate::{
    domain::{Caller, CaseFilter, Result as DomainResult, reference_key, topic},
    ops::{
        Ops,
        directory::{self, RecordKind},
        sweep,
        watch::Cursors,
    },
};

pub(super) struct Directory(pub(super) Ops);

impl Directory {
    async fn delete(&self, caller: &Caller, kind: RecordKind, wanted: Vec<v1::Deletion>) -> DomainResult<Vec<v1::WriteResult>> {
        let names = wanted.iter().map(|deletion| deletion.name.clone()).collect();
        let written = directory::delete(&self.0, caller, kind, deletions(kind, wanted)).await?;
        Ok(results(names, written))
    }
}

#[tonic::async_trait]
impl DirectoryService for Directory {
    type WatchChangesStream = Answers<v1::WatchChangesResponse>;

    async fn batch_upsert_users(
        &self,
        request: Request<v1::BatchUpsertUsersRequest>,
    ) -> Result<Response<v1::BatchUpsertUsersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let names = request.users.iter().map(|user| user.name.clone()).collect();
        let users = request.users.into_iter().map(from_user).collect();
        let written = directory::upsert_users(&self.0, call.caller(), users).await;
        call.answer(written.map(|written| v1::BatchUpsertUsersResponse {
            results: results(names, written),
        }))
    }

    async fn batch_delete_users(
        &self,
        request: Request<v1::BatchDeleteUsersRequest>,
    ) -> Result<Response<v1::BatchDeleteUsersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let results = self.delete(call.caller(), RecordKind::Users, request.users).await;
        call.answer(results.map(|results| v1::BatchDeleteUsersResponse { results }))
    }

    async fn get_user(&self, request: Request<v1::GetUserRequest>) -> Result<Response<v1::User>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("name", &request.name)?;
            directory::get_user(&self.0, call.caller(), &id).await
        };
        call.answer(found.await.map(user))
    }

    async fn list_users(&self, request: Request<v1::ListUsersRequest>) -> Result<Response<v1::ListUsersResponse>, Status> {
        let (call, mut request) = Call::of(request)?;
        let page = async {
            let token = std::mem::take(&mut request.page_token);
            let page_size = std::mem::take(&mut request.page_size);
            let pages = Pages::new(&self.0, "ListUsers", &call.caller().tenant, &request);
            let after: String = pages.open(&token)?.unwrap_or_default();
            let page = directory::list_users(&self.0, call.caller(), &after, page_size).await?;
            Ok(v1::ListUsersResponse {
                users: page.items.into_iter().map(user).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn batch_upsert_customers(
        &self,
        request: Request<v1::BatchUpsertCustomersRequest>,
    ) -> Result<Response<v1::BatchUpsertCustomersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let names = request.customers.iter().map(|customer| customer.name.clone()).collect();
        let customers = request.customers.into_iter().map(from_customer).collect();
        let written = directory::upsert_customers(&self.0, call.caller(), customers).await;
        call.answer(written.map(|written| v1::BatchUpsertCustomersResponse {
            results: results(names, written),
        }))
    }

    async fn batch_delete_customers(
        &self,
        request: Request<v1::BatchDeleteCustomersRequest>,
    ) -> Result<Response<v1::BatchDeleteCustomersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let results = self.delete(call.caller(), RecordKind::Customers, request.customers).await;
        call.answer(results.map(|results| v1::BatchDeleteCustomersResponse { results }))
    }

    async fn get_customer(&self, request: Request<v1::GetCustomerRequest>) -> Result<Response<v1::Customer>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("name", &request.name)?;
            directory::get_customer(&self.0, call.caller(), &id).await
        };
        call.answer(found.await.map(customer))
    }

    async fn list_customers(&self, request: Request<v1::ListCustomersRequest>) -> Result<Response<v1::ListCustomersResponse>, Status> {
        let (call, mut request) = Call::of(request)?;
        let page = async {
            let token = std::mem::take(&mut request.page_token);
            let page_size = std::mem::take(&mut request.page_size);
            let pages = Pages::new(&self.0, "ListCustomers", &call.caller().tenant, &request);
            let after: String = pages.open(&token)?.unwrap_or_default();
            let page = directory::list_customers(&self.0, call.caller(), &after, page_size).await?;
            Ok(v1::ListCustomersResponse {
                customers: page.items.into_iter().map(customer).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn batch_upsert_contacts(
        &self,
        request: Request<v1::BatchUpsertContactsRequest>,
    ) -> Result<Response<v1::BatchUpsertContactsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let names = request.contacts.iter().map(|contact| contact.name.clone()).collect();
        let contacts = request.contacts.into_iter().map(from_contact).collect();
        let written = directory::upsert_contacts(&self.0, call.caller(), contacts).await;
        call.answer(written.map(|written| v1::BatchUpsertContactsResponse {
            results: results(names, written),
        }))
    }

    async fn batch_delete_contacts(
        &self,
        request: Request<v1::BatchDeleteContactsRequest>,
    ) -> Result<Response<v1::BatchDeleteContactsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let results = self.delete(call.caller(), RecordKind::Contacts, request.contacts).await;
        call.answer(results.map(|results| v1::BatchDeleteContactsResponse { results }))
    }

    async fn get_contact(&self, request: Request<v1::GetContactRequest>) -> Result<Response<v1::Contact>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("name", &request.name)?;
            let found = directory::get_contact(&self.0, call.caller(), &id).await?;
            let pending = directory::mail_to_link(&self.0, call.caller(), &found).await?;
            Ok(v1::Contact {
                pending_message_count: Some(i32::try_from(pending).unwrap_or(i32::MAX)),
                ..contact(found)
            })
        };
        call.answer(found.await)
    }

    async fn list_contacts(&self, request: Request<v1::ListContactsRequest>) -> Result<Response<v1::ListContactsResponse>, Status> {
        let (call, mut request) = Call::of(request)?;
        let page = async {
            let token = std::mem::take(&mut request.page_token);
            let page_size = std::mem::take(&mut request.page_size);
            let pages = Pages::new(&self.0, "ListContacts", &call.caller().tenant, &request);
            let after: String = pages.open(&token)?.unwrap_or_default();
            let customer = convert::optional_id("customer", &request.customer)?;
            let page = directory::list_contacts(&self.0, call.caller(), &after, customer.as_ref(), page_size).await?;
            Ok(v1::ListContactsResponse {
                contacts: page.items.into_iter().map(contact).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn batch_upsert_cases(
        &self,
        request: Request<v1::BatchUpsertCasesRequest>,
    ) -> Result<Response<v1::BatchUpsertCasesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let names = request.cases.iter().map(|case| case.name.clone()).collect();
        let cases = request.cases.into_iter().map(from_case).collect();
        let written = directory::upsert_cases(&self.0, call.caller(), cases).await;
        call.answer(written.map(|written| v1::BatchUpsertCasesResponse {
            results: results(names, written),
        }))
    }

    async fn batch_delete_cases(
        &self,
        request: Request<v1::BatchDeleteCasesRequest>,
    ) -> Result<Response<v1::BatchDeleteCasesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let results = self.delete(call.caller(), RecordKind::Cases, request.cases).await;
        call.answer(results.map(|results| v1::BatchDeleteCasesResponse { results }))
    }

    async fn get_case(&self, request: Request<v1::GetCaseRequest>) -> Result<Response<v1::Case>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("name", &request.name)?;
            directory::get_case(&self.0, call.caller(), &id).await
        };
        call.answer(found.await.map(case))
    }

    async fn list_cases(&self, request: Request<v1::ListCasesRequest>) -> Result<Response<v1::ListCasesResponse>, Status> {
        let (call, mut request) = Call::of(request)?;
        let page = async {
            let token = std::mem::take(&mut request.page_token);
            let page_size = std::mem::take(&mut request.page_size);
            let pages = Pages::new(&self.0, "ListCases", &call.caller().tenant, &request);
            let after: String = pages.open(&token)?.unwrap_or_default();
            let filter = CaseFilter {
                customer: convert::optional_id("customer", &request.customer)?,
                reference_key: (!request.reference.is_empty()).then(|| reference_key(&request.reference)),
            };
            let page = directory::list_cases(&self.0, call.caller(), &after, &filter, page_size).await?;
            Ok(v1::ListCasesResponse {
                cases: page.items.into_iter().map(case).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn watch_changes(&self, request: Request<v1::WatchChangesRequest>) -> Result<Response<Self::WatchChangesStream>, Status> {
        let (call, request) = Call::of(request)?;
        let opened = async {
            let cursors = Cursors::new(&self.0, &topic::CHANGES, &call.caller().tenant);
            let changes = sweep::watch_changes(&self.0, call.caller(), cursors.clone(), &request.cursor).await?;
            let active = self.0.metrics.stream_opened(topic::CHANGES.method);
            Ok(watch(call.clone(), active, cursors, changes, |cursor, entry| {
                v1::WatchChangesResponse {
                    cursor,
                    change: entry.map(change),
                }
            }))
        };
        call.answer(opened.await)
    }
}
