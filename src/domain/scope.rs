//! What callers may be allowed to do.

use std::fmt;

macro_rules! scopes {
    ($($variant:ident = $name:literal: $meaning:literal,)*) => {
        /// A permission of a caller, as tokens carry it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $(#[doc = concat!("`", $name, "`: ", $meaning)] $variant,)*
        }

        impl Scope {
            /// All of them.
            pub const ALL: &'static [Scope] = &[$(Scope::$variant,)*];

            /// The name in tokens.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Scope::$variant => $name,)*
                }
            }
        }
    };
}

scopes! {
    AgentRead = "agent.read": "view agents; only the caller's own without [`Scope::AgentWrite`].",
    AgentWrite = "agent.write": "create, change and delete the agents of all users.",
    AgentUse = "agent.use": "send and get tokens through agents.",
    ArchiveRead = "archive.read": "search and read archived mail.",
    ArchiveConfigure = "archive.configure": "configure what is archived and for how long.",
    ArchiveExport = "archive.export": "export archived mail.",
    ArchiveAdmin = "archive.admin": "import, hide and verify archived mail.",
    SweepRead = "sweep.read": "view the results of the sweep.",
    SweepRun = "sweep.run": "run, test and replay the sweep.",
    TriageRead = "triage.read": "view mail that is waiting for triage.",
    TriageWrite = "triage.write": "triage mail.",
    CalendarRead = "calendar.read": "view calendars.",
    CalendarWrite = "calendar.write": "change calendars.",
    DirectoryRead = "directory.read": "view customers, cases and their addresses.",
    DirectoryWrite = "directory.write": "change customers, cases and their addresses.",
    TenantAdmin = "tenant.admin": "change the settings of the tenant and erase it.",
}

impl Scope {
    /// The scope with this name; `None` for an unknown one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == name)
    }

    /// The scope whose name is most similar to a misspelt one; `None` when none is similar.
    pub fn nearest(name: &str) -> Option<Self> {
        let distance = |scope: &Self| strsim::damerau_levenshtein(scope.as_str(), name);
        let nearest = Self::ALL.iter().copied().min_by_key(distance)?;
        (distance(&nearest) <= 1 + name.len() / 3).then_some(nearest)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        assert_eq!(Scope::ALL.len(), 16);
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(*scope));
        }
        for unknown in ["", "agent", "agent.read ", "Agent.Read"] {
            assert_eq!(Scope::parse(unknown), None, "{unknown:?}");
        }
        assert_eq!(Scope::nearest("directory.reed"), Some(Scope::DirectoryRead));
        assert_eq!(Scope::nearest("agents.write"), Some(Scope::AgentWrite));
        assert_eq!(Scope::nearest("everything"), None);
    }
}
