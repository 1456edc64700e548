//! The numbers of APIs in the ids of their tokens. The APIs of the documents have fixed ones; each
//! API of the settings gets the next one at its first start and keeps it, whatever its settings are
//! later. A number is never given again: tokens of the API that had it may still be good.

use crate::auth::policy::Policy;
use crate::error::Result;
use crate::store::{Store, Tx, api_numbers};

/// What a token's id has room for; the lower ones belong to the documents.
const FIRST: i64 = 7;
const LAST: i64 = 15;
/// How often a number is tried: another server of the same database may start at the same time.
const TRIES: i64 = LAST - FIRST + 1;

/// The API for which no number is left.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "apis.{0}: the ids of tokens have room for {room} APIs of the settings, and this database has given \
     all these numbers, also to APIs that are no longer served. A number is never given again: tokens \
     of the API that had it may still be good. Give this API the name of one that is no longer served, \
     if its users may share that one's sessions; an API of djoser_token needs no number",
    room = TRIES
)]
pub struct NoNumberLeft(pub String);

/// Gives every policy without a number the one that the database keeps for its name. `Err`: there
/// is none left for an API.
pub async fn number_policies<'p>(
    store: &Store,
    policies: impl Iterator<Item = &'p mut Policy>,
    now: i64,
) -> Result<std::result::Result<(), NoNumberLeft>> {
    for policy in policies.filter(|policy| policy.code == Policy::UNNUMBERED) {
        let name = policy.name;
        let given = store.write(move |tx| Box::pin(given_number(tx, name, now))).await?;
        match given.and_then(|number| u8::try_from(number).ok()) {
            Some(number) => policy.code = number,
            None => return Ok(Err(NoNumberLeft(name.to_owned()))),
        }
    }
    Ok(Ok(()))
}

/// The first of these APIs for which no number is left, found without giving any.
pub async fn find_unnumbered(tx: &mut Tx, policies: &[Policy]) -> Result<Option<NoNumberLeft>> {
    let mut highest = api_numbers::highest(tx).await?.unwrap_or(FIRST - 1);
    for policy in policies.iter().filter(|policy| policy.code == Policy::UNNUMBERED) {
        if api_numbers::number(tx, policy.name.to_owned()).await?.is_some() {
            continue;
        }
        highest += 1;
        if highest > LAST {
            return Ok(Some(NoNumberLeft(policy.name.to_owned())));
        }
    }
    Ok(None)
}

/// The number of the API of this name, which is the next one if it has none yet.
async fn given_number(tx: &mut Tx, name: &'static str, now: i64) -> Result<Option<i64>> {
    for _ in 0..TRIES {
        if let Some(number) = api_numbers::number(tx, name.to_owned()).await? {
            return Ok(Some(number));
        }
        let next = api_numbers::highest(tx).await?.map_or(FIRST, |highest| highest + 1);
        if next > LAST {
            return Ok(None);
        }
        api_numbers::insert_number(tx, name.to_owned(), next, now).await?;
    }
    api_numbers::number(tx, name.to_owned()).await
}
