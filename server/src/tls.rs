//! What an operator should know about a certificate that is refused.

/// The words of an error, with the way out where one is known; `setting` names the file of further
/// authorities.
pub fn explained(words: String, setting: &str) -> String {
    let way_out = if words.contains("CaUsedAsEndEntity") {
        "the server shows a self-signed certificate of an authority as its own: make it one of the server's \
         (openssl req -x509 … -addext basicConstraints=critical,CA:FALSE), or sign one with an authority \
         whose certificate is in"
    } else if words.contains("UnknownIssuer") {
        "the authority that signed the server's certificate is not known here; its certificate belongs into"
    } else {
        return words;
    };
    format!("{words} ({way_out} {setting})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_signed_certificate_is_explained_and_other_errors_stay() {
        let words = "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))".to_owned();
        let explained_words = explained(words.clone(), "mail.ca_file");
        assert!(explained_words.starts_with(&words) && explained_words.ends_with("mail.ca_file)"));
        assert!(explained_words.contains("self-signed") && explained_words.contains("CA:FALSE"));
        let unknown = "invalid peer certificate: UnknownIssuer".to_owned();
        assert!(explained(unknown, "ca_file").contains("is not known here"));
        assert_eq!(explained("connection refused".to_owned(), "ca_file"), "connection refused");
    }
}
