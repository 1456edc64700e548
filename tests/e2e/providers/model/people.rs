//! The people: each act is done with HTTP requests, and [`Accounts`] is updated with what is
//! expected.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk_tests::links::Link;

use super::super::linking::{app_with, convert, enter, me, refresh_pair, send};
use super::super::*;
use super::accounts::{Account, Accounts, Entered, Id};
use super::act::{ATTACKERS, Act, Address, Claims, Dialect, Identity, PEOPLE, Person, Way};

type Outcome = Result<(), String>;

const APP_REVOKE: &str = "/auth/revoke-token/";

/// The route that issued a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Key,
    AppKey,
    Pair,
    Jwt,
    Named,
}

/// A credential, with its expected state.
#[derive(Clone, Debug)]
struct Credential {
    held_by: Person,
    form: Form,
    access: String,
    refresh: Option<String>,
    account: Id,
    /// The account's `era` when the session began.
    era: usize,
    expires_at: i64,
    /// The address that a token of [`Form::Named`] names.
    name: Option<Address>,
    is_ended: bool,
}

/// A link that was started, valid for its account and as long as its session.
#[derive(Clone, Debug)]
struct StartedLink {
    by: (Identity, Person),
    claims: Claims,
    session: Credential,
    code: String,
    expires_at: i64,
    with_password: bool,
}

/// One run, with addresses and names of its own.
pub struct Town<'s> {
    site: &'s Site,
    run: usize,
    accounts: Accounts,
    credentials: Vec<Credential>,
    /// Links in progress.
    started_links: Vec<StartedLink>,
    /// The person who knows each password.
    passwords: BTreeMap<String, Person>,
    count: usize,
    /// The persons who requested to move an account.
    asked: BTreeSet<(Person, Id)>,
    /// The highest account id before this run.
    after: Option<Id>,
}

impl<'s> Town<'s> {
    pub fn new(site: &'s Site, run: usize) -> Self {
        Town {
            site,
            run,
            accounts: Accounts::default(),
            credentials: Vec::new(),
            started_links: Vec::new(),
            passwords: BTreeMap::new(),
            count: 0,
            asked: BTreeSet::new(),
            after: None,
        }
    }

    pub async fn act(&mut self, act: Act) -> Outcome {
        match act {
            Act::Register { who, address, by } => self.register(who, address, by).await,
            Act::AskForActivation { address } => {
                self.ask("/auth/users/resend_activation/", address).await
            }
            Act::AskForReset { address } => self.ask_for_reset(address).await,
            Act::FollowMail { who } => self.follow_mail(who).await.map(drop),
            Act::Recover { who } => self.recover(who).await,
            Act::SignIn { who, address, by } => self.sign_in(who, address, by).await,
            Act::ByProvider { who, identity, claims, way } => {
                self.come_by(identity, who, claims, way).await
            }
            Act::RefreshPair { who } => self.refresh(who).await,
            Act::BeginLink { who, with, identity, claims } => {
                self.begin_link(who, with, identity, claims).await
            }
            Act::EndLink { who, with } => self.end_link(who, with).await,
            Act::Unlink { who, with, identity } => self.unlink(who, with, identity).await,
            Act::ChangePassword { who, with } => self.change_password(who, with).await,
            Act::ChangeEmail { who, with, to, knows_password } => {
                self.change_email(who, with, to, knows_password).await
            }
            Act::AskToMove { who, with, to, knows_password } => {
                self.ask_to_move(who, with, to, knows_password).await
            }
            Act::Confirm { who } => self.confirm(who).await,
            Act::BringBack { who } => self.bring_back(who).await,
            Act::SignOut { who, with } => self.sign_out(who, with).await,
            Act::Delete { who, with } => self.delete(who, with).await,
            Act::Suspend { address } => self.set_active(address, false).await,
            Act::Revive { address } => self.set_active(address, true).await,
            Act::Wait { seconds } => {
                self.site.server.clock.advance(seconds);
                Ok(())
            }
        }
    }

