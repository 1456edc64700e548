//! From the settings of an API to the API: its policy and its place. Where a setting is missing, the
//! dialect's document decides.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{ALL, Api, Dialect, Home, Views};
use crate::api::{Answers, Member, Operation, Place};
use crate::auth::{AccountValue, ApiLinks, Claim, Policy, ResetPage, TokenForm};
use crate::config::{
    AnswerMember, AnsweredBy, ApiSettings, ConfigError, Links, UserIdForm, Version, Versions,
};
use crate::identifier::Kind;
use crate::upstream::Upstream;

type Built<T> = Result<T, ConfigError>;

/// The operation whose path has a page for a new password, in a dialect with such a page.
const RESET: &str = "reset_password_confirm";
/// The first versions with other answers.
const SIMPLEJWT_TEXTS: Version = Version([5, 5, 0]);
const SIMPLEJWT_TEXT_IDS: Version = Version([5, 5, 1]);
const DJOSER_HIDES_ACTIVATION: Version = Version([2, 2, 1]);
const DJANGORESTFRAMEWORK_NAMES_MODEL: Version = Version([3, 15, 0]);
const SOCIAL_LONG_TOKENS: Version = Version([2, 2, 0]);
const SOCIAL_TAKES_NO_SECRET: Version = Version([3, 0, 0]);
const SOCIAL_SHOWS_USER: Version = Version([3, 1, 0]);
const SOCIAL_NAMES_FIELDS: Version = Version([3, 2, 0]);
/// How long an answer of a Django may take, as a worker of gunicorn may.
const UPSTREAM_SECONDS: u64 = 30;

/// The API of these settings.
pub fn api(name: &str, settings: &ApiSettings) -> Built<Api> {
    if ALL.iter().any(|dialect| dialect.policy.name == name) {
        let problem = format!(
            "is the name of a built-in API, whose settings are dialects.{name}; choose another name"
        );
        return Err(ConfigError::invalid(format!("apis.{name}"), problem));
    }
    let profile = Profile { name, settings };
    let (dialect, views) = profile.dialect()?;
    let place = profile.place(&dialect, &views)?;
    let policy = profile.policy(&dialect.policy, &views, &place)?;
    Ok(Api { policy, place, upstream: profile.upstream()?, dialect })
}

/// An API's name and settings.
struct Profile<'c> {
    name: &'c str,
    settings: &'c ApiSettings,
}

