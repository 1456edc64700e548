//! A provider with OpenID Connect, by configuration alone.
