//! The commands of the page: one for each operation of the SDK. Nothing is decided here.

use std::future::Future;
use std::time::Duration;

use propusk::{Client, ExistingTokens, OfflinePolicy, Registration, Secret};
use tauri::ipc::Invoke;
use tauri::{AppHandle, Runtime, command};
use url::Url;

use crate::error::CommandError;
use crate::input::{NewAccount, OldTokens, ProfileChanges, Way, mailed_link};
use crate::link_results::LinkReport;
use crate::output::{
    AccountEvents, Identity, LinkResult, MaskedToken, OfflineIdentity, Profile, RegisteredAccount,
    Session, Status,
};
use crate::provider_sign_in::{self, Purpose};
use crate::state::PropuskExt;
use crate::{names, output};

type Answer<T> = Result<T, CommandError>;

pub(crate) fn handler<R: Runtime>() -> impl Fn(Invoke<R>) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        register,
        activate,
        resend_activation,
        sign_in,
        sign_in_with_provider_token,
        adopt,
        refresh,
        sign_out,
        forget_everything,
        verify,
        profile,
        cached_profile,
        update_profile,
        request_reset,
        confirm_reset,
        change_password,
        delete_account,
        sessions,
        end_session,
        end_other_sessions,
        account_events,
        export_account,
        identities,
        unlink,
        providers,
        sign_in_with_provider,
        link_with_provider,
        cancel_sign_in,
        complete_sign_in,
        take_link_results,
        status,
        vault_state,
        offline_identity,
        access_token,
        operations,
        is_allowed_origin,
        network_changed,
        finish_pending_work,
    ]
}

/// Does an operation with the client in use, and reports it.
async fn run<R, T, F>(
    app: &AppHandle<R>,
    command: &'static str,
    work: impl FnOnce(Client) -> F,
) -> Answer<T>
where
    R: Runtime,
    F: Future<Output = propusk::Result<T>>,
{
    let result = match app.propusk().ready_client() {
        Ok(client) => work(client).await.map_err(CommandError::from),
        Err(error) => Err(error),
    };
    reported(app, command, result)
}

fn reported<R: Runtime, T>(
    app: &AppHandle<R>,
    command: &'static str,
    result: Answer<T>,
) -> Answer<T> {
    if let Some(observer) = &app.propusk().options.observer {
        observer.report(command, &result);
    }
    result
}

fn all<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}

#[command]
async fn register<R: Runtime>(app: AppHandle<R>, account: NewAccount) -> Answer<RegisteredAccount> {
    let new = Registration::from(account);
    let registered = run(&app, "register", async |sdk| sdk.register(&new).await).await;
    registered.map(RegisteredAccount::from)
}

#[command]
async fn activate<R: Runtime>(app: AppHandle<R>, link: Secret) -> Answer<()> {
    match mailed_link(&link) {
        Ok(link) => run(&app, "activate", async |sdk| sdk.activate(&link).await).await,
        Err(error) => reported(&app, "activate", Err(error)),
    }
}

#[command]
async fn resend_activation<R: Runtime>(app: AppHandle<R>, email: String) -> Answer<()> {
    run(&app, "resend_activation", async |sdk| sdk.resend_activation(&email).await).await
}

#[command]
async fn sign_in<R: Runtime>(
    app: AppHandle<R>,
    identifier: String,
    password: Secret,
) -> Answer<()> {
    run(&app, "sign_in", async |sdk| sdk.sign_in(&identifier, password).await).await
}

#[command]
async fn sign_in_with_provider_token<R: Runtime>(
    app: AppHandle<R>,
    provider: String,
    token: Secret,
) -> Answer<()> {
    run(&app, "sign_in_with_provider_token", async |sdk| {
        sdk.sign_in_with_provider_token(&provider, token).await
    })
    .await
}

#[command]
async fn adopt<R: Runtime>(app: AppHandle<R>, tokens: OldTokens) -> Answer<&'static str> {
    let tokens = ExistingTokens::from(tokens);
    run(&app, "adopt", async |sdk| sdk.adopt(tokens).await).await.map(output::adoption)
}

