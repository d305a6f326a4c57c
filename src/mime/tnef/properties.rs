//! Lists of MAPI properties within TNEF ([MS-OXTNEF] 2.1.3.4).

/// Its bit in a type says that there are several values.
const MULTIPLE: u16 = 0x1000;
/// The set of named properties of appointments, {00062002-0000-0000-C000-000000000046}, by its first bytes.
const APPOINTMENT: [u8; 4] = [0x02, 0x20, 0x06, 0x00];

/// What a property is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// One with a number of its own ([MS-OXPROPS]).
    Known(u16),
    /// One of appointments: its number among them.
    Appointment(u32),
    /// Another one.
    Other,
}

/// How the value of a property is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In the code page of the message, with a zero at its end.
    Narrow,
    /// In UTF-16, likewise.
    Wide,
    /// In bytes.
    Binary,
    /// An object: an id of its kind, then its bytes.
    Object,
    /// A number, or another value of a fixed size.
    Fixed,
}

/// A property with its first value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property<'a> {
    pub tag: Tag,
    pub form: Form,
    pub value: &'a [u8],
}

impl Property<'_> {
    /// Its value as a number.
    pub fn number(&self) -> u64 {
        let bytes = self.value.iter().take(8).rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Reads values of TNEF, whose numbers begin with the lowest byte.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next bytes.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Bytes behind their number, and what fills them up to a multiple of four.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let value = self.take(length)?;
        // The last one of a list may lack what fills it up.
        let fill = (length.next_multiple_of(4) - length).min(self.0.len());
        self.take(fill)?;
        Some(value)
    }

    /// The next property.
    fn property(&mut self) -> Option<Property<'a>> {
        let kind = self.u16()?;
        let id = self.u16()?;
        let tag = if id < 0x8000 { Tag::Known(id) } else { self.named()? };
        let several = kind & MULTIPLE != 0;
        let (form, size) = match kind & !MULTIPLE {
            0x02 | 0x03 | 0x04 | 0x0A | 0x0B => (Form::Fixed, 4),
            0x05 | 0x06 | 0x07 | 0x14 | 0x40 => (Form::Fixed, 8),
            0x48 => (Form::Fixed, 16),
            0x01 => (Form::Fixed, 0),
            0x1E => (Form::Narrow, 0),
            0x1F => (Form::Wide, 0),
            0x0D => (Form::Object, 0),
            0x102 => (Form::Binary, 0),
            // Its length is not known, so nothing after it can be read.
            _ => return None,
        };
        let count = if several || form != Form::Fixed { self.u32()? } else { 1 };
        let mut value: &[u8] = &[];
        for index in 0..count {
            if form == Form::Fixed && size == 0 {
                break;
            }
            let next = if form == Form::Fixed { self.take(size)? } else { self.counted()? };
            if index == 0 {
                value = next;
            }
        }
        Some(Property { tag, form, value })
    }

    fn named(&mut self) -> Option<Tag> {
        let set = self.take(16)?;
        match self.u32()? {
            0 => {
                let id = self.u32()?;
                Some(if set.starts_with(&APPOINTMENT) {
                    Tag::Appointment(id)
                } else {
                    Tag::Other
                })
            }
            _ => self.counted().map(|_| Tag::Other),
        }
    }
}

/// The properties of a list, up to the first that cannot be read.
pub(super) struct Properties<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: u32,
    /// Whether one could not be read.
    pub broken: bool,
}

impl<'r, 'a> Properties<'r, 'a> {
    /// The list that comes next.
    pub fn next_of(reader: &'r mut Reader<'a>) -> Self {
        let left = reader.u32().unwrap_or_default();
        Self {
            reader,
            left,
            broken: false,
        }
    }
}

impl<'a> Iterator for Properties<'_, 'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        self.left = self.left.checked_sub(1)?;
        let property = self.reader.property();
        if property.is_none() {
            self.left = 0;
            self.broken = true;
        }
        property
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_up_to_what_is_broken() {
        let list = [
            &[3, 0, 0, 0][..],
            // A truth value, with two bytes that fill it up.
            &[0x0B, 0, 0xFE, 0x7F, 1, 0, 0, 0],
            // Two wide texts under a name.
            &[0x1F, 0x10, 0x05, 0x80],
            &[0x02, 0x20, 0x06, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46],
            &[0, 0, 0, 0, 0x08, 0x82, 0, 0],
            &[2, 0, 0, 0, 4, 0, 0, 0, b'x', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
            // A kind that nobody knows.
            &[0x77, 0, 1, 0],
        ]
        .concat();
        let mut reader = Reader(&list);
        let mut properties = Properties::next_of(&mut reader);
        let found: Vec<_> = properties
            .by_ref()
            .map(|property| (property.tag, property.form, property.value))
            .collect();
        assert_eq!(
            found,
            [
                (Tag::Known(0x7FFE), Form::Fixed, &[1, 0, 0, 0][..]),
                (Tag::Appointment(0x8208), Form::Wide, &[b'x', 0, 0, 0]),
            ]
        );
        assert!(properties.broken);
        for length in 0..list.len() {
            let mut reader = Reader(&list[..length]);
            assert!(Properties::next_of(&mut reader).count() <= 2);
        }
    }
}
