//! Many people, good and bad, in any order: whoever proves a mailbox ends alone in its account.
