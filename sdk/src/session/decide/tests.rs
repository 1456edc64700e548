//! Every answer, whatever is in memory and whatever the vault holds by then.

use super::*;
use crate::Dialect;
use crate::dialects::{Credential, Scheme};
use crate::error::Kind;
use crate::session::stored_session::Opening;

const NOW: i64 = 1_000_000;
const AT: Moment = Moment { server: NOW, offset: 0 };

fn tokens(number: u64) -> Tokens {
    Tokens {
        access: Credential { scheme: Scheme::Bearer, token: format!("access {number}").into() },
        access_lives: Some(900),
        refresh: Some(format!("refresh {number}").into()),
        refresh_lives: Some(86_400),
        session_id: None,
        profile: None,
    }
}

/// Of this sign-in, after so many renewals.
fn session(lineage: &str, generation: u64) -> Box<Session> {
    let opening =
        Opening { dialect: Dialect::Native, lineage: lineage.into(), attempt_key: "key".into() };
    let at = Moment { server: NOW - 2_000, offset: 0 };
    Box::new(Session { generation, ..Session::open(opening, tokens(generation), at) })
}

fn signed_in(lineage: &str, generation: u64, is_saved: bool) -> State {
    State::SignedIn(Kept { session: session(lineage, generation), is_saved })
}

/// What is in memory, and what the vault holds.
fn memories() -> Vec<State> {
    let mut states = vec![State::Unknown];
    for generation in [1, 2, 3] {
        states.push(signed_in("ours", generation, true));
        states.push(signed_in("ours", generation, false));
    }
    states.push(signed_in("theirs", 1, true));
    states.extend(reasons().map(State::SignedOut));
    states
}

fn vaults() -> Vec<Result<Held, VaultState>> {
    let mut vaults = Vec::new();
    for generation in [1, 2, 3] {
        vaults.push(Ok(Held::SignedIn(session("ours", generation))));
    }
    vaults.push(Ok(Held::SignedIn(session("theirs", 1))));
    vaults.extend(reasons().map(|reason| Ok(Held::SignedOut(reason))));
    for state in [
        VaultState::Locked,
        VaultState::Absent,
        VaultState::Foreign,
        VaultState::Newer,
        VaultState::ReadOnly,
        VaultState::OtherServer,
        VaultState::WentBack,
    ] {
        vaults.push(Err(state));
    }
    vaults
}

fn reasons() -> impl Iterator<Item = SignOutReason> {
    [
        SignOutReason::NeverSignedIn,
        SignOutReason::SignedOut,
        SignOutReason::AnswerLost,
        SignOutReason::Ended,
        SignOutReason::VaultLost,
    ]
    .into_iter()
}

fn answers() -> Vec<Result<Tokens, Verdict>> {
    vec![
        Ok(tokens(9)),
        Err(Verdict::Over(SignOutReason::Ended)),
        Err(Verdict::Spent),
        Err(Verdict::TooEarly),
        Err(Verdict::Passing(Kind::Network.into())),
    ]
}

#[test]
fn a_vault_that_cannot_be_read_now_signs_nobody_out_and_nobody_in() {
    for memory in memories() {
        for stored in vaults() {
            let merged = merged(memory.clone(), stored.clone());
            let case = format!("{memory:?} {stored:?}: {merged:?}");
            match (&memory, &stored) {
                (_, Err(VaultState::Foreign | VaultState::WentBack)) => match &memory {
                    State::SignedIn(_) => {
                        let state = merged.expect("what is in memory");
                        assert!(
                            matches!(&state, State::SignedIn(kept) if !kept.is_saved),
                            "it is written again: {case}"
                        );
                        assert_eq!(state.session(), memory.session(), "{case}");
                    }
                    State::SignedOut(_) => assert_eq!(merged, Ok(memory.clone()), "{case}"),
                    State::Unknown => {
                        let is_lost = merged == Ok(State::SignedOut(SignOutReason::VaultLost));
                        assert_eq!(is_lost, stored == Err(VaultState::Foreign), "{case}");
                    }
                },
                (_, Err(state)) => assert_eq!(merged, Err(*state), "{case}"),
                (State::SignedIn(_), Ok(Held::SignedOut(SignOutReason::NeverSignedIn))) => {
                    assert_eq!(merged, Ok(State::SignedOut(SignOutReason::VaultLost)), "{case}");
                }
                (State::SignedOut(_), Ok(Held::SignedOut(SignOutReason::NeverSignedIn))) => {
                    assert_eq!(merged, Ok(memory.clone()), "{case}");
                }
                (State::SignedIn(ours), Ok(Held::SignedOut(SignOutReason::AnswerLost)))
                    if !ours.is_saved =>
                {
                    assert_eq!(merged, Ok(memory.clone()), "{case}");
                }
                (State::SignedIn(ours), Ok(Held::SignedIn(theirs)))
                    if ours.session.lineage == theirs.lineage =>
                {
                    let state = merged.expect("a session");
                    let newest = state.session().expect("a session").generation;
                    let both = [ours.session.generation, theirs.generation];
                    assert_eq!(newest, both.into_iter().max().expect("two"), "{case}");
                }
                (_, Ok(held)) => assert_eq!(merged, Ok(State::of(held.clone())), "{case}"),
            }
        }
    }
}

