//! Adopting the accounts of another system from an import file: what the file brings, which names
//! find its accounts here, and storing it. A newer file of the same system changes only what has
//! changed there, and nothing that has changed here. The way back is written as SQL.

mod completion;
mod ended;
mod item;
mod ledger;
mod look_up;
pub mod names;
mod new_accounts;
mod outcome;
mod renames;
pub mod report;
mod reverse;
pub mod run;
pub mod script;
mod seen;
mod sql;
mod stored;
mod turn;