    // ---- names ----------------------------------------------------------------------------------

    fn email(&self, address: Address) -> String {
        format!("m{address}@r{}.example.com", self.run)
    }

    fn user(&self, identity: Identity, who: Person, claims: Claims) -> User {
        let number = usize::from(identity == Identity::Vk) + 2 * who + 100 * (self.run + 1);
        let user = User::new("x").with_id(number.to_string());
        match claims.address_of(who) {
            Some(address) => {
                user.with_email(self.email(address)).with_email_verified(claims == Claims::Proved)
            }
            None => user.without_email(),
        }
    }

    fn new_password(&mut self, who: Person) -> String {
        self.count += 1;
        let password = format!("amber falcon {} {}", self.run, self.count);
        self.passwords.insert(password.clone(), who);
        password
    }

    /// The password of the account if the person has set it, or one that they have set elsewhere.
    fn password_of(&self, who: Person, id: Option<Id>) -> Option<String> {
        let set = id.and_then(|id| self.accounts.0.get(&id)?.password.clone());
        let own = |password: &String| self.passwords.get(password) == Some(&who);
        set.filter(own).or_else(|| {
            let mut known = self.passwords.iter().filter(|(_, whose)| **whose == who);
            known.next_back().map(|(password, _)| password.clone())
        })
    }

    /// One of the person's credentials that may work.
    fn pick(&self, who: Person, with: usize) -> Option<Credential> {
        let held: Vec<_> =
            self.credentials.iter().filter(|held| held.held_by == who && !held.is_ended).collect();
        let newest_first = held.len().checked_sub(1 + with % held.len().max(1))?;
        Some(held[newest_first].clone())
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        sound(self.site.client().post(path, body).await)
    }

    async fn post_as(&self, access: &str, path: &str, body: &Value) -> Result<Answer, String> {
        sound(self.site.client().post_as(&format!("Bearer {access}"), path, body).await)
    }

    // ---- password and mail ----------------------------------------------------------------------

    async fn register(&mut self, who: Person, address: Address, by: Dialect) -> Outcome {
        let (email, password) = (self.email(address), self.new_password(who));
        let phone = format!("+7916{:03}{:04}", self.run % 1_000, self.count);
        let (path, body) = match by {
            Dialect::DjoserToken => (
                "/auth/users/",
                json!({"email": email, "password": password, "re_password": password}),
            ),
            Dialect::DjoserJwt => {
                ("/api/auth/users/", json!({"email": email, "phone": phone, "password": password}))
            }
            Dialect::Prehashed => (
                "/authorization/registration",
                json!({"email": email, "phone_number": phone, "hash_password": password}),
            ),
        };
        let answer = self.post(path, &body).await?;
        expect(answer.status.is_success(), self.accounts.claimant(address).is_none(), &answer)?;
        if !answer.status.is_success() {
            return Ok(());
        }
        let awaits_activation = matches!(by, Dialect::DjoserToken);
        let account = Account {
            email: Some(address),
            password: Some(password),
            is_active: !awaits_activation,
            awaits_activation,
            has_phone: !awaits_activation,
            ..Account::default()
        };
        let id = match by {
            Dialect::Prehashed => me_id(&me(self.site, &answer.field("access")).await)?,
            _ => id_of(&answer)?,
        };
        self.after.get_or_insert(id - 1);
        self.accounts.registered(id, account);
        match by {
            Dialect::Prehashed => self.hold(who, Form::Named, &answer, id),
            _ => Ok(()),
        }
    }

    async fn ask(&self, path: &str, address: Address) -> Outcome {
        self.post(path, &json!({"email": self.email(address)})).await.map(drop)
    }

    async fn ask_for_reset(&mut self, address: Address) -> Outcome {
        self.ask("/auth/users/reset_password/", address).await?;
        self.accounts.ask_for_reset(address);
        Ok(())
    }

