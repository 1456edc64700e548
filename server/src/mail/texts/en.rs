//! English.

use super::{Frame, Words};
use crate::mail::Message;

pub(super) const FRAME: Frame = Frame {
    account: "Account:",
    device: "Device:",
    link_life: "The link works once and for three days.",
    without_button: "If the button does not work, open this address:",
    footer: "This mail was sent automatically by {host}.",
};

pub(super) fn words(message: &Message) -> Words {
    match message {
        Message::Activation { .. } => Words {
            subject: "Activate your account at {host}",
            why: "This address was given when an account was registered at {host}. To confirm that it is yours, activate the account.",
            button: "Activate the account",
            otherwise: "If it was not you, do nothing: without this step the account cannot be used.",
        },
        Message::PasswordReset { .. } => Words {
            subject: "Set a new password at {host}",
            why: "A new password was requested for your account at {host}.",
            button: "Set a new password",
            otherwise: "If it was not you, do nothing: your password stays as it is.",
        },
        Message::EmailReset { .. } => Words {
            subject: "Change the e-mail address of your account at {host}",
            why: "A change of the e-mail address of your account at {host} was requested.",
            button: "Change the address",
            otherwise: "If it was not you, do nothing: the address stays as it is. Do not share this link.",
        },
        Message::EmailChanged => Words {
            subject: "The e-mail address of your account at {host} was changed",
            why: "Your account at {host} now has another e-mail address. Mail about it will no longer come here.",
            button: "",
            otherwise: "If it was not you, someone else may be using your account: write to the administrators of {host} as soon as you can.",
        },
        Message::AddressInUse => Words {
            subject: "You already have an account at {host}",
            why: "This address was used to register at {host}. It already belongs to an account, so no new one was made.",
            button: "",
            otherwise: "If it was you, sign in as usual, or ask for a new password on the sign-in page if you have forgotten yours. If it was not you, you do not have to do anything: your account has not changed.",
        },
        Message::SessionEnded { .. } => Words {
            subject: "A session of your account at {host} was ended",
            why: "The key that signs one of your devices in at {host} without a password was presented twice. This happens when an answer of the server is lost. But a stolen key looks the same, so we ended that session.",
            button: "",
            otherwise: "To continue, sign in again on that device. If you are in doubt, set a new password: that ends all sessions.",
        },
        Message::IdentityLinked { .. } => Words {
            subject: "A sign-in was added to your account at {host}",
            why: "Sign-in with {provider} was added to your account at {host}. From now on you can sign in with it.",
            button: "",
            otherwise: "If this was not you, someone else may be using your account: set a new password, which ends all other sessions, and remove this sign-in.",
        },
        Message::IdentityUnlinked { .. } => Words {
            subject: "A sign-in was removed from your account at {host}",
            why: "Sign-in with {provider} was removed from your account at {host}. You can no longer sign in with it.",
            button: "",
            otherwise: "If this was not you, someone else may be using your account: set a new password, which ends all other sessions.",
        },
    }
}
