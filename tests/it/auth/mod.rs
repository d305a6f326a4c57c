//! Who may call what.
//!
//! | file | holds |
//! |---|---|
//! | `rows` | for every method: what it needs, and what it tells other tenants. A new method needs a row there |
//! | `tokens` | tokens of the local issuer |
//! | `walk` | every method called by who may not |

mod rows;
mod tokens;
mod walk;
