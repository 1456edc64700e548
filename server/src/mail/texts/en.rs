//! English.

use super::{Frame, Words};
use crate::mail::Message;

pub(super) const FRAME: Frame = Frame {
    account: "Account:",
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
            why: "Somebody asked for a new password for your account at {host}.",
            button: "Set a new password",
            otherwise: "If it was not you, do nothing: your password stays as it is.",
        },
        Message::EmailReset { .. } => Words {
            subject: "Change the e-mail address of your account at {host}",
            why: "Somebody asked to change the e-mail address of your account at {host}.",
            button: "Change the address",
            otherwise: "If it was not you, do nothing: the address stays as it is. Do not pass this link on to anybody.",
        },
        Message::EmailChanged => Words {
            subject: "The e-mail address of your account at {host} was changed",
            why: "Your account at {host} now has another e-mail address. Mail about it will no longer come here.",
            button: "",
            otherwise: "If it was not you, somebody else may be using your account: write to the administrators of {host} as soon as you can.",
        },
        Message::AddressInUse => Words {
            subject: "You already have an account at {host}",
            why: "Somebody tried to register at {host} with this address. It belongs to an account already, so no new one was made.",
            button: "",
            otherwise: "If it was you, sign in as usual, or ask for a new password on the sign-in page if you have forgotten yours. If it was not you, there is nothing to do: your account has not changed.",
        },
        Message::SessionEnded => Words {
            subject: "A session of your account at {host} was ended",
            why: "A key that keeps one of your devices signed in at {host} was used a second time. This happens when an answer is lost on its way, but also when somebody has copied the key, so we ended that session.",
            button: "",
            otherwise: "To go on, sign in again on that device. If anything looks strange to you, set a new password: that ends all sessions.",
        },
        Message::IdentityLinked => Words {
            subject: "A sign-in was added to your account at {host}",
            why: "Another account of yours, at a provider such as Google or VK ID, was linked to your account at {host}. From now on you can sign in with it.",
            button: "",
            otherwise: "If this was not you, somebody else may be using your account: set a new password, which ends all other sessions, and remove the sign-in there.",
        },
        Message::IdentityUnlinked => Words {
            subject: "A sign-in was removed from your account at {host}",
            why: "An account at a provider such as Google or VK ID was unlinked from your account at {host}. It no longer opens it.",
            button: "",
            otherwise: "If this was not you, somebody else may be using your account: set a new password, which ends all other sessions.",
        },
    }
}
