//! Files that are passed over, and why.

use std::{fmt, path::PathBuf};

/// How many of them are kept with their names.
const LISTED: usize = 1_000;

/// A file that no message was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The file, or a link or a folder.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
}

/// The files that were passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOverFiles {
    /// Those that the caller named, rather than a folder of them; at most 1,000.
    pub named: Vec<PassedOver>,
    /// Those found in folders, in the order of their names; at most 1,000.
    pub found: Vec<PassedOver>,
    /// How many there are in all.
    pub count: usize,
}

impl PassedOverFiles {
    pub(super) fn add(&mut self, path: PathBuf, reason: Reason, named: Named) {
        self.count += 1;
        let list = match named {
            Named::ByCaller => &mut self.named,
            Named::ByFolder => &mut self.found,
        };
        if list.len() < LISTED {
            list.push(PassedOver { path, reason });
        }
    }
}

/// Who named a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Whoever wants it read.
    ByCaller,
    /// A folder that it is in.
    ByFolder,
}

/// Why a file was passed over. Displayed as half a sentence: what it is, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has no bytes.
    Empty,
    /// A symbolic link inside a folder.
    Link,
    /// A device, a pipe or a socket.
    NoFile,
    /// In a folder too far below the one that was named.
    TooDeep,
    /// In the folder `tmp` of a Maildir.
    Undelivered,
    /// Notes of an operating system about the folder or about another file.
    System,
    /// Its extension is that of other things.
    Extension,
    /// It begins neither like a message nor like an mbox.
    NoMail,
    /// Compressed, or an archive of files.
    Packed,
    /// A message of Outlook in a compound file (`.msg`), or another document of that form.
    OutlookMessage,
    /// A mailbox of Outlook (`.pst`, `.ost`).
    OutlookMailbox,
    /// A folder of Outlook Express (`.dbx`).
    OutlookExpress,
    /// A mailbox in the format mbx of the University of Washington.
    UwMailbox,
    /// A message that Apple Mail stores in several files.
    Partial,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Link => "a link inside a folder is not followed; name what it leads to",
            Self::NoFile => "it is no regular file",
            Self::TooDeep => "it is nested too deeply; name this folder itself",
            Self::Undelivered => "it is still being delivered (tmp of a Maildir)",
            Self::System => "a file of the operating system, without mail",
            Self::Extension => "its extension is not that of mail; rename it if it is a message",
            Self::NoMail => "it begins neither like a message nor like an mbox",
            Self::Packed => "it is compressed; unpack it first",
            Self::OutlookMessage => "Outlook's own format (.msg); convert it to .eml first",
            Self::OutlookMailbox => "Outlook's own format (.pst, .ost); convert it to mbox or .eml first",
            Self::OutlookExpress => "Outlook Express's own format (.dbx); convert it to mbox or .eml first",
            Self::UwMailbox => "the format mbx of UW IMAP; convert it to mbox first",
            Self::Partial => "a part of a message that Apple Mail stores in pieces; export the mailbox from Apple Mail first",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_the_count_is_not() {
        let mut files = PassedOverFiles::default();
        for number in 0..LISTED + 5 {
            files.add(number.to_string().into(), Reason::NoMail, Named::ByFolder);
        }
        files.add("x".into(), Reason::Empty, Named::ByCaller);
        assert_eq!((files.count, files.found.len(), files.named.len()), (LISTED + 6, LISTED, 1));
    }
}
