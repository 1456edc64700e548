//! What all APIs use: the context of their handlers, the table of their routes, and the answer to a
//! path that nothing serves.

mod answers;
mod context;
mod not_found;
mod place;
mod route;

pub use self::answers::Answers;
pub use self::context::Context;
pub use self::not_found::{SECURITY_HEADERS, unknown_path};
pub use self::place::{Member, Operation, Place};
pub use self::route::{
    HEAD_LAST, HEAD_SECOND, Route, Shared, allow, mount, not_found_below, slash_forms,
};
