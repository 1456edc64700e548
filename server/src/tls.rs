//! Explains to an operator why a certificate is refused.

/// The error text, with a remedy if one is known; `setting` is the setting for further certificate
/// authorities.
pub fn explained(words: String, setting: &str) -> String {
    let way_out = if words.contains("CaUsedAsEndEntity") {
        "the server shows a self-signed certificate of an authority as its own: make it one of the server's \
         (openssl req -x509 … -addext basicConstraints=critical,CA:FALSE), or sign one with an authority \
         whose certificate is in"
    } else if words.contains("UnknownIssuer") {
        "the authority that signed the server's certificate is unknown; add its certificate to"
    } else {
        return words;
    };
    format!("{words} ({way_out} {setting})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_signed_certificate_is_explained_and_other_errors_are_unchanged() {
        let words = "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))".to_owned();
        let explained_words = explained(words.clone(), "mail.ca_file");
        assert!(explained_words.starts_with(&words) && explained_words.ends_with("mail.ca_file)"));
        assert!(explained_words.contains("self-signed") && explained_words.contains("CA:FALSE"));
        let unknown = "invalid peer certificate: UnknownIssuer".to_owned();
        assert!(explained(unknown, "ca_file").contains("is unknown"));
        assert_eq!(explained("connection refused".to_owned(), "ca_file"), "connection refused");
    }
}
