//! The requests and answers of Propusk's own API, `/propusk/v1/…`, shared by server and SDK: types
//! and their JSON, without rules. Unknown members are ignored. Times are whole seconds; points in
//! time are since 1970.

#![warn(missing_docs)]

mod account;
mod kept;
mod problem;
mod provider;
mod secret;
mod session;

pub use account::{
    Account, ActivateRequest, Activation, ChangePasswordRequest, ConfirmResetRequest,
    DeleteAccountRequest, EmailRequest, RegisterRequest, RegisterResponse, RequestResetRequest,
    UpdateAccountRequest,
};
pub use kept::{
    Event, EventsResponse, ExportRequest, ExportResponse, ExportedAccount, ExportedAttribute,
    ExportedIdentifier, ExportedIdentity, ExportedLink, ExportedMail, ExportedNetwork,
    ExportedSession, KeptIdentity,
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
