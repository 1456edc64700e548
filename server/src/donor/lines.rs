//! The lines of the import file, in the order of `export.py`.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serializer as _;
use serde_json::{Map, Value, json};

use super::connection::{Connection, Row};
use super::django::{
    ACCESS_TOKENS, ADDRESSES, ALLAUTH, APPLICATIONS, BLACKLISTED, Django, KEYS, OUTSTANDING,
    Proved, REFRESH_TOKENS, SOCIAL, Users, kind_of,
};
use super::problem::Problem;
use super::schema::{Table, place, quoted};
use super::value::{
    account_id, attribute, claims, is_hashed, is_true, name, password, seconds, sha256, time_claim,
};
use crate::config::Adopt;
use crate::import_file::DjangoUsers;

/// Providers of python-social-auth and their names here.
const PROVIDERS: &[(&str, &str)] = &[
    ("google-oauth2", "google"),
    ("google-openidconnect", "google"),
    ("google-plus", "google"),
    ("vk-oauth2", "vk"),
    ("yandex-oauth2", "yandex"),
    ("apple-id", "apple"),
    ("mailru-oauth2", "mailru"),
];
const SECONDS_OF_A_MINUTE: i64 = 60;

/// Writes the import file, while the database is read.
pub struct Lines<'d, W, P> {
    file: W,
    counts: BTreeMap<&'static str, u64>,
    written: u64,
    progress: P,
    django: &'d Django,
    settings: &'d Adopt,
    now: i64,
}

