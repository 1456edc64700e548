//! Ways to change an address so that it looks the same, and whether it is then the same mailbox.

use Kin::{Other, Same};

/// The relation of a look-alike to its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    /// The same mailbox.
    Same,
    /// Another mailbox, or an invalid address.
    Other,
}

/// A change of `local@domain`; `None` if it would change nothing.
pub type Disguise = fn(&mut Random, &str, &str) -> Option<String>;

pub const DISGUISES: [(Kin, &str, Disguise); 46] = [
    (Same, "as it is", |_, l, d| Some(format!("{l}@{d}"))),
    (Same, "case of the local part", |r, l, d| Some(format!("{}@{d}", r.recased(l)))),
    (Same, "case of the domain", |r, l, d| Some(format!("{l}@{}", r.recased(d)))),
    (Same, "full-width letters in the domain", |r, l, d| {
        replaced(r, d, |c| char::from_u32(u32::from(c) + 0xfee0).filter(|_| c.is_ascii_lowercase()))
            .map(|d| format!("{l}@{d}"))
    }),
    (Same, "full-width dots in the domain", |_, l, d| {
        Some(format!("{l}@{}", d.replace('.', "．")))
    }),
    (Same, "ideographic dots in the domain", |_, l, d| {
        Some(format!("{l}@{}", d.replace('.', "。")))
    }),
    (Same, "long s in the domain", |_, l, d| changed(l, d, 's', "ſ")),
    (Same, "Kelvin sign in the domain", |_, l, d| changed(l, d, 'k', "\u{212a}")),
    (Same, "ligature in the domain", |_, l, d| changed_text(l, d, "st", "ﬆ")),
    (Same, "circled letter in the domain", |_, l, d| changed(l, d, 'o', "ⓞ")),
    (Same, "mathematical letter in the domain", |_, l, d| changed(l, d, 'e', "𝐞")),
    (Other, "soft hyphen in the domain", |r, l, d| {
        Some(format!("{l}@{}", r.inserted(d, "\u{ad}")))
    }),
    (Other, "zero-width space in the domain", |r, l, d| {
        Some(format!("{l}@{}", r.inserted(d, "\u{200b}")))
    }),
    (Same, "punycode of the domain", |_, l, d| match d {
        "пример.рф" => Some(format!("{l}@xn--e1afmkfd.xn--p1ai")),
        "bücher.example" => Some(format!("{l}@xn--bcher-kva.example")),
        _ => None,
    }),
    (Same, "letters of the punycode", |_, l, d| {
        (d == "xn--mnchen-3ya.example").then(|| format!("{l}@münchen.example"))
    }),
    (Same, "combining mark for a letter that has it", |_, l, d| changed(l, d, 'ü', "u\u{308}")),
    (Other, "dot in the local part", |r, l, d| Some(format!("{}@{d}", r.inserted(l, ".")))),
    (Other, "no dot in the local part", |_, l, d| {
        l.contains('.').then(|| format!("{}@{d}", l.replace('.', "")))
    }),
    (Other, "plus tag", |_, l, d| Some(format!("{l}+tag@{d}"))),
    (Other, "no plus tag", |_, l, d| Some(format!("{}@{d}", l.split_once('+')?.0))),
    (Other, "Cyrillic in the local part", |_, l, d| changed_local(l, d, 'i', "і")),
    (Other, "Greek in the local part", |_, l, d| changed_local(l, d, 'o', "ο")),
    (Other, "full width in the local part", |_, l, d| changed_local(l, d, 's', "ｓ")),
    (Other, "long s in the local part", |_, l, d| changed_local(l, d, 's', "ſ")),
    (Other, "Kelvin sign in the local part", |_, l, d| changed_local(l, d, 'k', "\u{212a}")),
    (Other, "dotless i in the local part", |_, l, d| changed_local(l, d, 'i', "ı")),
    (Other, "dotted I in the local part", |_, l, d| changed_local(l, d, 'i', "İ")),
    (Other, "sharp s in the local part", |_, l, d| {
        l.contains("ss").then(|| format!("{}@{d}", l.replace("ss", "ß")))
    }),
    (Other, "zero-width in the local part", |r, l, d| {
        let mark =
            r.one_of(&["\u{200b}", "\u{200d}", "\u{ad}", "\u{202e}", "\u{feff}", "\u{2060}"]);
        Some(format!("{}@{d}", r.inserted(l, mark)))
    }),
    (Other, "combining mark in the local part", |r, l, d| {
        Some(format!("{}@{d}", r.inserted(l, "\u{301}")))
    }),
    (Other, "like one another", |_, l, d| changed_local(l, d, 'l', "I")),
    (Other, "Cyrillic in the domain", |_, l, d| changed(l, d, 'e', "е")),
    (Other, "dotless i in the domain", |_, l, d| changed(l, d, 'i', "ı")),
    (Other, "dotted I in the domain", |_, l, d| changed(l, d, 'i', "İ")),
    (Other, "sharp s in the domain", |_, l, d| changed_text(l, d, "ss", "ß")),
    (Other, "combining mark in the domain", |r, l, d| {
        Some(format!("{l}@{}", r.inserted(d, "\u{32f}")))
    }),
    (Other, "dot at the end", |_, l, d| Some(format!("{l}@{d}."))),
    (Other, "full-width at", |r, l, d| {
        Some(r.one_of(&["{l}＠{d}", "{l}@evil.example＠{d}", "{l}＠{d}@evil.example"]).into())
            .map(|form: String| form.replace("{l}", l).replace("{d}", d))
    }),
    (Other, "quoted", |_, l, d| Some(format!("\"{l}\"@{d}"))),
    (Other, "quoted with another inside", |_, l, d| Some(format!("\"{l}@{d}\"@evil.example"))),
    (Other, "comment", |r, l, d| {
        Some(match r.below(3) {
            0 => format!("{l}(x)@{d}"),
            1 => format!("(x){l}@{d}"),
            _ => format!("{l}@(x){d}"),
        })
    }),
    (Other, "list", |r, l, d| {
        let separator = r.one_of(&[",", ", ", ";", " ", "\r\n", "\n", "，", "\r\nBcc: ", "\0"]);
        Some(match r.below(2) {
            0 => format!("{l}@{d}{separator}mallory@evil.example"),
            _ => format!("mallory@evil.example{separator}{l}@{d}"),
        })
    }),
    (Other, "angle brackets", |r, l, d| {
        Some(match r.below(2) {
            0 => format!("<{l}@{d}>"),
            _ => format!("Anna <{l}@{d}>"),
        })
    }),
    (Other, "routed", |r, l, d| {
        Some(match r.below(4) {
            0 => format!("{l}%{d}@evil.example"),
            1 => format!("evil.example!{l}@{d}"),
            2 => format!("@evil.example:{l}@{d}"),
            _ => format!("{l}@{d}@evil.example"),
        })
    }),
    (Other, "escaped", |_, l, d| Some(format!("{l}%40{d}"))),
    (Other, "another domain around", |r, l, d| {
        Some(match r.below(3) {
            0 => format!("{l}@{d}.evil.example"),
            1 => format!("{l}@evil-{d}"),
            _ => format!("{l}@{d}#.evil.example"),
        })
    }),
];

