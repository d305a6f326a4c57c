//! Page tokens: where a list continues, sealed for its method and tenant, and for the filter of the request.

use aws_lc_rs::digest;
use prost::Message;

use crate::{
    crypto::BoundSealer,
    domain::{MessageAfter, Result, TenantId},
    ops::{Ops, page_token_invalid},
};

/// Bytes of a token that identify the filter.
const FILTER_LEN: usize = 16;

/// Creates and opens the page tokens of one list.
pub(super) struct Pages {
    sealer: BoundSealer,
    filter: [u8; FILTER_LEN],
}

/// The last entry of a page, by the sort key of the list.
pub(super) trait PageKey: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: Vec<u8>) -> Option<Self>;
}

impl Pages {
    /// `filter` is the request without its page size and page token.
    pub(super) fn new(ops: &Ops, method: &str, tenant: &TenantId, filter: &impl Message) -> Self {
        Self::with(ops.sealer.bind(method, tenant), filter)
    }

    fn with(sealer: BoundSealer, filter: &impl Message) -> Self {
        let hash = digest::digest(&digest::SHA256, &filter.encode_to_vec());
        let filter = *hash.as_ref().first_chunk().expect("the hash has 32 bytes");
        Self { sealer, filter }
    }

    /// Where the page begins; `None` for the first one.
    ///
    /// # Errors
    /// PAGE_TOKEN_INVALID.
    pub(super) fn open<K: PageKey>(&self, token: &str) -> Result<Option<K>> {
        if token.is_empty() {
            return Ok(None);
        }
        let mut payload = self.sealer.open(token).map_err(|error| page_token_invalid().because(error))?;
        if !payload.starts_with(&self.filter) {
            return Err(page_token_invalid());
        }
        payload.drain(..FILTER_LEN);
        K::from_bytes(payload).map(Some).ok_or_else(page_token_invalid)
    }

    /// The token of the page after this entry. Empty when there is none.
    pub(super) fn next<K: PageKey>(&self, last: Option<K>) -> String {
        last.map_or_else(String::new, |last| {
            let mut payload = self.filter.to_vec();
            payload.extend(last.to_bytes());
            self.sealer.seal(&payload)
        })
    }
}

/// A record's id.
impl PageKey for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Self::from_utf8(bytes).ok()
    }
}

impl PageKey for MessageAfter {
    fn to_bytes(&self) -> Vec<u8> {
        [self.sent.to_be_bytes(), self.number.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let (sent, number) = bytes.split_first_chunk()?;
        Some(Self {
            sent: i64::from_be_bytes(*sent),
            number: i64::from_be_bytes(number.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::v1::NoteFilter,
        crypto::{MasterKey, Sealer},
        domain::Reason,
    };

    fn pages(method: &str, tenant: &str, case: &str) -> Pages {
        let filter = NoteFilter {
            case: case.to_owned(),
            agent: String::new(),
        };
        Pages::with(
            Sealer::new(&MasterKey::from_bytes([1; 32]).first_sealing_key()).bind(method, &tenant.into()),
            &filter,
        )
    }

    #[test]
    fn tokens_open_for_the_same_list_only() {
        let here = pages("ListNotes", "acme", "cases/7");
        let token = here.next(Some("01J".to_owned()));
        assert_eq!(here.open::<String>(&token).unwrap().as_deref(), Some("01J"));
        let others = [
            pages("ListNotes", "acme", "cases/8"),
            pages("ListNotes", "other", "cases/7"),
            pages("ListOutcomes", "acme", "cases/7"),
        ];
        for other in others {
            assert_eq!(other.open::<String>(&token).unwrap_err().reason, Reason::PageTokenInvalid);
        }
        assert_eq!(here.open::<String>("rubbish").unwrap_err().reason, Reason::PageTokenInvalid);
        assert_eq!(here.open::<String>("").unwrap(), None);
        assert_eq!(here.next::<String>(None), "");
    }

    #[test]
    fn keys_are_read_back() {
        let pages = pages("ListMessages", "acme", "");
        let after = MessageAfter {
            sent: -7,
            number: i64::MAX,
        };
        let token = pages.next(Some(after));
        assert_eq!(pages.open(&token).unwrap(), Some(after));
        let short = pages.next(Some("seven".to_owned()));
        assert_eq!(pages.open::<MessageAfter>(&short).unwrap_err().reason, Reason::PageTokenInvalid);
    }
}