    /// The newest link in the mailbox whose URL contains one of these.
    async fn newest_link(&self, who: Person, parts: &[&str]) -> Option<Link> {
        self.site.server.mails().await;
        let letters = self.site.server.smtp.mails_to(&self.email(who));
        let mut links = letters.iter().rev().filter_map(Link::of);
        links.find(|link| parts.iter().any(|part| link.url.contains(part)))
    }

    /// Presses the button on the page of a link; returns whether that had an effect.
    async fn press(&self, link: &Link) -> Result<bool, String> {
        let path = link.url.trim().replace(&self.site.server.public_url, "");
        let answer = self.post(&path, &json!({})).await?;
        Ok(answer.status == 200)
    }

    async fn ask_to_move(
        &mut self,
        who: Person,
        with: usize,
        to: Address,
        knows_password: bool,
    ) -> Outcome {
        let Some(held) = self.pick(who, with) else { return Ok(()) };
        let password = match knows_password {
            true => self.password_of(who, Some(held.account)),
            false => None,
        };
        let body = json!({"email": self.email(to), "current_password": password});
        let path = "/propusk/v1/account";
        let answer = send(self.site, "PATCH", path, &held.access, &body).await;
        let answer = sound(answer)?;
        let is_taken = self.accounts.claimant(to).is_some_and(|other| other != held.account);
        let is_made = answer.status == 200;
        if is_made && is_taken {
            return Err(format!("{to} is taken: {}", answer.text()));
        }
        if is_made && self.accounts.is_named_again(held.account, to) {
            // A change without effect needs no re-authentication.
            return expect(true, self.is_alive(&held), &answer);
        }
        self.expect_change(&held, password.as_deref(), is_made || answer.status == 409, &answer)?;
        if !is_made {
            return Ok(());
        }
        self.asked.insert((who, held.account));
        let (by, now) = (password.is_some(), self.site.server.clock.now());
        self.accounts.ask_to_move(held.account, to, by, now)
    }

    async fn confirm(&mut self, who: Person) -> Outcome {
        let Some(link) = self.newest_link(who, &["/confirm-email/"]).await else { return Ok(()) };
        let id = id_of_uid(&link.uid);
        if !ATTACKERS.contains(&who) && !self.asked.contains(&(who, id)) {
            return Ok(());
        }
        let may = self.accounts.may_confirm(id, who);
        match (self.press(&link).await?, may) {
            (true, true) => self.accounts.confirm(id, who, self.site.server.clock.now()),
            (false, false) => Ok(()),
            (done, _) => Err(format!("{who} confirms for {id}: {done}")),
        }
    }

    async fn bring_back(&mut self, who: Person) -> Outcome {
        let Some(link) = self.newest_link(who, &["/return-email/"]).await else { return Ok(()) };
        let id = id_of_uid(&link.uid);
        if !ATTACKERS.contains(&who) && self.asked.contains(&(who, id)) {
            return Ok(());
        }
        let now = self.site.server.clock.now();
        let may = self.accounts.may_bring_back(id, who, now);
        match (self.press(&link).await?, may) {
            (true, true) => self.accounts.bring_back(id, who, now),
            (false, false) => Ok(()),
            (done, _) => Err(format!("{who} brings {id} back: {done}")),
        }
    }

    /// Follows the newest link in the own mailbox that activates or resets; returns whether that
    /// had an effect.
    async fn follow_mail(&mut self, who: Person) -> Result<bool, String> {
        let link = self.newest_link(who, &["/auth/activate/", "/auth/reset/"]).await;
        let Some(link) = link else { return Ok(false) };
        let body = json!({"uid": link.uid, "token": link.token});
        if link.url.contains("/activate/") {
            let answer = self.post("/auth/users/activation/", &body).await?;
            return match answer.status.as_u16() {
                204 => self.accounts.activate(self.own(who)?).map(|()| true),
                _ => Ok(false),
            };
        }
        let password = self.new_password(who);
        let body = json!({"uid": link.uid, "token": link.token, "new_password": password});
        let answer = self.post("/auth/users/reset_password_confirm/", &body).await?;
        match answer.status.as_u16() {
            204 => self.accounts.reset(self.mailed_to(who)?, who, password).map(|()| true),
            _ => Ok(false),
        }
    }

