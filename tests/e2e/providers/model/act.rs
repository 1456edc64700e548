//! What people do.

use proptest::prelude::*;

/// 0, 1 and 2 are users, 3 and 4 attackers.
pub type Person = usize;
pub const PEOPLE: usize = 5;
pub const ATTACKERS: std::ops::Range<Person> = 3..PEOPLE;
/// The mailbox of the person of this number; those from [`PEOPLE`] on are read by nobody.
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

/// The address is the person's own where a user acts.
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
    /// Asks for a reset and follows its link.
    Recover {
        who: Person,
    },
    SignIn {
        who: Person,
        address: Address,
        by: Dialect,
    },
    /// With the own address at Google, with any at VK.
    ByProvider {
        who: Person,
        identity: Identity,
        claims: Option<Address>,
        way: Way,
    },
    RefreshPair {
        who: Person,
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
    /// Users do only what is theirs to do.
    pub fn kept_honest(self) -> Self {
        let own = |who: Person, address: Address| match ATTACKERS.contains(&who) {
            true => address,
            false => who,
        };
        match self {
            Act::Register { who, address, by } => {
                Act::Register { who, address: own(who, address), by }
            }
            Act::SignIn { who, address, by } => Act::SignIn { who, address: own(who, address), by },
            Act::ByProvider { who, identity, claims, way } => {
                let claims = claims.map(|address| own(who, address));
                Act::ByProvider { who, identity, claims, way }
            }
            Act::ChangeEmail { who, with, to, knows_password } => {
                let to = if to == PEOPLE + who { to } else { own(who, to) };
                Act::ChangeEmail { who, with, to, knows_password }
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
    prop_oneof![
        6 => (who(), address(), by())
            .prop_map(|(who, address, by)| Act::Register { who, address, by }),
        1 => address().prop_map(|address| Act::AskForActivation { address }),
        2 => address().prop_map(|address| Act::AskForReset { address }),
        5 => who().prop_map(|who| Act::FollowMail { who }),
        3 => who().prop_map(|who| Act::Recover { who }),
        5 => (who(), address(), by())
            .prop_map(|(who, address, by)| Act::SignIn { who, address, by }),
        10 => (who(), identity(), proptest::option::weighted(0.9, address()), way()).prop_map(
            |(who, identity, claims, way)| Act::ByProvider { who, identity, claims, way }
        ),
        2 => who().prop_map(|who| Act::RefreshPair { who }),
        2 => (who(), with()).prop_map(|(who, with)| Act::ChangePassword { who, with }),
        5 => (who(), with(), moved_to(), proptest::bool::ANY).prop_map(
            |(who, with, to, knows_password)| Act::ChangeEmail { who, with, to, knows_password }
        ),
        1 => (who(), with()).prop_map(|(who, with)| Act::SignOut { who, with }),
        1 => (who(), with()).prop_map(|(who, with)| Act::Delete { who, with }),
        1 => address().prop_map(|address| Act::Suspend { address }),
        2 => address().prop_map(|address| Act::Revive { address }),
        // Their sums meet no lifetime to the second.
        1 => prop::sample::select(vec![7, 290, 3_500]).prop_map(|seconds| Act::Wait { seconds }),
    ]
    .prop_map(Act::kept_honest)
}

/// Every way in that an attacker has once everything has happened.
pub fn last_tries() -> Vec<Act> {
    let mut tries = Vec::new();
    for address in 0..PEOPLE {
        tries.push(Act::Revive { address });
    }
    for who in ATTACKERS {
        for address in 0..PEOPLE {
            tries.push(Act::SignIn { who, address, by: Dialect::DjoserJwt });
            let (identity, claims, way) = (Identity::Vk, Some(address), Way::Login);
            tries.push(Act::ByProvider { who, identity, claims, way });
        }
        let (identity, claims) = (Identity::Google, None);
        tries.push(Act::ByProvider { who, identity, claims, way: Way::Convert });
        tries.push(Act::FollowMail { who });
    }
    tries
}