#[command]
async fn refresh<R: Runtime>(app: AppHandle<R>) -> Answer<()> {
    run(&app, "refresh", async |sdk| sdk.refresh().await).await
}

#[command]
async fn sign_out<R: Runtime>(app: AppHandle<R>) -> Answer<&'static str> {
    run(&app, "sign_out", async |sdk| sdk.sign_out().await).await.map(output::sign_out)
}

#[command]
async fn forget_everything<R: Runtime>(app: AppHandle<R>) -> Answer<()> {
    run(&app, "forget_everything", async |sdk| sdk.forget_everything().await).await
}

#[command]
async fn verify<R: Runtime>(app: AppHandle<R>) -> Answer<bool> {
    run(&app, "verify", async |sdk| sdk.verify().await).await
}

#[command]
async fn profile<R: Runtime>(app: AppHandle<R>) -> Answer<Profile> {
    run(&app, "profile", async |sdk| sdk.profile().await).await.map(Profile::from)
}

#[command]
async fn cached_profile<R: Runtime>(app: AppHandle<R>) -> Answer<Option<Profile>> {
    let cached = app.propusk().ready_client()?.cached_profile().await?;
    Ok(cached.map(Profile::from))
}

#[command]
async fn update_profile<R: Runtime>(
    app: AppHandle<R>,
    changes: ProfileChanges,
    current_password: Option<Secret>,
) -> Answer<Profile> {
    let changes = changes.with_password(current_password);
    let changed = run(&app, "update_profile", async |sdk| sdk.update_profile(&changes).await).await;
    changed.map(Profile::from)
}

#[command]
async fn request_reset<R: Runtime>(app: AppHandle<R>, email: String) -> Answer<()> {
    run(&app, "request_reset", async |sdk| sdk.request_reset(&email).await).await
}

#[command]
async fn confirm_reset<R: Runtime>(
    app: AppHandle<R>,
    link: Secret,
    new_password: Secret,
) -> Answer<()> {
    match mailed_link(&link) {
        Ok(link) => {
            run(&app, "confirm_reset", async |sdk| sdk.confirm_reset(&link, new_password).await)
                .await
        }
        Err(error) => reported(&app, "confirm_reset", Err(error)),
    }
}

#[command]
async fn change_password<R: Runtime>(
    app: AppHandle<R>,
    new_password: Secret,
    current_password: Option<Secret>,
) -> Answer<()> {
    run(&app, "change_password", async |sdk| {
        sdk.change_password(current_password, new_password).await
    })
    .await
}

#[command]
async fn delete_account<R: Runtime>(
    app: AppHandle<R>,
    current_password: Option<Secret>,
) -> Answer<()> {
    run(&app, "delete_account", async |sdk| sdk.delete_account(current_password).await).await
}

#[command]
async fn sessions<R: Runtime>(app: AppHandle<R>) -> Answer<Vec<Session>> {
    run(&app, "sessions", async |sdk| sdk.sessions().await).await.map(all)
}

#[command]
async fn end_session<R: Runtime>(
    app: AppHandle<R>,
    id: String,
    current_password: Option<Secret>,
) -> Answer<()> {
    run(&app, "end_session", async |sdk| sdk.end_session(&id, current_password).await).await
}

#[command]
async fn end_other_sessions<R: Runtime>(
    app: AppHandle<R>,
    current_password: Option<Secret>,
) -> Answer<()> {
    run(&app, "end_other_sessions", async |sdk| sdk.end_other_sessions(current_password).await)
        .await
}

#[command]
async fn account_events<R: Runtime>(
    app: AppHandle<R>,
    before: Option<String>,
) -> Answer<AccountEvents> {
    let page = async |sdk: Client| sdk.account_events(before.as_deref()).await;
    run(&app, "account_events", page).await.map(AccountEvents::from)
}

#[command]
async fn export_account<R: Runtime>(
    app: AppHandle<R>,
    current_password: Option<Secret>,
) -> Answer<String> {
    run(&app, "export_account", async |sdk| sdk.export_account(current_password).await).await
}

#[command]
async fn identities<R: Runtime>(app: AppHandle<R>) -> Answer<Vec<Identity>> {
    run(&app, "identities", async |sdk| sdk.identities().await).await.map(all)
}