impl Profile<'_> {
    fn invalid(&self, setting: &str, problem: impl Into<Cow<'static, str>>) -> ConfigError {
        ConfigError::invalid(format!("apis.{}.{setting}", self.name), problem)
    }

    fn dialect(&self) -> Built<(Dialect, Views)> {
        let named =
            |dialect: &&Dialect| self.settings.dialect.as_deref() == Some(dialect.policy.name);
        match ALL.iter().find(named).map(|dialect| (*dialect, dialect.home)) {
            Some((dialect, Home::Views(views))) => Ok((dialect, views)),
            Some((_, Home::Below(_))) | None => {
                let placeable = ALL.iter().filter(|one| matches!(one.home, Home::Views(_)));
                let names: Vec<_> = placeable.map(|one| one.policy.name).collect();
                Err(self.invalid("dialect", format!("must be one of {}", names.join(", "))))
            }
        }
    }

    fn place(&self, dialect: &Dialect, views: &Views) -> Built<Place> {
        let document = views.place();
        let ApiSettings { header_words, sign_in_field, .. } = self.settings;
        let paths = self.paths(dialect, views)?;
        Ok(Place {
            at_django: self.at_django(&paths)?,
            answers: self.answers(&dialect.policy, views, paths.contains_key("sign_out")),
            paths,
            header_words: match header_words.is_empty() {
                true => document.header_words,
                false => header_words.clone(),
            },
            sign_in_field: sign_in_field.as_deref().map_or(document.sign_in_field, kept),
            members: self.members()?,
        })
    }

    /// The path of each operation that is served.
    fn paths(&self, dialect: &Dialect, views: &Views) -> Built<BTreeMap<&'static str, String>> {
        let operations = views.operations();
        let ApiSettings { paths: own, operations: named, routes, .. } = self.settings;
        for (setting, name) in own
            .keys()
            .map(|name| (format!("paths.{name}"), name))
            .chain(routes.keys().map(|name| (format!("routes.{name}"), name)))
            .chain(named.iter().map(|name| ("operations".to_owned(), name)))
        {
            if !operations.iter().any(|one| one.name == *name) {
                return Err(self.invalid(&setting, unknown_operation(name, dialect, &operations)));
            }
        }
        let mut paths = BTreeMap::new();
        for one in operations {
            let is_served = named.is_empty() || named.iter().any(|name| name == one.name);
            let setting = format!("paths.{}", one.name);
            let path = match (own.get(one.name), one.path) {
                (Some(_), _) if !is_served => {
                    let problem = "is set, but the list of operations does not have it";
                    return Err(self.invalid(&setting, problem));
                }
                (_, _) if !is_served => continue,
                (Some(path), _) => path.clone(),
                (None, "") if named.is_empty() => continue,
                (None, "") => {
                    let problem = "must be set: the document has no path for this operation";
                    return Err(self.invalid(&setting, problem));
                }
                (None, path) => self.prefixed(path, views),
            };
            let ids = |path: &str| path.matches("{id}").count();
            if ids(&path) != ids(one.path) {
                let problem = match one.path.contains("{id}") {
                    true => "must have one {id} in it, the number of the account",
                    false => "must not have {id} in it",
                };
                return Err(self.invalid(&setting, problem));
            }
            if let Some(other) = with_path(&paths, &path) {
                return Err(self.invalid(&setting, format!("is the path of {other} too")));
            }
            paths.insert(one.name, path);
        }
        Ok(paths)
    }

    /// The operations that a Django answers.
    fn at_django(&self, paths: &BTreeMap<&'static str, String>) -> Built<BTreeSet<&'static str>> {
        let mut at_django = BTreeSet::new();
        for (name, by) in &self.settings.routes {
            let Some((operation, _)) = paths.get_key_value(name.as_str()) else {
                let problem = "is set, but the API has no path for this operation";
                return Err(self.invalid(&format!("routes.{name}"), problem));
            };
            if *by == AnsweredBy::Django {
                at_django.insert(*operation);
            }
        }
        Ok(at_django)
    }

    /// What depends on the versions of the libraries. SimpleJWT has its blacklist where it spends
    /// tokens, or signs out.
    fn answers(&self, document: &Policy, views: &Views, signs_out: bool) -> Answers {
        let ApiSettings { rotating, blacklist_after_rotation, activation, versions, .. } =
            self.settings;
        let Versions { simplejwt, djoser, djangorestframework, drf_social_oauth2 } = *versions;
        let is_social_since =
            |first: Version| drf_social_oauth2.is_some_and(|version| version >= first);
        let spends =
            rotating.unwrap_or(document.rotating) && *blacklist_after_rotation != Some(false);
        let answers = match simplejwt {
            Some(version) if version >= SIMPLEJWT_TEXTS => views.answers.with_texts_of_5_5(),
            Some(_) => views.answers.with_texts_of_5_3(),
            None => views.answers,
        };
        // The djoser of djoser_jwt is newer than that of djoser_token.
        let hides_activation = djoser.map_or(document.form == TokenForm::SimpleJwt, |version| {
            version >= DJOSER_HIDES_ACTIVATION
        });
        // Without the setting, keys wait for an activation and JWTs do not.
        let activates = activation.unwrap_or(document.form == TokenForm::ApiToken);
        Answers {
            names_spent: answers.names_spent || spends || signs_out,
            // The document of the rotating API says 401.
            spent_is_bad_request: spends,
            hides_activation: activates && hides_activation,
            unknown_user: match djangorestframework {
                Some(version) if version >= DJANGORESTFRAMEWORK_NAMES_MODEL => {
                    "No User matches the given query."
                }
                Some(_) | None => answers.unknown_user,
            },
            takes_no_secret: is_social_since(SOCIAL_TAKES_NO_SECRET),
            longest_provider_token: match is_social_since(SOCIAL_LONG_TOKENS) {
                true => 5_000,
                false => answers.longest_provider_token,
            },
            names_fields: is_social_since(SOCIAL_NAMES_FIELDS),
            shows_user: is_social_since(SOCIAL_SHOWS_USER),
            ..answers
        }
    }

    /// The form of `user_id`: a SimpleJWT of the settings decides it where they do not.
    fn user_id(&self, document: &Policy) -> UserIdForm {
        let ApiSettings { user_id, versions, .. } = self.settings;
        let by_version = versions.simplejwt.map(|version| match version >= SIMPLEJWT_TEXT_IDS {
            true => UserIdForm::Text,
            false => UserIdForm::Number,
        });
        user_id.or(by_version).unwrap_or(document.user_id)
    }

    fn upstream(&self) -> Built<Option<Upstream>> {
        let ApiSettings { upstream, upstream_seconds, .. } = self.settings;
        let Some(address) = upstream else { return Ok(None) };
        let patience = Duration::from_secs(upstream_seconds.unwrap_or(UPSTREAM_SECONDS));
        let upstream = Upstream::new(address, patience);
        upstream.map(Some).map_err(|problem| self.invalid("upstream", problem))
    }

    /// A path of the document under the prefix of the settings.
    fn prefixed(&self, path: &str, views: &Views) -> String {
        let Some(prefix) = &self.settings.prefix else { return path.to_owned() };
        let rest = path.strip_prefix(views.prefix).unwrap_or(path);
        format!("{}{rest}", prefix.trim_end_matches('/'))
    }

    fn policy(&self, document: &Policy, views: &Views, place: &Place) -> Built<Policy> {
        self.refuse_settings_of_tokens(document)?;
        self.refuse_settings_of_mails(document, views)?;
        self.refuse_versions(document, views)?;
        let settings = self.settings;
        let rotating = settings.rotating.unwrap_or(document.rotating);
        if settings.blacklist_after_rotation.is_some() && !rotating {
            return Err(self.invalid("blacklist_after_rotation", "needs rotating"));
        }
        let policy = Policy {
            name: kept(self.name),
            // Given by the database.
            code: match document.form {
                TokenForm::SimpleJwt => Policy::UNNUMBERED,
                TokenForm::ApiToken | TokenForm::UserName | TokenForm::PublicKey => document.code,
            },
            signs_in_by: self.kinds(document)?,
            access_seconds: settings.access_seconds.unwrap_or(document.access_seconds),
            refresh_seconds: settings.refresh_seconds.unwrap_or(document.refresh_seconds),
            rotating,
            reusable: settings.blacklist_after_rotation == Some(false),
            early_refresh_seconds: settings
                .early_refresh_seconds
                .or(document.early_refresh_seconds),
            user_id: self.user_id(document),
            claims: self.claims()?,
            fresh_claims: settings.fresh_claims.unwrap_or(document.fresh_claims),
            own_key: settings.signing_key.is_some() || settings.private_key_file.is_some(),
            audience: settings.audience.as_deref().map(kept),
            issuer: settings.issuer.as_deref().map(kept),
            strict: settings.strict.unwrap_or(document.strict),
            max_sessions: settings.max_sessions.unwrap_or(document.max_sessions),
            activation: settings.activation.or(document.activation),
            registers_at_django: views
                .operations()
                .iter()
                .any(|one| one.makes_accounts && place.at_django.contains(one.name)),
            reset_page: document.reset_page.and_then(|_| reset_page(place)),
            links: links(&settings.links),
            ..*document
        };
        if settings.fresh_claims.is_some() && policy.claims.is_empty() {
            return Err(self.invalid("fresh_claims", "needs claims"));
        }
        if policy.strict && policy.user_id == UserIdForm::Foreign {
            let problem = "must be off if user_id is foreign: the answer to a registration in strict \
                           mode has a number";
            return Err(self.invalid("strict", problem));
        }
        if policy.access_seconds > policy.refresh_seconds {
            let problem = format!("must not be above refresh_seconds, {}", policy.refresh_seconds);
            return Err(self.invalid("access_seconds", problem));
        }
        Ok(policy)
    }

    /// Opaque tokens have no claims and are not rotated.
    fn refuse_settings_of_tokens(&self, document: &Policy) -> Built<()> {
        let ApiSettings {
            rotating,
            blacklist_after_rotation,
            early_refresh_seconds,
            user_id,
            signing_key,
            private_key_file,
            answer,
            claims,
            fresh_claims,
            audience,
            issuer,
            ..
        } = self.settings;
        let given = [
            ("rotating", rotating.is_some()),
            ("blacklist_after_rotation", blacklist_after_rotation.is_some()),
            ("early_refresh_seconds", early_refresh_seconds.is_some()),
            ("user_id", user_id.is_some_and(|form| form != UserIdForm::Foreign)),
            ("signing_key", signing_key.is_some()),
            ("private_key_file", private_key_file.is_some()),
            ("answer", !answer.is_empty()),
            ("claims", !claims.is_empty()),
            ("fresh_claims", fresh_claims.is_some()),
            ("audience", audience.is_some()),
            ("issuer", issuer.is_some()),
        ];
        match given.into_iter().find(|(_, is_set)| *is_set) {
            Some((setting, _)) if document.form != TokenForm::SimpleJwt => {
                let problem = format!("{} has no such setting", document.name);
                Err(self.invalid(setting, problem))
            }
            _ => Ok(()),
        }
    }

    /// A dialect has the mails of its views alone.
    fn refuse_settings_of_mails(&self, document: &Policy, views: &Views) -> Built<()> {
        let ApiSettings { activation: activates, links, .. } = self.settings;
        let Links { activation, reset, email_reset } = links;
        let operations = views.operations();
        for (setting, is_set, operation) in [
            ("activation", activates.is_some(), "activation"),
            ("links.activation", activation.is_some(), "activation"),
            ("links.reset", reset.is_some(), "reset_password"),
            ("links.email_reset", email_reset.is_some(), "reset_email"),
        ] {
            if is_set && !operations.iter().any(|one| one.name == operation) {
                let problem = format!("{} has no such setting", document.name);
                return Err(self.invalid(setting, problem));
            }
        }
        Ok(())
    }

    /// A version is a setting only where answers depend on it.
    fn refuse_versions(&self, document: &Policy, views: &Views) -> Built<()> {
        let Versions { simplejwt, djoser, djangorestframework, drf_social_oauth2 } =
            self.settings.versions;
        let operations = views.operations();
        let has = |operation: &str| operations.iter().any(|one| one.name == operation);
        for (setting, is_set, is_there) in [
            ("simplejwt", simplejwt.is_some(), document.form == TokenForm::SimpleJwt),
            ("djoser", djoser.is_some(), has("resend_activation")),
            ("djangorestframework", djangorestframework.is_some(), has("user")),
            ("drf_social_oauth2", drf_social_oauth2.is_some(), has("convert_token")),
        ] {
            if is_set && !is_there {
                let problem = format!("no answer of {} depends on it", document.name);
                return Err(self.invalid(&format!("versions.{setting}"), problem));
            }
        }
        Ok(())
    }

    /// The claims of the operator's choice, in the order of the settings.
    fn claims(&self) -> Built<&'static [Claim]> {
        let mut claims = Vec::new();
        for (name, said) in &self.settings.claims {
            let value = self.account_value(&format!("claims.{name}"), said)?;
            claims.push(Claim { name: kept(name), value });
        }
        Ok(kept_claims(claims))
    }

    /// The members of the answer to a sign-in, in the order of the settings.
    fn members(&self) -> Built<Vec<(String, Member)>> {
        let mut members = Vec::new();
        for (name, content) in &self.settings.answer {
            let setting = format!("answer.{name}");
            let member = match content {
                AnswerMember::Value(said) => Member::Value(self.account_value(&setting, said)?),
                AnswerMember::Object(inner) => {
                    let mut values = Vec::new();
                    for (name, said) in inner {
                        let value = self.account_value(&format!("{setting}.{name}"), said)?;
                        values.push((name.clone(), value));
                    }
                    Member::Object(values)
                }
            };
            members.push((name.clone(), member));
        }
        Ok(members)
    }

    fn account_value(&self, setting: &str, said: &str) -> Built<AccountValue> {
        if let Some(name) = said.strip_prefix("attributes.").filter(|name| !name.is_empty()) {
            return Ok(AccountValue::Attribute(kept(name)));
        }
        let known = ACCOUNT_VALUES.into_iter().find(|(known, _)| *known == said);
        known.map(|(_, value)| value).ok_or_else(|| {
            let known = ACCOUNT_VALUES.map(|(known, _)| known).join(", ");
            let problem = format!("must be one of {known}, or attributes. and the name of one");
            self.invalid(setting, problem)
        })
    }

    /// The kinds of names that sign in.
    fn kinds(&self, document: &Policy) -> Built<&'static [Kind]> {
        let named = &self.settings.signs_in_by;
        if named.is_empty() {
            return Ok(document.signs_in_by);
        }
        let known = [Kind::Email, Kind::Phone, Kind::Username];
        if named.iter().any(|name| !known.iter().any(|kind| kind.as_str() == name)) {
            let problem = "must be a list of email, phone and username";
            return Err(self.invalid("signs_in_by", problem));
        }
        Ok(match known.map(|kind| named.iter().any(|name| name == kind.as_str())) {
            [true, true, true] => &[Kind::Email, Kind::Phone, Kind::Username],
            [true, true, false] => &[Kind::Email, Kind::Phone],
            [true, false, true] => &[Kind::Email, Kind::Username],
            [false, true, true] => &[Kind::Phone, Kind::Username],
            [true, false, false] => &[Kind::Email],
            [false, true, false] => &[Kind::Phone],
            [false, false, _] => &[Kind::Username],
        })
    }
}

