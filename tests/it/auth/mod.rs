//! Who may call what.
//!
//! | file | holds |
//! |---|---|
//! | `certificates` | services that show a certificate |
//! | `fake_issuer` | an OpenID issuer that does as it is told |
//! | `issuer` | tokens of that one |
//! | `peer_issuer` | tokens of somebody else's issuer |
//! | `rows` | for every method: what it needs, and what it tells other tenants. A new method needs a row there |
//! | `streams` | streams that outlive the tokens that they were opened with |
//! | `tokens` | tokens of the local issuer |
//! | `walk` | every method called by who may not |

mod certificates;
mod fake_issuer;
mod issuer;
mod peer_issuer;
mod rows;
mod streams;
mod tokens;
mod walk;

use mailagent::testing::config::{self, Config};

/// The settings in a file with this content.
fn settings_of(file: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailagent.toml");
    std::fs::write(&path, file).unwrap();
    config::load(Some(&path), [], &[]).unwrap_or_else(|errors| panic!("{errors}"))
}
