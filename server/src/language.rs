//! The languages of mails and pages.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Language {
    #[default]
    En,
    Ru,
    Uk,
}

impl TryFrom<String> for Language {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Language::parse(&code).ok_or("must be en, ru or uk")
    }
}

impl Language {
    pub const ALL: [Language; 3] = [Language::En, Language::Ru, Language::Uk];

    /// Its ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Ru => "ru",
            Language::Uk => "uk",
        }
    }

    /// A name within a sentence: Russian and Ukrainian quote it, unless it has quotes already.
    pub fn quoted(self, name: &str) -> Cow<'_, str> {
        match self {
            Language::Ru | Language::Uk if !name.contains(['«', '"', '“', '„']) => {
                format!("«{name}»").into()
            }
            _ => name.into(),
        }
    }

    pub fn parse(code: &str) -> Option<Self> {
        Language::ALL.into_iter().find(|language| code.eq_ignore_ascii_case(language.code()))
    }

    /// The supported language that an `Accept-Language` header (RFC 9110 section 12.5.4) prefers.
    pub fn accepted(header: &str) -> Option<Self> {
        let offers = header.split(',').filter_map(|offer| {
            let (range, parameters) = offer.split_once(';').unwrap_or((offer, ""));
            let language = Language::parse(range.trim().split('-').next().unwrap_or_default())?;
            Some((language, quality(parameters)?))
        });
        // Among equal weights the first in the header.
        offers
            .fold(None, |best: Option<(Language, f32)>, offer| match best {
                Some(best) if best.1 >= offer.1 => Some(best),
                _ => Some(offer),
            })
            .map(|(language, _)| language)
    }
}

/// The weight among the parameters; `None` if not acceptable.
fn quality(parameters: &str) -> Option<f32> {
    let weight = parameters.split(';').find_map(|one| one.trim().strip_prefix("q="));
    let quality = weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
    (quality > 0.0).then_some(quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_is_the_preferred_one_of_those_supported() {
        let cases = [
            ("ru", Some(Language::Ru)),
            ("uk-UA,uk;q=0.9,ru;q=0.8,en;q=0.7", Some(Language::Uk)),
            ("de-DE, ru;q=0.3, en;q=0.5", Some(Language::En)),
            ("ru;q=0, uk;q=0.1", Some(Language::Uk)),
            ("RU-ru", Some(Language::Ru)),
            ("en, ru", Some(Language::En)),
            ("de, *;q=0.5", None),
            ("ru;q=x", None),
            ("", None),
        ];
        for (header, language) in cases {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }
}
