//! Which account a provider's word opens, and what is kept of it.
