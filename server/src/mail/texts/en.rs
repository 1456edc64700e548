//! English.

use super::{Frame, Words};
use crate::mail::Message;

pub(super) const FRAME: Frame = Frame {
    account: "Account:",
    device: "Device:",
    link_life: "The link works once and for three days.",
    return_life: "The link works once and for seven days.",
    without_button: "If the button does not work, open this address:",
    support: "Questions?",
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
        Message::EmailConfirm { .. } => Words {
            subject: "Confirm your new e-mail address at {host}",
            why: "An account at {host} is to be moved to this address. To confirm that the account and the address are yours, press the button.",
            button: "Confirm the address",
            otherwise: "If you did not ask for this, do nothing: the account is somebody else's, and without this step it cannot use your address.",
        },
        Message::EmailReturn { .. } => Words {
            subject: "The e-mail address of your account at {host} is being changed",
            why: "Somebody who was signed in to your account at {host} gave it another e-mail address, without entering the current password.",
            button: "Keep this address",
            otherwise: "If it was you, do nothing. If it was not you, press the button: the account returns to this address, all devices are signed out, sign-ins added since are removed, and the password stops working until you ask for a new one. Do not share this link.",
        },
        Message::PasswordChanged => Words {
            subject: "The password of your account at {host} was changed",
            why: "Your account at {host} has a new password.",
            button: "",
            otherwise: "If it was not you, ask for a new password on the sign-in page at once: that ends all sessions.",
        },
        Message::PasswordSetByOperator => Words {
            subject: "An administrator set a new password for your account at {host}",
            why: "An administrator of {host} gave your account a new password and signed out all devices.",
            button: "",
            otherwise: "If you did not ask for this, write to the administrators of {host}. With the link to reset a password on the sign-in page you can set one that only you know.",
        },
        Message::PhoneChanged => Words {
            subject: "The phone number of your account at {host} was changed",
            why: "Your account at {host} has a new phone number.",
            button: "",
            otherwise: "If it was not you, somebody else may be using your account: set a new password, which ends all other sessions, and check the phone number.",
        },
        Message::AccountDeleted => Words {
            subject: "Your account at {host} was deleted",
            why: "Your account at {host} was deleted, with everything that belonged to it.",
            button: "",
            otherwise: "If it was not you, write to the administrators of {host} as soon as you can.",
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
        Message::NewNetwork { .. } => Words {
            subject: "A new sign-in to your account at {host}",
            why: "Your account at {host} was signed in to from a network where you have not signed in before.",
            button: "",
            otherwise: "If it was you, there is nothing to do. If it was not you, someone knows how to sign in: set a new password, which ends all sessions.",
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
        Message::DataExported => DATA_EXPORTED,
    }
}

const DATA_EXPORTED: Words = Words {
    subject: "The data of your account at {host} was exported",
    why: "A copy of everything that {host} keeps of your account was given to someone who is signed in to it.",
    button: "",
    otherwise: "If this was not you, someone else may be using your account: set a new password, which ends all other sessions.",
};
