//! What must not work: tokens, states and codes in the wrong hands.
