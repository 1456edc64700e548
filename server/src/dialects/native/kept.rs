//! What is kept of the account: the list of its events, and the export.

use axum::extract::{Request, State};
use propusk_wire::{
    Event, EventsResponse, ExportRequest, ExportResponse, ExportedAccount, ExportedAttribute,
    ExportedIdentifier, ExportedIdentity, ExportedLink, ExportedMail, ExportedNetwork,
    ExportedSession, FieldCode, KeptIdentity,
};
use serde_json::Value;

use super::problem::{Refusal, failure};
use super::reply::Reply;
use super::{Answer, read};
use crate::api::Shared;
use crate::auth::{Account, Kept, ListedEvent, ListedSession};

pub async fn events(State(context): Shared, request: Request) -> Answer<EventsResponse> {
    let cursor = before(&request);
    let (who, _) = read::sender(&context, &request).await?;
    let unknown = || Refusal::of_field("before", FieldCode::Invalid);
    let event = |cursor: String| context.auth.event_of_cursor(&who, &cursor).ok_or_else(unknown);
    let before = cursor.map(event).transpose()?;
    let page = context.auth.own_events(&who, before).await.map_err(failure)?;
    let events = page.events.into_iter().map(Event::from).collect();
    Ok(Reply(EventsResponse { events, next: page.next }))
}

pub async fn export(State(context): Shared, request: Request) -> Answer<ExportResponse> {
    let (who, from) = read::sender(&context, &request).await?;
    let ExportRequest { current_password } = read::json_if_any(request).await?;
    let proof = read::proof(&context, &who, current_password.as_ref(), from).await?;
    Ok(Reply(context.auth.export(&proof).await.map_err(failure)?.into()))
}

/// The last `before` in the query.
fn before(request: &Request) -> Option<String> {
    let query = request.uri().query().unwrap_or_default();
    let given = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "before");
    given.last().map(|(_, value)| value.into_owned())
}

impl From<ListedEvent> for Event {
    fn from(listed: ListedEvent) -> Self {
        let is_of_identity = matches!(&*listed.event, "linked" | "unlinked");
        Event {
            event: listed.event,
            at: listed.at,
            reason: listed.reason,
            session_id: listed.session_id,
            api: listed.dialect,
            client: listed.client,
            address: listed.address,
            provider: listed.detail.filter(|_| is_of_identity),
            by_operator: listed.operator.is_some(),
            count: listed.count,
        }
    }
}

impl From<Kept> for ExportResponse {
    fn from(kept: Kept) -> Self {
        let network = |known_until| ExportedNetwork { known_until };
        ExportResponse {
            exported_at: kept.at,
            account: kept.account.into(),
            identifiers: kept
                .identifiers
                .into_iter()
                .map(|one| ExportedIdentifier {
                    kind: one.kind,
                    value: one.shown,
                    imported_as: one.imported_as,
                    created_at: one.created_at,
                    verified_at: one.verified_at,
                    owned_at: one.owned_at,
                    left_at: one.left_at,
                })
                .collect(),
            identities: kept
                .identities
                .into_iter()
                .map(|one| ExportedIdentity {
                    provider: one.provider,
                    subject: one.subject,
                    email: one.email,
                    email_verified: one.email_verified,
                    name: one.name,
                    avatar_url: one.avatar_url,
                    phone: one.phone,
                    created_at: one.created_at,
                    last_used_at: one.last_used_at,
                    linked_by_sign_in_at: one.linked_by_sign_in_at,
                })
                .collect(),
            attributes: kept.attributes.into_iter().map(attribute).collect(),
            sessions: kept.sessions.into_iter().map(ExportedSession::from).collect(),
            known_networks: kept.places.into_iter().map(network).collect(),
            links: kept
                .links
                .into_iter()
                .map(|one| ExportedLink {
                    kept_identities: one.kept().into_iter().map(kept_identity).collect(),
                    purpose: one.purpose,
                    address: one.address,
                    by_password: one.by_password,
                    bound_to_app: one.is_bound,
                    created_at: one.created_at,
                    expires_at: one.expires_at,
                    spent_at: one.spent_at,
                })
                .collect(),
            mails: kept
                .mails
                .into_iter()
                .map(|one| ExportedMail {
                    kind: one.message,
                    recipient: one.recipient,
                    language: one.language,
                    about: one.about,
                    created_at: one.created_at,
                    due_at: one.due_at,
                    attempts: one.attempts,
                    given_up_at: one.dead_at,
                    problem: one.problem,
                })
                .collect(),
            events: kept.events.into_iter().map(Event::from).collect(),
        }
    }
}

fn attribute((name, value): (String, Value)) -> ExportedAttribute {
    ExportedAttribute { name, value: value.to_string() }
}

fn kept_identity((provider, subject): (String, String)) -> KeptIdentity {
    KeptIdentity { provider, subject }
}

impl From<Account> for ExportedAccount {
    fn from(account: Account) -> Self {
        ExportedAccount {
            id: account.id,
            foreign_id: account.foreign_id,
            display_name: account.display_name,
            sign_up_name: account.sign_up_name,
            pending_email: account.pending_email,
            language: account.language,
            active: account.is_active,
            awaits_activation: account.awaits_activation,
            has_password: account.has_password,
            password_proved: account.password_proved,
            password_voided: account.password_voided,
            password_by_sign_in_at: account.password_by_sign_in_at,
            superuser: account.is_superuser,
            imported: account.imported,
            joined_at: account.joined_at,
            created_at: account.created_at,
            last_sign_in_at: account.last_sign_in_at,
        }
    }
}

impl From<ListedSession> for ExportedSession {
    fn from(session: ListedSession) -> Self {
        ExportedSession {
            id: session.id,
            device_name: session.device_name,
            api: session.api,
            client: session.client,
            scope: session.scope,
            created_at: session.created_at,
            signed_in_at: session.signed_in_at,
            last_used_at: session.last_used_at,
            access_expires_at: session.access_expires_at,
            expires_at: session.expires_at,
            absolute_expires_at: session.absolute_expires_at,
            ended: session.has_ended,
            ended_at: session.ended_at,
        }
    }
}
