//! The requests and answers of Propusk's own API, `/propusk/v1/…`, as server and SDK both read them:
//! types and their JSON, and no rule. Members that a reader does not know are skipped; times are
//! whole seconds, since 1970 where they name a moment.

#![warn(missing_docs)]

mod account;
mod problem;
mod provider;
mod secret;
mod session;

pub use account::{
    Account, ActivateRequest, Activation, ChangePasswordRequest, ConfirmResetRequest,
    DeleteAccountRequest, EmailRequest, RegisterRequest, RegisterResponse, RequestResetRequest,
    UpdateAccountRequest,
};
pub use problem::{FieldCode, Problem, ProblemCode};
pub use provider::{
    CompleteSignInRequest, IdentitiesResponse, Identity, LinkRequest, Provider, ProvidersResponse,
    StartSignInRequest, StartSignInResponse, UnlinkRequest,
};
pub use secret::Secret;
pub use session::{
    EndSessionsRequest, RefreshRequest, Session, SessionsResponse, SignInRequest, TokenResponse,
};