/// The members of a line, in their order; those that are null are left out.
type Members<const N: usize> = [(&'static str, Value); N];

impl<'d, W: Write, P: Fn(u64)> Lines<'d, W, P> {
    pub fn new(file: W, django: &'d Django, settings: &'d Adopt, now: i64, progress: P) -> Self {
        Lines { file, counts: BTreeMap::new(), written: 0, progress, django, settings, now }
    }

    /// Writes all lines, and returns the file. The first one has the description of the users.
    pub async fn write_all(
        mut self,
        connection: &mut Connection,
        users: Option<&DjangoUsers>,
    ) -> Result<W, Problem> {
        // Set only if there is a local time.
        let ahead = Some(self.ahead()).filter(|ahead| *ahead != 0);
        self.write(
            "start",
            [
                ("format", "propusk-import".into()),
                ("version", 1.into()),
                ("source", "Django".into()),
                ("taken_at", self.now.into()),
                ("django_link_seconds", self.settings.link_seconds.into()),
                ("django_utc_offset", ahead.into()),
                ("django_local_times", ahead.map(|_| true).into()),
                ("django_users", json!(users)),
            ],
        )?;
        self.write_accounts(connection).await?;
        self.write_keys(connection).await?;
        self.write_spent(connection).await?;
        self.write_live(connection).await?;
        self.write_clients(connection).await?;
        self.write_pairs(connection).await?;
        self.write_lone_access_tokens(connection).await?;
        self.write_identities(connection, SOCIAL, "created").await?;
        self.write_identities(connection, ALLAUTH, "date_joined").await?;
        let counts = json!(self.counts);
        self.write("end", [("counts", counts)])?;
        Ok(self.file)
    }

    fn write<const N: usize>(
        &mut self,
        kind: &'static str,
        members: Members<N>,
    ) -> Result<(), Problem> {
        let kind_member = ("kind", Value::from(kind));
        let said = members.iter().filter(|(_, value)| !value.is_null());
        let line = std::iter::once(&kind_member).chain(said).map(|(name, value)| (*name, value));
        let mut json = serde_json::Serializer::new(&mut self.file);
        json.collect_map(line).map_err(std::io::Error::from)?;
        self.file.write_all(b"\n")?;
        if !["start", "end"].contains(&kind) {
            *self.counts.entry(kind).or_default() += 1;
        }
        self.written += 1;
        (self.progress)(self.written);
        Ok(())
    }

    async fn write_accounts(&mut self, connection: &mut Connection) -> Result<(), Problem> {
        let django = self.django;
        let users = &django.users;
        let text = |column: &str| users.table.text("u", column);
        let given = |column: Option<&String>| match column {
            Some(column) => text(column),
            None => absent(),
        };
        let mut columns = vec![
            text(&users.key),
            given(users.foreign_id.as_ref()),
            given(users.email.as_ref()),
            given(users.phone.as_ref()),
            given(users.username.as_ref()),
            text(&users.login),
            given(users.display_name.first()),
            given(users.display_name.get(1)),
            text("password"),
            proof(users),
            given(users.phone_proved.as_ref()),
            text("is_active"),
            text("is_superuser"),
            given(users.joined_at.as_ref()),
            text("last_login"),
        ];
        columns.extend(users.attributes.iter().map(|(_, column)| text(column)));
        let rest = format!(
            "from {} as u where {} order by {}",
            quoted(&users.table.name),
            users.is_read(),
            place("u", &users.key),
        );
        connection.each(&columns.join(", "), &rest, |row| self.write_account(row)).await
    }

    /// A row of the columns of [`Lines::write_accounts`].
    fn write_account(&mut self, mut row: Row) -> Result<(), Problem> {
        let users = &self.django.users;
        let id = self.account(row.take())?;
        let foreign_id = row.take().filter(|id| !id.is_empty());
        let foreign_id = users.foreign_id.as_ref().zip(foreign_id);
        let foreign_id =
            foreign_id.and_then(|(column, id)| account_id(&id, kind_of(&users.table, column)));
        let (email, phone, username) = (name(row.take()), name(row.take()), name(row.take()));
        let sign_up_name = name(row.take());
        let shown = [row.take(), row.take()].into_iter().flatten().filter(|part| !part.is_empty());
        let display_name = shown.collect::<Vec<_>>().join(" ").trim().to_owned();
        let hash = name(row.take());
        let hash = hash.map(|encoded| password(encoded, &self.settings.password_hashers));
        let (proof, phone_proof) = (row.take(), row.take());
        let (active, superuser) = (row.take(), row.take());
        // Where there is no such column, all are active.
        let is_active = !users.table.has("is_active") || is_true(active.as_deref());
        let joined_at = self.time(&users.table.name, "the time of joining", row.take())?;
        let last_login = self.time(&users.table.name, "last_login", row.take())?;
        let is_proved = match users.proved {
            Proved::Active => is_active,
            Proved::Never => false,
            Proved::Allauth | Proved::Column(_) => is_true(proof.as_deref()),
        };
        let mut verified = Vec::new();
        if is_proved && email.is_some() {
            verified.push("email");
        }
        if phone.is_some() && is_true(phone_proof.as_deref()) {
            verified.push("phone");
        }
        let waits = self.settings.activation_mails && !is_active && last_login.is_none();
        let attributes: Map<String, Value> = users
            .attributes
            .iter()
            .map(|(claim, column)| {
                (claim.clone(), attribute(row.take(), kind_of(&users.table, column)))
            })
            .collect();
        let members = [
            ("id", id),
            ("foreign_id", foreign_id.into()),
            ("email", email.into()),
            ("phone", phone.into()),
            ("username", username.into()),
            ("sign_up_name", sign_up_name.into()),
            ("display_name", name(Some(display_name)).into()),
            ("password", hash.into()),
            ("verified", (!verified.is_empty()).then_some(verified).into()),
            ("is_active", (!is_active).then_some(false).into()),
            ("awaits_activation", waits.then_some(true).into()),
            ("is_superuser", is_true(superuser.as_deref()).then_some(true).into()),
            ("joined_at", joined_at.into()),
            ("last_sign_in_at", last_login.into()),
            ("attributes", (!attributes.is_empty()).then_some(attributes).into()),
        ];
        self.write("account", members)
    }

    async fn write_keys(&mut self, connection: &mut Connection) -> Result<(), Problem> {
        let django = self.django;
        let Some(keys) = django.table(KEYS) else { return Ok(()) };
        let columns = columns(keys, "t", &["user_id", "key", "created"]);
        let users = django.users.joined_to("t");
        let rest = format!(r#"from {KEYS} as t {users} order by t."key""#);
        connection
            .each(&columns, &rest, |mut row| {
                let account = self.account(row.take())?;
                let sha256 = digest(row.take());
                let created_at = self.time(KEYS, "created", row.take())?;
                let members = [
                    ("account", account),
                    ("sha256", sha256.into()),
                    ("created_at", created_at.into()),
                ];
                self.write("api_token", members)
            })
            .await
    }

    async fn write_spent(&mut self, connection: &mut Connection) -> Result<(), Problem> {
        let django = self.django;
        let Some(tokens) = django.table(OUTSTANDING) else { return Ok(()) };
        let columns = columns(tokens, "t", &["jti", "token", "expires_at"]);
        // Also those of users that are not read.
        let users = match django.users.only {
            Some(_) => django.users.joined_to("t"),
            None => String::new(),
        };
        let rest = format!(
            "from {BLACKLISTED} as b join {OUTSTANDING} as t on t.id = b.token_id {users} order by b.id"
        );
        connection
            .each(&columns, &rest, |mut row| {
                let (jti, token, expires) = (row.take(), row.take(), row.take());
                // The token's own time counts: the row's differs if a lifetime was set by hand.
                let expires_at = match time_claim(&claims(&token.unwrap_or_default()), "exp") {
                    None => self.time(OUTSTANDING, "expires_at", expires)?,
                    exp => exp,
                };
                match expires_at.filter(|at| *at > self.now) {
                    None => Ok(()),
                    at => {
                        let members = [("jti", jti.into()), ("expires_at", at.into())];
                        self.write("spent_token", members)
                    }
                }
            })
            .await
    }

    async fn write_live(&mut self, connection: &mut Connection) -> Result<(), Problem> {
        let django = self.django;
        let Some(tokens) = django.table(OUTSTANDING) else { return Ok(()) };
        let columns =
            columns(tokens, "t", &["user_id", "jti", "token", "created_at", "expires_at"]);
        let users = django.users.joined_to("t");
        let rest = format!(
            "from {OUTSTANDING} as t {users} \
             where not exists (select 1 from {BLACKLISTED} as b where b.token_id = t.id) \
             order by t.id"
        );
        connection
            .each(&columns, &rest, |mut row| {
                let account = self.account(row.take())?;
                let (jti, token) = (row.take(), row.take().unwrap_or_default());
                let created_at = self.time(OUTSTANDING, "created_at", row.take())?;
                let expires_at = self.time(OUTSTANDING, "expires_at", row.take())?;
                let said = claims(&token);
                let issued_at = time_claim(&said, "iat").or(created_at).unwrap_or(self.now);
                let expires_at = time_claim(&said, "exp").or(expires_at);
                if expires_at.is_none_or(|at| at <= self.now) {
                    return Ok(());
                }
                let members = [
                    ("account", account),
                    ("jti", jti.into()),
                    ("issued_at", issued_at.into()),
                    ("expires_at", expires_at.into()),
                ];
                self.write("refresh_token", members)
            })
            .await
    }

    async fn write_clients(&mut self, connection: &mut Connection) -> Result<(), Problem> {
        let django = self.django;
        let Some(applications) = django.table(APPLICATIONS) else { return Ok(()) };
        let names =
            ["client_id", "client_secret", "client_type", "authorization_grant_type", "name"];
        let columns = columns(applications, "t", &names);
        let rest = format!("from {APPLICATIONS} as t order by t.id");
        connection
            .each(&columns, &rest, |mut row| {
                let (id, secret) = (row.take(), row.take().unwrap_or_default());
                let (client_type, grant) = (row.take(), row.take());
                let is_public = client_type.as_deref() == Some("public");
                let (sha256, hash) = match secret.as_str() {
                    "" if is_public => (None, None),
                    // Nobody can use it, here or there.
                    "" => (None, Some("!".to_owned())),
                    secret if is_hashed(secret) => (None, Some(secret.to_owned())),
                    // A public one shows it where drf-social-oauth2 wants it.
                    secret => (Some(sha256(secret)), None),
                };
                let allows_password = grant.as_deref() == Some("password");
                let members = [
                    ("id", id.into()),
                    ("name", name(row.take()).into()),
                    ("secret_sha256", sha256.into()),
                    ("secret_hash", hash.into()),
                    ("is_public", is_public.then_some(true).into()),
                    ("allows_password", allows_password.then_some(true).into()),
                ];
                self.write("oauth_client", members)
            })
            .await
    }

    /// Refresh tokens, each with its access token if there still is one.
    async fn write_pairs(&mut self, connection: &mut Connection) -> Result<(), Problem> {
        let django = self.django;
        let (Some(refresh), Some(access)) =
            (django.table(REFRESH_TOKENS), django.table(ACCESS_TOKENS))
        else {
            return Ok(());
        };
        let of_refresh = columns(refresh, "t", &["user_id", "token", "created"]);
        let of_access = columns(access, "x", &["token", "expires", "scope"]);
        let users = django.users.joined_to("t");
        let columns = format!("{of_refresh}, cast(a.client_id as text), {of_access}");
        let rest = format!(
            "from {REFRESH_TOKENS} as t {users} \
             join {APPLICATIONS} as a on a.id = t.application_id \
             left join {ACCESS_TOKENS} as x on x.id = t.access_token_id \
             where t.revoked is null order by t.id"
        );
        connection
            .each(&columns, &rest, |mut row| {
                let account = self.account(row.take())?;
                let refresh_sha256 = digest(row.take());
                let created_at = self.time(REFRESH_TOKENS, "created", row.take())?;
                let (client, token) = (row.take(), row.take());
                let expires_at = self.time(ACCESS_TOKENS, "expires", row.take())?;
                let opened = token.filter(|token| !token.is_empty()).zip(expires_at);
                let members = [
                    ("account", account),
                    ("client", client.into()),
                    ("scope", row.take().into()),
                    ("created_at", created_at.into()),
                    ("refresh_sha256", refresh_sha256.into()),
                    ("access_sha256", opened.as_ref().map(|(token, _)| sha256(token)).into()),
                    ("access_expires_at", opened.map(|(_, at)| at).into()),
                ];
                self.write("oauth_pair", members)
            })
            .await
    }

    /// Access tokens without a refresh token that could follow them.
    async fn write_lone_access_tokens(
        &mut self,
        connection: &mut Connection,
    ) -> Result<(), Problem> {
        let django = self.django;
        let Some(access) = django.table(ACCESS_TOKENS) else { return Ok(()) };
        let columns = columns(access, "t", &["user_id", "token", "created", "expires", "scope"]);
        let users = django.users.joined_to("t");
        let columns = format!("{columns}, cast(a.client_id as text)");
        let rest = format!(
            "from {ACCESS_TOKENS} as t {users} \
             join {APPLICATIONS} as a on a.id = t.application_id \
             where not exists (select 1 from {REFRESH_TOKENS} as r \
             where r.access_token_id = t.id and r.revoked is null) order by t.id"
        );
        connection
            .each(&columns, &rest, |mut row| {
                let account = self.account(row.take())?;
                let sha256 = digest(row.take());
                let created_at = self.time(ACCESS_TOKENS, "created", row.take())?;
                let expires_at = self.time(ACCESS_TOKENS, "expires", row.take())?;
                if expires_at.is_none_or(|at| at <= self.now) {
                    return Ok(());
                }
                let (scope, client) = (row.take(), row.take());
                let members = [
                    ("account", account),
                    ("client", client.into()),
                    ("scope", scope.into()),
                    ("created_at", created_at.into()),
                    ("access_sha256", sha256.into()),
                    ("access_expires_at", expires_at.into()),
                ];
                self.write("oauth_pair", members)
            })
            .await
    }

    async fn write_identities(
        &mut self,
        connection: &mut Connection,
        table: &'static str,
        created: &'static str,
    ) -> Result<(), Problem> {
        let django = self.django;
        let Some(identities) = django.table(table) else { return Ok(()) };
        let columns = columns(identities, "t", &["user_id", "provider", "uid", created]);
        let users = django.users.joined_to("t");
        let rest = format!("from {table} as t {users} order by t.id");
        connection
            .each(&columns, &rest, |mut row| {
                let account = self.account(row.take())?;
                let provider = row.take().unwrap_or_default();
                let known = PROVIDERS.iter().find(|(theirs, _)| *theirs == provider);
                let provider = known.map_or(provider.as_str(), |(_, ours)| *ours);
                let Some(uid) = row.take().filter(|uid| !uid.is_empty()) else { return Ok(()) };
                let created_at = self.time(table, created, row.take())?;
                // Google and Mail.ru of python-social-auth go by the address, unless they are told
                // otherwise.
                let is_address = uid.contains('@') && ["google", "mailru"].contains(&provider);
                let key = if is_address { "email" } else { "subject" };
                let members = [
                    ("account", account),
                    ("provider", provider.into()),
                    ("created_at", created_at.into()),
                    (key, uid.into()),
                ];
                self.write("identity", members)
            })
            .await
    }

    /// An account's id, as the import file has it.
    fn account(&self, id: Option<String>) -> Result<Value, Problem> {
        let users = &self.django.users;
        let id = id.and_then(|id| account_id(&id, users.key_kind));
        id.ok_or_else(|| Problem::Value {
            table: users.table.name.clone(),
            column: users.key.clone(),
        })
    }

    /// How far times without an offset are ahead of UTC, in seconds.
    fn ahead(&self) -> i64 {
        self.settings.utc_offset_minutes * SECONDS_OF_A_MINUTE
    }

    fn time(
        &self,
        table: &str,
        column: &str,
        value: Option<String>,
    ) -> Result<Option<i64>, Problem> {
        let Some(text) = value else { return Ok(None) };
        match seconds(&text, self.ahead()) {
            Some(at) => Ok(Some(at)),
            None => Err(Problem::Value { table: table.to_owned(), column: column.to_owned() }),
        }
    }
}

/// Whether an account's address is its own, as a column.
fn proof(users: &Users) -> String {
    match (&users.proved, &users.email) {
        (Proved::Active | Proved::Never, _) | (_, None) => absent(),
        (Proved::Column(column), Some(_)) => users.table.text("u", column),
        (Proved::Allauth, Some(email)) => format!(
            "case when exists (select 1 from {ADDRESSES} as e where e.user_id = {} \
             and e.verified and lower(e.email) = lower({})) then '1' else '0' end",
            place("u", &users.key),
            place("u", email),
        ),
    }
}

/// Columns of a table that has this other name.
fn columns(table: &Table, alias: &str, names: &[&str]) -> String {
    let texts: Vec<_> = names.iter().map(|name| table.text(alias, name)).collect();
    texts.join(", ")
}

/// The value of a column that there is not.
fn absent() -> String {
    "cast(null as text)".to_owned()
}

fn digest(token: Option<String>) -> String {
    sha256(&token.unwrap_or_default())
}
