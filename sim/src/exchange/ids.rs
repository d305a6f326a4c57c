//! Opaque identifiers: items, folders, change keys, sync states, subscriptions.
//!
//! Each is a few integers with a keyed check value, in base64. So the server needs no table to resolve one, and foreign or damaged ones
//! are told from its own. Ids are case-sensitive and as long as Exchange's.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::xml::Xml;

/// What an identifier stands for; its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Item = 1,
    Folder = 2,
    ChangeKey = 3,
    SyncState = 4,
    Subscription = 5,
    Origin = 6,
    Occurrence = 7,
}

impl Kind {
    /// Numbers without meaning that follow, to reach the length of the real ones.
    fn padding(self) -> u64 {
        match self {
            Self::Item | Self::Origin => 11,
            Self::Occurrence => 10,
            Self::Folder => 8,
            Self::Subscription => 2,
            Self::ChangeKey | Self::SyncState => 0,
        }
    }
}

/// Makes and reads the identifiers of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    seed: u64,
}

/// Place of an item in a folder that is listed newest first: time received in microseconds, then serial number.
pub(super) type Place = (i64, u64);

/// How far a client has read a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyncState {
    pub(super) mailbox: u32,
    pub(super) folder: u32,
    /// Raised when the server forgets all states of a mailbox.
    pub(super) epoch: u32,
    /// Position in the folder's change log that comes next.
    pub(super) position: u64,
    /// While the initial listing lasts: the last item given out, and `position` is where the log stood when the listing began.
    pub(super) after: Option<Place>,
}

/// An id with its change key, as EWS gives it out.
#[derive(Debug)]
pub(super) struct KeyedId {
    id: String,
    change_key: String,
}

impl KeyedId {
    /// Writes it as an element without content.
    pub(super) fn write(&self, xml: &mut Xml, element: &str) {
        xml.empty(element, &[("Id", &self.id), ("ChangeKey", &self.change_key)]);
    }
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    pub(super) fn item(self, mailbox: u32, serial: u64) -> String {
        self.write(Kind::Item, &[u64::from(mailbox), serial])
    }

    pub(super) fn read_item(self, text: &str) -> Option<(u32, u64)> {
        let [mailbox, serial] = self.read(Kind::Item, text)?;
        Some((u32::try_from(mailbox).ok()?, serial))
    }

    /// The id of an item by what its serial was first, which stays through all moves.
    pub(super) fn origin(self, mailbox: u32, origin: u64) -> String {
        self.write(Kind::Origin, &[u64::from(mailbox), origin])
    }

    pub(super) fn read_origin(self, text: &str) -> Option<(u32, u64)> {
        let [mailbox, origin] = self.read(Kind::Origin, text)?;
        Some((u32::try_from(mailbox).ok()?, origin))
    }

    /// The id of an occurrence of a series, by its number.
    pub(super) fn occurrence(self, mailbox: u32, serial: u64, index: u32) -> String {
        self.write(Kind::Occurrence, &[u64::from(mailbox), serial, u64::from(index)])
    }

    pub(super) fn read_occurrence(self, text: &str) -> Option<(u32, u64, u32)> {
        let [mailbox, serial, index] = self.read(Kind::Occurrence, text)?;
        Some((u32::try_from(mailbox).ok()?, serial, u32::try_from(index).ok()?))
    }

    pub(super) fn folder(self, mailbox: u32, folder: u32) -> String {
        self.write(Kind::Folder, &[u64::from(mailbox), u64::from(folder)])
    }

    pub(super) fn read_folder(self, text: &str) -> Option<(u32, u32)> {
        let [mailbox, folder] = self.read(Kind::Folder, text)?;
        Some((u32::try_from(mailbox).ok()?, u32::try_from(folder).ok()?))
    }

    /// The id of an item with the change key of its version.
    pub(super) fn keyed_item(self, mailbox: u32, serial: u64, version: u64) -> KeyedId {
        self.with_key(self.item(mailbox, serial), version)
    }

    /// An id of any kind with the change key of a version.
    pub(super) fn with_key(self, id: String, version: u64) -> KeyedId {
        let change_key = self.change_key(version);
        KeyedId { id, change_key }
    }

