//! Every outcome of everything that the machine asks for, in every order.

use super::*;
use crate::Dialect;
use crate::dialects::Scheme;
use crate::session::record::Opening;

const NOW: i64 = 1_000_000;
const AT: Moment = Moment { server: NOW, offset: 0 };

fn tokens(number: u32) -> Tokens {
    Tokens {
        access: Credential { scheme: Scheme::Bearer, token: format!("access {number}").into() },
        access_lives: Some(900),
        refresh: Some(format!("refresh {number}").into()),
        refresh_lives: Some(86_400),
        session_id: None,
        profile: None,
    }
}

fn session(dialect: Dialect, lineage: &str) -> Box<Session> {
    let opening = Opening { dialect, lineage: lineage.into(), attempt_key: "key".into() };
    let at = Moment { server: NOW - 2_000, offset: 0 };
    Box::new(Session::open(opening, tokens(0), at))
}

/// What a run of the machine came to.
struct World {
    /// What the vault holds; nobody can write it now where `is_writable` is false.
    disk: Held,
    is_locked: bool,
    answers: Vec<Result<Option<Credential>, Kind>>,
    /// The server has issued tokens that the machine got.
    issued: Option<Secret>,
    /// The server's word that the session is over, or somebody's sign-out.
    may_end: bool,
    trace: Vec<String>,
}

impl Clone for World {
    fn clone(&self) -> Self {
        World {
            disk: self.disk.clone(),
            answers: self.answers.clone(),
            issued: self.issued.clone(),
            trace: self.trace.clone(),
            ..*self
        }
    }
}

/// Runs on with every outcome of every action and counts the ends.
fn explore(state: State, event: Event, mut world: World, check: &dyn Fn(&State, &World)) -> usize {
    world.trace.push(format!("{event:?}"));
    let (state, actions) = step(state, event, AT);
    let mut waits = None;
    for action in actions {
        match action {
            Action::Answer(answer) => world.answers.push(answer),
            Action::Unlock => world.is_locked = false,
            Action::Abandon(_) => {}
            action => waits = Some(action),
        }
    }
    let Some(action) = waits else {
        check(&state, &world);
        return 1;
    };
    outcomes(action, &world)
        .into_iter()
        .map(|(event, world)| explore(state.clone(), event, world, check))
        .sum()
}

fn outcomes(action: Action, world: &World) -> Vec<(Event, World)> {
    match action {
        Action::Read => [Ok(world.disk.clone()), Err(VaultState::Foreign), Err(VaultState::Locked)]
            .map(|read| (Event::Read(read), world.clone()))
            .into(),
        Action::Lock => locked(world),
        Action::Write(held) => {
            let written = World { disk: held, ..world.clone() };
            let full = Event::Written(Err(VaultState::ReadOnly));
            vec![(Event::Written(Ok(())), written), (full, world.clone())]
        }
        Action::Renew(session) => renewed(&session, world),
        Action::Enter => {
            let opened = session(Dialect::Native, "new");
            vec![
                (Event::Entered(Ok(opened)), world.clone()),
                (Event::Entered(Err(Kind::Network)), world.clone()),
            ]
        }
        Action::Leave(_) => {
            assert!(!world.is_locked, "nobody waits for the server: {:?}", world.trace);
            vec![(Event::Left, world.clone())]
        }
        other => panic!("{other:?} is answered by nothing"),
    }
}

fn locked(world: &World) -> Vec<(Event, World)> {
    let mut outcomes = Vec::new();
    let mut others = vec![world.disk.clone(), Held::SignedOut(SignOutReason::SignedOut)];
    if let Held::SignedIn(session) = &world.disk {
        let at = Moment { server: NOW - 10, offset: 0 };
        others.push(Held::SignedIn(Box::new(session.clone().renewed(tokens(7), at))));
        others.push(Held::SignedIn(self::session(Dialect::Native, "somebody else")));
    }
    for disk in others {
        let may_end = world.may_end || matches!(disk, Held::SignedOut(_));
        let next = World { disk: disk.clone(), is_locked: true, may_end, ..world.clone() };
        outcomes.push((Event::Locked(Ok(disk)), next));
    }
    for state in [VaultState::Locked, VaultState::Foreign, VaultState::Newer] {
        let next = World { is_locked: true, ..world.clone() };
        outcomes.push((Event::Locked(Err(state)), next));
    }
    outcomes
}

