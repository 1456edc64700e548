//! Providers that answer badly, slowly, never, or from where no answer may be had.