    pub(super) fn change_key(self, version: u64) -> String {
        self.write(Kind::ChangeKey, &[version])
    }

    pub(super) fn read_change_key(self, text: &str) -> Option<u64> {
        self.read(Kind::ChangeKey, text).map(|[version]| version)
    }

    pub(super) fn subscription(self, mailbox: u32, number: u64) -> String {
        self.write(Kind::Subscription, &[u64::from(mailbox), number])
    }

    pub(super) fn read_subscription(self, text: &str) -> Option<(u32, u64)> {
        let [mailbox, number] = self.read(Kind::Subscription, text)?;
        Some((u32::try_from(mailbox).ok()?, number))
    }

    pub(super) fn sync_state(self, state: SyncState) -> String {
        let (listing, (received, serial)) = (u64::from(state.after.is_some()), state.after.unwrap_or_default());
        let numbers = [
            u64::from(state.mailbox),
            u64::from(state.folder),
            u64::from(state.epoch),
            state.position,
            listing,
            received.cast_unsigned(),
            serial,
        ];
        self.write(Kind::SyncState, &numbers)
    }

    pub(super) fn read_sync_state(self, text: &str) -> Option<SyncState> {
        let [mailbox, folder, epoch, position, listing, received, serial] = self.read(Kind::SyncState, text)?;
        Some(SyncState {
            mailbox: u32::try_from(mailbox).ok()?,
            folder: u32::try_from(folder).ok()?,
            epoch: u32::try_from(epoch).ok()?,
            position,
            after: (listing == 1).then_some((received.cast_signed(), serial)),
        })
    }

    fn write(self, kind: Kind, numbers: &[u64]) -> String {
        let mut bytes = vec![kind as u8];
        for number in numbers {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let check = mix(self.seed, &bytes);
        bytes.extend_from_slice(&check.to_be_bytes());
        for n in 0..kind.padding() {
            bytes.extend_from_slice(&scramble(check.wrapping_add(n)).to_be_bytes());
        }
        STANDARD.encode(bytes)
    }

    fn read<const N: usize>(self, kind: Kind, text: &str) -> Option<[u64; N]> {
        let bytes = STANDARD.decode(text).ok()?;
        let mut words = bytes.get(1..)?.chunks_exact(8);
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = u64::from_be_bytes(words.next()?.try_into().ok()?);
        }
        (self.write(kind, &numbers) == text).then_some(numbers)
    }
}

/// A keyed 64-bit digest: FNV-1a, scrambled. Not against attackers.
pub(crate) fn mix(seed: u64, bytes: &[u8]) -> u64 {
    let folded = bytes.iter().fold(0xcbf2_9ce4_8422_2325 ^ scramble(seed), |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    scramble(folded)
}

/// The finaliser of splitmix64.
fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_come_back_as_they_were() {
        let ids = Ids::new(7);
        assert_eq!(ids.read_item(&ids.item(3, 99)), Some((3, 99)));
        assert_eq!(ids.read_folder(&ids.folder(3, 2)), Some((3, 2)));
        assert_eq!(ids.read_change_key(&ids.change_key(12)), Some(12));
        for after in [None, Some((-5, 8)), Some((i64::MAX, u64::MAX))] {
            let state = SyncState {
                mailbox: 1,
                folder: 2,
                epoch: 3,
                position: 4,
                after,
            };
            assert_eq!(ids.read_sync_state(&ids.sync_state(state)), Some(state));
        }
    }

    #[test]
    fn foreign_damaged_and_confused_identifiers_are_refused() {
        let ids = Ids::new(7);
        let item = ids.item(3, 99);
        assert_eq!(item.len(), 152, "as long as those of Exchange");
        assert_eq!(Ids::new(8).read_item(&item), None, "of another server");
        assert_eq!(ids.read_folder(&item), None, "of another kind");
        assert_eq!(ids.read_sync_state(&item), None);
        let swapped: String = item
            .chars()
            .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c })
            .collect();
        assert_eq!(ids.read_item(&swapped), None, "case matters");
        for junk in ["", "AAAA", "not base64!", "H4sIAAA="] {
            assert_eq!(ids.read_sync_state(junk), None);
        }
    }
}