fn replaced(random: &mut Random, text: &str, with: fn(char) -> Option<char>) -> Option<String> {
    let new: String =
        text.chars().map(|c| if random.below(3) > 0 { with(c).unwrap_or(c) } else { c }).collect();
    (new != text).then_some(new)
}

/// Replaces the first occurrence of a letter in the domain.
fn changed(local: &str, domain: &str, from: char, to: &str) -> Option<String> {
    domain.contains(from).then(|| format!("{local}@{}", domain.replacen(from, to, 1)))
}

fn changed_text(local: &str, domain: &str, from: &str, to: &str) -> Option<String> {
    domain.contains(from).then(|| format!("{local}@{}", domain.replacen(from, to, 1)))
}

fn changed_local(local: &str, domain: &str, from: char, to: &str) -> Option<String> {
    local.contains(from).then(|| format!("{}@{domain}", local.replacen(from, to, 1)))
}

/// The same numbers in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn recased(&mut self, text: &str) -> String {
        let change = |c: char| match self.below(2) {
            0 => c.to_uppercase().next().unwrap_or(c),
            _ => c.to_lowercase().next().unwrap_or(c),
        };
        text.chars().map(change).collect()
    }

    /// Inserts `mark` between two letters at a random position.
    fn inserted(&mut self, text: &str, mark: &str) -> String {
        let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
        let letters: Vec<char> = text.chars().collect();
        let places: Vec<usize> = (1..letters.len())
            .filter(|at| {
                is_letter(letters.get(at - 1).copied()) && is_letter(letters.get(*at).copied())
            })
            .collect();
        let at = places[self.below(places.len())];
        let (before, after) = letters.split_at(at);
        [before.iter().collect::<String>().as_str(), mark, &after.iter().collect::<String>()]
            .concat()
    }
}
