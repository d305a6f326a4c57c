//! What messages are made of.

use std::fmt;

use super::address_key;

/// One mailbox of a header: a display name and an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// Decoded display name, possibly empty.
    pub display_name: String,
    /// The addr-spec. Its domain is in lower case; its local part is as written.
    pub address: String,
}

impl Mailbox {
    /// The mailbox that a server reports, as it reports it. `None` without an address.
    pub fn reported(display_name: String, address: String) -> Option<Self> {
        (!address.is_empty()).then_some(Self { display_name, address })
    }

    /// The form in which addresses are compared: see [`address_key`].
    pub fn key(&self) -> String {
        address_key(&self.address)
    }
}

/// The domain of an address as it is written there: what follows its last `@`.
pub fn domain_of(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
}

/// What kind of automatic mail a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AutomaticKind {
    /// An automatic reply (RFC 3834).
    AutoReply,
    /// A delivery failure, or a message with an empty return path.
    Bounce,
    /// Mailing list or bulk mail.
    List,
    /// A read receipt, delivery report or feedback report.
    Report,
}

impl AutomaticKind {
    /// The name in the database and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AutoReply => "auto_reply",
            Self::Bounce => "bounce",
            Self::List => "list",
            Self::Report => "report",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::AutoReply, Self::Bounce, Self::List, Self::Report]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// Direction of a message, as seen from the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From an external party.
    Incoming,
    /// To an external party.
    Outgoing,
    /// Internal.
    Internal,
}

impl Direction {
    /// The name in the database and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
            Self::Internal => "internal",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Incoming, Self::Outgoing, Self::Internal]
            .into_iter()
            .find(|direction| direction.as_str() == text)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
