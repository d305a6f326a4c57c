//! The folders of a mailbox, and what every mailbox has of them.

/// The folders of a mailbox: those that every mailbox has, and those that somebody made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FolderKind {
    /// Root of everything.
    Root,
    /// Root of what the user sees.
    Top,
    /// Where new mail arrives.
    Inbox,
    /// Copies of what was sent.
    Sent,
    /// Not yet sent.
    Drafts,
    /// Waiting to be sent; always empty here.
    Outbox,
    /// The bin.
    Deleted,
    /// Junk mail.
    Junk,
    /// Appointments.
    Calendar,
    /// One that somebody made; they are counted from 0.
    Made(u32),
}

impl FolderKind {
    pub(super) const ALL: [Self; 9] = [
        Self::Root,
        Self::Top,
        Self::Inbox,
        Self::Sent,
        Self::Drafts,
        Self::Outbox,
        Self::Deleted,
        Self::Junk,
        Self::Calendar,
    ];

    pub(in crate::exchange) fn index(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::Top => 1,
            Self::Inbox => 2,
            Self::Sent => 3,
            Self::Drafts => 4,
            Self::Outbox => 5,
            Self::Deleted => 6,
            Self::Junk => 7,
            Self::Calendar => 8,
            Self::Made(number) => 9 + number,
        }
    }

    pub(super) fn from_index(index: u32) -> Self {
        let known = Self::ALL.get(index as usize).copied();
        known.unwrap_or_else(|| Self::Made(index - 9))
    }

    /// Name of the distinguished folder. `None` for one that somebody made.
    pub(in crate::exchange) fn distinguished(self) -> Option<&'static str> {
        Some(match self {
            Self::Root => "root",
            Self::Top => "msgfolderroot",
            Self::Inbox => "inbox",
            Self::Sent => "sentitems",
            Self::Drafts => "drafts",
            Self::Outbox => "outbox",
            Self::Deleted => "deleteditems",
            Self::Junk => "junkemail",
            Self::Calendar => "calendar",
            Self::Made(_) => return None,
        })
    }

    /// The distinguished folder of that name.
    pub(in crate::exchange) fn by_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.distinguished().is_some_and(|known| known.eq_ignore_ascii_case(name)))
    }

    pub(super) fn usual_name(self) -> &'static str {
        match self {
            Self::Root | Self::Made(_) => "",
            Self::Top => "Top of Information Store",
            Self::Inbox => "Inbox",
            Self::Sent => "Sent Items",
            Self::Drafts => "Drafts",
            Self::Outbox => "Outbox",
            Self::Deleted => "Deleted Items",
            Self::Junk => "Junk Email",
            Self::Calendar => "Calendar",
        }
    }

    pub(super) fn usual_parent(self) -> Option<Self> {
        match self {
            Self::Root => None,
            Self::Top => Some(Self::Root),
            _ => Some(Self::Top),
        }
    }
}