#[test]
fn only_the_servers_word_on_what_is_still_held_ends_a_session() {
    let asked = session("ours", 2);
    for state in memories() {
        for answer in answers() {
            let is_word = matches!(answer, Err(Verdict::Over(_) | Verdict::Spent));
            let is_base = state.session().is_some_and(|held| is_base(&asked, held));
            let case = format!("{state:?} {answer:?}");
            let is_over = matches!(answered(&asked, &state, None, answer, AT), Outcome::Over(_));
            assert_eq!(is_over, is_word && is_base, "{case}");
        }
    }
}

#[test]
fn tokens_are_kept_or_the_server_is_told_that_nobody_has_them() {
    let asked = session("ours", 2);
    for state in memories() {
        let outcome = answered(&asked, &state, None, Ok(tokens(9)), AT);
        let case = format!("{state:?}: {outcome:?}");
        match outcome {
            Outcome::Renewed(session) => {
                assert_eq!(session.credential.token, "access 9".into(), "{case}");
                assert_eq!((session.lineage.expose(), session.generation), ("ours", 3), "{case}");
                let may = match &state {
                    State::SignedIn(kept) => {
                        kept.session.lineage == asked.lineage && kept.session.generation <= 2
                    }
                    State::SignedOut(reason) => *reason == SignOutReason::AnswerLost,
                    State::Unknown => false,
                };
                assert!(may, "{case}");
            }
            Outcome::Overtaken(Some(over)) => {
                assert_eq!(over.credential.token, "access 9".into(), "{case}");
                assert_ne!(state.session().map(|held| &held.lineage), Some(&asked.lineage));
            }
            // The same renewal by another process: those tokens are as good, or newer.
            Outcome::Overtaken(None) => {
                let held = state.session().expect("a session");
                assert!(held.lineage == asked.lineage && held.generation >= 3, "{case}");
            }
            Outcome::Over(_) | Outcome::Unchanged(_) => panic!("{case}"),
        }
    }
}

#[test]
fn what_was_given_up_comes_back_for_nobody_else() {
    let (asked, lost) = (session("ours", 2), State::SignedOut(SignOutReason::AnswerLost));
    let outcome = |of: &str| answered(&asked, &lost, Some(&of.into()), Ok(tokens(9)), AT);
    assert!(matches!(outcome("ours"), Outcome::Renewed(_)));
    assert!(matches!(outcome("theirs"), Outcome::Overtaken(Some(_))));
}

#[test]
fn a_verification_does_not_stand_in_the_way_of_a_renewal() {
    let asked = session("ours", 2);
    // Another process has asked whether the access token is good, and has kept that.
    let verified = Box::new(Session { generation: 3, ..(*asked).clone() });
    let state = State::SignedIn(Kept { session: verified, is_saved: true });
    let Outcome::Renewed(renewed) = answered(&asked, &state, None, Ok(tokens(9)), AT) else {
        panic!("the refresh token is spent")
    };
    assert_eq!((renewed.generation, renewed.refresh), (4, Some("refresh 9".into())));
}
