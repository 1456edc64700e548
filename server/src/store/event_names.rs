//! The names of events and of their reasons. They are stored and shown, so they never change;
//! `docs/events.md` says what each means.

/// An enum with the texts of its variants, and the list of them.
macro_rules! names {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            const ALL: &[&str] = &[$($text),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }
    };
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    Registered(Registered),
    Activated,
    SignedIn(SignedInBy),
    /// One session ended.
    SessionEnded(Ending),
    /// All sessions of the account ended, except the one that the event names.
    SessionsEnded(Ending),
    PasswordChanged(PasswordBy),
    PasswordRemoved(PasswordBy),
    NamesChanged(NameChange),
    /// An operator has written other attributes.
    AttributesChanged,
    Linked(LinkedBy),
    Unlinked(LinkedBy),
    /// The reason is the kind of the mail.
    MailQueued,
    MailSent,
    /// The mail server refused it, or its link expired before it could be sent.
    MailGivenUp,
    /// The operator's service did not accept it in time. The reason is what it says.
    WebhookGivenUp,
    Exported,
    /// Attempts that were refused; the row has a count.
    Refused(Refusal),
    Disabled,
    Enabled,
    Unlocked,
    AccountDeleted,
    /// An operator asked for a mail that resets the password.
    ResetRequested,
    ClientCreated,
    ClientDeleted,
    /// A key that the start of a server made, because there was none to sign.
    KeyCreated,
    KeyRotated,
    KeyRevoked,
    ProviderMoved,
    MailsRetried,
    AllSessionsEnded,
    Restored,
    /// A setting has another value than at the last start.
    SettingChanged,
    /// Nothing has happened: costs as much as an event, and is never shown.
    Decoy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Registered {
    /// By its owner, by an operator if the event has one, or by the settings if it has no dialect.
    WithName,
    ByProvider,
    Imported,
}

names! {
    SignedInBy {
        Password = "password",
        /// A sign-in of the owner with a provider.
        Provider = "provider",
        /// A provider's token that an app has sent.
        ProviderToken = "provider_token",
        Registration = "registration",
        /// A refresh token of a replaced server.
        ReplacedServer = "replaced_server",
    }
}

names! {
    /// Why sessions ended.
    Ending {
        /// By the session itself.
        SignedOut = "signed_out",
        /// By another session of the owner.
        SignedOutElsewhere = "signed_out_elsewhere",
        /// A refresh token was used twice: a copy of it exists.
        Reused = "reused",
        PasswordChanged = "password_changed",
        /// A newer session needed its place.
        Cap = "cap",
        Operator = "operator",
        /// The owner of the mailbox became the only owner.
        Ownership = "ownership",
        /// The owner of the former mailbox took back a change of the address.
        EmailReturned = "email_returned",
        /// The account's sessions of an OAuth client ended.
        Client = "client",
        /// An operator deleted the OAuth client.
        ClientDeleted = "client_deleted",
    }
}

names! {
    PasswordBy {
        CurrentPassword = "current_password",
        RecentSignIn = "recent_sign_in",
        MailedLink = "mailed_link",
        Operator = "operator",
        Ownership = "ownership",
        EmailReturned = "email_returned",
    }
}

names! {
    NameChange {
        Email = "email",
        /// A new address waits for its confirmation.
        EmailPending = "email_pending",
        /// The new address does not wait any more, and the present one stays.
        EmailCancelled = "email_cancelled",
        EmailConfirmed = "email_confirmed",
        EmailReturned = "email_returned",
        EmailRemoved = "email_removed",
        Phone = "phone",
        PhoneRemoved = "phone_removed",
        Username = "username",
        UsernameRemoved = "username_removed",
        /// The same name in other letters, such as capitals.
        Spelling = "spelling",
        DisplayName = "display_name",
        /// An operator has set the id of a replaced system.
        ForeignId = "foreign_id",
    }
}

names! {
    LinkedBy {
        /// A session of the owner.
        Owner = "owner",
        /// A sign-in with a provider that has verified the account's address.
        Address = "address",
        Ownership = "ownership",
        EmailReturned = "email_returned",
    }
}

names! {
    /// Why an attempt was refused.
    Refusal {
        WrongPassword = "wrong_password",
        Inactive = "inactive",
        TooManyAttempts = "too_many_attempts",
        /// The current password, for a sensitive change.
        WrongCurrentPassword = "wrong_current_password",
        /// A mail was not queued, because its mailbox had enough of them.
        MailLimit = "mail_limit",
    }
}