    fn mailed_to(&self, who: Person) -> Result<Id, String> {
        let id = self.accounts.mailed_to(who);
        id.ok_or_else(|| "a reset works though no account has the mailbox".to_owned())
    }

    /// The account that a mail to the person's mailbox is about.
    fn own(&self, who: Person) -> Result<Id, String> {
        let holder = self.accounts.holder(who);
        holder.ok_or_else(|| "a link works though no account has the address".to_owned())
    }

    async fn recover(&mut self, who: Person) -> Outcome {
        self.site.server.mails().await;
        let is_mailed = self.accounts.is_mailed_resets(who);
        self.ask_for_reset(who).await?;
        match self.follow_mail(who).await? || !is_mailed {
            true => Ok(()),
            false => Err("the owner of the mailbox cannot get in".to_owned()),
        }
    }

    async fn sign_in(&mut self, who: Person, address: Address, by: Dialect) -> Outcome {
        let holder = self.accounts.holder(address);
        let Some(password) = self.password_of(who, holder) else { return Ok(()) };
        let email = self.email(address);
        let named = json!({"username": email, "password": password});
        let (path, body, form) = match by {
            Dialect::DjoserToken => ("/auth/token/login/", named, Form::Key),
            Dialect::DjoserJwt => ("/api/auth/jwt/create/", named, Form::Jwt),
            Dialect::Prehashed => (
                "/authorization/login/email",
                json!({"email": email, "hash_password": password}),
                Form::Named,
            ),
        };
        let answer = self.post(path, &body).await?;
        expect(answer.status == 200, self.accounts.opens(address, &password), &answer)?;
        match holder {
            Some(id) if answer.status == 200 => self.hold(who, form, &answer, id),
            _ => Ok(()),
        }
    }

    // ---- providers ------------------------------------------------------------------------------

    async fn come_by(
        &mut self,
        identity: Identity,
        who: Person,
        claims: Claims,
        way: Way,
    ) -> Outcome {
        let provider = provider_of(identity);
        let user = self.user(identity, who, claims);
        let (answer, form) = match way {
            Way::Complete => (self.site.sign_in(&user, provider).await, Form::AppKey),
            Way::Convert => (convert(self.site, &user, provider).await, Form::Pair),
            Way::Registration => {
                (enter(self.site, &user, provider, "registration").await, Form::Named)
            }
            Way::Login => (enter(self.site, &user, provider, "login").await, Form::Named),
        };
        let answer = sound(answer)?;
        let (by, expected) = ((identity, who), self.accounts.entered((identity, who), claims, way));
        expect(answer.status == 200, expected != Entered::Refused, &answer)?;
        if expected == Entered::Refused {
            return Ok(());
        }
        let field = if form == Form::Named { "access" } else { "access_token" };
        let id = me_id(&me(self.site, &answer.field(field)).await)?;
        match expected {
            Entered::New if self.accounts.0.contains_key(&id) => {
                return Err(format!("it enters {id} in place of a new account"));
            }
            Entered::New => {
                self.after.get_or_insert(id - 1);
                self.accounts.made_by(id, by, claims);
            }
            Entered::Account(account) if account != id => {
                return Err(format!("it enters {id} in place of {account}"));
            }
            _ => self.accounts.enter(id, by, claims)?,
        }
        self.hold(who, form, &answer, id)
    }