fn renewed(session: &Session, world: &World) -> Vec<(Event, World)> {
    // A refresh token is sent only while the vault holds it.
    let Held::SignedIn(kept) = &world.disk else { panic!("{:?}", world.trace) };
    assert_eq!(kept.refresh, session.refresh, "{:?}", world.trace);
    assert!(world.is_locked, "{:?}", world.trace);
    let next = tokens(9);
    let issued = World { issued: Some(next.access.token.clone()), ..world.clone() };
    let over = World { may_end: true, ..world.clone() };
    vec![
        (Event::Renewed(Ok(next)), issued),
        (Event::Renewed(Err(Verdict::Over(SignOutReason::Ended))), over.clone()),
        (Event::Renewed(Err(Verdict::Spent)), over),
        (Event::Renewed(Err(Verdict::TooEarly)), world.clone()),
        (Event::Renewed(Err(Verdict::Passing(Kind::Network))), world.clone()),
    ]
}

fn signed_in(dialect: Dialect, is_saved: bool) -> (State, World) {
    let mut session = session(dialect, "ours");
    let disk = Held::SignedIn(session.clone());
    if !is_saved {
        let at = Moment { server: NOW - 2_000, offset: 0 };
        session = Box::new(session.renewed(tokens(1), at));
    }
    let world = World {
        disk,
        is_locked: false,
        answers: vec![],
        issued: None,
        may_end: false,
        trace: vec![],
    };
    (State::SignedIn(Kept { session, is_saved }), world)
}

/// What holds at the end of every run.
fn check(state: &State, world: &World) {
    let trace = &world.trace;
    assert_eq!(world.answers.len(), 1, "one answer: {trace:#?}");
    assert!(!world.is_locked, "{trace:#?}");
    if let State::SignedOut(_) = state {
        assert!(world.may_end, "signed out by mistake: {trace:#?}");
    } else if let Some(issued) = &world.issued {
        let session = state.session().expect("a session");
        assert_eq!(session.credential.token, *issued, "tokens lost: {trace:#?}");
    }
}

#[test]
fn nothing_but_the_servers_word_or_a_sign_out_ends_a_session() {
    let mut runs = 0;
    for dialect in Dialect::ALL {
        for is_saved in [true, false] {
            let refused = || Event::TokenRefused("access 0".into());
            for event in [|| Event::TokenWanted, refused, || Event::RenewalWanted] {
                let (state, world) = signed_in(dialect, is_saved);
                runs += explore(state, event(), world, &check);
            }
        }
    }
    assert!(runs > 800, "{runs} runs are too few to be all");
}

#[test]
fn a_token_that_was_refused_is_not_given_out_again() {
    let (state, world) = signed_in(Dialect::Native, true);
    explore(state, Event::TokenRefused("access 0".into()), world, &|_, world| {
        // A server that says so will give no other.
        if world.trace.iter().any(|event| event.contains("TooEarly")) {
            return;
        }
        for answer in world.answers.iter().flatten().flatten() {
            assert_ne!(answer.token, "access 0".into(), "{:#?}", world.trace);
        }
    });
}

#[test]
fn a_token_that_still_works_is_given_out_whatever_fails() {
    let (State::SignedIn(mut kept), mut world) = signed_in(Dialect::Native, true) else { panic!() };
    kept.session.access_expires_at = Some(NOW + 30);
    world.disk = Held::SignedIn(kept.session.clone());
    explore(State::SignedIn(kept), Event::TokenWanted, world, &|state, world| {
        let is_ours = state.session().is_some_and(|session| session.lineage == "ours".into());
        if is_ours {
            assert!(world.answers.iter().all(Result::is_ok), "{:#?}", world.trace);
        }
    });
}

