//! What has happened to an account.

use std::time::SystemTime;

use crate::time;

/// A page of what has happened to the account, the newest first.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct AccountEvents {
    /// Up to 50 events.
    pub events: Vec<AccountEvent>,
    /// Where the next page begins. Absent if there is none.
    pub next: Option<String>,
}

/// Something that has happened to the account.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct AccountEvent {
    /// What has happened, such as `signed_in`, `session_ended` or `password_changed`. A newer
    /// server may have more names.
    pub event: String,
    /// When it happened. For `refused`, the start of the hour in which it happened `count` times.
    pub at: SystemTime,
    /// Why or how, such as `signed_out` or `reused` for `session_ended`.
    pub reason: Option<String>,
    /// The server's id of the session.
    pub session_id: Option<String>,
    /// The API that received the request.
    pub api: Option<String>,
    /// The OAuth client of the session.
    pub client: Option<String>,
    /// The network of the request, such as `192.0.2.0/24`, or its address, if the server keeps it.
    pub address: Option<String>,
    /// The provider of an identity that was linked or unlinked.
    pub provider: Option<String>,
    /// Whether an operator of the server did it.
    pub by_operator: bool,
    /// How many times it happened.
    pub count: i64,
}

impl From<propusk::EventsResponse> for AccountEvents {
    fn from(page: propusk::EventsResponse) -> Self {
        let events = page.events.into_iter().map(AccountEvent::from).collect();
        AccountEvents { events, next: page.next }
    }
}

impl From<propusk::Event> for AccountEvent {
    fn from(event: propusk::Event) -> Self {
        AccountEvent {
            event: event.event,
            at: time::from_seconds(event.at),
            reason: event.reason,
            session_id: event.session_id,
            api: event.api,
            client: event.client,
            address: event.address,
            provider: event.provider,
            by_operator: event.by_operator,
            count: event.count,
        }
    }
}