/// What a claim or a member can say of an account, by its name in the settings.
const ACCOUNT_VALUES: [(&str, AccountValue); 7] = [
    ("id", AccountValue::Id),
    ("username", AccountValue::Username),
    ("email", AccountValue::Email),
    ("phone", AccountValue::Phone),
    ("name", AccountValue::DisplayName),
    ("is_active", AccountValue::IsActive),
    ("is_superuser", AccountValue::IsSuperuser),
];

fn unknown_operation(name: &str, dialect: &Dialect, operations: &[Operation]) -> String {
    let known: Vec<_> = operations.iter().map(|one| one.name).collect();
    let (dialect, known) = (dialect.policy.name, known.join(", "));
    format!("{} is no operation of {dialect}, which has {known}", name.escape_debug())
}

/// The operation at the same path, with or without the final slash.
fn with_path(paths: &BTreeMap<&'static str, String>, path: &str) -> Option<&'static str> {
    let bare = |path: &str| path.trim_end_matches('/').to_owned();
    let same = |(_, other): &(&&'static str, &String)| bare(other) == bare(path);
    paths.iter().find(same).map(|(name, _)| *name)
}

fn links(settings: &Links) -> ApiLinks {
    let Links { activation, reset, email_reset } = settings;
    let own = |link: &Option<String>| link.as_deref().map(kept);
    ApiLinks { activation: own(activation), reset: own(reset), email_reset: own(email_reset) }
}

fn reset_page(place: &Place) -> Option<ResetPage> {
    let path = place.own_path(RESET)?.trim_end_matches('/');
    let link = format!("{path}/?uid={{uid}}&token={{token}}");
    Some(ResetPage { path: kept(path), link: kept(&link) })
}

/// A text of the settings for as long as the process lives, like the constants of the documents.
/// Equal texts are one.
fn kept(text: &str) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(text).copied() {
        return known;
    }
    let new: &'static str = String::leak(text.to_owned());
    all.insert(new);
    new
}

/// The same for claims.
fn kept_claims(claims: Vec<Claim>) -> &'static [Claim] {
    static KEPT: Mutex<BTreeSet<&'static [Claim]>> = Mutex::new(BTreeSet::new());
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(&*claims).copied() {
        return known;
    }
    let new: &'static [Claim] = claims.leak();
    all.insert(new);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(dialect: &str, change: impl FnOnce(&mut ApiSettings)) -> Built<Api> {
        let mut settings =
            ApiSettings { dialect: Some(dialect.to_owned()), ..ApiSettings::default() };
        change(&mut settings);
        api("shop", &settings)
    }

    fn problem(dialect: &str, change: impl FnOnce(&mut ApiSettings)) -> String {
        built(dialect, change).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn set_path(settings: &mut ApiSettings, operation: &str, path: &str) {
        settings.paths.insert(operation.to_owned(), path.to_owned());
    }

    fn route(settings: &mut ApiSettings, operation: &str, by: AnsweredBy) {
        settings.routes.insert(operation.to_owned(), by);
    }

    #[test]
    fn api_without_settings_is_that_of_the_document() {
        for dialect in ALL {
            let Home::Views(views) = dialect.home else { continue };
            let Ok(api) = built(dialect.policy.name, |_| {}) else {
                panic!("{} is refused", dialect.policy.name)
            };
            assert_eq!(api.place.paths, views.place().paths);
            assert_eq!(api.place.header_words, views.place().header_words);
            assert_eq!(api.policy.name, "shop");
            let document = dialect.policy;
            assert_eq!(api.policy.access_seconds, document.access_seconds);
            assert_eq!(api.policy.early_refresh_seconds, document.early_refresh_seconds);
            let reset = |policy: Policy| policy.reset_page.map(|page| (page.path, page.link));
            assert_eq!(reset(api.policy), reset(document));
        }
    }

    #[test]
    fn prefix_replaces_that_of_the_document_and_a_path_the_whole() {
        let api = built("djoser_jwt", |settings| {
            settings.prefix = Some("/auth/".to_owned());
            set_path(settings, "sign_in", "/api/token/");
        });
        let Ok(Api { place, .. }) = api else { panic!("it is refused") };
        assert_eq!(place.path("sign_in"), Some("/api/token/"));
        assert_eq!(place.path("refresh"), Some("/auth/jwt/refresh/"));
        assert_eq!(place.path("user"), Some("/auth/users/{id}/"));
        let api = built("simplejwt_rotating", |api| api.prefix = Some("/api".to_owned()));
        let Ok(Api { place, .. }) = api else { panic!("it is refused") };
        assert_eq!(place.path("sign_in"), Some("/api/token"));
        assert_eq!(place.path("register"), Some("/api/v1/creat_autor"));
    }

    #[test]
    fn versions_decide_where_libraries_differ() {
        let versions = |text: &str| Versions {
            simplejwt: Version::try_from(text.to_owned()).ok(),
            ..Versions::default()
        };
        for (version, invalid, form) in [
            ("5.4.0", "Token is invalid or expired", UserIdForm::Number),
            ("5.5.0", "Token is invalid", UserIdForm::Number),
            ("5.5.1", "Token is invalid", UserIdForm::Text),
            ("5.5", "Token is invalid", UserIdForm::Text),
            ("6", "Token is invalid", UserIdForm::Text),
        ] {
            for dialect in ["djoser_jwt", "simplejwt", "simplejwt_rotating"] {
                let api = built(dialect, |api| api.versions = versions(version));
                let Ok(Api { policy, place, .. }) = api else { panic!("it is refused") };
                assert_eq!(place.answers.invalid_token, invalid, "{dialect} {version}");
                assert_eq!(policy.user_id, form, "{dialect} {version}");
            }
        }
        let api = built("djoser_jwt", |api| {
            api.versions = versions("5.5.1");
            api.user_id = Some(UserIdForm::Number);
        });
        assert!(api.is_ok_and(|api| api.policy.user_id == UserIdForm::Number));
    }

    #[test]
    fn only_named_operations_are_served() {
        let api = built("simplejwt", |api| {
            api.operations = ["sign_in", "refresh", "verify"].map(str::to_owned).to_vec();
            set_path(api, "verify", "/api/auth/token/verify/");
        });
        let Ok(Api { place, .. }) = api else { panic!("it is refused") };
        let served: Vec<_> = place.paths.keys().copied().collect();
        assert_eq!(served, ["refresh", "sign_in", "verify"]);
    }

    #[test]
    fn page_for_a_new_password_moves_with_its_operation() {
        let api = built("simplejwt", |api| api.prefix = Some("/v2".to_owned()));
        let Ok(Api { policy, .. }) = api else { panic!("it is refused") };
        let page = policy.reset_page.map(|page| (page.path, page.link));
        let path = "/v2/password/reset/confirm";
        assert_eq!(page, Some((path, &*format!("{path}/?uid={{uid}}&token={{token}}"))));
    }

    #[test]
    fn django_answers_the_operations_that_are_routed_to_it() {
        let api = built("djoser_jwt", |api| {
            route(api, "users", AnsweredBy::Django);
            route(api, "sign_in", AnsweredBy::Propusk);
            api.upstream = Some("http://django:8001".to_owned());
        });
        let Ok(Api { policy, place, upstream, .. }) = api else { panic!("it is refused") };
        assert_eq!(place.own_path("users"), None);
        assert_eq!(place.path("users"), Some("/api/auth/users/"));
        assert_eq!(place.own_path("sign_in"), Some("/api/auth/jwt/create/"));
        assert!(policy.registers_at_django && upstream.is_some());
        let api = built("djoser_jwt", |api| route(api, "me", AnsweredBy::Django));
        let Ok(Api { policy, upstream, .. }) = api else { panic!("it is refused") };
        assert!(!policy.registers_at_django && upstream.is_none());
    }

    #[test]
    fn page_for_a_new_password_is_not_shown_if_a_django_answers_its_path() {
        let api = built("simplejwt", |api| route(api, RESET, AnsweredBy::Django));
        let Ok(Api { policy, .. }) = api else { panic!("it is refused") };
        assert!(policy.reset_page.is_none());
    }

    type Change = fn(&mut ApiSettings);

    fn assert_refused(cases: &[(&str, Change, &str)]) {
        for (dialect, change, expected) in cases {
            let said = problem(dialect, *change);
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn setting_that_the_dialect_does_not_have_is_refused() {
        let cases: [(&str, Change, &str); 7] = [
            (
                "djoser_token",
                |api| api.versions.simplejwt = Some(SIMPLEJWT_TEXTS),
                "apis.shop.versions.simplejwt: no answer of djoser_token depends on it",
            ),
            (
                "simplejwt",
                |api| api.versions.djoser = Some(DJOSER_HIDES_ACTIVATION),
                "apis.shop.versions.djoser: no answer of simplejwt depends on it",
            ),
            (
                "djoser_token",
                |api| drop(api.claims.insert("email".to_owned(), "email".to_owned())),
                "apis.shop.claims: djoser_token has no such setting",
            ),
            (
                "djoser_token",
                |api| api.rotating = Some(true),
                "apis.shop.rotating: djoser_token has no such setting",
            ),
            (
                "simplejwt",
                |api| api.activation = Some(true),
                "apis.shop.activation: simplejwt has no such setting",
            ),
            (
                "djoser_jwt",
                |api| api.links.email_reset = Some("https://a.example/{uid}/{token}".to_owned()),
                "apis.shop.links.email_reset: djoser_jwt has no such setting",
            ),
            (
                "djoser_token",
                |api| api.private_key_file = Some("key.pem".into()),
                "apis.shop.private_key_file: djoser_token has no such setting",
            ),
        ];
        assert_refused(&cases);
    }

    #[test]
    fn refusal_names_the_setting() {
        let cases: [(&str, Change, &str); 16] = [
            ("djoser", |_| {}, "apis.shop.dialect: must be one of djoser_token, simplejwt"),
            ("native", |_| {}, "apis.shop.dialect: must be one of"),
            (
                "djoser_jwt",
                |api| set_path(api, "login", "/login/"),
                "apis.shop.paths.login: login is no operation of djoser_jwt, which has root,",
            ),
            (
                "djoser_jwt",
                |api| api.operations = vec!["login".to_owned()],
                "apis.shop.operations: login is no operation",
            ),
            (
                "djoser_jwt",
                |api| {
                    api.operations = vec!["sign_in".to_owned()];
                    set_path(api, "verify", "/verify/");
                },
                "apis.shop.paths.verify: is set, but the list of operations",
            ),
            (
                "simplejwt",
                |api| api.operations = vec!["verify".to_owned()],
                "apis.shop.paths.verify: must be set",
            ),
            (
                "djoser_jwt",
                |api| route(api, "login", AnsweredBy::Django),
                "apis.shop.routes.login: login is no operation of djoser_jwt, which has root,",
            ),
            (
                "simplejwt",
                |api| route(api, "verify", AnsweredBy::Django),
                "apis.shop.routes.verify: is set, but the API has no path",
            ),
            (
                "djoser_jwt",
                |api| set_path(api, "user", "/user/"),
                "apis.shop.paths.user: must have one {id} in it",
            ),
            (
                "djoser_jwt",
                |api| set_path(api, "me", "/{id}/me/"),
                "apis.shop.paths.me: must not have {id} in it",
            ),
            (
                "djoser_jwt",
                |api| set_path(api, "verify", "/api/auth/jwt/refresh"),
                "apis.shop.paths.verify: is the path of refresh too",
            ),
            (
                "simplejwt",
                |api| api.access_seconds = Some(100_000),
                "apis.shop.access_seconds: must not be above refresh_seconds, 86400",
            ),
            (
                "simplejwt",
                |api| api.blacklist_after_rotation = Some(true),
                "apis.shop.blacklist_after_rotation: needs rotating",
            ),
            (
                "simplejwt",
                |api| drop(api.claims.insert("role".to_owned(), "role".to_owned())),
                "apis.shop.claims.role: must be one of id, username, email, phone, name, is_active,",
            ),
            (
                "simplejwt",
                |api| api.fresh_claims = Some(true),
                "apis.shop.fresh_claims: needs claims",
            ),
            (
                "simplejwt",
                |api| api.signs_in_by = vec!["login".to_owned()],
                "apis.shop.signs_in_by: must be a list of email, phone and username",
            ),
        ];
        assert_refused(&cases);
        let settings =
            ApiSettings { dialect: Some("simplejwt".to_owned()), ..ApiSettings::default() };
        let said = api("simplejwt", &settings).err().map(|error| error.to_string());
        assert!(said.is_some_and(|said| said.starts_with("apis.simplejwt: is the name")));
    }
}
