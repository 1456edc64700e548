//! What the Django libraries answer and accept: the replay of the recorded answers, the same requests
//! to the libraries and to an API with the settings of a project, and checks of the real stacks that
//! other tests use as peers.

mod direct;
mod export;
mod peers;
mod projects;
mod propusk_django;
mod replay;
mod resource_servers;
mod reverse;
mod versions;