    async fn begin_link(
        &mut self,
        who: Person,
        with: usize,
        identity: Identity,
        claims: Claims,
    ) -> Outcome {
        let Some(session) = self.pick(who, with) else { return Ok(()) };
        let password = self.password_of(who, Some(session.account));
        let body = json!({
            "redirect": REDIRECT, "code_challenge": CHALLENGE, "link": true,
            "current_password": password,
        });
        let provider = provider_of(identity);
        let path = format!("/propusk/v1/providers/{}/start", name_of(provider));
        let answer = self.post_as(&session.access, &path, &body).await?;
        self.expect_change(&session, password.as_deref(), answer.status == 200, &answer)?;
        if answer.status != 200 {
            return Ok(());
        }
        let user = self.user(identity, who, claims);
        let callback = self.site.at_provider(&user, provider, &answer.field("authorize_url")).await;
        let code = parameter(&self.site.link_to_app(&callback).await, "code");
        let expires_at = self.site.server.clock.now() + 60;
        let with_password = password.is_some();
        let by = (identity, who);
        self.started_links.push(StartedLink {
            by,
            claims,
            session,
            code,
            expires_at,
            with_password,
        });
        Ok(())
    }

    async fn end_link(&mut self, who: Person, with: usize) -> Outcome {
        let Some(place) = self.started_links.iter().rposition(|link| link.by.1 == who) else {
            return Ok(());
        };
        let Some(held) = self.pick(who, with) else { return Ok(()) };
        let StartedLink { by, claims, session, code, expires_at, with_password } =
            self.started_links.remove(place);
        // The current state: it may have signed out since, or changed the password.
        let now = self.credentials.iter().find(|now| now.access == session.access);
        let session = now.unwrap_or(&session).clone();
        let body = json!({"code": code, "code_verifier": VERIFIER});
        let answer = self.post_as(&held.access, "/propusk/v1/account/identities", &body).await?;
        let is_right = self.is_alive(&held)
            && self.is_session_alive(&session)
            && held.account == session.account
            && self.site.server.clock.now() < expires_at
            && self.accounts.opened_by(by).is_none_or(|holder| holder == held.account);
        expect(answer.status == 201, is_right, &answer)?;
        let by_sign_in = (!with_password).then(|| self.site.server.clock.now());
        if is_right { self.accounts.link(held.account, by, claims, by_sign_in) } else { Ok(()) }
    }

    async fn unlink(&mut self, who: Person, with: usize, identity: Identity) -> Outcome {
        let Some(held) = self.pick(who, with) else { return Ok(()) };
        let password = self.password_of(who, Some(held.account));
        let subject = self.user(identity, who, Claims::Nothing).id;
        let provider = name_of(provider_of(identity));
        let path = format!("/propusk/v1/account/identities/{provider}/{subject}");
        let body = json!({"current_password": password});
        let answer = send(self.site, "DELETE", &path, &held.access, &body).await;
        let answer = sound(answer)?;
        let is_done = answer.status == 204;
        // The identity may also not exist.
        let is_made = is_done || answer.status == 404;
        self.expect_change(&held, password.as_deref(), is_made, &answer)?;
        let by = (identity, who);
        if is_made && is_done != (self.accounts.opened_by(by) == Some(held.account)) {
            return Err(format!("{}: {by:?} of {}", answer.status, held.account));
        }
        if is_done { self.accounts.unlink(held.account, by) } else { Ok(()) }
    }

    /// A sensitive change succeeds with the password; without it only after a recent sign-in.
    fn expect_change(
        &self,
        held: &Credential,
        password: Option<&str>,
        is_made: bool,
        answer: &Answer,
    ) -> Outcome {
        let is_apps = held.form == Form::Pair;
        match password {
            Some(password) => expect(is_made, self.proves(held, password), answer),
            None if is_made => expect(true, !is_apps && self.is_alive(held), answer),
            None => Ok(()),
        }
    }