#[test]
fn a_sign_in_that_cannot_be_kept_leaves_everything_as_it_was() {
    let (state, world) = signed_in(Dialect::Native, true);
    let before = state.clone();
    explore(state, Event::EnterWanted, world, &|state, world| {
        let answer = world.answers.first().expect("an answer");
        match answer {
            Ok(_) => assert_eq!(
                state.session().map(|session| session.lineage),
                Some("new".into()),
                "{:#?}",
                world.trace
            ),
            Err(_) => assert_eq!(*state, before, "{:#?}", world.trace),
        }
        assert!(!world.is_locked);
    });
}

#[test]
fn whoever_signs_out_is_signed_out_before_the_server_is_told() {
    let (state, world) = signed_in(Dialect::Native, true);
    explore(state, Event::LeaveWanted, world, &|state, world| {
        // What a newer version has written is not touched.
        if world.trace.iter().any(|event| event.contains("Newer")) {
            return assert!(world.answers.iter().all(Result::is_err));
        }
        assert_eq!(*state, State::SignedOut(SignOutReason::SignedOut), "{:#?}", world.trace);
        let is_kept = matches!(world.disk, Held::SignedIn(_));
        let told = world.answers.iter().all(Result::is_err);
        assert!(!is_kept || told, "what is still stored is told: {:#?}", world.trace);
    });
}

#[test]
fn a_refresh_token_that_was_spent_is_told_as_a_lost_answer() {
    let (state, world) = signed_in(Dialect::SimplejwtRotating, true);
    explore(state, Event::TokenWanted, world, &|state, world| {
        if world.trace.iter().any(|event| event.contains("Spent")) {
            let lost = State::SignedOut(SignOutReason::AnswerLost);
            assert_eq!(*state, lost, "{:#?}", world.trace);
        }
    });
}

#[test]
fn a_sign_in_ends_the_session_before_it_unless_it_has_the_same_token() {
    for (number, ended) in [(0, 0), (1, 1)] {
        let (before, _) = signed_in(Dialect::DjoserToken, true);
        let mut new = session(Dialect::DjoserToken, "new");
        new.credential = tokens(number).access;
        let entering = State::Entering { before: Box::new(before), step: Entering::Keep(new) };
        let (_, actions) = step(entering, Event::Written(Ok(())), AT);
        let abandoned = actions.iter().filter(|action| matches!(action, Action::Abandon(_)));
        assert_eq!(abandoned.count(), ended, "token {number}");
    }
}

#[test]
fn a_run_that_was_cut_short_leaves_a_state_that_answers() {
    let (signed_in, _) = signed_in(Dialect::Native, true);
    let session = signed_in.session().expect("a session");
    let kept = Kept { session: session.clone(), is_saved: true };
    let renewing = |step| State::Renewing { kept: kept.clone(), is_refused: false, step };
    let entering = |before: &State| State::Entering {
        before: Box::new(before.clone()),
        step: Entering::Keep(self::session(Dialect::Native, "new")),
    };
    let cases = [
        (renewing(Renewing::Lock), signed_in.clone()),
        (renewing(Renewing::Ask), signed_in.clone()),
        (renewing(Renewing::End(SignOutReason::Ended)), signed_in.clone()),
        (entering(&signed_in), signed_in.clone()),
        (entering(&State::Unknown), State::Unknown),
        (entering(&entering(&signed_in)), signed_in.clone()),
        (
            State::Leaving { step: Leaving::Lock(Some(session.clone())) },
            State::SignedIn(Kept { session, is_saved: false }),
        ),
        (State::Leaving { step: Leaving::Lock(None) }, State::Unknown),
        (State::Leaving { step: Leaving::Ask(Ok(())) }, State::Unknown),
        (State::Leaving { step: Leaving::Keep(None) }, State::Unknown),
    ];
    for (cut, left) in cases {
        assert!(cut.is_under_way() && !left.is_under_way(), "{cut:?}");
        assert_eq!(cut.interrupted(), left);
    }
}

#[test]
fn a_sign_in_that_cannot_be_kept_does_not_end_the_session_of_the_same_token() {
    for (number, ended) in [(0, 0), (1, 1)] {
        let (before, _) = signed_in(Dialect::DjoserToken, true);
        let mut new = session(Dialect::DjoserToken, "new");
        new.credential = tokens(number).access;
        let entering = State::Entering { before: Box::new(before), step: Entering::Keep(new) };
        let (_, actions) = step(entering, Event::Written(Err(VaultState::ReadOnly)), AT);
        let abandoned = actions.iter().filter(|action| matches!(action, Action::Abandon(_)));
        assert_eq!(abandoned.count(), ended, "token {number}");
    }
}

