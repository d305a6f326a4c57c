//! Settings by the paths of their fields, as masks and the audit log name them.

/// Lists the fields of a type by their paths, which are those of the proto file, and allows copying single ones.
macro_rules! settings_fields {
    ($type:ty { $($first:ident $(. $rest:ident)*),* $(,)? }) => {
        impl $type {
            /// Paths of all fields, as in the proto file, in alphabetical order.
            pub const FIELDS: &'static [&'static str] = &[$(concat!(stringify!($first) $(, ".", stringify!($rest))*)),*];

            /// Copies the named fields from other settings.
            pub fn take(&mut self, fields: &[&str], from: &Self) {
                $(if fields.contains(&concat!(stringify!($first) $(, ".", stringify!($rest))*)) {
                    self.$first$(.$rest)*.clone_from(&from.$first$(.$rest)*);
                })*
            }
        }
    };
}

pub(super) use settings_fields;