    async fn refresh(&mut self, who: Person) -> Outcome {
        let held = self
            .credentials
            .iter()
            .rposition(|held| held.held_by == who && held.form == Form::Pair && !held.is_ended);
        let Some(held) = held else { return Ok(()) };
        let old = self.credentials[held].clone();
        let refresh = old.refresh.clone().unwrap_or_default();
        let answer = sound(refresh_pair(self.site, &refresh).await)?;
        expect(answer.status == 200, self.is_session_alive(&old), &answer)?;
        if answer.status != 200 {
            return Ok(());
        }
        self.credentials[held].is_ended = true;
        self.hold(who, Form::Pair, &answer, old.account)
    }

    // ---- in a session
    // ----------------------------------------------------------------------------

    async fn change_password(&mut self, who: Person, with: usize) -> Outcome {
        let Some(held) = self.pick(who, with) else { return Ok(()) };
        let Some(current) = self.password_of(who, Some(held.account)) else { return Ok(()) };
        let new = self.new_password(who);
        let body = json!({"current_password": current, "new_password": new});
        let answer = self.post_as(&held.access, "/auth/users/set_password/", &body).await?;
        let is_right = self.proves(&held, &current);
        expect(answer.status == 204, is_right, &answer)?;
        if !is_right {
            return Ok(());
        }
        let account = self.accounts.change(held.account)?;
        account.password = Some(new);
        account.pending = None;
        account.era += 1;
        let era = account.era;
        let acting = self.credentials.iter_mut().find(|other| other.access == held.access);
        acting.into_iter().for_each(|acting| acting.era = era);
        Ok(())
    }

    /// Whether the credential works, is no application's, and the password is that of its account.
    fn proves(&self, held: &Credential, password: &str) -> bool {
        let account = self.accounts.0.get(&held.account);
        let is_right = account.is_some_and(|account| account.password.as_deref() == Some(password));
        is_right && held.form != Form::Pair && self.is_alive(held)
    }

    async fn change_email(
        &mut self,
        who: Person,
        with: usize,
        to: Address,
        knows_password: bool,
    ) -> Outcome {
        let Some(held) = self.pick(who, with) else { return Ok(()) };
        let (access, email) = (held.access.as_str(), self.email(to));
        let answer = if knows_password {
            let current = self.password_of(who, Some(held.account)).unwrap_or_default();
            let body = json!({"current_password": current, "new_email": email});
            let answer = self.post_as(access, "/auth/users/set_email/", &body).await?;
            let is_right = self.proves(&held, &current) && self.accounts.claimant(to).is_none();
            expect(answer.status == 204, is_right, &answer)?;
            answer
        } else {
            let body = json!({"email": email});
            sound(send(self.site, "PATCH", "/api/auth/users/me/", access, &body).await)?
        };
        if !answer.status.is_success() {
            return Ok(());
        }
        match self.is_alive(&held) {
            true => {
                self.asked.insert((who, held.account));
                let now = self.site.server.clock.now();
                self.accounts.move_to(held.account, to, knows_password, now)
            }
            false => Err("a dead credential changes the address".to_owned()),
        }
    }

    async fn sign_out(&mut self, who: Person, with: usize) -> Outcome {
        let Some(held) = self.pick(who, with) else { return Ok(()) };
        let refresh = json!({"refresh": held.refresh});
        let answer = match held.form {
            Form::Key => self.post_as(&held.access, "/auth/token/logout/", &json!({})).await?,
            Form::Jwt => self.post("/api/auth/logout/", &refresh).await?,
            Form::Pair => {
                let body = app_with(json!({"token": held.access}));
                self.post_as(&held.access, APP_REVOKE, &body).await?
            }
            Form::AppKey | Form::Named => return Ok(()),
        };
        if answer.status.is_success() {
            let ended = self.credentials.iter_mut().find(|other| other.access == held.access);
            ended.into_iter().for_each(|ended| ended.is_ended = true);
        }
        Ok(())
    }

