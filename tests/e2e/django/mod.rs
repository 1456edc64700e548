//! What the Django libraries answer and accept: the recorded answers are replayed here, and the real
//! stacks, which other tests use as peers, are checked.

mod peers;
mod replay;
mod resource_servers;
