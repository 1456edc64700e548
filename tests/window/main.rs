//! The demo's window, driven as a person drives it: each API's full round, each trouble, sign-in with
//! a provider by deep links, results, other servers, keys, both themes, three languages, and a narrow window. The
//! window is the real one; the server is the embedded one, or one of the tests where the app itself must
//! end and start.

mod keyboard;
mod links;
mod look;
mod mouse;
mod page;
mod results;
mod rounds;
mod servers;
mod troubles;
