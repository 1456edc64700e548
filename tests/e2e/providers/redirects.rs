//! Where a browser is sent, and where never.
