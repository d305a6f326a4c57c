//! What a batch's messages lead to. [`super::sweep`] and [`super::archive`] say it; [`mod@super::commit`] writes it, all of it or nothing.

use super::content::Prepared;
use crate::{
    domain::{Contact, Outcome},
    store::{KnownMessage, NewBlob, NewMessage, NewNote},
};

/// Rows to write.
#[derive(Default)]
pub(super) struct Effects {
    pub contacts: Vec<Contact>,
    pub notes: Vec<NewNote>,
    pub outcomes: Vec<Outcome>,
    /// Messages that are kept with a note or an outcome.
    pub blobs: Vec<NewBlob>,
    /// Messages that the archive gets.
    pub messages: Vec<NewMessage>,
    /// Messages that the archive has from other mailboxes, with this agent added.
    pub joined: Vec<KnownMessage>,
    /// Where each message of the batch is in the archive, in their order.
    pub archived: Vec<Archived>,
}

/// Where a message is in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Archived {
    /// Nowhere.
    Not,
    /// It has been there, under this number.
    Known(i64),
    /// It comes there with [`Effects::messages`] at this index, possibly as the copy of one that the batch has as well.
    New(usize),
}

impl Effects {
    /// Keeps a message's bytes. Returns their hash; `None` for a message without bytes.
    pub fn keep(&mut self, message: &Prepared) -> Option<Vec<u8>> {
        let blob = message.blob.clone()?;
        let hash = blob.hash.to_vec();
        if !self.blobs.iter().any(|other| other.hash == blob.hash) {
            self.blobs.push(blob);
        }
        Some(hash)
    }
}
