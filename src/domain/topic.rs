//! The streams that subscribers follow from a cursor: each is defined here and nowhere else.

use super::{
    EventName,
    Scope::{self, AgentRead, AgentUse, AgentWrite, ArchiveRead, DirectoryRead, SweepRead},
};

/// A stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Topic {
    /// Service and method, such as `mailagent.v1.SweepService/WatchMatches`. Metrics have it as their label.
    pub method: &'static str,
    /// Who may follow it: callers with one of these. What they see of it may depend on which.
    pub scopes: &'static [Scope],
    /// The events that it is made from. None: it is made from archived messages.
    pub events: &'static [EventName],
}

/// Notes that were made from messages.
pub const MATCHES: Topic = Topic {
    method: "mailagent.v1.SweepService/WatchMatches",
    scopes: &[SweepRead],
    events: &[EventName::Matched],
};

/// What the service made and the CRM copies.
pub const CHANGES: Topic = Topic {
    method: "mailagent.v1.DirectoryService/WatchChanges",
    scopes: &[DirectoryRead],
    events: &[EventName::Matched, EventName::ContactCreated],
};

/// What happens to logins.
pub const TOKENS: Topic = Topic {
    method: "mailagent.v1.AgentService/WatchTokens",
    scopes: &[AgentRead, AgentUse, AgentWrite],
    events: &[EventName::Token],
};

/// Archived messages.
pub const MESSAGES: Topic = Topic {
    method: "mailagent.v1.ArchiveService/StreamMessages",
    scopes: &[ArchiveRead],
    events: &[],
};

/// All of them.
#[cfg(test)]
pub const TOPICS: [&Topic; 4] = [&MATCHES, &CHANGES, &TOKENS, &MESSAGES];

impl Topic {
    /// What its cursors are sealed for: the method without its service. Changed, it would make the cursors that subscribers have invalid.
    pub fn cursor_purpose(&self) -> &'static str {
        self.method.rsplit_once('/').map_or(self.method, |(_, method)| method)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_stream_has_cursors_of_its_own() {
        let purposes = TOPICS.map(Topic::cursor_purpose);
        assert_eq!(purposes, ["WatchMatches", "WatchChanges", "WatchTokens", "StreamMessages"]);
    }

    #[test]
    fn every_event_is_in_a_stream() {
        let followed: BTreeSet<&str> = TOPICS.iter().flat_map(|topic| topic.events).map(|event| event.as_str()).collect();
        let all: BTreeSet<&str> = EventName::ALL.iter().map(|event| event.as_str()).collect();
        assert_eq!(followed, all);
        assert_eq!(all.len(), EventName::ALL.len(), "each has a name of its own");
    }
}
