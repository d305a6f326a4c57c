//! Field masks of updates (AIP-134, AIP-161).

use prost_types::FieldMask;

use crate::domain::Violation;

/// Which fields of a resource an update is about.
pub(super) enum Mask {
    /// There is no mask: the fields that have a value.
    Populated,
    /// `*`: all.
    All,
    /// These paths, with everything below them.
    Paths(Vec<String>),
}

impl Mask {
    /// Reads a mask. `known` are all paths of the resource that may be in one, output-only ones too: naming these changes nothing
    /// (AIP-203). The violations name every path that is not among them; the first one also lists those that are.
    pub(super) fn new(mask: Option<FieldMask>, known: &[&str]) -> (Self, Vec<Violation>) {
        let Some(FieldMask { paths }) = mask.filter(|mask| !mask.paths.is_empty()) else {
            return (Self::Populated, Vec::new());
        };
        if paths.as_slice() == ["*"] {
            return (Self::All, Vec::new());
        }
        let unknown = paths.iter().filter(|path| !known.contains(&path.as_str()));
        let unknown = unknown.enumerate().map(|(index, path)| {
            let mut description = format!("has the unknown path {}.", shown(path));
            if index == 0 {
                description += &format!(" Known paths: {}.", known.join(", "));
            }
            Violation {
                field: "update_mask".to_owned(),
                description,
            }
        });
        let unknown = unknown.collect();
        (Self::Paths(paths), unknown)
    }

    /// Whether the update is about a field. `populated` tells whether its value is other than what an absent field has.
    fn picks(&self, path: &str, populated: bool) -> bool {
        match self {
            Self::Populated => populated,
            Self::All => true,
            Self::Paths(paths) => paths.iter().any(|masked| contains(masked, path)),
        }
    }

    /// The value to set a field to, if the update is about it.
    pub(super) fn pick<T>(&self, path: &str, value: T, populated: bool) -> Option<T> {
        self.picks(path, populated).then_some(value)
    }

    /// The violation of an update that changes nothing: it would be answered with OK, and whoever wanted to turn something off would believe
    /// that it was done. `picked` tells whether there is any field that it is about. With a mask there always is one, or one that is output-only.
    pub(super) fn missing(&self, picked: bool) -> Option<Violation> {
        let nothing = matches!(self, Self::Populated) && !picked;
        nothing.then(|| Violation {
            field: "update_mask".to_owned(),
            description:
                "is required, as no field has a value: without a mask, false, 0 and empty values count as absent. Name in it the fields to \
                 set, such as \"disabled\"."
                    .to_owned(),
        })
    }

    /// As [`Self::pick`] for a field that callers may not be able to read back, so that writing back what was read keeps it: only its
    /// own path counts, neither `*` nor the message that it is in, unless it has a value.
    pub(super) fn pick_by_name<T>(&self, path: &str, value: T, populated: bool) -> Option<T> {
        let named = matches!(self, Self::Paths(paths) if paths.iter().any(|masked| masked == path));
        if named {
            return Some(value);
        }
        self.pick(path, value, populated).filter(|_| populated)
    }
}

/// Reads the fields of a request one by one, and keeps the paths of those that the update is about.
pub(super) struct Fields<'a> {
    mask: &'a Mask,
    /// Paths of the fields to take over.
    pub(super) picked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(mask: &'a Mask) -> Self {
        Self { mask, picked: Vec::new() }
    }

    /// Reads a field; `populated` as for [`Mask::pick`].
    pub(super) fn value<T>(&mut self, path: &'static str, value: T, populated: bool) -> T {
        if self.mask.picks(path, populated) {
            self.picked.push(path);
        }
        value
    }

    /// Reads a field that callers may not be able to read back, see [`Mask::pick_by_name`].
    pub(super) fn hidden<T: Default>(&mut self, path: &'static str, value: Option<T>) -> T {
        if self.mask.pick_by_name(path, (), value.is_some()).is_some() {
            self.picked.push(path);
        }
        value.unwrap_or_default()
    }

    /// Reads a text.
    pub(super) fn text(&mut self, path: &'static str, value: String) -> String {
        let populated = !value.is_empty();
        self.value(path, value, populated)
    }

    /// Reads a switch.
    pub(super) fn on(&mut self, path: &'static str, value: bool) -> bool {
        self.value(path, value, value)
    }

    /// Reads a list.
    pub(super) fn list<T>(&mut self, path: &'static str, value: Vec<T>) -> Vec<T> {
        let populated = !value.is_empty();
        self.value(path, value, populated)
    }
}

/// Whether a path of a mask means this field.
fn contains(masked: &str, path: &str) -> bool {
    path.strip_prefix(masked)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Enough of a path to recognise it. What cannot be a path may be anything, including secrets.
fn shown(path: &str) -> String {
    if path.chars().all(|c| c.is_ascii_alphanumeric() || "_.*".contains(c)) {
        format!("{:?}", path.chars().take(64).collect::<String>())
    } else {
        "(not shown, as it has characters that no path has)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["name", "box", "box.lid", "box.lock", "boxer"];

    fn mask(paths: &[&str]) -> (Mask, Vec<Violation>) {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Mask::new(Some(FieldMask { paths }), KNOWN)
    }

    #[test]
    fn paths_choose_fields() {
        let check = |mask: &Mask, path: &str, populated: bool, wanted: bool| {
            assert_eq!(mask.pick(path, (), populated).is_some(), wanted, "{path}");
        };
        let none = Mask::new(None, KNOWN).0;
        check(&none, "name", true, true);
        check(&none, "name", false, false);
        let all = mask(&["*"]).0;
        check(&all, "box.lid", false, true);
        let (some, wrong) = mask(&["box", "name"]);
        assert!(wrong.is_empty());
        check(&some, "box.lid", false, true);
        check(&some, "name", false, true);
        check(&some, "boxer", true, false);
        let inner = mask(&["box.lid"]).0;
        check(&inner, "box.lid", false, true);
        check(&inner, "box.lock", true, false);
    }

    #[test]
    fn what_cannot_be_read_back_is_only_erased_by_its_own_path() {
        let check = |mask: &Mask, populated: bool, wanted: bool| {
            assert_eq!(mask.pick_by_name("box.lock", (), populated).is_some(), wanted);
        };
        for mask in [mask(&["*"]).0, mask(&["box"]).0, Mask::Populated] {
            check(&mask, false, false);
            check(&mask, true, true);
        }
        check(&mask(&["box.lock"]).0, false, true);
        check(&mask(&["box.lid"]).0, true, false);
    }

    #[test]
    fn an_update_is_about_something() {
        let none = || Mask::new(None, KNOWN).0;
        assert_eq!(none().missing(true), None);
        assert_eq!(none().missing(false).unwrap().field, "update_mask");
        assert!(Mask::new(Some(FieldMask::default()), KNOWN).0.missing(false).is_some());
        for mask in [Mask::All, mask(&["name"]).0] {
            assert_eq!(mask.missing(false), None);
        }
    }

    #[test]
    fn every_unknown_path_is_named() {
        let (_, wrong) = mask(&["name", "colour", "box.bottom", "*"]);
        let descriptions: Vec<&str> = wrong.iter().map(|wrong| wrong.description.as_str()).collect();
        assert_eq!(descriptions.len(), 3);
        assert!(
            descriptions[0].contains("\"colour\"") && descriptions[0].contains("box.lock"),
            "{descriptions:?}"
        );
        assert!(
            descriptions[1..].iter().all(|text| !text.contains("Known paths")),
            "{descriptions:?}"
        );
        assert!(wrong.iter().all(|wrong| wrong.field == "update_mask"));
    }
}
