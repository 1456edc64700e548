//! Every answer is tried with every state in memory and every content of the vault.

use super::*;
use crate::Dialect;
use crate::dialects::{Credential, Scheme};
use crate::error::ErrorKind;
use crate::session::stored_session::NewSession;

const NOW: i64 = 1_000_000;

fn tokens(number: u64) -> Tokens {
    Tokens {
        answered_at: NOW,
        access: Credential::new(Scheme::Bearer, format!("access {number}").into()),
        access_lifetime: Some(900),
        refresh: Some(format!("refresh {number}").into()),
        refresh_lifetime: Some(86_400),
        session_id: None,
        profile: None,
    }
}

/// A session of this sign-in after this number of renewals.
fn session(sign_in_id: &str, generation: u64) -> Box<Session> {
    let new = NewSession {
        dialect: Dialect::Native,
        sign_in_id: sign_in_id.into(),
        attempt_key: "key".into(),
    };
    let tokens = Tokens { answered_at: NOW - 2_000, ..tokens(generation) };
    Box::new(Session { generation, ..Session::open(new, tokens, 0) })
}

fn signed_in(sign_in_id: &str, generation: u64, is_saved: bool) -> SessionState {
    SessionState::SignedIn(MemorySession { session: session(sign_in_id, generation), is_saved })
}

/// All states in memory.
fn memories() -> Vec<SessionState> {
    let mut states = vec![SessionState::Unknown];
    for generation in [1, 2, 3] {
        states.push(signed_in("ours", generation, true));
        states.push(signed_in("ours", generation, false));
    }
    states.push(signed_in("theirs", 1, true));
    states.extend(reasons().map(SessionState::SignedOut));
    states
}

fn vaults() -> Vec<Result<StoredState, VaultState>> {
    let mut vaults = Vec::new();
    for generation in [1, 2, 3] {
        vaults.push(Ok(StoredState::SignedIn(session("ours", generation))));
    }
    vaults.push(Ok(StoredState::SignedIn(session("theirs", 1))));
    vaults.extend(reasons().map(|reason| Ok(StoredState::SignedOut(reason))));
    for state in [
        VaultState::Locked,
        VaultState::NoKeyStore,
        VaultState::Unreadable,
        VaultState::NewerVersion,
        VaultState::ReadOnly,
        VaultState::OtherServer,
        VaultState::RolledBack,
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
        Err(Verdict::Ended(SignOutReason::Ended)),
        Err(Verdict::Spent),
        Err(Verdict::TooEarly),
        Err(Verdict::Inconclusive(ErrorKind::Network.into())),
    ]
}

#[test]
fn unreadable_vault_changes_no_session() {
    for memory in memories() {
        for stored in vaults() {
            let merged_state = merged_state(memory.clone(), stored.clone());
            let case = format!("{memory:?} {stored:?}: {merged_state:?}");
            match (&memory, &stored) {
                (_, Err(VaultState::Unreadable | VaultState::RolledBack)) => match &memory {
                    SessionState::SignedIn(_) => {
                        let state = merged_state.expect("what is in memory");
                        assert!(
                            matches!(&state, SessionState::SignedIn(kept) if !kept.is_saved),
                            "it is written again: {case}"
                        );
                        assert_eq!(state.session(), memory.session(), "{case}");
                    }
                    SessionState::SignedOut(_) => {
                        assert_eq!(merged_state, Ok(memory.clone()), "{case}")
                    }
                    SessionState::Unknown => {
                        let is_lost =
                            merged_state == Ok(SessionState::SignedOut(SignOutReason::VaultLost));
                        assert_eq!(is_lost, stored == Err(VaultState::Unreadable), "{case}");
                    }
                },
                (_, Err(state)) => assert_eq!(merged_state, Err(*state), "{case}"),
                (
                    SessionState::SignedIn(_),
                    Ok(StoredState::SignedOut(SignOutReason::NeverSignedIn)),
                ) => {
                    assert_eq!(
                        merged_state,
                        Ok(SessionState::SignedOut(SignOutReason::VaultLost)),
                        "{case}"
                    );
                }
                (
                    SessionState::SignedOut(_),
                    Ok(StoredState::SignedOut(SignOutReason::NeverSignedIn)),
                ) => {
                    assert_eq!(merged_state, Ok(memory.clone()), "{case}");
                }
                (
                    SessionState::SignedIn(ours),
                    Ok(StoredState::SignedOut(SignOutReason::AnswerLost)),
                ) if !ours.is_saved => {
                    assert_eq!(merged_state, Ok(memory.clone()), "{case}");
                }
                (SessionState::SignedIn(ours), Ok(StoredState::SignedIn(theirs)))
                    if ours.session.sign_in_id == theirs.sign_in_id =>
                {
                    let state = merged_state.expect("a session");
                    let newest = state.session().expect("a session").generation;
                    let both = [ours.session.generation, theirs.generation];
                    assert_eq!(newest, both.into_iter().max().expect("two"), "{case}");
                }
                (_, Ok(held)) => {
                    assert_eq!(merged_state, Ok(SessionState::of(held.clone())), "{case}")
                }
            }
        }
    }
}

