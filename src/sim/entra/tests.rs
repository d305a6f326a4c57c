//! Rules of the platform, over HTTP.
