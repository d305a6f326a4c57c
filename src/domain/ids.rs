//! Ids as types, so that the compiler finds an id that is passed where that of something else is meant.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The id of a resource of the API, whose name is `{collection}/{id}`.
pub trait ResourceId: AsRef<str> + for<'a> From<&'a str> {
    /// What names of these resources begin with.
    const COLLECTION: &'static str;
}

/// Makes a type for the ids of one kind of thing. It is cheap to clone, and does not become a `&str` by itself.
macro_rules! id {
    ($(#[doc = $doc:expr])* $id:ident $(in $collection:literal)?) => {
        $(#[doc = $doc])*
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $id(Arc<str>);

        impl $id {
            /// The id alone, as it is stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            $(
                /// The name of the resource in the API.
                pub fn name(&self) -> String {
                    format!(concat!($collection, "/{}"), self.0)
                }
            )?
        }

        $(
            impl ResourceId for $id {
                const COLLECTION: &'static str = $collection;
            }
        )?

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $id {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        impl From<&str> for $id {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.as_str().to_owned()
            }
        }

        impl PartialEq<str> for $id {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $id {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl PartialEq<$id> for &str {
            fn eq(&self, other: &$id) -> bool {
                *self == other.as_str()
            }
        }
    };
}

id! {
    /// A tenant: one customer of the operator, with a CRM of its own. The caller's token names it; its shape is that of
    /// [`super::is_id`]. The API has no resource for it.
    TenantId
}

id! {
    /// An agent: a mailbox that is read, and what it is sent through. A ULID, named `agents/{agent}`.
    AgentId in "agents"
}

id! {
    /// A user: somebody with a login in the CRM, whose id it is. Named `users/{user}`.
    UserId in "users"
}

id! {
    /// A customer: a company in the CRM, whose id it is. Named `customers/{customer}`.
    CustomerId in "customers"
}

id! {
    /// A contact: a person at a customer. The CRM's id, or a ULID if the service created it. Named `contacts/{contact}`.
    ContactId in "contacts"
}

id! {
    /// A case: a ticket in the CRM, whose id it is. Named `cases/{case}`.
    CaseId in "cases"
}

id! {
    /// A maintenance account: a login that opens the mailboxes of many agents. A ULID, named `maintenanceAccounts/{maintenance_account}`.
    MaintenanceAccountId in "maintenanceAccounts"
}

id! {
    /// A note: an entry on a case, made from a message. A ULID, named `notes/{note}`.
    NoteId in "notes"
}

id! {
    /// An outcome: what was decided about a message in a mailbox. A ULID, named `outcomes/{outcome}`.
    OutcomeId in "outcomes"
}

id! {
    /// An archived message. A ULID, named `messages/{message}`; what its sender wrote into the header `Message-ID` is something else.
    MessageId in "messages"
}
