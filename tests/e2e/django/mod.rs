//! What the Django libraries answer and accept: the replay of the recorded answers, and checks of
//! the real stacks that other tests use as peers.

mod direct;
mod export;
mod peers;
mod propusk_django;
mod replay;
mod resource_servers;
mod reverse;
mod versions;