names! {
    /// What has happened to an account, for a service of the operator.
    AccountChange {
        Created = "account.created",
        Changed = "account.changed",
        Deleted = "account.deleted",
    }
}

/// The reasons of registrations with a provider and of imports; others have none.
const REGISTERED: &[&str] = &["provider", "imported"];
const NONE: &[&str] = &[];

/// Gives the events their names and the reasons that they can have, in one list.
macro_rules! name_events {
    ($($event:pat => $name:literal of $reasons:expr,)*) => {
        /// The names of all events that are shown.
        pub const EVENT_NAMES: &[&str] = &[$($name),*];
        /// Each with its reasons, except those of mails, which are the kinds of mails.
        pub const EVENT_REASONS: &[(&str, &[&str])] = &[$(($name, $reasons)),*];

        impl Event {
            pub fn as_str(self) -> &'static str {
                match self {
                    $($event => $name,)*
                    Event::Decoy => "decoy",
                }
            }
        }
    };
}

name_events! {
    Event::Registered(_) => "registered" of REGISTERED,
    Event::Activated => "activated" of NONE,
    Event::SignedIn(_) => "signed_in" of SignedInBy::ALL,
    Event::SessionEnded(_) => "session_ended" of Ending::ALL,
    Event::SessionsEnded(_) => "sessions_ended" of Ending::ALL,
    Event::PasswordChanged(_) => "password_changed" of PasswordBy::ALL,
    Event::PasswordRemoved(_) => "password_removed" of PasswordBy::ALL,
    Event::NamesChanged(_) => "names_changed" of NameChange::ALL,
    Event::AttributesChanged => "attributes_changed" of NONE,
    Event::Linked(_) => "linked" of LinkedBy::ALL,
    Event::Unlinked(_) => "unlinked" of LinkedBy::ALL,
    Event::MailQueued => "mail_queued" of NONE,
    Event::MailSent => "mail_sent" of NONE,
    Event::MailGivenUp => "mail_given_up" of NONE,
    Event::WebhookGivenUp => "webhook_given_up" of AccountChange::ALL,
    Event::Exported => "exported" of NONE,
    Event::Refused(_) => "refused" of Refusal::ALL,
    Event::Disabled => "disabled" of NONE,
    Event::Enabled => "enabled" of NONE,
    Event::Unlocked => "unlocked" of NONE,
    Event::AccountDeleted => "account_deleted" of NONE,
    Event::ResetRequested => "reset_requested" of NONE,
    Event::ClientCreated => "client_created" of NONE,
    Event::ClientDeleted => "client_deleted" of NONE,
    Event::KeyCreated => "key_created" of NONE,
    Event::KeyRotated => "key_rotated" of NONE,
    Event::KeyRevoked => "key_revoked" of NONE,
    Event::ProviderMoved => "provider_moved" of NONE,
    Event::MailsRetried => "mails_retried" of NONE,
    Event::AllSessionsEnded => "all_sessions_ended" of NONE,
    Event::Restored => "restored" of NONE,
    Event::SettingChanged => "setting_changed" of NONE,
}

impl Event {
    /// Why or how it happened, if that is part of the event.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Event::Registered(how) => match how {
                Registered::WithName => None,
                Registered::ByProvider => Some("provider"),
                Registered::Imported => Some("imported"),
            },
            Event::SignedIn(by) => Some(by.as_str()),
            Event::SessionEnded(why) | Event::SessionsEnded(why) => Some(why.as_str()),
            Event::PasswordChanged(by) | Event::PasswordRemoved(by) => Some(by.as_str()),
            Event::NamesChanged(what) => Some(what.as_str()),
            Event::Linked(by) | Event::Unlinked(by) => Some(by.as_str()),
            Event::Refused(why) => Some(why.as_str()),
            _ => None,
        }
    }
}

impl AccountChange {
    /// What a service is sent because of an event. Imported accounts come from the server that is
    /// replaced, which knows them.
    pub(super) fn of(event: Event) -> Option<Self> {
        match event {
            Event::Registered(Registered::WithName | Registered::ByProvider) => {
                Some(AccountChange::Created)
            }
            Event::NamesChanged(NameChange::EmailPending | NameChange::EmailCancelled) => None,
            Event::NamesChanged(_) | Event::Activated | Event::Disabled | Event::Enabled => {
                Some(AccountChange::Changed)
            }
            Event::AccountDeleted => Some(AccountChange::Deleted),
            _ => None,
        }
    }
}
