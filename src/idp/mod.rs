//! Providers of identities: those where the owners of mailboxes log in, and those that issue callers' tokens.
//!
//! | module | holds |
//! |---|---|
//! | `oauth` | logins of mailboxes by OAuth 2.0 |
//! | `openid` | the published keys of callers' issuers (OpenID Connect Discovery) |

pub mod oauth;
pub mod openid;