    async fn delete(&mut self, who: Person, with: usize) -> Outcome {
        let Some(held) = self.pick(who, with) else { return Ok(()) };
        let Some(current) = self.password_of(who, Some(held.account)) else { return Ok(()) };
        let body = json!({"current_password": current});
        let answer = send(self.site, "DELETE", "/auth/users/me/", &held.access, &body).await;
        let answer = sound(answer)?;
        let is_right = self.proves(&held, &current);
        expect(answer.status == 204, is_right, &answer)?;
        if is_right {
            self.accounts.0.remove(&held.account);
        }
        Ok(())
    }

    async fn set_active(&mut self, address: Address, is_active: bool) -> Outcome {
        let Some(id) = self.accounts.holder(address) else { return Ok(()) };
        let auth = &self.site.server.auth;
        let is_there = auth.set_active(id, is_active).await.map_err(|error| error.to_string())?;
        if is_there { self.accounts.set_active(id, is_active) } else { Err("it is gone".into()) }
    }

    // ---- checks
    // ----------------------------------------------------------------------------------

    fn hold(&mut self, who: Person, form: Form, answer: &Answer, account: Id) -> Outcome {
        let (access, refresh, seconds) = match form {
            Form::Key => ("auth_token", None, 31_536_000),
            Form::AppKey => ("access_token", None, 900),
            Form::Pair => ("access_token", Some("refresh_token"), 36_000),
            Form::Jwt => ("access", Some("refresh"), 300),
            Form::Named => ("access", Some("refresh"), 3_600),
        };
        let Account { era, email, .. } = *self.accounts.get(account)?;
        self.credentials.push(Credential {
            held_by: who,
            form,
            access: answer.field(access),
            refresh: refresh.map(|name| answer.field(name)),
            account,
            era,
            expires_at: self.site.server.clock.now() + seconds,
            name: email.filter(|_| form == Form::Named),
            is_ended: false,
        });
        Ok(())
    }

    fn is_session_alive(&self, held: &Credential) -> bool {
        let account = self.accounts.0.get(&held.account);
        account.is_some_and(|account| account.is_active && account.era == held.era)
            && !held.is_ended
    }

    fn is_alive(&self, held: &Credential) -> bool {
        let is_its_name =
            held.name.is_none_or(|name| self.accounts.holder(name) == Some(held.account));
        is_its_name && self.is_session_alive(held) && self.site.server.clock.now() < held.expires_at
    }

    /// Compares everything with the expected state; `all` includes credentials that have ended.
    pub async fn check(&mut self, all: bool) -> Outcome {
        self.check_accounts().await?;
        for index in 0..self.credentials.len() {
            let held = self.credentials[index].clone();
            if all || !held.is_ended {
                self.check_credential(&held).await?;
            }
            let is_gone = !self.accounts.0.contains_key(&held.account);
            let is_over =
                is_gone || self.accounts.get(held.account)?.era != held.era || held.is_ended;
            self.credentials[index].is_ended = is_over;
        }
        Ok(())
    }

    async fn check_credential(&self, held: &Credential) -> Outcome {
        let answer = sound(me(self.site, &held.access).await)?;
        let reads = answer.status == 200;
        if reads != self.is_alive(held) {
            return Err(format!("{} for {held:?}: {}", answer.status, answer.text()));
        }
        if !reads {
            return Ok(());
        }
        let account = self.accounts.get(held.account)?;
        let email = account.email.map(|address| self.email(address)).unwrap_or_default();
        if answer.json() != json!({"id": held.account, "email": email}) {
            return Err(format!("{} for {held:?}", answer.text()));
        }
        match account.alone {
            Some(owner) if owner != held.held_by => {
                Err(format!("{held:?} reads the account of {owner}"))
            }
            _ => Ok(()),
        }
    }