#[test]
fn a_sign_in_right_after_the_start_knows_who_was_signed_in_before() {
    let stored = session(Dialect::Native, "stored");
    let entering = State::Entering { before: Box::new(State::Unknown), step: Entering::Check };
    let read = Event::Read(Ok(Held::SignedIn(stored.clone())));
    let (state, actions) = step(entering, read, AT);
    assert_eq!(actions, [Action::Enter]);
    assert_eq!(state.session(), Some(stored));
}

#[test]
fn a_token_that_seems_alive_and_is_refused_is_renewed_where_it_has_to_expire_first() {
    let (State::SignedIn(mut kept), mut world) = signed_in(Dialect::SimplejwtRotating, true) else {
        panic!()
    };
    // The clock was set back since the server was last heard.
    kept.session.access_expires_at = Some(NOW + 86_400);
    world.disk = Held::SignedIn(kept.session.clone());
    for event in [|| Event::TokenRefused("access 0".into()), || Event::RenewalWanted] {
        let asked = std::cell::Cell::new(false);
        explore(State::SignedIn(kept.clone()), event(), world.clone(), &|state, world| {
            check(state, world);
            asked.set(asked.get() || world.issued.is_some());
        });
        assert!(asked.get(), "the server has to be asked");
    }
}

#[test]
fn an_answer_that_another_process_has_lost_is_had_here() {
    let (state, _) = signed_in(Dialect::SimplejwtRotating, false);
    let session = state.session().expect("a session");
    let (state, _) = step(state, Event::TokenWanted, AT);
    let lost = Held::SignedOut(SignOutReason::AnswerLost);
    let (state, actions) = step(state, Event::Locked(Ok(lost)), AT);
    assert_eq!(actions, [Action::Write(Held::SignedIn(session.clone()))]);
    assert_eq!(state.session(), Some(session));
}

#[test]
fn a_refusal_of_a_token_that_is_held_no_more_renews_nothing() {
    let (state, _) = signed_in(Dialect::Native, true);
    let (after, actions) = step(state.clone(), Event::TokenRefused("access of before".into()), AT);
    assert_eq!(after, state);
    assert!(matches!(&actions[..], [Action::Answer(Ok(Some(_)))]), "{actions:?}");
}

#[test]
fn a_token_that_another_process_has_renewed_is_taken_without_another_renewal() {
    let (state, _) = signed_in(Dialect::Native, true);
    let at = Moment { server: NOW - 10, offset: 0 };
    let theirs = Box::new(session(Dialect::Native, "ours").renewed(tokens(7), at));
    let (state, _) = step(state, Event::TokenRefused("access 0".into()), AT);
    let (_, actions) = step(state, Event::Locked(Ok(Held::SignedIn(theirs.clone()))), AT);
    assert_eq!(actions, [Action::Unlock, Action::Answer(Ok(Some(theirs.credential)))]);
}

#[test]
fn no_password_is_sent_while_the_vault_cannot_be_read() {
    let (before, _) = signed_in(Dialect::Native, true);
    let entering = State::Entering { before: Box::new(before.clone()), step: Entering::Check };
    let (state, actions) = step(entering, Event::Read(Err(VaultState::Locked)), AT);
    assert_eq!(state, before);
    assert!(matches!(&actions[..], [Action::Answer(Err(_))]), "{actions:?}");
}

#[test]
fn what_could_not_be_written_is_written_when_it_can_be() {
    let (state, world) = signed_in(Dialect::Native, true);
    explore(state, Event::TokenWanted, world, &|state, world| {
        let State::SignedIn(kept) = state else { return };
        if kept.session.lineage != "ours".into() {
            return;
        }
        let is_stored = world.disk == Held::SignedIn(kept.session.clone());
        assert!(is_stored || !kept.is_saved, "{:#?}", world.trace);
    });
    let (state, world) = signed_in(Dialect::Native, false);
    explore(state, Event::SaveWanted, world, &check);
}
