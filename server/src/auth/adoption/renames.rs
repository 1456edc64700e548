//! The order in which the way back changes names, so that one run is enough: a row gives up a name
//! before another one takes it. Where names go round in a cycle, one row gets a temporary name first.

use std::collections::HashMap;

use super::seen::digest_of_name;

/// The change of a name in the row of an account.
pub struct Rename {
    pub column: String,
    /// The literal of the primary key.
    pub id: String,
    /// The digest of the name that the row had at the adoption.
    pub held: Option<String>,
    /// The new name, if no two rows may have it.
    pub wanted: Option<String>,
    pub statements: String,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Change this name.
    Rename(usize),
    /// Give the first row of the cycle a temporary name. Each row takes the name of the next one, and
    /// the last one that of the first.
    Park(Vec<usize>),
}

/// The steps, with the places of the changes.
pub fn in_order(renames: &[Rename]) -> Vec<Step> {
    let mut holders: HashMap<(String, String), usize> = HashMap::new();
    for (place, rename) in renames.iter().enumerate() {
        if let Some(held) = &rename.held {
            holders.insert((rename.column.clone(), held.clone()), place);
        }
    }
    // The change that gives up the name which this one takes.
    let holder = |place: usize| {
        let rename = renames.get(place)?;
        let wanted = rename.wanted.as_deref()?;
        let digests = [true, false].map(|is_verified| digest_of_name(wanted, is_verified));
        let holder =
            digests.into_iter().find_map(|digest| holders.get(&(rename.column.clone(), digest)));
        holder.copied().filter(|holder| *holder != place)
    };
    let mut steps = Vec::with_capacity(renames.len());
    let mut is_planned = vec![false; renames.len()];
    for start in 0..renames.len() {
        let (mut path, mut next) = (Vec::new(), Some(start));
        while let Some(place) = next {
            let Some(is_planned) = is_planned.get_mut(place).filter(|is_planned| !**is_planned)
            else {
                break;
            };
            *is_planned = true;
            path.push(place);
            next = holder(place);
        }
        // A path that ends at one of its own rows has a cycle.
        if let Some(first) = next.and_then(|end| path.iter().position(|place| *place == end)) {
            steps.push(Step::Park(path.iter().skip(first).copied().collect()));
        }
        steps.extend(path.into_iter().rev().map(Step::Rename));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(changes: &[(&str, &str)]) -> Vec<Step> {
        let rename = |(held, wanted): &(&str, &str)| Rename {
            column: "username".to_owned(),
            id: "1".to_owned(),
            held: Some(digest_of_name(held, false)),
            wanted: Some((*wanted).to_owned()),
            statements: String::new(),
        };
        in_order(&changes.iter().map(rename).collect::<Vec<_>>())
    }

    #[test]
    fn name_is_given_up_before_it_is_taken() {
        let rename = Step::Rename;
        assert_eq!(steps(&[("a", "b"), ("b", "c"), ("x", "a")]), [rename(1), rename(0), rename(2)]);
        assert_eq!(steps(&[("a", "a"), ("b", "B")]), [rename(0), rename(1)]);
    }

    #[test]
    fn one_row_of_a_cycle_gets_a_temporary_name() {
        let rename = Step::Rename;
        let swapped = steps(&[("a", "b"), ("b", "a")]);
        assert_eq!(swapped, [Step::Park(vec![0, 1]), rename(1), rename(0)]);
        let of_three = steps(&[("a", "b"), ("b", "c"), ("c", "a")]);
        assert_eq!(of_three, [Step::Park(vec![0, 1, 2]), rename(2), rename(1), rename(0)]);
    }
}