#[command]
async fn unlink<R: Runtime>(
    app: AppHandle<R>,
    provider: String,
    subject: String,
    current_password: Option<Secret>,
) -> Answer<()> {
    run(&app, "unlink", async |sdk| sdk.unlink(&provider, &subject, current_password).await).await
}

#[command]
async fn providers<R: Runtime>(app: AppHandle<R>) -> Answer<Vec<propusk::Provider>> {
    run(&app, "providers", async |sdk| sdk.providers().await).await
}

#[command]
async fn sign_in_with_provider<R: Runtime>(
    app: AppHandle<R>,
    provider: String,
    way: Option<Way>,
) -> Answer<LinkResult> {
    let way = way.unwrap_or_default();
    let done = provider_sign_in::in_browser(&app, Purpose::SignIn, &provider, way).await;
    reported(&app, "sign_in_with_provider", done)
}

#[command]
async fn link_with_provider<R: Runtime>(
    app: AppHandle<R>,
    provider: String,
    way: Option<Way>,
    current_password: Option<Secret>,
) -> Answer<LinkResult> {
    let (purpose, way) = (Purpose::Link(current_password), way.unwrap_or_default());
    let done = provider_sign_in::in_browser(&app, purpose, &provider, way).await;
    reported(&app, "link_with_provider", done)
}

#[command]
async fn cancel_sign_in<R: Runtime>(app: AppHandle<R>) -> Answer<()> {
    provider_sign_in::cancel(&app).await
}

#[command]
async fn complete_sign_in<R: Runtime>(app: AppHandle<R>, link: Secret) -> Answer<LinkResult> {
    let done = run(&app, "complete_sign_in", async |sdk| sdk.complete_sign_in(link.expose()).await);
    let done = done.await.map(LinkResult::from);
    if done.is_ok() {
        // A call may still wait for this link.
        provider_sign_in::pass_on(&app, link.expose(), done.clone());
    }
    done
}

/// Not an operation: the results have been reported when their links were completed.
#[command]
async fn take_link_results<R: Runtime>(app: AppHandle<R>) -> Answer<Vec<LinkReport>> {
    Ok(app.propusk().link_results.take())
}

#[command]
async fn status<R: Runtime>(app: AppHandle<R>) -> Answer<Status> {
    match app.propusk().client() {
        Some(client) => Ok(client.status().await?.into()),
        None => Ok(Status::unknown()),
    }
}

#[command]
async fn vault_state<R: Runtime>(app: AppHandle<R>) -> Answer<&'static str> {
    Ok(names::vault_state(app.propusk().ready_client()?.vault_state().await))
}

#[command]
async fn offline_identity<R: Runtime>(
    app: AppHandle<R>,
    trusted_for_seconds: u64,
) -> Answer<OfflineIdentity> {
    let policy = OfflinePolicy::trusted_for(Duration::from_secs(trusted_for_seconds));
    let known = run(&app, "offline_identity", async |sdk| sdk.offline_identity(policy).await).await;
    known.map(OfflineIdentity::from)
}

#[command]
async fn access_token<R: Runtime>(app: AppHandle<R>) -> Answer<MaskedToken> {
    run(&app, "access_token", async |sdk| sdk.access_token().await).await.map(MaskedToken::from)
}

#[command]
async fn operations<R: Runtime>(app: AppHandle<R>) -> Answer<Vec<&'static str>> {
    Ok(app.propusk().client().as_ref().map(output::operations).unwrap_or_default())
}

#[command]
async fn is_allowed_origin<R: Runtime>(app: AppHandle<R>, url: String) -> Answer<bool> {
    let api = app.propusk().ready_client()?.api();
    Ok(Url::parse(&url).is_ok_and(|url| api.allows(&url)))
}

#[command]
async fn network_changed<R: Runtime>(app: AppHandle<R>) -> Answer<()> {
    app.propusk().ready_client()?.network_changed();
    Ok(())
}

#[command]
async fn finish_pending_work<R: Runtime>(app: AppHandle<R>, limit_seconds: u64) -> Answer<bool> {
    let client = app.propusk().ready_client()?;
    Ok(client.finish_pending_work(Duration::from_secs(limit_seconds)).await)
}
