//! Tests that the stand-in refuses what the real providers refuse, and shows the faults that are
//! set.

mod authorize;
mod behaviours;
mod browser;
mod google;
mod mail_ru;
mod oracle;
mod vk;
mod yandex;
