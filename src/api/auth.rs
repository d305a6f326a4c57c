//! Who may call what.
//!
//! The table has a row for every method, and what has no row is not served. Operations check the same scopes again and, beyond them,
//! what depends on the resource.

use std::{collections::HashMap, sync::LazyLock};

use crate::domain::{
    Scope::{self, AgentRead, AgentUse, AgentWrite, ArchiveRead, DirectoryRead, DirectoryWrite, SweepRead, SweepRun, TenantAdmin},
    topic,
};

/// A method of the port.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// Service and method, such as `mailagent.v1.AgentService/GetAgent`.
    pub(super) name: &'static str,
    /// Whether its response is a stream, which has no time limit.
    pub(super) streams: bool,
    /// Who may call it.
    pub(super) access: Access,
}

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody, without a token.
    Public,
    /// Who has one of these scopes.
    AnyOf(&'static [Scope]),
}

macro_rules! methods {
    (
        public { $($open:literal $open_kind:ident;)* }
        topics { $($topic:ident)* }
        $($service:literal { $($method:literal $kind:ident [$($scope:ident)+];)* })*
    ) => {
        const METHODS: &[Method] = &[
            $(Method { name: $open, streams: methods!(@$open_kind), access: Access::Public },)*
            $(Method { name: topic::$topic.method, streams: true, access: Access::AnyOf(topic::$topic.scopes) },)*
            $($(Method {
                name: concat!("mailagent.v1.", $service, "/", $method),
                streams: methods!(@$kind),
                access: Access::AnyOf(&[$($scope),+]),
            },)*)*
        ];

        const SERVICES: &[&str] = &[$(concat!("mailagent.v1.", $service),)*];
    };
    (@unary) => { false };
    (@stream) => { true };
}

methods! {
    public {
        "grpc.health.v1.Health/Check" unary;
        "grpc.health.v1.Health/Watch" stream;
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo" stream;
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" stream;
    }
    // What follows a log from a cursor: `domain/topic.rs` has their rows.
    topics { MATCHES CHANGES TOKENS MESSAGES }
    "AgentService" {
        "CreateAgent" unary [AgentWrite AgentUse];
        // Owners who may change an agent may also see it.
        "GetAgent" unary [AgentRead AgentWrite AgentUse];
        "ListAgents" unary [AgentRead AgentWrite AgentUse];
        "UpdateAgent" unary [AgentWrite AgentUse];
        "DeleteAgent" unary [AgentWrite AgentUse];
        "CheckAgent" stream [AgentUse AgentWrite];
        "TestAgent" stream [AgentUse AgentWrite];
        "BeginLogin" unary [AgentUse AgentWrite];
        "CompleteLogin" unary [AgentUse AgentWrite];
        "RevokeLogin" unary [AgentUse AgentWrite];
        "BeginAdminConsent" unary [TenantAdmin];
        "ListAdminConsents" unary [TenantAdmin AgentWrite];
        "RevokeAdminConsent" unary [TenantAdmin];
        "GetTriageAllowance" unary [AgentRead AgentWrite AgentUse TenantAdmin];
        "SetDefaultAgent" unary [AgentUse AgentWrite];
        "GetDefaultAgent" unary [AgentRead AgentUse AgentWrite];
        "CreateMaintenanceAccount" unary [AgentWrite];
        "GetMaintenanceAccount" unary [AgentWrite];
        "ListMaintenanceAccounts" unary [AgentWrite];
        "UpdateMaintenanceAccount" unary [AgentWrite];
        "DeleteMaintenanceAccount" unary [AgentWrite];
    }
    "SweepService" {
        "ListOutcomes" unary [SweepRead];
        "GetOutcome" unary [SweepRead];
        "ListNotes" unary [SweepRead];
        "GetNote" unary [SweepRead];
        "DownloadNoteMessage" stream [SweepRead];
        "SweepAgent" stream [SweepRun];
        "CheckCompleteness" stream [SweepRun];
        "BackfillAgent" stream [SweepRun];
    }
    "ArchiveService" {
        "ListMessages" unary [ArchiveRead];
        "SearchMessages" unary [ArchiveRead];
        "GetMessage" unary [ArchiveRead];
        "DownloadMessage" stream [ArchiveRead];
        "DownloadAttachment" stream [ArchiveRead];
        "GetArchiveStatistics" unary [ArchiveRead];
    }
    "DirectoryService" {
        "BatchUpsertUsers" unary [DirectoryWrite];
        "BatchDeleteUsers" unary [DirectoryWrite];
        "GetUser" unary [DirectoryRead];
        "ListUsers" unary [DirectoryRead];
        "BatchUpsertCustomers" unary [DirectoryWrite];
        "BatchDeleteCustomers" unary [DirectoryWrite];
        "GetCustomer" unary [DirectoryRead];
        "ListCustomers" unary [DirectoryRead];
        "BatchUpsertContacts" unary [DirectoryWrite];
        "BatchDeleteContacts" unary [DirectoryWrite];
        "GetContact" unary [DirectoryRead];
        "ListContacts" unary [DirectoryRead];
        "BatchUpsertCases" unary [DirectoryWrite];
        "BatchDeleteCases" unary [DirectoryWrite];
        "GetCase" unary [DirectoryRead];
        "ListCases" unary [DirectoryRead];
    }
    "SettingsService" {
        "GetTenantSettings" unary [TenantAdmin];
        "UpdateTenantSettings" unary [TenantAdmin];
        "AcknowledgeStorageTerms" unary [TenantAdmin];
        "ListAuditEntries" unary [TenantAdmin];
    }
}