    async fn check_accounts(&self) -> Outcome {
        let Some(after) = self.after else { return Ok(()) };
        let found = self.site.server.auth.accounts_after(after, 1_000).await;
        let found = found.map_err(|error| error.to_string())?;
        let shown: Vec<_> = found.into_iter().map(state_of).collect();
        let expected: Vec<_> =
            self.accounts.0.iter().map(|(id, account)| self.expected_state(*id, account)).collect();
        if shown != expected {
            return Err(format!("accounts are {shown:?} and should be {expected:?}"));
        }
        for (id, account) in &self.accounts.0 {
            self.check_account(*id, account).await?;
        }
        Ok(())
    }

    fn expected_state(&self, id: Id, account: &Account) -> State {
        let flags = [
            account.is_active,
            account.awaits_activation,
            account.password.is_some(),
            account.is_password_proved,
            account.is_proved,
            account.is_owned,
            account.is_voided,
            account.has_phone,
        ];
        (id, account.email.map(|address| self.email(address)), flags)
    }

    async fn check_account(&self, id: Id, account: &Account) -> Outcome {
        let found =
            self.site.server.auth.identities(id).await.map_err(|error| error.to_string())?;
        let mut subjects: Vec<_> = found.into_iter().map(|one| one.subject).collect();
        let of =
            |(identity, who): &(Identity, Person)| self.user(*identity, *who, Claims::Nothing).id;
        let mut expected: Vec<_> = account.identities.iter().map(of).collect();
        subjects.sort();
        expected.sort();
        if subjects != expected {
            return Err(format!("identities {subjects:?} in place of {expected:?} open {id}"));
        }
        let Some(owner) = account.alone else { return Ok(()) };
        let strangers = account.identities.iter().any(|(_, who)| *who != owner);
        let whose = account.password.as_ref().and_then(|password| self.passwords.get(password));
        match strangers || whose.is_some_and(|who| *who != owner) || owner >= PEOPLE {
            true => Err(format!("{owner} is not alone in {account:?}")),
            false => Ok(()),
        }
    }
}

fn provider_of(identity: Identity) -> Provider {
    match identity {
        Identity::Google => Provider::Google,
        Identity::Vk => Provider::Vk,
    }
}

/// Active, awaits activation, has a password, a proved one, a proved address, an owned one, a void
/// password, a phone.
type State = (Id, Option<String>, [bool; 8]);

fn state_of(account: propusk_server::auth::Account) -> State {
    let flags = [
        account.is_active,
        account.awaits_activation,
        account.has_password,
        account.password_proved,
        account.email_verified_at.is_some(),
        account.email_owned_at.is_some(),
        account.password_voided,
        account.phone.is_some(),
    ];
    (account.id, account.email, flags)
}

/// An answer that is no server error.
fn sound(answer: Answer) -> Result<Answer, String> {
    match answer.status.is_server_error() {
        true => Err(format!("{}: {}", answer.status, answer.text())),
        false => Ok(answer),
    }
}

fn expect(succeeds: bool, should: bool, answer: &Answer) -> Outcome {
    match succeeds == should {
        true => Ok(()),
        false => Err(format!("{} where {should} is right: {}", answer.status, answer.text())),
    }
}

/// The account number in a link, in base64url.
fn id_of_uid(uid: &str) -> Id {
    let bytes = URL_SAFE_NO_PAD.decode(uid).expect("base64url");
    std::str::from_utf8(&bytes).ok().and_then(|id| id.parse().ok()).expect("a number")
}

fn me_id(answer: &Answer) -> Result<Id, String> {
    match answer.status.as_u16() {
        200 => id_of(answer),
        _ => Err(format!("a new credential does not work: {}", answer.text())),
    }
}

fn id_of(answer: &Answer) -> Result<Id, String> {
    answer.json()["id"].as_i64().ok_or_else(|| format!("no id: {}", answer.text()))
}
