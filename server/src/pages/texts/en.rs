//! The texts in English.

use super::{
    CodeTexts, EmailTexts, HomeTexts, LinkTexts, Message, PasswordTexts, ReturnTexts, SignInTexts,
    Texts,
};

pub const TEXTS: Texts = Texts {
    language: "English",
    languages: "Language",
    mistake: "Error",
    again: "Try again",
    home: HomeTexts {
        title: "Sign-in server",
        about: [
            "This is Propusk, the server by which apps sign their users in at ",
            ". There is nothing to do here in a browser.",
        ],
        docs: "Description of the APIs",
    },
    support: "Questions?",
    activation: LinkTexts {
        title: "Activate your account",
        about: [
            "An account at ",
            " was registered with your e-mail address. Press the button to activate it.",
        ],
        button: "Activate account",
        not_you: "Not you? Close this page and nothing will happen.",
        done: Message {
            title: "Your account is active",
            text: "Thank you, your e-mail address is confirmed.",
            next: "Return to the app and sign in.",
        },
        spent: Message {
            title: "This link has been used",
            text: "Your account is active already.",
            next: "Return to the app and sign in.",
        },
        dead: Message {
            title: "This link no longer works",
            text: "It is too old, has already been used, or is incomplete.",
            next: "If you have used it before, simply sign in. If not, ask for a new mail in the app \
                   and open the link in that one.",
        },
    },
    password_reset: LinkTexts {
        title: "Choose a new password",
        about: ["For your account at ", ". You will have to sign in again on all your devices."],
        button: "Save password",
        not_you: "You did not ask for this? Close this page and your password stays as it is.",
        done: Message {
            title: "Your password has been changed",
            text: "You have been signed out on all devices.",
            next: "Return to the app and sign in with the new password.",
        },
        spent: Message {
            title: "This link has been used",
            text: "Your password has already been changed with it.",
            next: "Sign in with the new password in the app. If it was not you who changed it, ask \
                   for a new link at once.",
        },
        dead: Message {
            title: "This link no longer works",
            text: "It is too old, has already been used, or is incomplete.",
            next: "If you have changed your password with it, sign in with the new one. If not, ask \
                   for a new mail in the app and open the link in that one.",
        },
    },
    email_reset: LinkTexts {
        title: "Change your e-mail address",
        about: ["Enter the address with which you will sign in at ", " from now on."],
        button: "Change address",
        not_you: "You did not ask for this? Close this page and your address stays as it is.",
        done: Message {
            title: "Your e-mail address has been changed",
            text: "From now on you sign in with the new address.",
            next: "Return to the app.",
        },
        spent: Message {
            title: "This link has been used",
            text: "Your e-mail address has already been changed with it.",
            next: "Sign in with the new address in the app. If it was not you who changed it, tell \
                   the administrators of the site at once.",
        },
        dead: Message {
            title: "This link no longer works",
            text: "It is too old, has already been used, or is incomplete.",
            next: "If you have changed your address with it, sign in with the new one. If not, ask \
                   for a new mail in the app and open the link in that one.",
        },
    },
    email_confirm: LinkTexts {
        title: "Confirm your new e-mail address",
        about: [
            "Your account at ",
            " is to use this e-mail address. Press the button to confirm that both are yours.",
        ],
        button: "Confirm address",
        not_you: "You did not ask for this? Close this page: the account is somebody else's, and your \
                  address will not be used.",
        done: Message {
            title: "Your new address is confirmed",
            text: "Your account now uses this e-mail address.",
            next: "Return to the app.",
        },
        spent: Message {
            title: "This link has been used",
            text: "Your new address is confirmed already.",
            next: "Return to the app.",
        },
        dead: Message {
            title: "This link no longer works",
            text: "It is too old, has been used already, or a part of it is missing.",
            next: "If your account does not use the new address yet, change it once more in the app.",
        },
    },
    email_return: LinkTexts {
        title: "Keep your old e-mail address",
        about: [
            "Somebody gave your account at ",
            " another e-mail address. Press the button if it was not you: this address comes back, \
             all devices are signed out, sign-ins added since are removed, and the password stops \
             working until you set a new one.",
        ],
        button: "Bring my address back",
        not_you: "Was it you? Close this page and nothing will happen.",
        done: Message {
            title: "Your address is back",
            text: "All devices have been signed out, and the password no longer works.",
            next: "Ask for a new password in the app: the mail will come to this address.",
        },
        spent: Message {
            title: "This link has been used",
            text: "Your address has already been brought back with it.",
            next: "Ask for a new password in the app: the mail will come to this address.",
        },
        dead: Message {
            title: "This link no longer works",
            text: "It is too old, has been used already, or a part of it is missing.",
            next: "If your account has another address that is not yours, tell whoever runs the site.",
        },
    },
    password: PasswordTexts {
        label: "New password",
        hint: "At least 8 characters, not only digits, and not a common password.",
        repeat: "New password again",
        missing: "Enter a new password.",
        too_long: "This password is too long: at most 1024 bytes are allowed.",
        not_repeated: "Enter the new password once more.",
        differs: "The passwords do not match.",
        too_similar: "This password is too similar to your other data.",
        too_short: "This password is too short. It needs at least 8 characters.",
        too_common: "This password is used by too many people and easy to guess.",
        numeric: "This password has only digits. Add some letters.",
    },
    email: EmailTexts {
        label: "New e-mail address",
        hint: "Check it for typos: your mails will go there.",
        missing: "Enter an e-mail address.",
        invalid: "This is not an e-mail address. One looks like anna@example.org.",
        taken: "Another account uses this address.",
    },
    email_taken: Message {
        title: "This address is taken",
        text: "Another account uses it by now, so yours keeps the one it has.",
        next: "Return to the app.",
    },
    sign_in: SignInTexts {
        confirmed: ReturnTexts {
            title: "Return to the app",
            about: ["", " has confirmed who you are. Press the button to continue in the app."],
        },
        cancelled: ReturnTexts {
            title: "Sign-in cancelled",
            about: [
                "You did not finish signing in with ",
                ". In the app you can try again or choose another way.",
            ],
        },
        refused: ReturnTexts {
            title: "Sign-in failed",
            about: [
                "",
                " has not confirmed who you are. In the app you can try again or choose another way.",
            ],
        },
        unreachable: ReturnTexts {
            title: "The service does not answer",
            about: [
                "",
                " cannot be reached at the moment. Try again in the app in a few minutes, or choose \
                 another way to sign in.",
            ],
        },
        button: "Open the app",
        not_you: "Did not start this sign-in yourself? Close this page and nothing will happen.",
        code: CodeTexts {
            title: "Almost done",
            about: "Return to the app. If it asks for a code, copy this one:",
            device_id: "If it also asks for device_id:",
            works_for: "The code works for 60 seconds.",
            not_you: "Did not start this sign-in yourself? Close this page. Do not share the \
                      code.",
        },
        over: Message {
            title: "This sign-in is over",
            text: "It is already finished, took longer than ten minutes, or was started elsewhere.",
            next: "Return to the app. If you are not signed in there, start again.",
        },
        too_many: Message {
            title: "Too many attempts",
            text: "Your sign-in is not finished yet. Reload this page to continue.",
            next: "",
        },
        busy: Message {
            title: "The server is busy",
            text: "Your sign-in is not finished yet. Reload this page to continue.",
            next: "",
        },
    },
    too_many: Message {
        title: "Too many attempts",
        text: "Your link has not been used and still works.",
        next: "",
    },
    busy: Message {
        title: "The server is busy",
        text: "Nothing has been changed, and your link still works.",
        next: "",
    },
    failed: Message {
        title: "Something went wrong",
        text: "This is our fault, not yours.",
        next: "Please try again in a few minutes. If that does not help, tell the administrators \
               of the site.",
    },
    broken_form: Message {
        title: "The form did not arrive",
        text: "The connection was lost or too slow. Nothing has been changed.",
        next: "Please try again.",
    },
};
