//! The acts of users and attackers.

use proptest::prelude::*;

/// 0, 1 and 2 are users, 3 and 4 attackers.
pub type Person = usize;
pub const PEOPLE: usize = 5;
pub const ATTACKERS: std::ops::Range<Person> = 3..PEOPLE;
/// The mailbox of the person with this number; mailboxes from [`PEOPLE`] on have no reader.
pub type Address = usize;
pub const ADDRESSES: usize = 2 * PEOPLE;

#[derive(Clone, Copy, Debug)]
pub enum Dialect {
    DjoserToken,
    DjoserJwt,
    Prehashed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    Google,
    Vk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Complete,
    Convert,
    Registration,
    Login,
}

/// A provider's claims about an address; VK is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claims {
    Nothing,
    Unproved(Address),
    /// The person's own address.
    Proved,
}

impl Claims {
    pub fn address_of(self, who: Person) -> Option<Address> {
        match self {
            Claims::Nothing => None,
            Claims::Unproved(address) => Some(address),
            Claims::Proved => Some(who),
        }
    }
}

/// For users the address is always their own.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Register {
        who: Person,
        address: Address,
        by: Dialect,
    },
    AskForActivation {
        address: Address,
    },
    AskForReset {
        address: Address,
    },
    /// Follows the newest link in the own mailbox.
    FollowMail {
        who: Person,
    },
    /// Requests a reset and follows its link.
    Recover {
        who: Person,
    },
    SignIn {
        who: Person,
        address: Address,
        by: Dialect,
    },
    /// The claims of a provider: its user's own address, or an unproved one.
    ByProvider {
        who: Person,
        identity: Identity,
        claims: Claims,
        way: Way,
    },
    RefreshPair {
        who: Person,
    },
    /// Starts to link an own identity to an account, up to the provider.
    BeginLink {
        who: Person,
        with: usize,
        identity: Identity,
        claims: Claims,
    },
    /// Completes the newest link with any own session.
    EndLink {
        who: Person,
        with: usize,
    },
    Unlink {
        who: Person,
        with: usize,
        identity: Identity,
    },
    ChangePassword {
        who: Person,
        with: usize,
    },
    ChangeEmail {
        who: Person,
        with: usize,
        to: Address,
        knows_password: bool,
    },
    /// With `PATCH account` of our own API, where the new address waits.
    AskToMove {
        who: Person,
        with: usize,
        to: Address,
        knows_password: bool,
    },
    /// Follows the newest link in the own mailbox that proves a new address; users do so only if
    /// they requested it.
    Confirm {
        who: Person,
    },
    /// Follows the newest link that brings an address back; users do so only against others.
    BringBack {
        who: Person,
    },
    SignOut {
        who: Person,
        with: usize,
    },
    Delete {
        who: Person,
        with: usize,
    },
    Suspend {
        address: Address,
    },
    Revive {
        address: Address,
    },
    Wait {
        seconds: i64,
    },
}

impl Act {
    /// Restricts a user to acts on their own account.
    pub fn kept_honest(self) -> Self {
        let own = |who: Person, address: Address| match ATTACKERS.contains(&who) {
            true => address,
            false => who,
        };
        let honest = |who: Person, identity: Identity, claims: Claims| match (claims, identity) {
            (Claims::Unproved(address), _) => Claims::Unproved(own(who, address)),
            (Claims::Proved, Identity::Vk) => Claims::Unproved(who),
            (claims, _) => claims,
        };
        match self {
            Act::Register { who, address, by } => {
                Act::Register { who, address: own(who, address), by }
            }
            Act::SignIn { who, address, by } => Act::SignIn { who, address: own(who, address), by },
            Act::ByProvider { who, identity, claims, way } => {
                Act::ByProvider { who, identity, claims: honest(who, identity, claims), way }
            }
            Act::BeginLink { who, with, identity, claims } => {
                Act::BeginLink { who, with, identity, claims: honest(who, identity, claims) }
            }
            Act::ChangeEmail { who, with, to, knows_password } => {
                let to = if to == PEOPLE + who { to } else { own(who, to) };
                Act::ChangeEmail { who, with, to, knows_password }
            }
            Act::AskToMove { who, with, to, knows_password } => {
                let to = if to == PEOPLE + who { to } else { own(who, to) };
                Act::AskToMove { who, with, to, knows_password }
            }
            other => other,
        }
    }
}