/// The product's services, such as `mailagent.v1.AgentService`.
pub(super) fn services() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().copied()
}

/// The method at a path such as `/mailagent.v1.AgentService/GetAgent`.
pub(super) fn method(path: &str) -> Option<&'static Method> {
    static BY_NAME: LazyLock<HashMap<&str, &Method>> = LazyLock::new(|| METHODS.iter().map(|method| (method.name, method)).collect());
    BY_NAME.get(path.strip_prefix('/')?).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::api::DESCRIPTORS;

    #[test]
    fn every_method_has_a_row_and_every_row_a_method() {
        let mut described = BTreeMap::new();
        for file in FileDescriptorSet::decode(DESCRIPTORS).unwrap().file {
            for service in file.service.iter().filter(|_| file.package() == "mailagent.v1") {
                for method in &service.method {
                    assert!(!method.client_streaming(), "guard.rs takes requests for single messages");
                    let name = format!("mailagent.v1.{}/{}", service.name(), method.name());
                    described.insert(name, method.server_streaming());
                }
            }
        }
        let ours = METHODS.iter().filter(|method| method.access != Access::Public);
        let rows: BTreeMap<String, bool> = ours.map(|method| (method.name.to_owned(), method.streams)).collect();
        assert_eq!(rows, described);
        assert_eq!(rows.len(), METHODS.len() - 4, "only health and reflection are public");
        for service in services() {
            assert!(rows.keys().any(|name| name.starts_with(&format!("{service}/"))), "{service}");
        }
    }

    #[test]
    fn what_has_a_cursor_is_a_topic_with_its_row() {
        let file = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
        let ours: Vec<_> = file.iter().filter(|file| file.package() == "mailagent.v1").collect();
        let has_cursor = |message: &str| {
            let name = message.trim_start_matches(".mailagent.v1.");
            let mut messages = ours.iter().flat_map(|file| &file.message_type);
            let found = messages.find(|found| found.name() == name).expect("it is described");
            found.field.iter().any(|field| field.name() == "cursor")
        };
        let mut described = Vec::new();
        for service in ours.iter().flat_map(|file| &file.service) {
            for method in service.method.iter().filter(|method| has_cursor(method.input_type())) {
                assert!(has_cursor(method.output_type()) && method.server_streaming(), "{}", method.name());
                described.push(format!("mailagent.v1.{}/{}", service.name(), method.name()));
            }
        }
        described.sort_unstable();
        let mut topics = topic::TOPICS.map(|topic| topic.method);
        topics.sort_unstable();
        assert_eq!(described, topics);
        for topic in topic::TOPICS {
            let row = method(&format!("/{}", topic.method)).expect("it has a row");
            assert_eq!((row.streams, row.access), (true, Access::AnyOf(topic.scopes)), "{}", topic.method);
        }
    }

    #[test]
    fn only_whole_paths_are_found() {
        assert_eq!(
            method("/mailagent.v1.AgentService/GetAgent").unwrap().access,
            Access::AnyOf(&[AgentRead, AgentWrite, AgentUse])
        );
        for path in [
            "",
            "/",
            "mailagent.v1.AgentService/GetAgent",
            "/mailagent.v1.AgentService/",
            "/mailagent.v1.AgentService/GetAgent/",
            "/mailagent.v1.AgentService/getagent",
            "//mailagent.v1.AgentService/GetAgent",
        ] {
            assert_eq!(method(path), None, "{path}");
        }
    }
}
