//! Settings of providers, and applications on the command line.