pub fn any() -> impl Strategy<Value = Act> {
    let who = || 0..PEOPLE;
    let address = || 0..PEOPLE;
    let moved_to = || 0..ADDRESSES;
    let with = || 0..8_usize;
    let by =
        || prop::sample::select(vec![Dialect::DjoserToken, Dialect::DjoserJwt, Dialect::Prehashed]);
    let way =
        || prop::sample::select(vec![Way::Complete, Way::Convert, Way::Registration, Way::Login]);
    let identity = || prop::sample::select(vec![Identity::Google, Identity::Vk]);
    let claims = || {
        prop_oneof![
            1 => Just(Claims::Nothing),
            5 => address().prop_map(Claims::Unproved),
            4 => Just(Claims::Proved),
        ]
    };
    prop_oneof![
        6 => (who(), address(), by())
            .prop_map(|(who, address, by)| Act::Register { who, address, by }),
        1 => address().prop_map(|address| Act::AskForActivation { address }),
        2 => address().prop_map(|address| Act::AskForReset { address }),
        5 => who().prop_map(|who| Act::FollowMail { who }),
        3 => who().prop_map(|who| Act::Recover { who }),
        5 => (who(), address(), by())
            .prop_map(|(who, address, by)| Act::SignIn { who, address, by }),
        10 => (who(), identity(), claims(), way())
            .prop_map(|(who, identity, claims, way)| Act::ByProvider { who, identity, claims, way }),
        2 => who().prop_map(|who| Act::RefreshPair { who }),
        5 => (who(), with(), identity(), claims()).prop_map(
            |(who, with, identity, claims)| Act::BeginLink { who, with, identity, claims }
        ),
        5 => (who(), with()).prop_map(|(who, with)| Act::EndLink { who, with }),
        2 => (who(), with(), identity())
            .prop_map(|(who, with, identity)| Act::Unlink { who, with, identity }),
        2 => (who(), with()).prop_map(|(who, with)| Act::ChangePassword { who, with }),
        5 => (who(), with(), moved_to(), proptest::bool::ANY).prop_map(
            |(who, with, to, knows_password)| Act::ChangeEmail { who, with, to, knows_password }
        ),
        5 => (who(), with(), moved_to(), proptest::bool::ANY).prop_map(
            |(who, with, to, knows_password)| Act::AskToMove { who, with, to, knows_password }
        ),
        5 => who().prop_map(|who| Act::Confirm { who }),
        4 => who().prop_map(|who| Act::BringBack { who }),
        1 => (who(), with()).prop_map(|(who, with)| Act::SignOut { who, with }),
        1 => (who(), with()).prop_map(|(who, with)| Act::Delete { who, with }),
        1 => address().prop_map(|address| Act::Suspend { address }),
        2 => address().prop_map(|address| Act::Revive { address }),
        // No sum of these equals a lifetime.
        1 => prop::sample::select(vec![7, 290, 3_500]).prop_map(|seconds| Act::Wait { seconds }),
    ]
    .prop_map(Act::kept_honest)
}

/// Every kind of access that an attacker may try at the end.
pub fn last_tries() -> Vec<Act> {
    let mut tries = Vec::new();
    for address in 0..PEOPLE {
        tries.push(Act::Revive { address });
    }
    for who in ATTACKERS {
        for address in 0..PEOPLE {
            tries.push(Act::SignIn { who, address, by: Dialect::DjoserJwt });
            for identity in [Identity::Google, Identity::Vk] {
                let claims = Claims::Unproved(address);
                tries.push(Act::ByProvider { who, identity, claims, way: Way::Login });
            }
        }
        let (identity, claims) = (Identity::Google, Claims::Proved);
        tries.push(Act::ByProvider { who, identity, claims, way: Way::Convert });
        tries.push(Act::FollowMail { who });
        tries.push(Act::Confirm { who });
    }
    tries
}
