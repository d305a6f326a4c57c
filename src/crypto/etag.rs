//! Etags.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The etag (AIP-154) of a version of a resource: 12 characters of base64url that differ with every version and resource. The same on
/// every replica.
pub fn etag(resource: &str, version: i64) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&version.to_be_bytes());
    context.update(resource.as_bytes());
    URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..9])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differs_with_resource_and_version() {
        let first = etag("agents/01J", 1);
        assert_eq!(first.len(), 12);
        assert_eq!(first, etag("agents/01J", 1));
        assert_ne!(first, etag("agents/01J", 2));
        assert_ne!(first, etag("agents/01K", 1));
    }
}