#[test]
fn session_ends_only_by_an_answer_about_the_current_renewal() {
    let asked = session("ours", 2);
    for state in memories() {
        for answer in answers() {
            let is_word = matches!(answer, Err(Verdict::Ended(_) | Verdict::Spent));
            let is_same_renewal = state.session().is_some_and(|held| is_same_renewal(&asked, held));
            let case = format!("{state:?} {answer:?}");
            let is_over = matches!(outcome_of(&asked, &state, None, answer, 0), Outcome::Ended(_));
            assert_eq!(is_over, is_word && is_same_renewal, "{case}");
        }
    }
}

#[test]
fn new_tokens_are_stored_or_ended_at_the_server() {
    let asked = session("ours", 2);
    for state in memories() {
        let outcome = outcome_of(&asked, &state, None, Ok(tokens(9)), 0);
        let case = format!("{state:?}: {outcome:?}");
        match outcome {
            Outcome::Renewed(session) => {
                assert_eq!(session.credential.token, "access 9".into(), "{case}");
                assert_eq!(
                    (session.sign_in_id.expose(), session.generation),
                    ("ours", 3),
                    "{case}"
                );
                let may = match &state {
                    SessionState::SignedIn(kept) => {
                        kept.session.sign_in_id == asked.sign_in_id && kept.session.generation <= 2
                    }
                    SessionState::SignedOut(reason) => *reason == SignOutReason::AnswerLost,
                    SessionState::Unknown => false,
                };
                assert!(may, "{case}");
            }
            Outcome::Superseded(Some(over)) => {
                assert_eq!(over.credential.token, "access 9".into(), "{case}");
                assert_ne!(state.session().map(|held| &held.sign_in_id), Some(&asked.sign_in_id));
            }
            // Another process made the same renewal: its tokens are the same or newer.
            Outcome::Superseded(None) => {
                let held = state.session().expect("a session");
                assert!(held.sign_in_id == asked.sign_in_id && held.generation >= 3, "{case}");
            }
            Outcome::Ended(_) | Outcome::Unchanged(_) => panic!("{case}"),
        }
    }
}

#[test]
fn lost_session_comes_back_only_for_its_own_sign_in() {
    let (asked, lost) = (session("ours", 2), SessionState::SignedOut(SignOutReason::AnswerLost));
    let outcome = |of: &str| outcome_of(&asked, &lost, Some(&of.into()), Ok(tokens(9)), 0);
    assert!(matches!(outcome("ours"), Outcome::Renewed(_)));
    assert!(matches!(outcome("theirs"), Outcome::Superseded(Some(_))));
}

#[test]
fn verification_by_another_process_does_not_discard_a_renewal() {
    let asked = session("ours", 2);
    // Another process has verified the access token and stored the result.
    let verified = Box::new(Session { generation: 3, ..(*asked).clone() });
    let state = SessionState::SignedIn(MemorySession { session: verified, is_saved: true });
    let Outcome::Renewed(renewed) = outcome_of(&asked, &state, None, Ok(tokens(9)), 0) else {
        panic!("the refresh token is spent")
    };
    assert_eq!((renewed.generation, renewed.refresh), (4, Some("refresh 9".into())));
}

/// One process has renewed adopted tokens while another has only verified them. The new tokens are
/// kept, if either process could not write its result.
#[test]
fn renewed_tokens_are_kept_when_another_process_has_verified_the_adopted_ones() {
    let adopted = Session { is_unverified: true, ..*session("ours", 0) };
    let same = Tokens { access: adopted.credential.clone(), refresh: None, ..tokens(0) };
    let verified = Box::new(adopted.clone().renewed(same, 0));
    let renewed = Box::new(adopted.renewed(tokens(9), 0));
    let unsaved = |session: &Session| {
        let session = Box::new(session.clone());
        SessionState::SignedIn(MemorySession { session, is_saved: false })
    };
    for (memory, stored) in [(&verified, &renewed), (&renewed, &verified)] {
        let merged = merged_state(unsaved(memory), Ok(StoredState::SignedIn(stored.clone())));
        let merged = merged.expect("a state");
        assert_eq!(merged.session().and_then(|kept| kept.refresh.clone()), renewed.refresh);
    }
}

#[test]
fn session_with_other_tokens_is_another_renewal() {
    let asked = session("ours", 2);
    let refreshed = Session { refresh: Some("another".into()), ..(*asked).clone() };
    let mut replaced = (*asked).clone();
    replaced.credential.token = "another".into();
    for held in [refreshed, replaced] {
        assert!(!is_same_renewal(&asked, &held));
    }
}
